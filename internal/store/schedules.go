package store

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

var _ flows.ScheduleStore = (*Store)(nil)

const upsertSchedule = `INSERT INTO flow_schedules (workspace, flow_id, cron, time_zone, overlap, misfire, pushes, next_fire_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
	ON CONFLICT (workspace, flow_id) DO UPDATE SET cron = $3, time_zone = $4, overlap = $5, misfire = $6, pushes = $7,
	next_fire_at = CASE WHEN $9 THEN flow_schedules.next_fire_at ELSE $8 END`

// saveSchedule keeps the row of a flow's schedule as the flow says. was is the
// flow before, nil for a new one: a schedule that goes on keeps its next fire
// time, any other begins with the first one after the change.
func (s *Store) saveSchedule(ctx context.Context, tx *sql.Tx, was, f *flows.Flow) error {
	if f.Schedule == nil {
		_, err := exec(ctx, tx, q("DELETE FROM flow_schedules WHERE workspace = $1 AND flow_id = $2", f.Workspace, f.ID))
		return err
	}
	times, err := f.Schedule.Times()
	if err != nil {
		return err
	}
	var next time.Time
	if f.Enabled {
		next = times.Next(f.UpdatedAt)
	}
	goesOn := was != nil && was.Enabled && f.Enabled && f.Schedule.SameTimes(was.Schedule)
	_, err = exec(ctx, tx, q(upsertSchedule, f.Workspace, f.ID, f.Schedule.Cron, f.Schedule.TimeZone, f.Schedule.Overlap,
		f.Schedule.Misfire, f.Import.Type == flows.ImportDataPush, micros(next), goesOn))
	return err
}

// dueSchedule is a schedule whose time has come, with its flow.
type dueSchedule struct {
	flows.DueSchedule
	flow flows.Flow
}

func scanDueSchedule(r row) (d dueSchedule, err error) {
	f := &d.flow
	err = r.Scan(&f.Workspace, &f.ID, &d.Schedule.Cron, &d.Schedule.TimeZone, &d.Schedule.Overlap, &d.Schedule.Misfire,
		moment{&d.FireAt}, &f.Revision, document{&f.Spec}, &d.Busy)
	d.Workspace, d.FlowID = f.Workspace, f.ID
	return d, err
}

const dueSchedules = `WITH due AS MATERIALIZED (
	SELECT workspace, flow_id, cron, time_zone, overlap, misfire, next_fire_at FROM flow_schedules
	WHERE next_fire_at > 0 AND next_fire_at <= $1 ORDER BY next_fire_at, flow_id LIMIT $2`

// A run that only gathers records is no run that a fire overlaps with. The workspace is compared as inTurn does.
const describeDue = `) SELECT d.workspace, d.flow_id, d.cron, d.time_zone, d.overlap, d.misfire, d.next_fire_at, f.revision, f.spec,
	EXISTS (SELECT 1 FROM runs r WHERE r.workspace || '' = d.workspace AND r.flow_id = d.flow_id AND r.state IN ('queued', 'running', 'waiting')
		AND NOT (r.state = 'waiting' AND r.fence = 0))
	FROM due d JOIN flows f ON f.workspace = d.workspace AND f.id = d.flow_id ORDER BY d.next_fire_at, d.flow_id`

// FireDue implements flows.ScheduleStore.
func (s *Store) FireDue(ctx context.Context, now time.Time, limit int, plan func(flows.DueSchedule) flows.Firing) (fired flows.Fired, err error) {
	defer s.explain(&err, "FireDue")
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		fired = flows.Fired{}
		due, err := all(ctx, tx, scanDueSchedule, q(dueSchedules+s.dialect.skipLocked+describeDue, micros(now), limitOf(limit)))
		if err != nil {
			return err
		}
		fired.Schedules = len(due)
		var runs, moves []any
		for i := range due {
			d := &due[i]
			f := plan(d.DueSchedule)
			if f.CancelPrevious {
				told, err := cancelPrevious(ctx, tx, &d.flow, now)
				if err != nil {
					return err
				}
				fired.Canceling = append(fired.Canceling, told...)
			}
			if runs, err = appendFires(runs, &d.flow, f.Fires, now); err != nil {
				return err
			}
			moves = append(moves, moveArgs(d, f)...)
			fired.Skipped += f.Skipped
			fired.Missed += f.Missed
		}
		if fired.Runs, err = s.bulk(ctx, tx, bulkChange{insertFires, fireRow, 7, runs}); err != nil {
			return err
		}
		move := bulkChange{moveSchedules, moveRow, 8, moves}
		if s.dialect.bulkRows == 1 {
			move.text, move.row = moveSchedule, ""
		}
		_, err = s.bulk(ctx, tx, move)
		return err
	})
	if err != nil {
		return flows.Fired{}, err
	}
	return fired, nil
}

// bulkChange is a statement whose "%s" stands for rows of a form, in which a
// "?" is an argument; args are those of all rows.
type bulkChange struct {
	text, row string
	width     int
	args      []any
}

// bulk runs a change with as many rows in a statement as the dialect bears well.
func (s *Store) bulk(ctx context.Context, tx *sql.Tx, c bulkChange) (changed int64, err error) {
	most := s.dialect.bulkRows * c.width
	for len(c.args) > 0 {
		part := c.args[:min(most, len(c.args))]
		c.args = c.args[len(part):]
		n, err := exec(ctx, tx, q(strings.Replace(c.text, "%s", rowsOf(c.row, len(part)/c.width), 1), part...))
		if err != nil {
			return changed, err
		}
		changed += n
	}
	return changed, nil
}

// A fire time that another scheduler has inserted is left as it is.
const (
	insertFires = `INSERT INTO runs (id, workspace, flow_id, flow_revision, created_at, updated_at, options, fire_at, started_by, state, checkpoint,
	push_job_id, worker, cancel_requested, records_read, records_filtered, records_pushed, records_errored, bytes, chunks, attempt, failures,
	fence, resume_at, lease_until, started_at, finished_at) SELECT v.column1, v.column2, v.column3, v.column4, v.column5, v.column5, v.column6,
	v.column7, 'schedule', 'queued', '{}', '', '', FALSE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM (VALUES %s) AS v WHERE TRUE ON CONFLICT DO NOTHING`
	fireRow = "(CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS TEXT), CAST(? AS BIGINT))"

	moveSchedules = `UPDATE flow_schedules SET next_fire_at = v.column3,
	last_fire_at = CASE WHEN v.column4 > 0 THEN v.column4 ELSE last_fire_at END,
	skipped = skipped + v.column5, last_skipped_at = CASE WHEN v.column6 > 0 THEN v.column6 ELSE last_skipped_at END,
	missed = missed + v.column7, last_missed_at = CASE WHEN v.column8 > 0 THEN v.column8 ELSE last_missed_at END
	FROM (VALUES %s) AS v WHERE flow_schedules.workspace = v.column1 AND flow_schedules.flow_id = v.column2`
	// moveSchedule is the same for one row: SQLite would look for it among all schedules.
	moveSchedule = `UPDATE flow_schedules SET next_fire_at = $3, last_fire_at = CASE WHEN $4 > 0 THEN $4 ELSE last_fire_at END,
	skipped = skipped + $5, last_skipped_at = CASE WHEN $6 > 0 THEN $6 ELSE last_skipped_at END,
	missed = missed + $7, last_missed_at = CASE WHEN $8 > 0 THEN $8 ELSE last_missed_at END WHERE workspace = $1 AND flow_id = $2`
	moveRow = `(CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS BIGINT),
	CAST(? AS BIGINT), CAST(? AS BIGINT))`
)

func appendFires(args []any, f *flows.Flow, fires []time.Time, now time.Time) ([]any, error) {
	for _, at := range fires {
		id, err := uuid.NewV7()
		if err != nil {
			return nil, err
		}
		run := f.QueuedRun(id.String(), flows.Scheduled, now)
		options, err := jsonText(run.Options)
		if err != nil {
			return nil, err
		}
		args = append(args, run.ID, run.Workspace, run.FlowID, run.FlowRevision, micros(now), options, micros(at))
	}
	return args, nil
}

func moveArgs(d *dueSchedule, f flows.Firing) []any {
	var last time.Time
	if n := len(f.Fires); n > 0 {
		last = f.Fires[n-1]
	}
	return []any{d.Workspace, d.FlowID, micros(f.Next), micros(last), f.Skipped, micros(f.SkippedAt), f.Missed, micros(f.MissedAt)}
}

// cancelPrevious ends the runs of a flow, or asks for their end; it gives those whose workers have to be told.
func cancelPrevious(ctx context.Context, tx *sql.Tx, f *flows.Flow, now time.Time) (told []string, err error) {
	ids, err := all(ctx, tx, scanText, q("SELECT id FROM runs WHERE workspace = $1 AND flow_id = $2 AND "+live, f.Workspace, f.ID))
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		run, err := cancelRun(ctx, tx, f.Workspace, id, now)
		switch {
		case fault.Has(err, fault.RunStateConflict):
		case err != nil:
			return nil, err
		case !run.State.Ended():
			told = append(told, id)
		}
	}
	return told, nil
}

// ScheduleState implements flows.ScheduleStore.
func (s *Store) ScheduleState(ctx context.Context, workspace, flowID string) (_ flows.ScheduleState, err error) {
	defer s.explain(&err, "ScheduleState")
	scan := func(r row) (st flows.ScheduleState, err error) {
		return st, r.Scan(moment{&st.NextFireAt}, moment{&st.LastFireAt}, &st.Skipped, moment{&st.LastSkippedAt}, &st.Missed, moment{&st.LastMissedAt})
	}
	state, _, err := first(ctx, s.read, scan, q(`SELECT next_fire_at, last_fire_at, skipped, last_skipped_at, missed, last_missed_at
		FROM flow_schedules WHERE workspace = $1 AND flow_id = $2`, workspace, flowID))
	return state, err
}

// TeamSchedules implements flows.ScheduleStore.
func (s *Store) TeamSchedules(ctx context.Context, domain, exceptFlow string) (_ []flows.TeamSchedule, err error) {
	defer s.explain(&err, "TeamSchedules")
	scan := func(r row) (t flows.TeamSchedule, err error) { return t, r.Scan(&t.Cron, &t.TimeZone, &t.Flows) }
	return all(ctx, s.read, scan, q(`SELECT s.cron, s.time_zone, COUNT(*) FROM flow_schedules s
		JOIN flows f ON f.workspace = s.workspace AND f.id = s.flow_id
		JOIN connections c ON c.workspace = f.workspace AND c.id = f.connection_id
		WHERE c.domain = $1 AND s.pushes AND s.next_fire_at > 0 AND s.flow_id <> $2
		GROUP BY s.cron, s.time_zone ORDER BY s.cron, s.time_zone`, domain, exceptFlow))
}
