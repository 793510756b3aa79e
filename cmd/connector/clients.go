package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/celonis-connector/connector/internal/access"
	"github.com/celonis-connector/connector/internal/app"
	"github.com/spf13/cobra"
)

func newClients() *cobra.Command {
	clients := &cobra.Command{Use: "clients", Short: "Make, list and disable the API clients that may call the service"}
	clients.AddCommand(newClientsCreate(), newClientsList(), newClientsDisable())
	return clients
}

func newClientsCreate() *cobra.Command {
	var name, scopes, workspace string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "create", Args: cobra.NoArgs,
		Short: "Make an API client and print its secret, once",
		Long:  "Makes an API client and prints its secret, which is shown only now.\n\nScopes:\n" + scopeHelp(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withApp(cmd, func(a *app.App) error {
				c, secret, err := a.Access.CreateClient(cmd.Context(), workspace, name, strings.Fields(strings.ReplaceAll(scopes, ",", " ")))
				if err != nil {
					return err
				}
				out := cmd.OutOrStdout()
				if asJSON {
					return json.NewEncoder(out).Encode(map[string]string{"clientId": c.ID, "clientSecret": secret.Reveal()})
				}
				fmt.Fprintf(out, "client id      %s\nclient secret  %s\nscopes         %s\n\nThe secret is not shown again.\n", c.ID, secret.Reveal(), access.JoinScopes(c.Scopes))
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "what the client is called")
	cmd.Flags().StringVar(&scopes, "scopes", "", `scopes, separated by blanks, or "all"`)
	cmd.Flags().StringVar(&workspace, "workspace", app.Workspace, "workspace that the client belongs to")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	_ = cmd.MarkFlagRequired("name")
	_ = cmd.MarkFlagRequired("scopes")
	return cmd
}

func scopeHelp() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, s := range access.Catalogue() {
		fmt.Fprintf(w, "  %s\t%s\n", s.Scope, s.Description)
	}
	_ = w.Flush()
	return strings.TrimRight(b.String(), "\n")
}

func newClientsList() *cobra.Command {
	var workspace string
	cmd := &cobra.Command{
		Use: "list", Args: cobra.NoArgs, Short: "List the API clients",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withApp(cmd, func(a *app.App) error {
				clients, err := a.Access.Clients(cmd.Context(), workspace)
				if err != nil {
					return err
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				fmt.Fprintln(w, "ID\tNAME\tSTATE\tLAST USED\tSCOPES")
				for _, c := range clients {
					state, used := "enabled", "never"
					if c.Disabled {
						state = "disabled"
					}
					if !c.LastUsedAt.IsZero() {
						used = c.LastUsedAt.UTC().Format("2006-01-02 15:04 UTC")
					}
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", c.ID, c.Name, state, used, access.JoinScopes(c.Scopes))
				}
				return w.Flush()
			})
		},
	}
	cmd.Flags().StringVar(&workspace, "workspace", app.Workspace, "workspace to list")
	return cmd
}

func newClientsDisable() *cobra.Command {
	var workspace string
	cmd := &cobra.Command{
		Use: "disable ID", Args: cobra.ExactArgs(1), Short: "Disable an API client; its tokens end within seconds",
		RunE: func(cmd *cobra.Command, args []string) error {
			return withApp(cmd, func(a *app.App) error {
				return a.Access.SetDisabled(cmd.Context(), workspace, args[0], true)
			})
		},
	}
	cmd.Flags().StringVar(&workspace, "workspace", app.Workspace, "workspace of the client")
	return cmd
}
