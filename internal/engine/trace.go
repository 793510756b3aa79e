package engine

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
)

// Keeper is a Reader that can give a record as it stands in the source as a
// JSON object on one line, nil when it is none; same says that the record
// itself is the object.
type Keeper interface {
	Object(record []byte) (object []byte, same bool)
}

var _ Keeper = (*columns.Reader)(nil)

// Tracing looks out for records that earlier runs could not make rows of. A
// job without it does nothing more for its records.
type Tracing struct {
	// Trace says what identifies a record, Keys are those looked out for.
	Trace flows.Trace
	Keys  map[string]struct{}
	// Save notes the keys of records that became rows; they count when the run succeeds. It may be called several times.
	Save func(ctx context.Context, keys []string) error

	mu  sync.Mutex
	met map[string]struct{}
}

// meet takes note of a key.
func (t *Tracing) meet(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.met == nil {
		t.met = make(map[string]struct{})
	}
	t.met[key] = struct{}{}
}

// save hands over the keys met. Only an error of a lost lease ends the run: an
// error that stays open is looked out for by the next run.
func (t *Tracing) save(ctx context.Context) error {
	if t == nil || ctx.Err() != nil {
		return nil
	}
	t.mu.Lock()
	keys := slices.Sorted(maps.Keys(t.met))
	t.mu.Unlock()
	if len(keys) == 0 {
		return nil
	}
	if err := t.Save(ctx, keys); fault.Has(err, fault.RunLeaseLost) {
		return err
	}
	return nil
}

// fields adds the fields of a key to those that are read.
func (t *Tracing) fields(want []string) []string {
	if t == nil || want == nil || !t.Trace.Plain() {
		return want
	}
	for _, f := range t.Trace {
		if !slices.Contains(want, f) {
			want = append(want, f)
		}
	}
	return want
}

// trace looks at the good records of the block that was mapped last.
func (w *mapper) trace(t *Tracing) {
	if t == nil {
		return
	}
	bad := make(map[int]struct{}, len(w.found))
	for _, e := range w.found {
		bad[e.Row] = struct{}{}
	}
	at, rows := w.traced(t.Trace)
	values := make([][]byte, len(t.Trace))
	for r := range rows {
		seen := r
		if w.typed == nil && w.raw.Index != nil {
			seen = w.raw.Index[r]
		}
		if _, isBad := bad[seen]; isBad {
			continue
		}
		if key, ok := w.keyOf(t, at, values, r); ok {
			t.meet(key)
		}
	}
}

// traced gives the positions of the key's fields, nil where the key needs the
// record as a whole, and the number of rows.
func (w *mapper) traced(trace flows.Trace) (at []int, rows int) {
	names := w.raw.Names
	rows = w.raw.Rows
	if w.typed != nil {
		rows, names = w.batch.Rows, nil
		for _, f := range w.batch.Schema {
			names = append(names, f.Name)
		}
	}
	if !trace.Plain() {
		return nil, rows
	}
	for _, field := range trace {
		at = append(at, slices.Index(names, field))
	}
	return at, rows
}

// keyOf gives the key of a row when it is looked out for.
func (w *mapper) keyOf(t *Tracing, at []int, values [][]byte, r int) (key string, ok bool) {
	if at == nil {
		key = t.Trace.KeyOf(w.object(r))
		_, ok = t.Keys[key]
		return key, ok
	}
	for i, column := range at {
		values[i] = w.value(column, r, values[i][:0])
	}
	if len(values) == 1 && values[0] != nil && len(values[0]) <= flows.MaxTraceKey {
		_, ok = t.Keys[string(values[0])]
		return string(values[0]), ok
	}
	if key = t.Trace.Join(values); key == "" {
		key = t.Trace.KeyOf(w.object(r))
	}
	_, ok = t.Keys[key]
	return key, ok
}

// value gives the text of a field of row r, nil for a null; it may use buf.
func (w *mapper) value(column, r int, buf []byte) []byte {
	switch {
	case column < 0:
		return nil
	case w.typed != nil:
		c := &w.batch.Columns[column]
		if !c.Valid[r] {
			return nil
		}
		if buf == nil {
			buf = []byte{}
		}
		return columns.RenderValue(c, r, buf)
	case w.raw.Cells[column] == nil || w.raw.Cells[column][r].Kind == columns.Null:
		return nil
	}
	return w.raw.Value(w.raw.Cells[column][r])
}

// object gives row r as a JSON object.
func (w *mapper) object(r int) []byte {
	if w.typed != nil {
		return columns.RenderRecord(w.batch, r)
	}
	k, ok := w.stream.Reader.(Keeper)
	if !ok {
		return nil
	}
	place := w.raw.Records[r]
	object, _ := k.Object(w.raw.Data[place.Off : place.Off+place.Len])
	return object
}
