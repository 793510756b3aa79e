package flows

import (
	"context"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
)

// Receipt says that posted records are stored, and which run will take them.
type Receipt struct {
	BatchID string
	RunID   string
	Records int64
	// Repeated says that the records came before, and are stored once.
	Repeated bool
}

// Post is records that come to a flow.
type Post struct {
	// NDJSON is one object a line, each line ended.
	NDJSON  []byte
	Records int64
	// Once tells the post from others; nil stores it whatever came before.
	Once *Once
}

// Once tells records from others that came, so that a repeat is not stored
// again. The store keeps it with the batch in one transaction: a caller that
// never got its answer, because the process died or the connection broke, asks
// again and gets the receipt of the first.
type Once struct {
	// Scope says whose key it is: two scopes do not meet.
	Scope string
	Key   string
	// Digest is of what must be the same in a repeat; the same key with another is fault RequestIdempotencyReuse.
	Digest string
	// Expires is when the key is forgotten.
	Expires time.Time
}

// PostRecords stores records before it returns. The run that takes them waits
// for more, as the flow's gather says. Faults: FlowNotFound, FlowDisabled,
// FlowRecordsExport, RequestIdempotencyReuse.
func (s *Service) PostRecords(ctx context.Context, workspace, flowID string, p Post) (*Receipt, error) {
	f, err := s.startable(ctx, workspace, flowID)
	if err != nil {
		return nil, err
	}
	if f.Export.Type != ExportRecords {
		return nil, fault.New(fault.FlowRecordsExport, "flow %q has the export %q", f.Name, f.Export.Type).
			WithHint("only a flow whose export has the type %q takes posted records", ExportRecords)
	}
	return s.takeRecords(ctx, f, p)
}

// takeRecords stores records for the flow's next run.
func (s *Service) takeRecords(ctx context.Context, f *Flow, p Post) (*Receipt, error) {
	run := s.newRun(f, Records)
	b := &RecordBatch{ID: s.NewID(), Workspace: f.Workspace, FlowID: f.ID, Data: p.NDJSON, Records: p.Records, CreatedAt: run.CreatedAt, Once: p.Once}
	f.Export.gathering().apply(run, b)
	receipt, taker, err := s.Records.AddPost(ctx, b, run)
	if err != nil {
		return nil, err
	}
	if taker != nil && taker.State == Queued {
		s.announce(ctx, taker.ID)
	}
	return receipt, nil
}
