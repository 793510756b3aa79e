package celonissim

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// schema finds the columns of the table that the job leaves behind.
func (l *loader) schema(files []chunkFile) error {
	have := l.txn.snap.cols
	declared := l.declared()
	switch {
	case len(declared) > 0 && len(have) > 0:
		merged, err := l.merge(have, declared)
		if err != nil {
			return err
		}
		l.plan.cols = merged
	case len(declared) > 0:
		l.plan.cols = declared
	case len(have) > 0:
		l.plan.cols = have
	case len(files) == 0:
		return errors.New("the job has no chunks and no schema")
	default:
		l.plan.cols = l.inferred(files[0].columns())
	}
	l.txn.snap.cols = l.plan.cols
	return distinct(names(l.plan.cols))
}

// declared gives the columns of the job's tableSchema.
func (l *loader) declared() []ColumnInfo {
	if l.job.doc.TableSchema == nil {
		return nil
	}
	cols := make([]ColumnInfo, 0, len(l.job.doc.TableSchema.Columns))
	for _, c := range l.job.doc.TableSchema.Columns {
		kind, _ := kindOf(*c.ColumnType)
		info := ColumnInfo{Name: *c.ColumnName, Type: kind, Length: l.lengthOf(kind)}
		if c.FieldLength != nil && kind == String {
			info.Length = *c.FieldLength
		}
		cols = append(cols, info)
	}
	return cols
}

func (l *loader) lengthOf(kind Kind) int {
	if kind == String {
		return l.job.fallback()
	}
	return 0
}

// inferred gives the columns that a chunk without a declared schema makes.
func (l *loader) inferred(source []sourceColumn) []ColumnInfo {
	cols := make([]ColumnInfo, len(source))
	for i, c := range source {
		kind := c.kind
		if kind == NoKind {
			kind = String
		}
		cols[i] = ColumnInfo{Name: c.name, Type: kind, Length: l.lengthOf(kind)}
	}
	return cols
}

// merge brings what a DELTA job declares together with what the table has.
func (l *loader) merge(have, declared []ColumnInfo) ([]ColumnInfo, error) {
	answers := l.server.opts.Answers
	for _, d := range declared {
		n := l.txn.snap.columnIndex(d.Name)
		switch {
		case n < 0 && !answers.DeltaAddsColumns:
			return nil, fmt.Errorf("column %q is not in the table %q", d.Name, l.job.target)
		case n < 0:
			have = append(have, d)
		case have[n].Type != d.Type:
			return nil, fmt.Errorf("column %q is %s in the table and %s in the schema of the job", d.Name, have[n].Type, d.Type)
		case !answers.DeltaKeepsLengths:
			have[n].Length = max(have[n].Length, d.Length)
		}
	}
	return have, nil
}

func names(cols []ColumnInfo) []string {
	out := make([]string, len(cols))
	for i, c := range cols {
		out[i] = c.Name
	}
	return out
}

// distinct refuses names that differ by case only, empty ones, and the platform's own.
func distinct(names []string) error {
	seen := make(map[string]string, len(names))
	for _, n := range names {
		fold := strings.ToUpper(n)
		switch other, twice := seen[fold]; {
		case n == "":
			return errors.New("a column has no name")
		case fold == ChangeDateColumn:
			return fmt.Errorf("column %q is reserved", n)
		case twice:
			return fmt.Errorf("columns %q and %q have the same name", other, n)
		}
		seen[fold] = n
	}
	return nil
}

// keying finds the key and order columns and brings the table's index up.
func (l *loader) keying() error {
	for _, name := range l.job.doc.Keys {
		n := l.txn.snap.columnIndex(name)
		if n < 0 {
			return fmt.Errorf("key column %q is missing", name)
		}
		l.keys = append(l.keys, n)
		l.plan.cols[n].Key = true
	}
	if l.job.order != "" {
		if l.txn.order = l.txn.snap.columnIndex(l.job.order); l.txn.order < 0 {
			return fmt.Errorf("duplicate removal column %q is missing", l.job.order)
		}
		if l.txn.keep == KeepHashes && l.plan.cols[l.txn.order].Type == String {
			return errors.New("a duplicate removal column of strings needs a simulator that keeps values")
		}
	}
	doc := l.job.doc
	l.keyed = len(l.keys) > 0 && (l.job.isDelta() || l.txn.order >= 0) && (doc.AllowDuplicate == nil || !*doc.AllowDuplicate)
	if !l.keyed && !l.removes() {
		return nil
	}
	return l.index()
}

func (l *loader) removes() bool {
	for _, c := range l.job.chunks {
		if c.kind == chunkDelete {
			return true
		}
	}
	return false
}

func (l *loader) index() error {
	if old := l.old; old != nil && l.job.isDelta() && old.index != nil {
		// The index is out of step with the table until this job has come to its end.
		index := old.index
		old.index = nil
		if slices.Equal(index.keys, l.keys) {
			l.txn.index = index
			return nil
		}
	}
	if l.txn.keep == KeepHashes && l.txn.snap.rows > 0 {
		return errors.New("the rows of the table were loaded without these keys, and the simulator keeps no values to find them by")
	}
	l.txn.indexSnapshot(l.keys)
	return nil
}

func distinctSource(source []sourceColumn) error {
	out := make([]string, len(source))
	for i, s := range source {
		out[i] = s.name
	}
	return distinct(out)
}
