package endpoint

import (
	"bytes"
	"context"
	"fmt"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/celonis"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/google/uuid"
)

// upserting is what the sinks without a push job have in common. Chunks become
// visible when Celonis flushes them, so invariant I3 does not hold: a run that
// fails leaves in the table what was accepted before. Each row comes once and
// rows replace those with the same keys, so a repeated chunk changes nothing.
type upserting struct {
	spec  flows.Import
	table *standingTable
	sender
}

// Immediate implements engine.Immediate.
func (u *upserting) Immediate() {}

// Distinct implements engine.Distincter.
func (u *upserting) Distinct() (keys []string, order string) { return u.spec.Keys, u.spec.Order() }

// Fit implements engine.Fitter.
func (u *upserting) Fit(ctx context.Context, rules []flows.Rule) ([]flows.Rule, error) {
	return u.table.Fit(ctx, rules)
}

// Resume implements engine.Sink.
func (u *upserting) Resume(_ context.Context, c flows.Checkpoint) (engine.Decision, error) {
	if c.Submitted {
		return engine.Finish, nil
	}
	return engine.GoOn, nil
}

// Begin implements engine.Sink. The id names the files of the push.
func (u *upserting) Begin(ctx context.Context, schema columns.Schema) (string, error) {
	if err := u.table.check(ctx, schema); err != nil {
		return "", err
	}
	return uuid.NewString(), nil
}

// Commit implements engine.Sink: an accepted chunk needs nothing more.
func (u *upserting) Commit(context.Context, string) error { return nil }

// Abort implements engine.Sink: nothing can be taken back.
func (u *upserting) Abort(context.Context, string) error { return nil }

func (u *upserting) fileName(jobID string, seq int64) string {
	return fmt.Sprintf("%s-%06d.parquet", jobID, seq)
}

// clientID names this product as the sender of items.
const clientID = "celonis-connector"

// continuousPush hands chunks to Celonis Continuous Data Push.
type continuousPush struct {
	upserting
	push *celonis.ContinuousPush
}

var (
	_ engine.Sink       = (*continuousPush)(nil)
	_ engine.Immediate  = (*continuousPush)(nil)
	_ engine.Distincter = (*continuousPush)(nil)
	_ engine.Fitter     = (*continuousPush)(nil)
)

// Encoder implements engine.Sink.
func (s *continuousPush) Encoder(schema columns.Schema) (columns.ChunkEncoder, error) {
	return columns.NewParquetEncoder(schema, columns.ParquetOptions{})
}

// Put implements engine.Sink.
func (s *continuousPush) Put(ctx context.Context, jobID string, c engine.Chunk) error {
	to := celonis.ItemTarget{
		Table: s.spec.Table, DataConnectionID: s.spec.DataConnectionID, Keys: s.spec.Keys, OrderColumn: s.spec.OrderBy,
		Length: columns.MaxStringBytes, Sender: clientID,
	}
	item := celonis.Item{Name: s.fileName(jobID, c.Seq), Body: bytes.NewReader(c.Body), Size: int64(len(c.Body))}
	return s.send(ctx, item.Size, func() error { return s.push.Upload(ctx, to, item) })
}

// dataIngestion stores chunks in the bucket of Celonis Standard Data Ingestion.
type dataIngestion struct {
	upserting
	bucket *celonis.DataIngestion
}

var (
	_ engine.Sink       = (*dataIngestion)(nil)
	_ engine.Immediate  = (*dataIngestion)(nil)
	_ engine.Distincter = (*dataIngestion)(nil)
	_ engine.Fitter     = (*dataIngestion)(nil)
)

// Encoder implements engine.Sink: the bucket takes files without compression only.
func (s *dataIngestion) Encoder(schema columns.Schema) (columns.ChunkEncoder, error) {
	return columns.NewParquetEncoder(schema, columns.ParquetOptions{Compression: columns.CompressionNone})
}

// Put implements engine.Sink. A file is named by push and chunk, so that a repeated one replaces itself.
func (s *dataIngestion) Put(ctx context.Context, jobID string, c engine.Chunk) error {
	file := celonis.IngestionFile{
		DataConnectionID: s.spec.DataConnectionID, Table: s.spec.Table, Name: s.fileName(jobID, c.Seq), Body: c.Body,
	}
	return s.send(ctx, int64(len(c.Body)), func() error { return s.bucket.Put(ctx, file) })
}
