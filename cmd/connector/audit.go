package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/celonis-connector/connector/internal/app"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/config"
	"github.com/spf13/cobra"
)

func newAudit() *cobra.Command {
	cmd := &cobra.Command{Use: "audit", Short: "Show the audit log and prove that it is whole"}
	cmd.AddCommand(newAuditVerify(), newAuditHead(), newAuditList())
	return cmd
}

// auditFlags are those of every command on the audit log.
type auditFlags struct {
	workspace string
	asJSON    bool
}

func (f *auditFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.workspace, "workspace", "", "workspace of the log; every one when it is left out")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print JSON")
}

// workspaces lists those that a command is about.
func (f *auditFlags) workspaces(ctx context.Context, log app.AuditLog) ([]string, error) {
	if f.workspace != "" {
		return []string{f.workspace}, nil
	}
	return log.AuditWorkspaces(ctx)
}

// withAuditLog runs a command's work on the audit log of the environment's database.
func withAuditLog(cmd *cobra.Command, work func(app.AuditLog) error) error {
	cfg, err := config.FromEnvironment()
	if err != nil {
		return failed(err)
	}
	log, err := app.OpenAuditLog(cmd.Context(), cfg)
	if err != nil {
		return failed(err)
	}
	return failed(errors.Join(work(log), log.Close()))
}

func newAuditVerify() *cobra.Command {
	var f auditFlags
	var head string
	cmd := &cobra.Command{
		Use: "verify", Args: cobra.NoArgs, Short: "Walk the chain of the audit log and name the first event that is not as it was written",
		Long: `Recomputes the hash of every event of the audit log, while the service may run.
It finds events that were changed, taken out, put in, put in another order or
cut off from the end. Whoever can write to the database could also make a whole
new chain: a head that was printed before by connector audit head, and kept
elsewhere, proves with --head that nothing up to it was rewritten.

Exit codes: 0 the log is whole, 5 it is not, 1 it could not be read, 2 wrong usage.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var anchor *audit.Anchor
			if head != "" {
				if f.workspace == "" {
					f.workspace = app.Workspace
				}
				a, err := audit.ParseAnchor(head)
				if err != nil {
					return err
				}
				anchor = &a
			}
			return withAuditLog(cmd, func(log app.AuditLog) error { return verifyAudit(cmd, log, f, anchor) })
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&head, "head", "", "a head kept elsewhere, as seq:hash; of the workspace "+app.Workspace+" unless --workspace names another")
	return cmd
}

func verifyAudit(cmd *cobra.Command, log app.AuditLog, f auditFlags, anchor *audit.Anchor) error {
	names, err := f.workspaces(cmd.Context(), log)
	if err != nil {
		return err
	}
	reports := []audit.Report{}
	broken := false
	for _, name := range names {
		r, err := audit.Verify(cmd.Context(), log, name, anchor)
		if err != nil {
			return err
		}
		reports = append(reports, r)
		broken = broken || r.Broken != nil
	}
	if err := printReports(cmd.OutOrStdout(), reports, f.asJSON); err != nil {
		return err
	}
	if broken {
		return &exitError{code: exitTampered}
	}
	return nil
}

func printReports(w io.Writer, reports []audit.Report, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(map[string]any{"workspaces": reports})
	}
	if len(reports) == 0 {
		fmt.Fprintln(w, "the audit log is empty")
	}
	for _, r := range reports {
		if r.Broken != nil {
			fmt.Fprintf(w, "%s: BROKEN at event %d (%s): %s\n  %d events before it are whole\n", r.Workspace, r.Broken.Seq, r.Broken.Damage, r.Broken.Detail, r.Events)
			continue
		}
		fmt.Fprintf(w, "%s: whole, %d events, %d older ones; head %s\n", r.Workspace, r.Events, r.Older, r.Head)
	}
	return nil
}

func newAuditHead() *cobra.Command {
	var f auditFlags
	cmd := &cobra.Command{
		Use: "head", Args: cobra.NoArgs, Short: "Print the head of the audit log, to be kept elsewhere for connector audit verify --head",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withAuditLog(cmd, func(log app.AuditLog) error { return printHeads(cmd, log, f) })
		},
	}
	f.add(cmd)
	return cmd
}

// headLine is a head as it is printed.
type headLine struct {
	Workspace string `json:"workspace"`
	Head      string `json:"head"`
}

func printHeads(cmd *cobra.Command, log app.AuditLog, f auditFlags) error {
	names, err := f.workspaces(cmd.Context(), log)
	if err != nil {
		return err
	}
	heads := []headLine{}
	for _, name := range names {
		h, ok, err := log.AuditHead(cmd.Context(), name)
		if err != nil {
			return err
		}
		if ok {
			heads = append(heads, headLine{name, audit.Anchor{Seq: h.Seq, Hash: h.Hash}.String()})
		}
	}
	if f.asJSON {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]any{"heads": heads})
	}
	for _, h := range heads {
		fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n", h.Workspace, h.Head)
	}
	return nil
}
