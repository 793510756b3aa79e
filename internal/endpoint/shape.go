package endpoint

import (
	"context"
	"errors"
	"io"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/mapping"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
)

// maxLookupBytes bounds the keys and values of a lookup table in memory.
const maxLookupBytes = 64 << 20

// Protectors gives the keyed hash that hides the values of a workspace.
type Protectors interface {
	Protector(ctx context.Context, workspace string) (mapping.Protector, error)
}

// Shape gives what a flow does to the records of a run beside its rules, with
// its lookup tables loaded; its Close ends the questions to agents. Fault MappingLookup for a table that a file does not give.
func (b *Builder) Shape(ctx context.Context, f *flows.Flow, r *flows.Run) (mapping.Shape, error) {
	s := mapping.ShapeOf(f.Spec)
	s.Now = r.CreatedAt
	for _, t := range f.Lookups {
		if t.Agent != nil {
			s.Agents[t.Name] = mapping.Agent{Prompt: t.Agent.Prompt, Asker: b.asker(ctx, f, r, t)}
		}
		if t.FileID == "" {
			continue
		}
		table, err := b.loadLookup(ctx, t)
		if err != nil {
			return mapping.Shape{}, err
		}
		s.Tables[t.Name] = table
	}
	if b.Protectors == nil || !f.HasProtection() {
		return s, nil
	}
	var err error
	s.Protector, err = b.Protectors.Protector(ctx, f.Workspace)
	return s, err
}

// loadLookup reads a lookup table out of its file.
func (b *Builder) loadLookup(ctx context.Context, t flows.LookupTable) (map[string]string, error) {
	rules := []flows.Rule{
		{To: "key", From: t.Key, Length: columns.MaxStringBytes}, {To: "value", From: t.Value, Length: columns.MaxStringBytes},
	}
	plan, err := mapping.Compile(rules, nil, mapping.Options{})
	if err != nil {
		return nil, lookupFault(t, err)
	}
	stream, err := fileSource{export: flows.Export{Type: flows.ExportFile, FileID: t.FileID, Format: t.Format}, spool: b.Spool}.Open(ctx, plan.Want())
	if err != nil {
		return nil, lookupFault(t, err)
	}
	defer stream.Close()
	if plan, err = mapping.Compile(rules, stream.Names(), mapping.Options{NamesComplete: stream.NamesComplete}); err != nil {
		return nil, lookupFault(t, err)
	}
	l := lookupReader{table: t, stream: stream, applier: plan.NewApplier(), batch: columns.NewBatch(plan.Schema()), found: map[string]string{}}
	for {
		block, err := stream.Next(ctx)
		if errors.Is(err, io.EOF) {
			return l.found, nil
		}
		if err == nil {
			err = l.take(block)
		}
		if err != nil {
			return nil, lookupFault(t, err)
		}
	}
}

func lookupFault(t flows.LookupTable, err error) error {
	if fault.RetryOf(err) != fault.Never {
		return err
	}
	return fault.Wrap(err, fault.MappingLookup, "the lookup table %q cannot be loaded: %s", t.Name, fault.From(err).Message)
}

// lookupReader gathers a table.
type lookupReader struct {
	table   flows.LookupTable
	stream  *engine.Stream
	applier *mapping.Applier
	batch   *columns.Batch
	raw     columns.Raw
	found   map[string]string
	bytes   int
}

// take adds the records of a block; those without a key or a value give nothing.
func (l *lookupReader) take(b columns.Block) error {
	defer l.stream.Release(b)
	l.batch.Reset()
	var bad []columns.RecordError
	if typed, ok := l.stream.Reader.(engine.TypedReader); ok {
		bad = l.applier.ApplyTyped(typed.DecodeTyped(b), l.batch, nil)
	} else {
		if err := l.stream.Decode(b, &l.raw); err != nil {
			return err
		}
		bad = l.applier.Apply(&l.raw, l.batch, append([]columns.RecordError(nil), l.raw.Bad...))
	}
	if len(bad) > 0 {
		return fault.New(fault.MappingLookup, "a record is bad: %s", bad[0].Message)
	}
	keys, values := &l.batch.Columns[0], &l.batch.Columns[1]
	for r := range l.batch.Rows {
		if !keys.Valid[r] || !values.Valid[r] {
			continue
		}
		key, value := string(keys.StringAt(r)), string(values.StringAt(r))
		l.found[key] = value
		l.bytes += len(key) + len(value)
		if len(l.found) > flows.MaxLookupValues || l.bytes > maxLookupBytes {
			return fault.New(fault.MappingLookup, "it has more than %d entries or %d MiB", flows.MaxLookupValues, maxLookupBytes>>20)
		}
	}
	return nil
}
