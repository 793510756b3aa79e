package preview

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
)

const (
	// celonisLength is the length in bytes that Celonis gives a text column which nobody declares.
	celonisLength = 80
	// roomPercent is how full a text column may be with the sample before it is told.
	roomPercent = 90
)

// foresee fills what there is to know before the first run.
func (a *attempt) foresee(ctx context.Context, l *engine.Looked) {
	a.out.Preflight.OK = true
	a.foreseeSource(l)
	a.foreseeRecords(l)
	a.foreseeLengths(l)
	a.foreseeKeys(l)
	a.foreseeTable()
	a.foreseeConnections(ctx)
}

func (a *attempt) find(severity flows.Severity, code fault.Code, format string, args ...any) *flows.Finding {
	p := &a.out.Preflight
	p.Findings = append(p.Findings, flows.Finding{Severity: severity, Code: code, Message: fmt.Sprintf(format, args...)})
	return &p.Findings[len(p.Findings)-1]
}

// foreseeSource tells of a source that gave nothing, or of which nothing is left.
func (a *attempt) foreseeSource(l *engine.Looked) {
	p := a.out
	switch {
	case l.Empty != nil && l.Empty.Warning != nil:
		a.find(flows.FindingWarning, l.Empty.Warning.Code, "%s", l.Empty.Warning.Message)
	case l.Empty != nil && p.Window != nil && p.Window.From != "":
		a.find(flows.FindingInfo, fault.SourceEmpty, "there are no records after %q; give a window to look at others", p.Window.From)
	case l.Empty != nil, p.Request.OK && p.Parsed.OK && len(l.Records) == 0:
		a.find(flows.FindingWarning, fault.SourceEmpty, "the source gave no records: either there are none, or a path of the export is wrong")
	case p.Filtered.OK && p.Filtered.Records > 0 && p.Filtered.Records == p.Filtered.Dropped:
		a.find(flows.FindingWarning, fault.SourceEmpty, "the filter let none of the %d records through", p.Filtered.Records)
	}
	for _, column := range slices.Sorted(maps.Keys(l.Discarded)) {
		a.find(flows.FindingWarning, fault.ValueDiscarded, "%d values did not fit their column and were set to null", l.Discarded[column]).Column = column
	}
}

// reason tells errors of records apart.
type reason struct {
	code  fault.Code
	field string
}

// foreseeRecords adds up the errors of records.
func (a *attempt) foreseeRecords(l *engine.Looked) {
	count, first := map[reason]int{}, map[reason]int64{}
	var order []reason
	for _, s := range []flows.Stage{a.out.Parsed.Stage, a.out.Filtered.Stage, a.out.Mapped.Stage} {
		for _, e := range s.Errors {
			if e.Record == 0 {
				continue
			}
			why := reason{e.Code, e.Field}
			if count[why]++; count[why] == 1 {
				order = append(order, why)
				first[why] = e.Record
			}
		}
	}
	for _, why := range order {
		what := fmt.Sprintf("%d of %d records looked at would go to the error store, the first is record %d", count[why], len(l.Records), first[why])
		if why.code == fault.ValueOutOfRange {
			what += fmt.Sprintf("; Celonis keeps times of the years %d to %d", columns.MinYear, columns.MaxYear)
		}
		a.find(flows.FindingError, why.code, "%s", what).Column = why.field
	}
	for _, f := range a.out.Mapped.Errors {
		if f.Record == 0 && f.Code == fault.MappingColumns {
			a.find(flows.FindingError, f.Code, "%s", f.Message)
		}
	}
}

// foreseeLengths looks at how long the texts are.
func (a *attempt) foreseeLengths(l *engine.Looked) {
	if l.Rows == nil {
		return
	}
	fixed := map[string]bool{}
	for _, r := range a.flow.Mapping {
		fixed[r.To] = r.Length > 0
	}
	for i, f := range l.Schema {
		c := &l.Rows.Columns[i]
		if f.Type != columns.String || l.Rows.Rows == 0 {
			continue
		}
		longest := 0
		for row := range l.Rows.Rows {
			longest = max(longest, int(c.Offsets[row+1]-c.Offsets[row]))
		}
		if fixed[f.Name] && longest*100 > f.Length*roomPercent {
			a.find(flows.FindingWarning, fault.ValueTooLong,
				"values have up to %d bytes and the column takes %d: a longer one would go to the error store", longest, f.Length).Column = f.Name
		}
		if longest > celonisLength {
			a.find(flows.FindingInfo, fault.ValueTooLong,
				"values have up to %d bytes, more than the %d that Celonis takes by itself: the column is declared with %d", longest, celonisLength, f.Length).Column = f.Name
		}
	}
}

// foreseeKeys tells of rows that have the same keys.
func (a *attempt) foreseeKeys(l *engine.Looked) {
	keys := a.flow.Import.Keys
	if l.Rows == nil || len(keys) == 0 {
		return
	}
	superseded := 0
	for _, s := range l.Superseded {
		if s {
			superseded++
		}
	}
	if superseded > 0 {
		a.find(flows.FindingWarning, fault.FlowDuplicateKeys, "%d of %d rows have the keys of another one that is pushed in their place", superseded, l.Rows.Rows)
		return
	}
	seen, twice := map[string]bool{}, 0
	for row := range l.Rows.Rows {
		key := keyOf(l.Rows, row, keys)
		if seen[key] {
			twice++
		}
		seen[key] = true
	}
	if twice > 0 {
		a.find(flows.FindingWarning, fault.FlowDuplicateKeys, "%d of %d rows have the keys of another one, and all of them are pushed", twice, l.Rows.Rows)
	}
}

// keyOf gives the keys of a row so that different ones differ.
func keyOf(b *columns.Batch, row int, keys []string) string {
	var out []byte
	for _, name := range keys {
		if n := b.Schema.Index(name); n >= 0 {
			out = fmt.Appendf(out, "%t %q ", b.Columns[n].Valid[row], columns.RenderValue(&b.Columns[n], row, nil))
		}
	}
	return string(out)
}

// foreseeTable tells how the table that stands is another.
func (a *attempt) foreseeTable() {
	t := a.out.Table.DeclaredTable
	if t == nil {
		return
	}
	for _, what := range t.Differences {
		if t.Mode == flows.Replace {
			a.find(flows.FindingInfo, fault.CelonisSchemaDrift, "%s; a run replaces the table", what)
		} else {
			a.find(flows.FindingError, fault.CelonisSchemaDrift, "%s", what)
		}
	}
	if a.fitErr == nil && t.Exists == nil && a.sinkErr == nil && len(a.out.Table.Errors) == 0 {
		a.find(flows.FindingInfo, fault.CelonisForbidden, "the connection's key may not list the tables of the pool, so that nothing is known of the one that stands")
	}
}

// foreseeConnections tells how the flow's connections are, and what is left of the team's pushes.
func (a *attempt) foreseeConnections(ctx context.Context) {
	for _, id := range a.flow.ConnectionIDs() {
		c, err := a.Connections.Connection(ctx, a.flow.Workspace, id)
		switch {
		case err != nil:
			a.out.Preflight.Fail(faultOf(err))
			continue
		case c.Status == connections.Offline:
			a.find(flows.FindingError, fault.ConnectionOffline, "connection %q is offline: runs wait until it is online", c.Name)
		case c.Status == connections.Untested:
			a.find(flows.FindingWarning, fault.ConnectionOffline, "connection %q has not been tested yet", c.Name)
		}
		if id == a.flow.Import.ConnectionID && a.flow.Import.Type == flows.ImportDataPush {
			a.foreseeBudget(ctx, c)
		}
	}
}

func (a *attempt) foreseeBudget(ctx context.Context, c *connections.Connection) {
	if a.Budgets == nil {
		return
	}
	r, err := a.Budgets.Budget(ctx, a.flow.Workspace, c.Domain)
	if err != nil || r.Limits.PerHour <= 0 {
		return
	}
	switch {
	case r.Left == 0:
		a.find(flows.FindingWarning, fault.CelonisBudgetSpent, "the team's %d push submissions of this hour are spent: a run waits until %s",
			r.Limits.PerHour, r.ResetsAt.UTC().Format("15:04 MST"))
	default:
		a.find(flows.FindingInfo, fault.CelonisBudgetSpent, "%d of the team's %d push submissions of this hour are left; a run needs one", r.Left, r.Limits.PerHour)
	}
}
