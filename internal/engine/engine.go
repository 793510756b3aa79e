// Package engine does one attempt of a run: it reads blocks of records, maps
// them to batches of rows, fills and encodes chunks, hands them to the
// destination and commits. Memory is bounded whatever the input's size, the
// order of chunks is the order of records, and a checkpoint is saved whenever
// the destination has accepted one more chunk of the unbroken beginning (I1).
package engine

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"sync/atomic"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/mapping"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
)

// Source is where a flow's records come from.
type Source interface {
	// Open starts at the beginning. want lists the fields that the mapping takes, nil for every field. ErrNoRecords says
	// that there is nothing to do.
	Open(ctx context.Context, want []string) (*Stream, error)
}

// ErrNoRecords is what a source without records returns where that is in order:
// the run succeeds and pushes nothing.
var ErrNoRecords = errors.New("no records")

// Stream is an opened source.
type Stream struct {
	Reader
	// NamesComplete says that Reader.Names are all fields there are, not only those of a sample.
	NamesComplete bool
	// Typed says that the kinds of cells tell their types (JSON), so that a text which looks like a number is still a text.
	Typed bool
	// Types are those of fields that the source declares, by name; they go before what a sample tells.
	Types map[string]columns.Type
	// DecimalComma says that texts may be numbers with a decimal comma.
	DecimalComma bool
	// InputSize is what Reader.InputBytes will be at the end, 0 when unknown.
	InputSize int64
	// MustHaveRows makes a source without a record that became a row a fault.
	MustHaveRows bool
	// Identity tells this reading of a source from another that may have other records; a checkpoint is only good for its
	// own. It is "" where every reading has the same.
	Identity string
	// Watermark is how far the source has come; "" for a source without one.
	Watermark string
}

// Empty is what Open returns where a source without records is in order: the
// run succeeds and pushes nothing. It is ErrNoRecords with what the run keeps of it.
type Empty struct {
	// Watermark is how far the source has come; "" for a source without one.
	Watermark string
	// Warning, when set, is told by the run.
	Warning *flows.Warning
}

// Error implements error.
func (e *Empty) Error() string { return ErrNoRecords.Error() }

// Is makes every Empty an ErrNoRecords.
func (e *Empty) Is(target error) bool { return target == ErrNoRecords }

// Reader gives a source's records in blocks. The same source gives the same
// blocks each time it is opened. Decode may be called from several goroutines
// with a Raw each; the rest is for one.
type Reader interface {
	Names() []string
	// Peek gives up to n blocks that Next will give again.
	Peek(ctx context.Context, n int) ([]columns.Block, error)
	// Next gives the next block, io.EOF after the last.
	Next(ctx context.Context) (columns.Block, error)
	Decode(b columns.Block, raw *columns.Raw) error
	// Release gives a block's memory back.
	Release(b columns.Block)
	// InputBytes counts what was read of the source as it is stored.
	InputBytes() int64
	Close() error
}

// Sink is where a flow's rows go. A push job collects chunks; nothing of them
// is visible before Commit (I3).
type Sink interface {
	// Resume looks at the job of a checkpoint and decides how to go on; after StartOver the old job is gone.
	Resume(ctx context.Context, c flows.Checkpoint) (Decision, error)
	// Begin makes a push job for rows of the schema and gives its id.
	Begin(ctx context.Context, schema columns.Schema) (jobID string, err error)
	// Encoder makes an encoder of the chunk files that the destination takes.
	Encoder(schema columns.Schema) (columns.ChunkEncoder, error)
	// Put hands a chunk over; it returns when the destination has accepted it. Fault CelonisChunkInDoubt when it is not
	// known whether the chunk arrived and repeating it could double rows.
	Put(ctx context.Context, jobID string, c Chunk) error
	// Commit executes the push job and waits until its rows are in the table. It may be called again for the same job.
	// A fault of class Wait says when to look again.
	Commit(ctx context.Context, jobID string) error
	// Abort drops a push job that was not executed; a job that is gone is no error.
	Abort(ctx context.Context, jobID string) error
}

// Decision is how a run goes on with the push job of its checkpoint.
type Decision uint8

const (
	// StartOver begins with a new push job.
	StartOver Decision = iota
	// GoOn continues after the last accepted chunk.
	GoOn
	// Finish commits: every chunk is in.
	Finish
)

// String gives the decision's name.
func (d Decision) String() string { return [...]string{"start over", "go on", "finish"}[d] }

// Chunk is one encoded file of a push.
type Chunk struct {
	// Seq counts the chunks of a push from 0.
	Seq  int64
	Rows int64
	// Body is valid until Put returns.
	Body []byte
}

// Journal saves how far a run is.
type Journal interface {
	Save(ctx context.Context, c flows.Checkpoint, errors []flows.RecordError) error
}

// Job is one attempt's work.
type Job struct {
	Source  Source
	Sink    Sink
	Journal Journal
	// Rules shape the records; none takes every field with inferred types.
	Rules []flows.Rule
	// Shape is what the flow does to records beside its rules.
	Shape mapping.Shape
	// Policy says what becomes of values that contradict their column's type; empty is DiscardRow.
	Policy flows.SchemaPolicy
	// Keys are columns whose values may not be null.
	Keys       []string
	MaxErrors  flows.Threshold
	Checkpoint flows.Checkpoint
	// Tracing, when set, looks out for records that earlier runs could not make rows of.
	Tracing *Tracing
	// Progress, when set, is updated while the attempt runs.
	Progress *Progress

	// evolved is how far the policy Evolve has widened the table.
	evolved evolution
}

// Progress tells how far an attempt is; any goroutine may read it.
type Progress struct {
	// Read, Filtered and Errored count records, Accepted rows, Chunks and Bytes what the destination has accepted.
	Read, Filtered, Errored, Accepted, Chunks, Bytes atomic.Int64
	// InputBytes of InputSize are read; InputSize is 0 when unknown.
	InputBytes, InputSize atomic.Int64
	// Committing is true once every chunk is in.
	Committing atomic.Bool
}

// Options size an Engine; a zero member takes its default.
type Options struct {
	// ChunkBytes is the size of a chunk's values in memory, before encoding. Default DefaultChunkBytes.
	ChunkBytes int
	// Decoders and Encoders are goroutines of each kind. Default GOMAXPROCS.
	Decoders, Encoders int
	// Uploads is how many chunks are under way at once. Default DefaultUploads.
	Uploads int
	// KeyBytes is the memory for the keys of a push of which each may come once, before they go to a file in TempDir.
	// Default DefaultKeyBytes.
	KeyBytes int
	// TempDir "" is the system's.
	TempDir string
}

const (
	// DefaultChunkBytes makes chunks of roughly 100,000 rows of an event log.
	DefaultChunkBytes = 16 << 20
	// DefaultUploads hides the destination's answer time behind other chunks.
	DefaultUploads = 4
	// maxRestarts bounds how often one attempt begins a new push job because of a chunk in doubt or a job that vanished.
	maxRestarts = 3
)

// Engine runs attempts.
type Engine struct{ opt Options }

// New makes an Engine.
func New(opt Options) *Engine {
	procs := runtime.GOMAXPROCS(0)
	setDefault(&opt.ChunkBytes, DefaultChunkBytes)
	setDefault(&opt.Decoders, procs)
	setDefault(&opt.Encoders, procs)
	setDefault(&opt.Uploads, DefaultUploads)
	setDefault(&opt.KeyBytes, DefaultKeyBytes)
	return &Engine{opt}
}

func setDefault(v *int, d int) {
	if *v <= 0 {
		*v = d
	}
}

// Run does the job and gives the ledger of a run that succeeded. A canceled
// ctx ends it with ctx's cause. After any error nothing of the push is visible
// unless the push job had been submitted, in which case a later attempt
// finishes it.
func (e *Engine) Run(ctx context.Context, job Job) (flows.Ledger, error) {
	if job.Progress == nil {
		job.Progress = new(Progress)
	}
	checkpoint := job.Checkpoint
	for restarts := 0; ; {
		j := newJournal(job.Journal, checkpoint, job.Progress)
		err := e.attempt(ctx, &job, j)
		if err == nil {
			return j.last().Ledger, nil
		}
		checkpoint = j.last()
		var c *contradicted
		switch {
		case errors.As(err, &c):
			if err := e.evolve(ctx, &job, c); err != nil {
				return flows.Ledger{}, err
			}
			if d, _ := delivererOf(job.Sink); d != nil {
				// There is no table that was declared otherwise: the rows to come are of the wider types.
				checkpoint.Schema = ""
				continue
			}
		case restarts == maxRestarts || !needsNewJob(err):
			return flows.Ledger{}, err
		default:
			restarts++
		}
		if err := dropJob(ctx, &job, &checkpoint); err != nil {
			return flows.Ledger{}, err
		}
	}
}

// needsNewJob reports whether the push job can no longer be continued, while a
// new one can do the work.
func needsNewJob(err error) bool {
	return fault.Has(err, fault.CelonisChunkInDoubt) || fault.Has(err, fault.CelonisJobGone) || fault.Has(err, fault.SourceChanged) ||
		fault.Has(err, fault.CelonisChunkCount)
}

func dropJob(ctx context.Context, job *Job, c *flows.Checkpoint) error {
	if !mayRestart(job.Sink, *c) {
		return fault.New(fault.RunHalfDelivered, "the source gives other records than those of which %d were delivered already", c.Ledger.Pushed).
			WithHint("what was delivered cannot be taken back, and to begin anew would deliver it again; look at what the destination has, then start the flow again if that is in order")
	}
	if c.PushJobID != "" {
		if err := job.Sink.Abort(ctx, c.PushJobID); err != nil {
			return err
		}
	}
	*c = flows.Checkpoint{}
	return nil
}

// attempt goes once through read, map, chunk, write, commit.
func (e *Engine) attempt(ctx context.Context, job *Job, j *journal) error {
	checkpoint := j.last()
	if checkpoint.Committed {
		return follow(ctx, job, j)
	}
	finishing := false
	if checkpoint.PushJobID != "" {
		decision, err := job.Sink.Resume(ctx, checkpoint)
		if err != nil {
			return err
		}
		switch decision {
		case Finish:
			if finishing = surveys(job.Sink); !finishing {
				return commit(ctx, job, j)
			}
		case StartOver:
			if !mayRestart(job.Sink, checkpoint) {
				return dropJob(ctx, job, &checkpoint)
			}
			checkpoint = flows.Checkpoint{}
			j.restart(checkpoint)
		}
	}
	p, err := e.prepare(ctx, job, checkpoint)
	if errors.Is(err, ErrNoRecords) {
		return pushNone(ctx, job, j, err)
	}
	if err != nil {
		return err
	}
	defer p.stream.Close()
	if p.checkpointStale {
		if err := dropJob(ctx, job, &checkpoint); err != nil {
			return err
		}
		p.start = cursor{}
	}
	if checkpoint.PushJobID == "" {
		visible := isImmediate(job.Sink)
		first := flows.Checkpoint{Schema: p.fingerprint, Visible: visible, Source: job.evolved.cursor(), Watermark: p.stream.Watermark}
		if err := foresee(ctx, job, p.plan.Schema(), &first); err != nil {
			return err
		}
		j.restart(first)
	}
	p.journal = j
	if p.losers, err = e.findLosers(ctx, job, p.plan); err != nil {
		return err
	}
	if d, _ := delivererOf(job.Sink); d != nil {
		return e.deliver(ctx, p, finishing)
	}
	if err = p.copyPages(ctx); err != nil {
		return err
	}
	err = p.run(ctx)
	if traceErr := job.Tracing.save(ctx); err == nil {
		err = traceErr
	}
	if err != nil {
		return err
	}
	if err := p.finish(ctx); err != nil {
		return err
	}
	if j.last().PushJobID == "" {
		return pushNothing(ctx, job, j, p.plan.Schema())
	}
	return commit(ctx, job, j)
}

// deliver is the rest of an attempt whose sink takes rows. finishing says that all of them are delivered.
func (e *Engine) deliver(ctx context.Context, p *pipeline, finishing bool) error {
	if err := e.surveyRows(ctx, p); err != nil {
		return err
	}
	if finishing && p.journal.last().Submitted {
		return commit(ctx, p.job, p.journal)
	}
	err := p.deliver(ctx)
	if traceErr := p.job.Tracing.save(ctx); err == nil {
		err = traceErr
	}
	if err != nil {
		return err
	}
	if err := p.finishDelivery(ctx); err != nil {
		return err
	}
	if p.journal.last().PushJobID == "" {
		return nil
	}
	return commit(ctx, p.job, p.journal)
}

// ended keeps what a source without records tells.
func ended(ctx context.Context, j *journal, err error) error {
	var empty *Empty
	if !errors.As(err, &empty) || empty.Watermark == "" && empty.Warning == nil {
		return nil
	}
	return j.change(ctx, nil, func(c *flows.Checkpoint) {
		c.Watermark = empty.Watermark
		if empty.Warning != nil {
			c.Warnings = append(c.Warnings, *empty.Warning)
		}
	})
}

// commit executes the push job. That it was told to is on record before it is
// told (I3), so that a later attempt finishes what this one began.
func commit(ctx context.Context, job *Job, j *journal) error {
	job.Progress.Committing.Store(true)
	if err := reconcile(ctx, job, j); err != nil {
		return err
	}
	if err := j.submitted(ctx); err != nil {
		return err
	}
	if err := job.Sink.Commit(ctx, j.last().PushJobID); err != nil {
		return err
	}
	if err := act(ctx, job, j); err != nil {
		return err
	}
	if err := foretell(ctx, job, j); err != nil {
		return err
	}
	return follow(ctx, job, j)
}

// cursor is where a source stands: at the border of two blocks, or of a push of single rows in a block.
type cursor struct {
	// Blocks is the number of blocks before the cursor, Offset the byte position (of a typed source the row) of the next.
	Blocks int   `json:"blocks"`
	Offset int64 `json:"offset"`
	// Identity is Stream.Identity.
	Identity string `json:"identity,omitempty"`
	// Evolved is how far the table was widened, Discarded counts the values before the cursor that became null, by column.
	Evolved   evolution        `json:"evolved,omitzero"`
	Discarded map[string]int64 `json:"discarded,omitempty"`
	// Rows counts the good rows of the next block that are before the cursor, Records its records of any kind; Delivered the
	// good rows of the whole push, Sources the records of the blocks before, as they stand in the source.
	Rows      int64 `json:"rows,omitempty"`
	Records   int64 `json:"records,omitempty"`
	Delivered int64 `json:"delivered,omitempty"`
	Sources   int64 `json:"sources,omitempty"`
	// Sent counts the rows behind the cursor of which an attempt that did not end may have delivered any.
	Sent int `json:"sent,omitempty"`
}

func (c cursor) encode() json.RawMessage {
	b, _ := json.Marshal(c) // numbers and text cannot fail
	return b
}

func decodeCursor(c flows.Checkpoint) (cursor, error) {
	if len(c.Source) == 0 {
		return cursor{}, nil
	}
	var out cursor
	err := json.Unmarshal(c.Source, &out)
	return out, err
}
