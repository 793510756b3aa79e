package mapping

import "github.com/celonis-connector/connector/internal/columns"

// Good lists the rows of the block applied last that became rows, in the order
// of these; the numbers are for Refused.
func (a *Applier) Good() []int {
	rows := make([]int, 0, len(a.bad))
	for r, isBad := range a.bad {
		if !isBad {
			rows = append(rows, r)
		}
	}
	return rows
}

// Number counts the records of the block applied last that are before a good
// row, as Refused does in Row. raw is what Apply was given, nil for a typed block.
func (a *Applier) Number(raw *columns.Raw, r int) int {
	if a.plan.shape != nil {
		raw = a.shaped.last
	}
	if raw == nil || raw.Index == nil {
		return r
	}
	return raw.Index[r]
}

// Refused gives the place of a good row of the block applied last, as the error
// of a bad one has it; code and message are for the caller to fill. raw is what
// Apply was given, nil for a typed block.
func (a *Applier) Refused(raw *columns.Raw, r int) columns.RecordError {
	if a.plan.shape != nil {
		raw = a.shaped.last
	}
	e := columns.RecordError{Row: r}
	if raw == nil {
		return e
	}
	if r < len(raw.Records) {
		e.Place = raw.Records[r]
		e.Line = lineEnds(raw.Data[:e.Place.Off])
	}
	if raw.Index != nil {
		e.Row = raw.Index[r]
	}
	a.remember(e.Row, r)
	return e
}
