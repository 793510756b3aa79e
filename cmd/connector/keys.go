package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/app"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/config"
	"github.com/spf13/cobra"
)

func newKeys() *cobra.Command {
	keys := &cobra.Command{Use: "keys", Short: "Make, change and retire master keys"}
	keys.AddCommand(newKeysGenerate(), newKeysStatus(), newKeysRotate(), newKeysRetire())
	return keys
}

func newKeysGenerate() *cobra.Command {
	return &cobra.Command{
		Use: "generate", Args: cobra.NoArgs,
		Short: "Print a new master key, an entry for CONNECTOR_MASTER_KEYS",
		Long: `Prints a new random master key as id:base64, an entry for CONNECTOR_MASTER_KEYS.
Keep it where secrets are kept: without it the stored keys of connections are
lost. To change the key of a database see connector keys rotate.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			entry, err := crypto.GenerateEntry()
			if err != nil {
				return failed(err)
			}
			fmt.Fprintln(cmd.OutOrStdout(), entry)
			return nil
		},
	}
}

// withVault runs a command's work on the sealed rows of the environment's database.
func withVault(cmd *cobra.Command, work func(*app.Vault) error) error {
	cfg, err := config.FromEnvironment()
	if err != nil {
		return failed(err)
	}
	cmd.SetContext(audit.As(cmd.Context(), audit.Actor{ID: audit.Shell}))
	v, err := app.OpenVault(cmd.Context(), cfg)
	if err != nil {
		return failed(err)
	}
	return failed(errors.Join(work(v), v.Close()))
}

func newKeysStatus() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "status", Args: cobra.NoArgs,
		Short: "Show the master keys and how many stored secrets of each kind they seal",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withVault(cmd, func(v *app.Vault) error {
				keys, err := v.Keys(cmd.Context())
				if err != nil {
					return err
				}
				return printKeys(cmd, keys, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printKeys(cmd *cobra.Command, keys []app.KeyStatus, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]any{"keys": keys})
	}
	var kinds []string
	for _, k := range keys {
		for kind := range k.Sealed {
			if !slices.Contains(kinds, kind) {
				kinds = append(kinds, kind)
			}
		}
	}
	slices.Sort(kinds)
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "KEY\t%s\tSTATE\n", strings.ToUpper(strings.Join(kinds, "\t")))
	for _, k := range keys {
		fmt.Fprint(w, cmp.Or(k.ID, "(no envelope)"))
		for _, kind := range kinds {
			fmt.Fprintf(w, "\t%d", k.Sealed[kind])
		}
		fmt.Fprintf(w, "\t%s\n", stateOfKey(k))
	}
	return w.Flush()
}

func stateOfKey(k app.KeyStatus) string {
	switch {
	case k.Primary:
		return "loaded, seals"
	case !k.Loaded:
		return "MISSING: these secrets cannot be opened"
	case k.Rows == 0:
		return "loaded, for reading; nothing uses it"
	}
	return "loaded, for reading"
}

func newKeysRotate() *cobra.Command {
	return &cobra.Command{
		Use: "rotate", Args: cobra.NoArgs,
		Short: "Seal every stored secret under the primary master key, while the service runs",
		Long: `Seals every stored secret anew under the first of the master keys, in small
batches, while services read and write them. It may be broken off and run again
at any time; a secret that is changed meanwhile keeps its new value.

To change the master key of a service that stays up
  1. put the new key behind the old one and restart every process, so that all can read it
  2. put it in front and restart every process: new secrets are sealed under it
  3. connector keys rotate
  4. connector keys retire OLD, then take the old key out and restart`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withVault(cmd, func(v *app.Vault) error { return rotate(cmd, v) })
		},
	}
}

func rotate(cmd *cobra.Command, v *app.Vault) error {
	pending, err := v.Pending(cmd.Context())
	if err != nil {
		return err
	}
	progress := cmd.ErrOrStderr()
	shown := false
	r, err := v.Rotate(cmd.Context(), func(r crypto.Rotation) {
		shown = true
		fmt.Fprintf(progress, "\r%s of %s secrets are under the primary key", thousands(r.Resealed), thousands(max(pending, r.Resealed)))
	})
	if shown {
		fmt.Fprintln(progress)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s secrets were sealed anew; every one is under the primary key\n", thousands(r.Resealed))
	return nil
}

func newKeysRetire() *cobra.Command {
	return &cobra.Command{
		Use: "retire KEY", Args: cobra.ExactArgs(1),
		Short: "Check that a master key may be taken out of the configuration",
		Long: `Refuses while the key is the primary one or a stored secret is sealed under it,
and lists such secrets. Otherwise the key may be taken out of
CONNECTOR_MASTER_KEYS or its file. Tokens that were signed with the key end then.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return withVault(cmd, func(v *app.Vault) error {
				if err := v.Retire(cmd.Context(), args[0]); err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "nothing is sealed under %s: take it out of the master keys and restart every process\n", args[0])
				return nil
			})
		},
	}
}
