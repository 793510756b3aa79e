package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"io"
	"math"
	"sync"

	"github.com/celonis-connector/connector/flows/mapping"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
	"golang.org/x/sync/errgroup"
)

// findLosers goes through the whole source once and finds, for every key of
// which several rows come, those that lose: all but the one with the highest
// order value, and among equal ones all but the last in the source. What is
// left has each key once, so that the result does not depend on the order in
// which the destination takes chunks. A sink that lets every row through has
// no losers and costs no pass.
//
// Keys are told apart by 128 bits of two independently seeded 64-bit hashes:
// among a billion keys the odds of one pair being taken for the same are below
// 1 in 10^20.
func (e *Engine) findLosers(ctx context.Context, job *Job, plan *mapping.Plan) (*losers, error) {
	d, ok := job.Sink.(Distincter)
	if !ok {
		return nil, nil
	}
	keys, order := d.Distinct()
	if len(keys) == 0 {
		return nil, nil
	}
	digest, err := newDigest(plan.Schema(), keys, order)
	if err != nil {
		return nil, err
	}
	want, err := wanted(job)
	if err != nil {
		return nil, err
	}
	stream, err := openStream(ctx, job, want, bearsMore(job, want))
	if errors.Is(err, ErrNoRecords) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	table := newKeyTable(e.opt.TempDir, e.opt.KeyBytes)
	defer table.close()
	found := &losers{rows: map[int]int{}, bits: map[int][]uint64{}}
	scan := &keyScan{stream: stream, plan: plan, digest: digest, table: table, found: found}
	if err := scan.run(ctx, e.opt.Decoders); err != nil {
		return nil, err
	}
	return found, table.resolve(ctx, found.add)
}

// keyScan is the pass over a source that gathers its keys.
type keyScan struct {
	stream *Stream
	plan   *mapping.Plan
	digest *digest
	table  *keyTable

	mu    sync.Mutex
	found *losers
}

func (s *keyScan) run(ctx context.Context, decoders int) error {
	g, gctx := errgroup.WithContext(ctx)
	blocks := make(chan columns.Block)
	stage(g, 1, func() error { return s.read(gctx, blocks) }, func() { close(blocks) })
	stage(g, decoders, func() error { return s.gather(gctx, blocks) }, func() {})
	err := g.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

func (s *keyScan) read(ctx context.Context, out chan<- columns.Block) error {
	for {
		b, err := s.stream.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := send(ctx, out, b); err != nil {
			return err
		}
	}
}

// gather takes the keys of blocks, in any order of blocks.
func (s *keyScan) gather(ctx context.Context, in <-chan columns.Block) error {
	w, batch := newMapper(s.stream, s.plan).within(ctx), columns.NewBatch(s.plan.Schema())
	var key, entry []byte
	for b := range in {
		batch.Reset()
		if err := w.rows(b, batch); err != nil {
			return err
		}
		s.stream.Release(b)
		s.mu.Lock()
		s.found.rows[b.Seq] = batch.Rows
		s.mu.Unlock()
		for row := range batch.Rows {
			key = s.digest.key(key[:0], batch, row)
			entry = s.digest.entry(entry[:0], key, rowID(b.Seq, row))
			entry = s.digest.rank(entry, batch, row)
			if err := s.table.add(entry); err != nil {
				return err
			}
		}
	}
	return nil
}

// rowID numbers the rows of a source, growing in its order.
func rowID(block, row int) uint64 { return uint64(block)<<32 | uint64(uint32(row)) }

// digest makes the entries of rows: the hash of the key, the row's number and the order value.
type digest struct {
	seeds [2]maphash.Seed
	keys  []int
	order int
}

func newDigest(schema columns.Schema, keys []string, order string) (*digest, error) {
	d := &digest{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, order: -1}
	for _, name := range keys {
		n := schema.Index(name)
		if n < 0 {
			return nil, fault.New(fault.MappingKey, "the key %q is not a column of the mapping", name)
		}
		d.keys = append(d.keys, n)
	}
	if order != "" {
		if d.order = schema.Index(order); d.order < 0 {
			return nil, fault.New(fault.MappingKey, "the order column %q is not a column of the mapping", order).
				WithHint("map a field to the column that decides which of several rows with the same keys wins")
		}
	}
	return d, nil
}

// key writes the values of a row's keys so that different keys give different bytes.
func (d *digest) key(to []byte, b *columns.Batch, row int) []byte {
	for _, n := range d.keys {
		c := &b.Columns[n]
		switch {
		case !c.Valid[row]:
			to = append(to, 0)
		case c.Type == columns.String:
			text := c.StringAt(row)
			to = append(to, 1)
			to = binary.LittleEndian.AppendUint32(to, uint32(len(text)))
			to = append(to, text...)
		case c.Type == columns.Float:
			to = append(to, 1)
			to = binary.LittleEndian.AppendUint64(to, math.Float64bits(c.Floats[row]+0)) // -0 becomes 0
		default:
			to = append(to, 1)
			to = binary.LittleEndian.AppendUint64(to, uint64(c.Ints[row]))
		}
	}
	return to
}

func (d *digest) entry(to, key []byte, id uint64) []byte {
	to = binary.BigEndian.AppendUint64(to, maphash.Bytes(d.seeds[0], key))
	to = binary.BigEndian.AppendUint64(to, maphash.Bytes(d.seeds[1], key))
	return binary.BigEndian.AppendUint64(to, id)
}

// rank adds the order value as bytes that compare as the values do: numbers
// and times by their size, text by its bytes, null and NaN below everything.
func (d *digest) rank(to []byte, b *columns.Batch, row int) []byte {
	if d.order < 0 {
		return binary.BigEndian.AppendUint16(to, 0)
	}
	c := &b.Columns[d.order]
	const top = 1 << 63
	switch {
	case !c.Valid[row], c.Type == columns.Float && math.IsNaN(c.Floats[row]):
		return binary.BigEndian.AppendUint16(to, 0)
	case c.Type == columns.String:
		text := c.StringAt(row)
		to = binary.BigEndian.AppendUint16(to, uint16(len(text)+1))
		return append(append(to, 1), text...)
	}
	bits := uint64(0)
	if c.Type == columns.Float {
		bits = math.Float64bits(c.Floats[row] + 0)
		if bits&top != 0 {
			bits = ^bits
		} else {
			bits |= top
		}
	} else {
		bits = uint64(c.Ints[row]) ^ top
	}
	to = binary.BigEndian.AppendUint16(to, 9)
	return binary.BigEndian.AppendUint64(append(to, 1), bits)
}
