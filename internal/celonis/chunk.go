package celonis

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
)

const (
	// MaxChunkBytes is the largest chunk that Celonis takes, in bytes.
	MaxChunkBytes = 1_000_000_000
	// chunkTimeout is RetryPolicy.Upload, slowestUpload the bytes a second of a slow line.
	chunkTimeout  = 2 * time.Minute
	slowestUpload = 256 << 10
)

// ChunkKind says what a chunk's rows are for.
type ChunkKind string

const (
	// Upsert rows are put into the table.
	Upsert ChunkKind = "UPSERT"
	// Delete rows name keys that are taken out; the job must be a Delta.
	Delete ChunkKind = "DELETE"
)

// Chunk is one encoded file of a push.
type Chunk struct {
	Kind ChunkKind
	// Name is the file name that Celonis is told.
	Name string
	// Body is read at [0, Size), more than once when HTTP/2 starts over: keep
	// it until UploadChunk returns.
	Body io.ReaderAt
	Size int64
}

// ChunkInfo is a chunk that Celonis has.
type ChunkInfo struct {
	ID        string
	Kind      ChunkKind
	CreatedAt time.Time
	// Checksum is of an algorithm that Celonis does not name.
	Checksum string
}

// UploadChunk sends a chunk to a push job that is still new. It is not
// repeated by itself. Faults:
//
//   - CelonisChunkInDoubt: Celonis may have the chunk (its answer was lost or
//     broken, or it had an error of its own, or ctx ended meanwhile)
//   - CelonisRateLimited, with when to come again: Celonis does not have it
//   - egress faults: nothing was sent
//   - CelonisRejected, CelonisConflict, CelonisTooLarge, CelonisJobGone and the
//     faults of a key: Celonis refused it
func (p *DataPush) UploadChunk(ctx context.Context, jobID string, c Chunk) error {
	if c.Size < 1 || c.Size > MaxChunkBytes {
		return fault.New(fault.CelonisTooLarge, "a chunk must have 1 to %d bytes, not %d", MaxChunkBytes, c.Size)
	}
	body, err := newPayload(c.Name, c.Body, c.Size)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "the upload cannot be prepared")
	}
	rest := "/chunks/upserted"
	if c.Kind == Delete {
		rest = "/chunks/deleted"
	}
	var far progress
	err = p.doJob(ctx, jobID, rest, call{
		op: operation{areaPush, "upload a chunk"}, method: http.MethodPost, payload: body, progress: &far,
		timeout: p.client.retry.forUpload(c.Size),
	})
	return chunkFault(jobID, err, &far)
}

// chunkFault keeps what says that Celonis does not have the chunk, and turns
// the rest into doubt.
func chunkFault(jobID string, err error, far *progress) error {
	switch status := statusOf(err); {
	case err == nil, fault.Has(err, fault.CelonisRateLimited):
		return err
	case status == 0 && !inDoubt(err, far):
		return err
	case status == http.StatusServiceUnavailable && !fault.From(err).ResumeAt.IsZero():
		// A 503 that names a time is a refusal before acceptance.
		e := fault.From(err)
		return fault.Wrap(err, fault.CelonisRateLimited, "%s", e.Message).WithResumeAt(e.ResumeAt)
	case status == 0 || status >= http.StatusInternalServerError:
		return fault.Wrap(err, fault.CelonisChunkInDoubt, "it is not known whether celonis has taken the chunk of push job %q", jobID)
	}
	return err
}

// chunkAnswer is a DataPushChunk.
type chunkAnswer struct {
	ID           string    `json:"id"`
	CreationDate moment    `json:"creationDate"`
	Type         ChunkKind `json:"type"`
	Checksum     string    `json:"checksum"`
}

// Chunks lists the chunks that a push job has; fault CelonisJobGone.
func (p *DataPush) Chunks(ctx context.Context, id string) ([]ChunkInfo, error) {
	var list []chunkAnswer
	if err := p.doJob(ctx, id, "/chunks", call{
		op: operation{areaPush, "list the push job's chunks"}, method: http.MethodGet, repeatable: true, out: &list,
	}); err != nil {
		return nil, err
	}
	chunks := make([]ChunkInfo, len(list))
	for i, a := range list {
		chunks[i] = ChunkInfo{ID: a.ID, Kind: a.Type, CreatedAt: time.Time(a.CreationDate), Checksum: a.Checksum}
	}
	return chunks, nil
}
