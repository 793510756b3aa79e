package flows

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/celonis-connector/connector/internal/fault"
)

// checkEventKeys: runs of a delta read the end of what the run before them has read once more, so the keys must tell every event
// from every other. With keys that do not, events would stand in the table twice, or replace others than themselves.
func checkEventKeys(s Spec) []fault.Field {
	if !s.Export.Type.IsEvents() || !s.Export.Delta.Follows() || !s.Import.Upserts() || slices.ContainsFunc(s.Import.Keys, s.isEventKey) {
		return nil
	}
	detail := fmt.Sprintf("must have the column of the field %q, which tells events apart: a run of a delta reads the last ones before it again", EventKeyField)
	if len(s.Mapping) > 0 {
		rule := eventKeyRule()
		detail += fmt.Sprintf(`; the flow templates map it with {"to": %q, "from": %q, "type": %q, "length": %d}`, rule.To, rule.From, rule.Type, rule.Length)
	}
	return []fault.Field{invalid("/import/keys", detail)}
}

// isEventKey reports whether a column holds EventKeyField as it is.
func (s Spec) isEventKey(column string) bool {
	if len(s.Mapping) == 0 {
		return column == EventKeyField
	}
	return slices.ContainsFunc(s.Mapping, func(r Rule) bool {
		from := cmp.Or(r.From, r.To)
		return r.To == column && r.Expr == "" && r.Lookup == nil && (from == EventKeyField || from == "/"+EventKeyField)
	})
}
