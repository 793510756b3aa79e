package endpoint

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/budget"
	"github.com/celonis-connector/connector/internal/celonis"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/pace"
)

// dataPush pushes chunks into a table of a data pool.
type dataPush struct {
	push  *celonis.DataPush
	spec  flows.Import
	table *standingTable
	sender
	steps
	governor Governor
	team     budget.Team
	log      *slog.Logger
	pollFor  time.Duration
	now      func() time.Time
}

var (
	_ engine.Sink       = (*dataPush)(nil)
	_ engine.Reconciler = (*dataPush)(nil)
	_ engine.Follower   = (*dataPush)(nil)
	_ engine.Distincter = (*dataPush)(nil)
	_ engine.Fitter     = (*dataPush)(nil)
)

// isHarmless reports whether repeating a chunk leaves the table as it is: an
// upsert and a removal by keys do, a refill does not.
func isHarmless(i flows.Import) bool { return i.Mode != flows.Replace }

// Distinct implements engine.Distincter. Which of several rows with one key
// Celonis keeps is not documented, so it gets one.
func (d *dataPush) Distinct() (keys []string, order string) {
	if d.spec.Mode != flows.Delta {
		return nil, ""
	}
	return d.spec.Keys, d.spec.Order()
}

// Fit implements engine.Fitter.
func (d *dataPush) Fit(ctx context.Context, rules []flows.Rule) ([]flows.Rule, error) {
	if d.spec.Mode == flows.Replace {
		return rules, nil
	}
	return d.table.Fit(ctx, rules)
}

// Resume implements engine.Sink.
func (d *dataPush) Resume(ctx context.Context, c flows.Checkpoint) (engine.Decision, error) {
	job, err := d.push.Job(ctx, c.PushJobID)
	gone := fault.Has(err, fault.CelonisJobGone)
	if err != nil && !gone {
		return 0, err
	}
	switch decide(standing{status: job.Status, gone: gone, submitted: c.Submitted, harmless: d.harmless}) {
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
	schema = d.pushed(schema)
	if d.spec.Mode != flows.Replace {
		if err := d.table.check(ctx, schema); err != nil {
			return "", err
		}
	}
	spec := celonis.JobSpec{
		Table: d.spec.Table, Type: celonis.Replace, FileType: celonis.Parquet,
		DataConnectionID: d.spec.DataConnectionID, Schema: schema,
	}
	if d.spec.Mode != flows.Replace {
		spec.Type, spec.Keys = celonis.Delta, d.spec.Keys
	}
	if d.spec.FileType == flows.CSVChunks {
		options := columns.CSVParsing(schema)
		spec.FileType, spec.CSV = celonis.CSV, &options
	}
	job, err := d.push.CreateJob(ctx, spec)
	return job.ID, err
}

// pushed gives the columns of the rows that are sent: those to delete are told by their keys.
func (d *dataPush) pushed(schema columns.Schema) columns.Schema {
	if d.spec.Mode == flows.Delete {
		return only(schema, d.spec.Keys)
	}
	return schema
}

// Encoder implements engine.Sink.
func (d *dataPush) Encoder(schema columns.Schema) (columns.ChunkEncoder, error) {
	part := d.pushed(schema)
	encoder, err := d.encoder(part)
	if err != nil || len(part) == len(schema) {
		return encoder, err
	}
	return newNarrow(schema, part, encoder), nil
}

func (d *dataPush) encoder(schema columns.Schema) (columns.ChunkEncoder, error) {
	if d.spec.FileType == flows.CSVChunks {
		return columns.NewCSVEncoder(schema, columns.CSVWriteOptions{}), nil
	}
	return columns.NewParquetEncoder(schema, columns.ParquetOptions{})
}

// Pages implements engine.PageTaker.
func (d *dataPush) Pages() (columns.ParquetOptions, bool) {
	return columns.ParquetOptions{}, d.spec.FileType != flows.CSVChunks && d.spec.Mode != flows.Delete
}

// Put implements engine.Sink.
func (d *dataPush) Put(ctx context.Context, jobID string, c engine.Chunk) error {
	chunk := celonis.Chunk{Kind: d.kind(), Name: d.fileName(c.Seq), Body: bytes.NewReader(c.Body), Size: int64(len(c.Body))}
	return d.sender.send(ctx, chunk.Size, func() error { return d.push.UploadChunk(ctx, jobID, chunk) })
}

func (d *dataPush) kind() celonis.ChunkKind {
	if d.spec.Mode == flows.Delete {
		return celonis.Delete
	}
	return celonis.Upsert
}

func (d *dataPush) fileName(seq int64) string {
	if d.spec.FileType == flows.CSVChunks {
		return fmt.Sprintf("chunk-%06d.csv", seq)
	}
	return fmt.Sprintf("chunk-%06d.parquet", seq)
}

const (
	// pollFirst and pollMax bound the growing pause between two looks at a job.
	pollFirst, pollMax = 5 * time.Millisecond, 5 * time.Second
	// lookAgain is how long a run waits without a worker for a job that takes long.
	lookAgain = 15 * time.Second
)

// Reconcile implements engine.Reconciler: the push job must have every chunk
// that was sent, and none twice unless that is harmless. Where the list of
// chunks is not served, nothing is compared.
func (d *dataPush) Reconcile(ctx context.Context, jobID string, sent int64) error {
	job, err := d.push.Job(ctx, jobID)
	if err != nil || job.Status != celonis.JobNew {
		return err
	}
	list, err := d.push.Chunks(ctx, jobID)
	switch {
	case fault.Has(err, fault.CelonisJobGone), err != nil && fault.RetryOf(err) == fault.Never:
		d.log.InfoContext(ctx, "the push job's chunks could not be listed, so their number is not compared", "pushJob", jobID, "code", fault.CodeOf(err))
		return nil
	case err != nil:
		return err
	}
	has := int64(len(list))
	if has == sent || has > sent && d.harmless {
		return nil
	}
	return fault.New(fault.CelonisChunkCount, "the push job has %d chunks in celonis, and %d were sent", has, sent).
		WithHint("the job was not executed; the push begins anew by itself")
}

// Commit implements engine.Sink: submit, then poll.
func (d *dataPush) Commit(ctx context.Context, jobID string) error {
	job, err := d.push.Job(ctx, jobID)
	if err != nil {
		return err
	}
	if job.Status == celonis.JobNew {
		if job, err = d.submit(ctx, jobID); err != nil {
			return err
		}
	}
	end := d.now().Add(d.pollFor)
	for pause := pollFirst; !job.Status.Terminal(); pause = min(pause*3/2, pollMax) {
		if d.now().After(end) {
			return d.stillBusy(job)
		}
		if err := pace.Rest(ctx, pause); err != nil {
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
