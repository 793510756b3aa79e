package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"text/tabwriter"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/app"
	"github.com/spf13/cobra"
)

func newKeys() *cobra.Command {
	keys := &cobra.Command{Use: "keys", Short: "Make master keys and see which ones are in use"}
	keys.AddCommand(newKeysGenerate(), newKeysStatus())
	return keys
}

func newKeysGenerate() *cobra.Command {
	return &cobra.Command{
		Use: "generate", Args: cobra.NoArgs,
		Short: "Print a new master key, an entry for CONNECTOR_MASTER_KEYS",
		Long: `Prints a new random master key as id:base64, an entry for CONNECTOR_MASTER_KEYS.
Keep it where secrets are kept: without it the stored keys of connections are
lost. To change the key of a database, put the new entry in front of the old
one, separated by a comma.`,
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

// keyStatus is one master key and the secrets that it seals.
type keyStatus struct {
	ID      string `json:"id"`
	Primary bool   `json:"primary"`
	// Loaded says that the key is in the configuration.
	Loaded bool  `json:"loaded"`
	Sealed int64 `json:"sealedSecrets"`
}

func newKeysStatus() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "status", Args: cobra.NoArgs,
		Short: "Show the master keys and how many stored secrets each one seals",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withApp(cmd, func(a *app.App) error {
				usage, err := a.Store.KeyUsage(cmd.Context())
				if err != nil {
					return err
				}
				return printKeys(cmd, keyStatuses(a.Keyring, usage), asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// keyStatuses lists the loaded keys, then those that are used and missing.
func keyStatuses(keyring *crypto.Keyring, usage map[string]int64) []keyStatus {
	var out []keyStatus
	for _, id := range keyring.IDs() {
		out = append(out, keyStatus{ID: id, Primary: id == keyring.PrimaryID(), Loaded: true, Sealed: usage[id]})
	}
	for id, n := range usage {
		if !slices.Contains(keyring.IDs(), id) {
			out = append(out, keyStatus{ID: id, Sealed: n})
		}
	}
	return out
}

func printKeys(cmd *cobra.Command, keys []keyStatus, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]any{"keys": keys})
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KEY\tSEALED SECRETS\tSTATE")
	for _, k := range keys {
		state := "loaded, for reading"
		switch {
		case k.Primary:
			state = "loaded, seals"
		case !k.Loaded:
			state = "MISSING: these secrets cannot be opened"
		}
		fmt.Fprintf(w, "%s\t%d\t%s\n", k.ID, k.Sealed, state)
	}
	return w.Flush()
}
