package engine

import (
	"context"
	"slices"
	"sync"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

// journal turns chunks that are accepted in any order into checkpoints of the
// unbroken beginning: invariant I1.
type journal struct {
	out      Journal
	progress *Progress

	mu         sync.Mutex
	checkpoint flows.Checkpoint
	// accepted holds chunks behind a gap.
	accepted map[int64]*chunk
}

func newJournal(out Journal, c flows.Checkpoint, progress *Progress) *journal {
	j := &journal{out: out, progress: progress}
	j.restart(c)
	return j
}

// restart takes another checkpoint as the last one, without saving it.
func (j *journal) restart(c flows.Checkpoint) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.checkpoint, j.accepted = c, map[int64]*chunk{}
	j.tell()
}

func (j *journal) tell() {
	j.progress.Accepted.Store(j.checkpoint.Ledger.Pushed)
	j.progress.Chunks.Store(j.checkpoint.Chunks)
	j.progress.Bytes.Store(j.checkpoint.Bytes)
}

// last gives the newest checkpoint.
func (j *journal) last() flows.Checkpoint {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.checkpoint
}

// begun stores the push job's id before its first chunk goes out.
func (j *journal) begun(ctx context.Context, jobID string) error {
	return j.change(ctx, nil, func(c *flows.Checkpoint) { c.PushJobID = jobID })
}

// submitted stores that every chunk is in and the job is about to be executed.
func (j *journal) submitted(ctx context.Context) error {
	if j.last().Submitted {
		return nil
	}
	return j.change(ctx, nil, func(c *flows.Checkpoint) { c.Submitted = true })
}

// found stores record errors ahead of the chunk that they belong to.
func (j *journal) found(ctx context.Context, errors []flows.RecordError) error {
	return j.change(ctx, errors, func(*flows.Checkpoint) {})
}

// ending is a run's state at the end of its source: the errors are those behind the last chunk, the warnings those of
// values that were discarded.
type ending struct {
	after     cursor
	ledger    flows.Ledger
	errors    []flows.RecordError
	discarded []flows.Warning
}

// ended stores the state at the source's end.
func (j *journal) ended(ctx context.Context, end ending) error {
	return j.change(ctx, end.errors, func(c *flows.Checkpoint) {
		c.Ledger = end.ledger
		if c.PushJobID != "" {
			c.Source = end.after.encode()
		}
		others := slices.DeleteFunc(slices.Clone(c.Warnings), func(w flows.Warning) bool { return w.Code == fault.ValueDiscarded })
		c.Warnings = append(others, end.discarded...)
	})
}

func (j *journal) change(ctx context.Context, errors []flows.RecordError, apply func(*flows.Checkpoint)) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	next := j.checkpoint
	apply(&next)
	if err := j.out.Save(ctx, next, errors); err != nil {
		return err
	}
	j.checkpoint = next
	j.tell()
	return nil
}

// accept takes note of a chunk that the destination has; the checkpoint moves
// over every chunk that has no gap before it.
func (j *journal) accept(ctx context.Context, c *chunk) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.accepted[c.seq] = c
	next, errors := j.checkpoint, []flows.RecordError(nil)
	moved := false
	for c, ok := j.accepted[next.Chunks]; ok; c, ok = j.accepted[next.Chunks] {
		delete(j.accepted, next.Chunks)
		next.Source, next.Ledger = c.after.encode(), c.ledger
		next.Chunks++
		next.Bytes += c.bytes
		errors = append(errors, c.errors...)
		moved = true
	}
	if !moved {
		return nil
	}
	if err := j.out.Save(ctx, next, errors); err != nil {
		return err
	}
	j.checkpoint = next
	j.tell()
	return nil
}
