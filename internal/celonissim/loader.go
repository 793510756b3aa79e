package celonissim

import (
	"errors"
	"fmt"
	"slices"
	"sync"
)

// loader reads a job's chunks into a new state of its table.
type loader struct {
	server *Server
	job    *job
	old    *table
	plan   plan
	txn    *txn
	// keys are the columns of the job's keys.
	keys []int
	// keyed says that rows of one key replace each other.
	keyed bool
	rows  int64
	parts []*loadPart
}

// loadPart is a part of a chunk on its way to the table.
type loadPart struct {
	read partReader
	kind string
	out  chan *segment
	err  error
	// last is the file that is done with after this part, or nil.
	last *spooled
}

func (l *loader) load() error {
	l.plan = plan{pool: &sync.Pool{}, changed: l.changeDate(), csv: l.job.csv, countOnly: l.server.opts.Keep == KeepCounts}
	base := &snapshot{}
	if l.job.isDelta() && l.old != nil {
		base = l.old.snap.next()
	}
	l.txn = &txn{
		keep: l.server.opts.Keep, snap: base, own: make(map[uint32]bool), order: -1,
		fill: text(l.job.doc.UpsertStrategy, strategyNullify) == strategyUnchanged,
	}
	files, err := l.open()
	if err != nil {
		return err
	}
	if err := l.schema(files); err != nil {
		return err
	}
	if err := l.keying(); err != nil {
		return err
	}
	if err := l.cut(files); err != nil {
		return err
	}
	if err := l.apply(); err != nil {
		return err
	}
	l.compact()
	return nil
}

func (l *loader) changeDate() int64 {
	if d := l.job.doc.ChangeDate; d != nil {
		return int64(*d)
	}
	return l.server.now().UnixMilli()
}

func (l *loader) open() ([]chunkFile, error) {
	files := make([]chunkFile, len(l.job.chunks))
	for i, c := range l.job.chunks {
		r, err := c.file.reader()
		if err == nil {
			files[i], err = openChunk(r, c.file.size, l.plan.csv)
		}
		if err != nil {
			return nil, fmt.Errorf("chunk %d: %w", i+1, err)
		}
	}
	return files, nil
}

// cut divides the chunks into parts.
func (l *loader) cut(files []chunkFile) error {
	for i, f := range files {
		source := f.columns()
		if err := distinctSource(source); err != nil {
			return fmt.Errorf("chunk %d: %w", i+1, err)
		}
		targets, err := l.plan.match(source)
		if err != nil {
			return fmt.Errorf("chunk %d: %w", i+1, err)
		}
		for _, k := range l.keys {
			if !slices.Contains(targets, k) {
				return fmt.Errorf("chunk %d: key column %q is missing", i+1, l.plan.cols[k].Name)
			}
		}
		for _, read := range f.parts(&l.plan, targets) {
			l.parts = append(l.parts, &loadPart{kind: l.job.chunks[i].kind, out: make(chan *segment), read: ofChunk(i+1, read)})
		}
		if n := len(l.parts); n > 0 {
			l.parts[n-1].last = l.job.chunks[i].file
		}
	}
	return nil
}

// ofChunk makes a reader's errors name their chunk.
func ofChunk(chunk int, read partReader) partReader {
	return func(emit func(*segment) error) error {
		if err := read(emit); err != nil {
			return fmt.Errorf("chunk %d: %w", chunk, err)
		}
		return nil
	}
}

var errStopped = errors.New("loading was stopped")

// apply parses parts side by side and changes the table by them in order.
func (l *loader) apply() error {
	stop := make(chan struct{})
	defer close(stop)
	go l.start(stop)
	for _, part := range l.parts {
		for seg := range part.out {
			if err := l.take(part.kind, seg); err != nil {
				return err
			}
		}
		if part.err != nil {
			return part.err
		}
		if part.last != nil {
			part.last.drop()
		}
		part.read = nil
		if l.server.ctx.Err() != nil {
			return errJobGone
		}
	}
	return nil
}

// start runs the parts in order, so many at a time. A part's slot is free when
// all of it was taken, so that no more than that is in memory.
func (l *loader) start(stop <-chan struct{}) {
	slots := make(chan struct{}, l.server.opts.Workers)
	for _, part := range l.parts {
		select {
		case slots <- struct{}{}:
		case <-stop:
			return
		}
		go func() {
			defer func() { <-slots }()
			defer close(part.out)
			part.err = part.read(func(seg *segment) error {
				if err := l.prepare(part.kind, seg); err != nil {
					return err
				}
				select {
				case part.out <- seg:
					return nil
				case <-stop:
					return errStopped
				}
			})
		}()
	}
}

// prepare computes what can be computed out of order. Without values to keep
// it takes the columns away again.
func (l *loader) prepare(kind string, seg *segment) error {
	if l.txn.keep == KeepCounts {
		return nil
	}
	for _, c := range seg.cols {
		if c != nil {
			seg.cut += c.cut
			seg.outside += c.outside
		}
	}
	if l.txn.index != nil {
		if err := l.checkKeys(seg); err != nil {
			return err
		}
		seg.keyHashes = rowHashes(seg, l.plan.cols, l.keys)
	}
	if l.txn.keep == KeepHashes {
		seg.hashes = rowHashes(seg, l.plan.cols, nil)
		if l.txn.order < 0 {
			l.plan.recycle(seg)
		}
	}
	return nil
}

func (l *loader) checkKeys(seg *segment) error {
	for _, k := range l.keys {
		if c := seg.column(k); slices.Contains(c.nulls, true) {
			return fmt.Errorf("key column %q holds null", l.plan.cols[k].Name)
		}
	}
	return nil
}

func (l *loader) take(kind string, seg *segment) error {
	l.rows += int64(seg.rows)
	switch {
	case kind == chunkDelete:
		l.txn.remove(seg)
	case l.keyed:
		return l.txn.upsert(seg)
	default:
		l.txn.append(seg)
	}
	return nil
}

// compactRows is the number of dead rows up to which segments are kept for
// the sake of the index.
const compactRows = 1 << 16

// compact drops segments of which nothing lives, once there is much of it.
func (l *loader) compact() {
	dead := int64(-l.txn.snap.rows)
	for _, s := range l.txn.snap.segs {
		dead += int64(s.rows)
	}
	if dead > compactRows && dead > l.txn.snap.rows && l.txn.snap.dropDead() {
		l.txn.index = nil
	}
}
