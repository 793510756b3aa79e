package columns

import (
	"slices"

	"github.com/celonis-connector/connector/internal/fault"
)

// Adapt adds fields to Names, behind those that Open found in the sample of a
// JSON source. With note a record with any other field is good, and the field is
// listed in Raw.Extra. It is called before Peek, Next and Decode; a CSV source
// has all its fields and stays as it is. Fault SourceTooManyCols.
func (r *Reader) Adapt(extra []string, note bool) error {
	d, ok := r.dec.(*jsonDecoder)
	if !ok {
		return nil
	}
	names := slices.Clone(r.names)
	for _, name := range extra {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) > MaxColumns {
		return tooManyFields(len(names))
	}
	r.names = names
	adapted := newJSONDecoder(names, d.strict, d.array)
	adapted.note = note
	r.dec = adapted
	switch s := r.split.(type) {
	case *ndjsonSplitter:
		s.most = blockRecords(len(names))
	case *arraySplitter:
		s.most = blockRecords(len(names))
	}
	return nil
}

// blockRecords bounds the records of a block with n fields.
func blockRecords(n int) int { return max(maxBlockCells/max(n, 1), 16) }

func tooManyFields(n int) error {
	return fault.New(fault.SourceTooManyCols, "the source has %d fields or more, at most %d are read", n, MaxColumns).
		WithHint("map the fields that are needed")
}

// Separator is the character between the cells of a CSV source, 0 for others.
func (r *Reader) Separator() byte {
	if d, ok := r.dec.(*csvDecoder); ok {
		return d.sep
	}
	return 0
}
