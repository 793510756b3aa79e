package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/celonis-connector/connector/internal/app"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/portable"
	"github.com/spf13/cobra"
)

func newConfig() *cobra.Command {
	config := &cobra.Command{Use: "config", Short: "Take connections, OAuth clients and flows out and in as one document"}
	config.AddCommand(newConfigExport(), newConfigImport())
	return config
}

func newConfigExport() *cobra.Command {
	var workspace string
	cmd := &cobra.Command{
		Use: "export", Args: cobra.NoArgs, Short: "Print the set-up of a workspace as JSON, without secrets",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withApp(cmd, func(a *app.App) error {
				doc, err := a.Config.Export(cmd.Context(), workspace)
				if err != nil {
					return err
				}
				encoder := json.NewEncoder(cmd.OutOrStdout())
				encoder.SetIndent("", "  ")
				encoder.SetEscapeHTML(false)
				return encoder.Encode(doc)
			})
		},
	}
	cmd.Flags().StringVar(&workspace, "workspace", app.Workspace, "workspace to export")
	return cmd
}

func newConfigImport() *cobra.Command {
	var workspace string
	var apply bool
	cmd := &cobra.Command{
		Use: "import FILE", Args: cobra.ExactArgs(1), Short: "Show what a document would change in a workspace, or do it",
		Long: `Compares a document of connector config export with a workspace, by names, and
shows what is different; --apply makes it so. Each item is done whole or not at
all. New flows are disabled; new connections have no key and are offline until
they are given one. What the document does not name stays. The exit code is 1
when an item is in conflict.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			doc, err := readDocument(args[0])
			if err != nil {
				return failed(err)
			}
			return withApp(cmd, func(a *app.App) error {
				items, err := a.Config.Import(cmd.Context(), workspace, doc, portable.Options{Apply: apply, AllowPath: true})
				if err != nil {
					return err
				}
				return printItems(cmd.OutOrStdout(), items, apply)
			})
		},
	}
	cmd.Flags().StringVar(&workspace, "workspace", app.Workspace, "workspace to import into")
	cmd.Flags().BoolVar(&apply, "apply", false, "make the changes")
	return cmd
}

// maxDocument bounds a document, in bytes.
const maxDocument = 64 << 20

func readDocument(path string) (*portable.Document, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	decoder := json.NewDecoder(io.LimitReader(f, maxDocument))
	decoder.DisallowUnknownFields()
	var doc portable.Document
	if err := decoder.Decode(&doc); err != nil {
		return nil, fault.Wrap(err, fault.RequestMalformed, "%s is no document of connector config export", path)
	}
	return &doc, nil
}

func printItems(out io.Writer, items []portable.Item, apply bool) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	conflicts, changes := 0, 0
	for _, item := range items {
		fmt.Fprintf(w, "%s\t%s\t%q\t%s\n", item.Action, item.Kind, item.Name, strings.Join(item.Fields, ", "))
		for _, e := range item.Errors {
			fmt.Fprintf(w, "\t\t%s\t%s\n", e.Pointer, e.Detail)
		}
		switch item.Action {
		case portable.Conflict:
			conflicts++
		case portable.Create, portable.Update:
			changes++
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	done := "would be made; --apply makes them"
	if apply {
		done = "made"
	}
	fmt.Fprintf(out, "%d changes %s, %d conflicts\n", changes, done, conflicts)
	if conflicts > 0 {
		return &exitError{code: exitFailed}
	}
	return nil
}
