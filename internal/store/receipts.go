package store

import (
	"context"
	"database/sql"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

// receipt is a row of record_receipts.
type receipt struct {
	flows.Receipt
	digest string
}

func scanReceipt(r row) (v receipt, err error) {
	return v, r.Scan(&v.BatchID, &v.RunID, &v.Records, &v.digest)
}

// AddPost implements flows.RecordStore; faults FlowNotFound, RequestIdempotencyReuse.
//
// The batch and its key are one transaction. Of two callers with one key the
// second waits for the first, at the flow's row or at the key, and then finds
// its receipt; when the first is rolled back the second stores the batch.
func (s *Store) AddPost(ctx context.Context, b *flows.RecordBatch, run *flows.Run) (got *flows.Receipt, taker *flows.Run, err error) {
	defer s.explain(&err, "AddPost")
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		got, taker = nil, nil
		if err := s.holdFlow(ctx, tx, b); err != nil {
			return err
		}
		if b.Once != nil {
			mine, err := takeReceipt(ctx, tx, b)
			if err != nil {
				return err
			}
			if !mine {
				got, err = s.firstReceipt(ctx, tx, b)
				return err
			}
		}
		if taker, err = s.addBatch(ctx, tx, b, run); err != nil {
			return err
		}
		got = &flows.Receipt{BatchID: b.ID, RunID: taker.ID, Records: b.Records}
		if b.Once == nil {
			return nil
		}
		_, err := exec(ctx, tx, q("UPDATE record_receipts SET run_id = $4 WHERE workspace = $1 AND scope = $2 AND key = $3",
			b.Workspace, b.Once.Scope, b.Once.Key, taker.ID))
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return got, taker, nil
}

// takeReceipt takes the key for the batch, unless another batch has it.
func takeReceipt(ctx context.Context, tx *sql.Tx, b *flows.RecordBatch) (mine bool, err error) {
	o := b.Once
	n, err := exec(ctx, tx, q(`INSERT INTO record_receipts (workspace, scope, key, flow_id, digest, batch_id, run_id, records, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, '', $7, $8)
		ON CONFLICT (workspace, scope, key) DO UPDATE SET flow_id = excluded.flow_id, digest = excluded.digest,
		batch_id = excluded.batch_id, run_id = '', records = excluded.records, expires_at = excluded.expires_at
		WHERE record_receipts.expires_at <= $9`,
		b.Workspace, o.Scope, o.Key, b.FlowID, o.Digest, b.ID, b.Records, micros(o.Expires), micros(b.CreatedAt)))
	return n > 0, err
}

// firstReceipt gives the receipt of the batch that has the key.
func (s *Store) firstReceipt(ctx context.Context, tx *sql.Tx, b *flows.RecordBatch) (*flows.Receipt, error) {
	was, err := one(ctx, tx, scanReceipt, q(`SELECT batch_id, run_id, records, digest FROM record_receipts
		WHERE workspace = $1 AND scope = $2 AND key = $3`, b.Workspace, b.Once.Scope, b.Once.Key),
		fault.New(fault.RequestIdempotencyBusy, "the first request with this key is not answered yet"))
	if err != nil {
		return nil, err
	}
	if was.digest != b.Once.Digest {
		return nil, fault.New(fault.RequestIdempotencyReuse, "the idempotency key was used for another request")
	}
	was.Repeated = true
	return &was.Receipt, nil
}
