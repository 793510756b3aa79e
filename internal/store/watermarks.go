package store

import (
	"cmp"
	"context"
	"database/sql"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
)

var _ flows.WatermarkStore = (*Store)(nil)

const selectWatermark = `SELECT workspace, flow_id, watermark, run_id, edition, updated_at FROM flow_watermarks
	WHERE workspace = $1 AND flow_id = $2`

func scanWatermark(r row) (w flows.Watermark, err error) {
	return w, r.Scan(&w.Workspace, &w.FlowID, &w.Mark, &w.RunID, &w.Edition, moment{&w.UpdatedAt})
}

// Watermark implements flows.WatermarkStore.
func (s *Store) Watermark(ctx context.Context, workspace, flowID string) (_ *flows.Watermark, err error) {
	defer s.explain(&err, "Watermark")
	w, err := watermark(ctx, s.read, workspace, flowID)
	if err != nil {
		return nil, err
	}
	return &w, nil
}

func watermark(ctx context.Context, db executor, workspace, flowID string) (flows.Watermark, error) {
	w, found, err := first(ctx, db, scanWatermark, q(selectWatermark, workspace, flowID))
	if err == nil && !found {
		w = flows.Watermark{Workspace: workspace, FlowID: flowID}
	}
	return w, err
}

// SetWatermark implements flows.WatermarkStore.
func (s *Store) SetWatermark(ctx context.Context, workspace, flowID, mark string, now time.Time) (_ *flows.Watermark, err error) {
	defer s.explain(&err, "SetWatermark")
	var w *flows.Watermark
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		w, err = one(ctx, tx, scanWatermark, q(`INSERT INTO flow_watermarks (workspace, flow_id, watermark, run_id, edition, updated_at)
			VALUES ($1, $2, $3, '', 1, $4)
			ON CONFLICT (workspace, flow_id) DO UPDATE SET watermark = $3, run_id = '', edition = flow_watermarks.edition + 1, updated_at = $4
			RETURNING workspace, flow_id, watermark, run_id, edition, updated_at`, workspace, flowID, mark, micros(now)), noFlow(flowID))
		if err != nil {
			return err
		}
		return s.note(ctx, tx, audit.Event{Workspace: workspace, Action: audit.Updated, Kind: audit.Flow, ObjectID: flowID, Fields: []string{"watermark"}})
	})
	if s.is(err, orphan) {
		return nil, fault.Wrap(err, fault.FlowNotFound, "there is no flow %q", flowID)
	}
	return w, err
}

// beginWindow finds what a claimed run reads, once; it is part of the claim's
// transaction, so that only the worker that holds the run has written it (I2).
func beginWindow(ctx context.Context, tx *sql.Tx, run *flows.Run) error {
	if !run.Options.Unbegun() {
		return nil
	}
	f, err := one(ctx, tx, scanFlow, q(selectFlowRevision, run.Workspace, run.FlowID, run.FlowRevision), noFlow(run.FlowID))
	if err != nil {
		return err
	}
	own, err := watermark(ctx, tx, run.Workspace, run.FlowID)
	if err != nil {
		return err
	}
	var ahead flows.Watermark
	delta := cmp.Or(f.Export.Delta, &flows.DeltaSpec{})
	if delta.Behind != "" {
		if ahead, err = watermark(ctx, tx, run.Workspace, delta.Behind); err != nil {
			return err
		}
	}
	run.Options = run.Options.Begin(delta, own, ahead)
	options, err := jsonText(run.Options)
	if err != nil {
		return err
	}
	_, err = exec(ctx, tx, q("UPDATE runs SET options = $4 WHERE "+held, run.Workspace, run.ID, run.Fence, options))
	return err
}

// advance moves the watermark of the flow whose run has succeeded, in the
// transaction that settles it: only forward, and only where it stands as the
// run found it but for other runs.
func (s *Store) advance(ctx context.Context, tx *sql.Tx, t flows.Token, now time.Time) error {
	run, err := one(ctx, tx, scanRun, q("SELECT "+runColumns+" FROM runs WHERE workspace = $1 AND id = $2", t.Workspace, t.RunID), noRun(t.RunID))
	if err != nil || !run.Options.Moves() {
		return err
	}
	if _, err := exec(ctx, tx, q(`INSERT INTO flow_watermarks (workspace, flow_id) VALUES ($1, $2)
		ON CONFLICT (workspace, flow_id) DO NOTHING`, t.Workspace, run.FlowID)); err != nil {
		return err
	}
	own, err := one(ctx, tx, scanWatermark, q(selectWatermark+s.dialect.lockRow, t.Workspace, run.FlowID), noFlow(run.FlowID))
	if err != nil {
		return err
	}
	next, moved := run.Options.Advance(*own, run.ID, run.Checkpoint.Watermark)
	if !moved {
		return nil
	}
	_, err = exec(ctx, tx, q(`UPDATE flow_watermarks SET watermark = $3, run_id = $4, updated_at = $5
		WHERE workspace = $1 AND flow_id = $2`, t.Workspace, run.FlowID, next.Mark, next.RunID, micros(now)))
	return err
}
