package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/celonis-connector/connector/internal/app"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/spf13/cobra"
)

// maxAuditLines bounds what connector audit list prints of each workspace.
const maxAuditLines = 200

func newAuditList() *cobra.Command {
	var f auditFlags
	var kind, action string
	limit := 50
	cmd := &cobra.Command{
		Use: "list", Args: cobra.NoArgs, Short: "Print the last events of the audit log, the oldest first",
		Long: `Prints the last events of the audit log, the oldest first. The workspace "*"
holds what belongs to no other: the service's own keys.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := audit.Query{Kind: audit.Kind(kind), Action: audit.Action(action), Limit: limit}
			if err := checkAuditQuery(q); err != nil {
				return &exitError{code: exitUsage, cause: err}
			}
			return withAuditLog(cmd, func(log app.AuditLog) error {
				lines, err := auditLines(cmd.Context(), log, f, q)
				if err != nil {
					return err
				}
				return printAuditLines(cmd.OutOrStdout(), lines, f.asJSON)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&kind, "kind", "", "only events of this noun, as masterKey")
	cmd.Flags().StringVar(&action, "action", "", "only events of this action, as resealed")
	cmd.Flags().IntVar(&limit, "limit", limit, "events of each workspace")
	return cmd
}

func checkAuditQuery(q audit.Query) error {
	switch {
	case q.Limit < 1 || q.Limit > maxAuditLines:
		return fmt.Errorf("--limit is a number from 1 to %d", maxAuditLines)
	case q.Kind != "" && !slices.Contains(audit.Kinds(), q.Kind):
		return fmt.Errorf("--kind is one of %v", audit.Kinds())
	case q.Action != "" && !slices.Contains(audit.Actions(), q.Action):
		return fmt.Errorf("--action is one of %v", audit.Actions())
	}
	return nil
}

// auditLine is an event as it is printed.
type auditLine struct {
	Workspace string       `json:"workspace"`
	Seq       int64        `json:"seq"`
	At        time.Time    `json:"at"`
	Actor     string       `json:"actor"`
	Action    audit.Action `json:"action"`
	Kind      audit.Kind   `json:"kind"`
	ObjectID  string       `json:"objectId"`
	Name      string       `json:"name"`
	Fields    []string     `json:"fields"`
}

func auditLines(ctx context.Context, log app.AuditLog, f auditFlags, q audit.Query) ([]auditLine, error) {
	names, err := f.workspaces(ctx, log)
	if err != nil {
		return nil, err
	}
	lines := []auditLine{}
	for _, name := range names {
		q.Workspace = name
		events, err := log.AuditEvents(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, e := range slices.Backward(events) {
			lines = append(lines, auditLine{e.Workspace, e.Seq, e.At.UTC(), e.Actor, e.Action, e.Kind, e.ObjectID, e.Name, e.Fields})
		}
	}
	return lines, nil
}

func printAuditLines(w io.Writer, lines []auditLine, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(map[string]any{"events": lines})
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "WORKSPACE\tEVENT\tAT\tACTOR\tACTION\tKIND\tNAME\tFIELDS")
	for _, l := range lines {
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\n", l.Workspace, l.Seq, l.At.Format(time.RFC3339), l.Actor, l.Action, l.Kind,
			cmp.Or(l.Name, l.ObjectID), strings.Join(l.Fields, ","))
	}
	return table.Flush()
}
