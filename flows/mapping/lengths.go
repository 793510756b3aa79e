package mapping

import (
	"slices"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/columns"
)

// Sample is the beginning of a source: of text or typed.
type Sample struct {
	Raw   []*columns.Raw
	Typed []*columns.Batch
}

// LengthsOf is Lengths for rules with a shape: what the rules make of the
// sample is measured. Faults of the rules are left to Compile.
func LengthsOf(rules []flows.Rule, sample Sample, opt Options) []flows.Rule {
	out := append([]flows.Rule(nil), rules...)
	wide := append([]flows.Rule(nil), rules...)
	for i := range wide {
		if isOpen(wide[i]) {
			wide[i].Length = columns.MaxStringBytes
		}
		if opt.Shape.asks(wide[i]) {
			// A sample asks nobody: what would be asked about is taken as the text that it is.
			wide[i] = flows.Rule{To: wide[i].To, From: wide[i].From, Expr: wide[i].Expr, Length: columns.MaxStringBytes}
		}
	}
	longest := make([]int, len(rules))
	if plan, err := Compile(wide, nil, Options{Shape: opt.Shape, JSON: opt.JSON}); err == nil {
		applier, batch := plan.NewApplier(), columns.NewBatch(plan.schema)
		measure := func() {
			for i := range longest {
				if batch.Columns[i].Type == columns.String {
					longest[i] = max(longest[i], longestOf(i, []*columns.Batch{batch}))
				}
			}
		}
		for _, raw := range sample.Raw {
			batch.Reset()
			applier.Apply(raw, batch, nil)
			measure()
		}
		for _, b := range sample.Typed {
			batch.Reset()
			applier.ApplyTyped(b, batch, nil)
			measure()
		}
	}
	for i := range out {
		if isOpen(out[i]) {
			if opt.Shape.asks(out[i]) {
				out[i].Length = flows.AnswerLength
				continue
			}
			if out[i].Default != nil {
				longest[i] = max(longest[i], len(*out[i].Default))
			}
			out[i].Length = lengthFor(longest[i])
		}
	}
	return out
}

// LeavesLengths reports whether a column's length is to be found from a sample.
func LeavesLengths(rules []flows.Rule) bool { return slices.ContainsFunc(rules, isOpen) }

// asks reports whether a rule asks an agent for its values.
func (s Shape) asks(r flows.Rule) bool {
	if r.Lookup == nil {
		return false
	}
	_, asks := s.Agents[r.Lookup.Table]
	return asks
}

// isOpen reports whether a rule's column is text without a length.
func isOpen(r flows.Rule) bool {
	return r.Length == 0 && (r.Type == "" || r.Type == columns.String.String())
}

// IsShaped reports whether a flow does more to its records than rules that take fields.
func IsShaped(rules []flows.Rule, shape Shape) bool {
	if shape.Filter != "" || shape.Expand != "" {
		return true
	}
	for _, r := range rules {
		if isShaped(r) {
			return true
		}
	}
	return false
}
