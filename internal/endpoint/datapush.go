package endpoint

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/celonis"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
)

// dataPush pushes chunks into a table of a data pool.
type dataPush struct {
	push     *celonis.DataPush
	spec     flows.Import
	observer Observer
	pollFor  time.Duration
	now      func() time.Time
}

var _ engine.Sink = (*dataPush)(nil)

// harmless reports whether repeating a chunk leaves the table as it is: an
// upsert by keys does, a refill does not.
func (d *dataPush) harmless() bool { return d.spec.Mode == flows.Delta }

// Resume implements engine.Sink.
func (d *dataPush) Resume(ctx context.Context, c flows.Checkpoint) (engine.Decision, error) {
	job, err := d.push.Job(ctx, c.PushJobID)
	gone := fault.Has(err, fault.CelonisJobGone)
	if err != nil && !gone {
		return 0, err
	}
	switch decide(standing{status: job.Status, gone: gone, submitted: c.Submitted, harmless: d.harmless()}) {
	case goOn:
		return engine.GoOn, nil
	case finish:
		return engine.Finish, nil
	case hold:
		return 0, d.stillBusy(job)
	case fail:
		return 0, jobFailed(job)
	}
	return engine.StartOver, d.Abort(ctx, c.PushJobID)
}

// Begin implements engine.Sink.
func (d *dataPush) Begin(ctx context.Context, schema columns.Schema) (string, error) {
	spec := celonis.JobSpec{
		Table: d.spec.Table, Type: celonis.Replace, FileType: celonis.Parquet,
		DataConnectionID: d.spec.DataConnectionID, Schema: schema,
	}
	if d.spec.Mode == flows.Delta {
		spec.Type, spec.Keys = celonis.Delta, d.spec.Keys
	}
	if d.spec.FileType == flows.CSVChunks {
		options := columns.CSVParsing(schema)
		spec.FileType, spec.CSV = celonis.CSV, &options
	}
	job, err := d.push.CreateJob(ctx, spec)
	return job.ID, err
}

// Encoder implements engine.Sink.
func (d *dataPush) Encoder(schema columns.Schema) (columns.ChunkEncoder, error) {
	if d.spec.FileType == flows.CSVChunks {
		return columns.NewCSVEncoder(schema, columns.CSVWriteOptions{}), nil
	}
	return columns.NewParquetEncoder(schema, columns.ParquetOptions{})
}

const (
	// putTries bounds how often one chunk is sent.
	putTries = 6
	// putPause is the first pause between two tries; it doubles.
	putPause = 250 * time.Millisecond
	// putMaxPause is the longest wait for a limit to clear while a worker holds the chunk.
	putMaxPause = time.Minute
)

// Put implements engine.Sink. It repeats a chunk that was plainly not taken,
// and one in doubt only where repeating is harmless.
func (d *dataPush) Put(ctx context.Context, jobID string, c engine.Chunk) error {
	chunk := celonis.Chunk{Kind: celonis.Upsert, Name: d.fileName(c.Seq), Body: bytes.NewReader(c.Body), Size: int64(len(c.Body))}
	pause := putPause
	for try := 1; ; try++ {
		began := d.now()
		err := d.push.UploadChunk(ctx, jobID, chunk)
		d.observer.ChunkUploaded(err == nil, chunk.Size, d.now().Sub(began))
		if err == nil {
			return nil
		}
		wait, again := d.putAgain(fault.From(err), pause)
		if !again || try == putTries || ctx.Err() != nil {
			return err
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
		pause *= 2
	}
}

func (d *dataPush) fileName(seq int64) string {
	if d.spec.FileType == flows.CSVChunks {
		return fmt.Sprintf("chunk-%06d.csv", seq)
	}
	return fmt.Sprintf("chunk-%06d.parquet", seq)
}

// putAgain reports whether sending a chunk again can neither double rows nor be in vain, and after which wait.
func (d *dataPush) putAgain(err *fault.Error, pause time.Duration) (wait time.Duration, again bool) {
	jittered := pause/2 + rand.N(pause/2+1)
	switch err.Code {
	case fault.CelonisRateLimited:
		wait = max(err.ResumeAt.Sub(d.now()), 0) + jittered
		return wait, wait <= putMaxPause
	case fault.CelonisChunkInDoubt:
		return jittered, d.harmless()
	case fault.EgressDNS, fault.EgressTLS, fault.EgressUnreachable, fault.EgressTimeout:
		return jittered, true
	}
	return 0, false
}

const (
	// pollFirst and pollMax bound the growing pause between two looks at a job.
	pollFirst, pollMax = 100 * time.Millisecond, 5 * time.Second
	// lookAgain is how long a run waits without a worker for a job that takes long.
	lookAgain = 15 * time.Second
)

// Commit implements engine.Sink: submit, then poll.
func (d *dataPush) Commit(ctx context.Context, jobID string) error {
	job, err := d.push.Job(ctx, jobID)
	if err != nil {
		return err
	}
	if job.Status == celonis.JobNew {
		if job, err = d.push.Submit(ctx, jobID); err != nil {
			return err
		}
	}
	end := d.now().Add(d.pollFor)
	for pause := pollFirst; !job.Status.Terminal(); pause = min(pause*3/2, pollMax) {
		if d.now().After(end) {
			return d.stillBusy(job)
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		if job, err = d.push.Job(ctx, jobID); err != nil {
			return err
		}
	}
	if job.Status != celonis.JobDone {
		return jobFailed(job)
	}
	return nil
}

// Abort implements engine.Sink. A job that is being executed or has ended is
// left alone.
func (d *dataPush) Abort(ctx context.Context, jobID string) error {
	job, err := d.push.Job(ctx, jobID)
	if fault.Has(err, fault.CelonisJobGone) {
		return nil
	}
	if err != nil {
		return err
	}
	if job.Status != celonis.JobNew {
		return nil
	}
	return d.push.DeleteJob(ctx, jobID)
}

func (d *dataPush) stillBusy(job celonis.Job) error {
	return fault.New(fault.CelonisJobStillBusy, "the push job %s is %s in Celonis", job.ID, job.Status).
		WithResumeAt(d.now().Add(lookAgain))
}

// maxLogLines and maxLogBytes bound what is quoted of a push job's log.
const maxLogLines, maxLogBytes = 5, 600

// jobFailed quotes the end of the job's log, which is all that Celonis tells.
func jobFailed(job celonis.Job) error {
	lines := job.Logs[max(0, len(job.Logs)-maxLogLines):]
	text := strings.Join(lines, "; ")
	if len(text) > maxLogBytes {
		text = "..." + strings.ToValidUTF8(text[len(text)-maxLogBytes:], "")
	}
	f := fault.New(fault.CelonisJobFailed, "the push job ended as %s; its log says %q", job.Status, text)
	return f.WithHint("nothing of this run is in the table; look at table %q in Data Integration: a column of another type or a missing key column is the usual cause", job.Table)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
