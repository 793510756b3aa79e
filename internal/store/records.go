package store

import (
	"context"
	"database/sql"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

// AddRecords implements flows.RecordStore; fault FlowNotFound.
//
// No batch is left without a run: the row of the queued run is held until the
// batch is in. A claim at the same time either comes first, and then the run is
// found no more and another is inserted, or it waits, and then the claimer's
// AssignRecords sees the batch. The flow's row is held so that two callers do
// not insert a run each.
func (s *Store) AddRecords(ctx context.Context, b *flows.RecordBatch, run *flows.Run) (taker *flows.Run, err error) {
	defer s.explain(&err, "AddRecords")
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		if err := s.holdFlow(ctx, tx, b); err != nil {
			return err
		}
		taker, err = s.addBatch(ctx, tx, b, run)
		return err
	})
	if err != nil {
		return nil, err
	}
	return taker, nil
}

func (s *Store) holdFlow(ctx context.Context, tx *sql.Tx, b *flows.RecordBatch) error {
	found, err := exists(ctx, tx,
		q("SELECT 1 FROM flows WHERE workspace = $1 AND id = $2"+s.dialect.lockParent, b.Workspace, b.FlowID))
	if err != nil {
		return err
	}
	if !found {
		return noFlow(b.FlowID)
	}
	return nil
}

// addBatch stores the batch of a flow that is held.
func (s *Store) addBatch(ctx context.Context, tx *sql.Tx, b *flows.RecordBatch, run *flows.Run) (*flows.Run, error) {
	taker, err := s.queuedRun(ctx, tx, b, run)
	if err != nil {
		return nil, err
	}
	if taker, err = gather(ctx, tx, taker.ID, b); err != nil {
		return nil, err
	}
	_, err = exec(ctx, tx, q(`INSERT INTO record_batches (workspace, id, flow_id, records, data, created_at) VALUES `+
		placeholders(1, 6), b.Workspace, b.ID, b.FlowID, b.Records, notNil(b.Data), micros(b.CreatedAt)))
	if err != nil {
		return nil, err
	}
	return taker, nil
}

// queuedRun holds the flow's run that is queued for its first claim, or that
// waits for whatever without having chosen its batches, or inserts the one given.
func (s *Store) queuedRun(ctx context.Context, tx *sql.Tx, b *flows.RecordBatch, run *flows.Run) (*flows.Run, error) {
	waiting, found, err := first(ctx, tx, scanRun, q("SELECT "+runColumns+` FROM runs WHERE workspace = $1 AND flow_id = $2
		AND `+live+` AND started_by <> 'retry' AND NOT `+isDry+` AND ((state = 'queued' AND fence = 0) OR (state = 'waiting' AND NOT has_batches))
		ORDER BY state, id LIMIT 1`+s.dialect.lockRow, b.Workspace, b.FlowID))
	if err != nil {
		return nil, err
	}
	if found {
		return &waiting, nil
	}
	if err := insertRun(ctx, tx, run); err != nil {
		return nil, err
	}
	return one(ctx, tx, scanRun, q("SELECT "+runColumns+" FROM runs WHERE id = $1", run.ID), noRun(run.ID))
}

// AssignRecords implements flows.RecordStore. The first call for a run chooses
// its batches; batches that arrive later belong to another run.
func (s *Store) AssignRecords(ctx context.Context, t flows.Token) (ids []string, err error) {
	defer s.explain(&err, "AssignRecords")
	type chosen struct {
		flowID string
		done   bool
	}
	scan := func(r row) (c chosen, err error) { return c, r.Scan(&c.flowID, &c.done) }
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		run, err := one(ctx, tx, scan,
			q("SELECT flow_id, has_batches FROM runs WHERE "+held+s.dialect.lockRow, t.Workspace, t.RunID, t.Fence), lost(t))
		if err != nil {
			return err
		}
		if !run.done {
			if err := chooseBatches(ctx, tx, t, run.flowID); err != nil {
				return err
			}
		}
		ids, err = all(ctx, tx, scanText, q("SELECT id FROM record_batches WHERE run_id = $1 ORDER BY created_at, id", t.RunID))
		return err
	})
	if err != nil {
		return nil, err
	}
	return ids, nil
}

func chooseBatches(ctx context.Context, tx *sql.Tx, t flows.Token, flowID string) error {
	_, err := exec(ctx, tx, q("UPDATE record_batches SET run_id = $1 WHERE workspace = $2 AND flow_id = $3 AND run_id IS NULL",
		t.RunID, t.Workspace, flowID))
	if err != nil {
		return err
	}
	_, err = exec(ctx, tx, q("UPDATE runs SET has_batches = TRUE WHERE "+held, t.Workspace, t.RunID, t.Fence))
	return err
}

// releaseBatches gives the batches of a run that did not push them to the next run of its flow.
func releaseBatches(ctx context.Context, tx *sql.Tx, runID string) error {
	_, err := exec(ctx, tx, q("UPDATE record_batches SET run_id = NULL WHERE run_id = $1", runID))
	return err
}

// RecordBatchData implements flows.RecordStore; fault SourceRead when the batch is gone, as it is once a run has pushed it.
func (s *Store) RecordBatchData(ctx context.Context, workspace, id string) (_ []byte, err error) {
	defer s.explain(&err, "RecordBatchData")
	scan := func(r row) (data []byte, err error) { return data, r.Scan(&data) }
	data, err := one(ctx, s.read, scan, q("SELECT data FROM record_batches WHERE workspace = $1 AND id = $2", workspace, id),
		fault.New(fault.SourceRead, "the posted records %q are not there", id))
	if err != nil {
		return nil, err
	}
	return *data, nil
}
