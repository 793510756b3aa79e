package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/celonis-connector/connector/internal/access"
	"github.com/celonis-connector/connector/internal/app"
	"github.com/spf13/cobra"
)

func newClients() *cobra.Command {
	clients := &cobra.Command{Use: "clients", Short: "Make, list, change and delete the API clients that may call the service"}
	clients.AddCommand(newClientsCreate(), newClientsList(), newClientsRotate(), newClientsSwitch(true), newClientsSwitch(false), newClientsDelete())
	return clients
}

// clientFlags are those that every command on clients has.
type clientFlags struct {
	workspace string
	asJSON    bool
}

func (f *clientFlags) add(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVar(&f.workspace, "workspace", app.Workspace, "workspace of the client")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print JSON")
	return cmd
}

// print writes v as JSON, or what text writes.
func (f *clientFlags) print(w io.Writer, v any, text func()) error {
	if f.asJSON {
		return json.NewEncoder(w).Encode(v)
	}
	text()
	return nil
}

// newSecret is what a command prints when it made a secret: the only time that it is shown.
type newSecret struct {
	ClientID     string     `json:"clientId"`
	ClientSecret string     `json:"clientSecret"`
	SecretID     string     `json:"secretId"`
	ExpiresAt    *time.Time `json:"expiresAt,omitempty"`
}

func (n newSecret) write(w io.Writer, scopes []access.Scope) {
	fmt.Fprintf(w, "client id      %s\nclient secret  %s\nscopes         %s\n", n.ClientID, n.ClientSecret, access.JoinScopes(scopes))
	if n.ExpiresAt != nil {
		fmt.Fprintf(w, "expires        %s\n", n.ExpiresAt.Format(time.RFC3339))
	}
	fmt.Fprintf(w, "\nThe secret is not shown again.\n")
}

// expiry gives the time after a while; 0 is never.
func expiry(after time.Duration) time.Time {
	if after == 0 {
		return time.Time{}
	}
	return time.Now().UTC().Add(after).Truncate(time.Second)
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func newClientsCreate() *cobra.Command {
	var f clientFlags
	var name, scopes, preset string
	var expires time.Duration
	cmd := &cobra.Command{
		Use: "create", Args: cobra.NoArgs,
		Short: "Make an API client and print its secret, once",
		Long: "Makes an API client and prints its secret, which is shown only now.\n\nScopes:\n" + scopeHelp() +
			"\n\nPresets, the fewest scopes that a task needs:\n" + presetHelp(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			words, err := scopeWords(scopes, preset)
			if err != nil {
				return failed(err)
			}
			return withApp(cmd, func(a *app.App) error {
				c, secret, err := a.Access.Create(cmd.Context(), access.Operator(f.workspace), access.Draft{Name: name, Scopes: words}, expiry(expires))
				if err != nil {
					return err
				}
				made := newSecret{c.ID, secret.Reveal(), c.Secrets[0].ID, timeOrNil(c.Secrets[0].ExpiresAt)}
				return f.print(cmd.OutOrStdout(), made, func() { made.write(cmd.OutOrStdout(), c.Scopes) })
			})
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "what the client is called")
	cmd.Flags().StringVar(&scopes, "scopes", "", `scopes, separated by blanks, or "all"`)
	cmd.Flags().StringVar(&preset, "preset", "", "name of a set of scopes in place of --scopes")
	cmd.Flags().DurationVar(&expires, "expires-in", 0, "time after which the secret ends; 0 is never")
	_ = cmd.MarkFlagRequired("name")
	cmd.MarkFlagsOneRequired("scopes", "preset")
	cmd.MarkFlagsMutuallyExclusive("scopes", "preset")
	return f.add(cmd)
}

// scopeWords gives the words of the scopes, or those of the preset.
func scopeWords(scopes, preset string) ([]string, error) {
	if preset == "" {
		return strings.Fields(strings.ReplaceAll(scopes, ",", " ")), nil
	}
	found, err := access.PresetScopes(preset)
	return strings.Fields(access.JoinScopes(found)), err
}

func scopeHelp() string {
	return table(func(w io.Writer) {
		for _, s := range access.Catalogue() {
			fmt.Fprintf(w, "  %s\t%s\n", s.Scope, s.Description)
		}
	})
}

func presetHelp() string {
	return table(func(w io.Writer) {
		for _, p := range access.Presets() {
			fmt.Fprintf(w, "  %s\t%s\n", p.Name, p.Description)
		}
	})
}

// table sets lines with tabs into columns.
func table(write func(io.Writer)) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	write(w)
	_ = w.Flush()
	return strings.TrimRight(b.String(), "\n")
}

// listedClient is a client as the list prints it.
type listedClient struct {
	ClientID   string         `json:"clientId"`
	Name       string         `json:"name"`
	Enabled    bool           `json:"enabled"`
	Scopes     []access.Scope `json:"scopes"`
	CreatedAt  time.Time      `json:"createdAt"`
	LastUsedAt *time.Time     `json:"lastUsedAt"`
	Secrets    []listedSecret `json:"secrets"`
}

type listedSecret struct {
	ID         string     `json:"id"`
	CreatedAt  time.Time  `json:"createdAt"`
	ExpiresAt  *time.Time `json:"expiresAt"`
	LastUsedAt *time.Time `json:"lastUsedAt"`
}

func listClient(c *access.Client) listedClient {
	out := listedClient{c.ID, c.Name, !c.Disabled, c.Scopes, c.CreatedAt, timeOrNil(c.LastUsedAt), []listedSecret{}}
	for _, s := range c.Secrets {
		out.Secrets = append(out.Secrets, listedSecret{s.ID, s.CreatedAt, timeOrNil(s.ExpiresAt), timeOrNil(s.LastUsedAt)})
	}
	return out
}

// everyClient reads the whole list, part by part.
func everyClient(cmd *cobra.Command, a *app.App, workspace string) ([]listedClient, error) {
	const part = 200
	list, after := []listedClient{}, ""
	for {
		clients, err := a.Access.List(cmd.Context(), workspace, access.Page{Limit: part, After: after})
		if err != nil {
			return nil, err
		}
		for i := range clients {
			list, after = append(list, listClient(&clients[i])), clients[i].ID
		}
		if len(clients) < part {
			return list, nil
		}
	}
}

func newClientsList() *cobra.Command {
	var f clientFlags
	return f.add(&cobra.Command{
		Use: "list", Args: cobra.NoArgs, Short: "List the API clients",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withApp(cmd, func(a *app.App) error {
				clients, err := everyClient(cmd, a, f.workspace)
				if err != nil {
					return err
				}
				return f.print(cmd.OutOrStdout(), clients, func() {
					fmt.Fprintln(cmd.OutOrStdout(), table(func(w io.Writer) { writeClients(w, clients) }))
				})
			})
		},
	})
}

func writeClients(w io.Writer, clients []listedClient) {
	fmt.Fprintln(w, "ID\tNAME\tSTATE\tSECRETS\tLAST USED\tSCOPES")
	for _, c := range clients {
		state, used := "enabled", "never"
		if !c.Enabled {
			state = "disabled"
		}
		if c.LastUsedAt != nil {
			used = c.LastUsedAt.UTC().Format("2006-01-02 15:04 UTC")
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\n", c.ClientID, c.Name, state, len(c.Secrets), used, access.JoinScopes(c.Scopes))
	}
}

func newClientsSwitch(enable bool) *cobra.Command {
	var f clientFlags
	use, short := "disable ID", "Disable an API client; its tokens end within seconds"
	if enable {
		use, short = "enable ID", "Let an API client in again"
	}
	return f.add(&cobra.Command{
		Use: use, Args: cobra.ExactArgs(1), Short: short,
		RunE: func(cmd *cobra.Command, args []string) error {
			return withApp(cmd, func(a *app.App) error {
				if err := a.Access.SetDisabled(cmd.Context(), f.workspace, args[0], !enable); err != nil {
					return err
				}
				c, err := a.Access.Get(cmd.Context(), f.workspace, args[0])
				if err != nil {
					return err
				}
				return f.print(cmd.OutOrStdout(), listClient(c), func() {})
			})
		},
	})
}

func newClientsDelete() *cobra.Command {
	var f clientFlags
	return f.add(&cobra.Command{
		Use: "delete ID", Args: cobra.ExactArgs(1), Short: "Delete an API client; its tokens end within seconds",
		RunE: func(cmd *cobra.Command, args []string) error {
			return withApp(cmd, func(a *app.App) error {
				if err := a.Access.Delete(cmd.Context(), f.workspace, args[0], 0); err != nil {
					return err
				}
				return f.print(cmd.OutOrStdout(), map[string]string{"deleted": args[0]}, func() {})
			})
		},
	})
}
