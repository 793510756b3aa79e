package endpoint

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/celonis"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
)

// standingTable is the table in Celonis that a push goes into, looked at
// before the push, so that what does not fit is told by us and before anything
// was sent. A table that does not stand yet fits everything.
type standingTable struct {
	client *celonis.Client
	pool   string
	spec   flows.Import
	// fixed are the columns whose length the flow's mapping gives.
	fixed []string
	// retyping gives columns without a mapping the types that they have in the table.
	retyping bool
	log      *slog.Logger

	once sync.Once
	have []celonis.TableColumn
	// name is the table's as it stands, "" without one.
	name string
	err  error
	// unseen says that the key may not list the columns.
	unseen bool
}

// fixedLengths lists the columns whose length a mapping gives.
func fixedLengths(rules []flows.Rule) (names []string) {
	for _, r := range rules {
		if r.Length > 0 {
			names = append(names, r.To)
		}
	}
	return names
}

// look reads the table's columns once. A key that may not list them is no
// obstacle to the push: Celonis judges it then.
func (t *standingTable) look(ctx context.Context) error {
	t.once.Do(func() {
		t.name, t.have, t.err = t.read(ctx)
		switch fault.CodeOf(t.err) {
		case fault.CelonisForbidden, fault.CelonisAPIDisabled, fault.CelonisPoolNotFound, fault.CelonisNotFound, fault.CelonisScopeMissing:
			t.log.InfoContext(ctx, "the table's columns could not be read, so the push is not compared with them",
				"table", t.spec.Table, "code", fault.CodeOf(t.err))
			t.name, t.have, t.err, t.unseen = "", nil, nil, true
		}
	})
	return t.err
}

func (t *standingTable) read(ctx context.Context) (name string, have []celonis.TableColumn, err error) {
	tables, err := t.client.Tables(ctx, t.pool)
	if err != nil {
		return "", nil, err
	}
	var found *celonis.Table
	for i := range tables {
		at := &tables[i]
		if at.DataConnectionID != t.spec.DataConnectionID || !strings.EqualFold(at.Name, t.spec.Table) {
			continue
		}
		if found == nil || at.Name == t.spec.Table {
			found = at
		}
	}
	if found == nil {
		return "", nil, nil
	}
	have, err = t.client.Columns(ctx, t.pool, found.Name, found.Schema)
	return found.Name, have, err
}

// Fit gives text columns whose length the flow leaves open the length that
// they have in the table, so that a longer value becomes a record error and is
// not cut.
func (t *standingTable) Fit(ctx context.Context, rules []flows.Rule) ([]flows.Rule, error) {
	if err := t.look(ctx); err != nil {
		return nil, err
	}
	rules = slices.Clone(rules)
	if t.retyping {
		rules = t.retyped(rules)
	}
	for i := range rules {
		r := &rules[i]
		if r.Length == 0 || slices.Contains(t.fixed, r.To) {
			continue
		}
		if at := t.column(r.To); at != nil && at.Type == "STRING" && at.Length > 0 {
			r.Length = min(at.Length, columns.MaxStringBytes)
		}
	}
	return rules, nil
}

func (t *standingTable) column(name string) *celonis.TableColumn {
	for i := range t.have {
		if t.have[i].Name == name {
			return &t.have[i]
		}
	}
	return nil
}

// check compares the columns of a push with the table's; fault
// CelonisSchemaDrift lists all that differs.
func (t *standingTable) check(ctx context.Context, schema columns.Schema) error {
	if err := t.look(ctx); err != nil || len(t.have) == 0 {
		return err
	}
	found := t.differences(schema)
	if len(found) == 0 {
		return nil
	}
	return fault.New(fault.CelonisSchemaDrift, "table %q in celonis differs from the flow: %s", t.spec.Table, strings.Join(found, "; ")).
		WithHint("nothing was pushed; change the mapping's columns, types or lengths to those of the table, or fill the table anew with mode replace")
}

// differences lists in which ways the table that stands is another than one of the columns.
func (t *standingTable) differences(schema columns.Schema) []string {
	var found []string
	if t.name != t.spec.Table {
		found = append(found, fmt.Sprintf("the table is called %q in celonis", t.name))
	}
	for _, f := range schema {
		if what := t.compare(f); what != "" {
			found = append(found, what)
		}
	}
	return found
}

// compare says in which way a column differs, "" when it fits.
func (t *standingTable) compare(f columns.Field) string {
	at := t.column(f.Name)
	if at == nil {
		for _, c := range t.have {
			if strings.EqualFold(c.Name, f.Name) {
				return fmt.Sprintf("column %q is called %q in the table", f.Name, c.Name)
			}
		}
		if slices.Contains(t.spec.Keys, f.Name) {
			return fmt.Sprintf("the key column %q is not in the table", f.Name)
		}
		return ""
	}
	if want := poolTypes(f.Type); len(want) > 0 && isPoolType(at.Type) && !slices.Contains(want, at.Type) {
		return fmt.Sprintf("column %q is of type %s in the table, not %s", f.Name, strings.ToLower(at.Type), f.Type)
	}
	if f.Type == columns.String && at.Type == "STRING" && at.Length > 0 && f.Length > at.Length {
		return fmt.Sprintf("column %q takes %d bytes in the table, not %d", f.Name, at.Length, f.Length)
	}
	return ""
}

// poolTypes are the words that the list of a table's columns may have for a
// type. Celonis knows four of them, and which one a boolean or a time of day
// gets is not documented: nil leaves those alone.
func poolTypes(t columns.Type) []string {
	switch t {
	case columns.String:
		return []string{"STRING"}
	case columns.Integer:
		return []string{"INTEGER"}
	case columns.Float:
		return []string{"FLOAT"}
	case columns.Date, columns.DateTime:
		return []string{"DATE"}
	}
	return nil
}

func isPoolType(word string) bool {
	return slices.Contains([]string{"STRING", "INTEGER", "FLOAT", "DATE"}, word)
}
