package celonissim

import (
	"errors"
	"fmt"
	"slices"
	"strings"
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
			l.parts = append(l.parts, &loadPart{kind: l.job.chunks[i].kind, out: make(chan *segment, 1), read: ofChunk(i+1, read)})
		}
		if n := len(l.parts); n > 0 {
			l.parts[n-1].last = l.job.chunks[i].file
		}
	}
	return nil
}

func distinctSource(source []sourceColumn) error {
	out := make([]string, len(source))
	for i, s := range source {
		out[i] = s.name
	}
	return distinct(out)
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
