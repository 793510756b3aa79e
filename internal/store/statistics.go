package store

import (
	"context"
	"database/sql"
	"strconv"
	"time"

	"github.com/celonis-connector/connector/flows"
)

var (
	_ flows.HistoryStore    = (*Store)(nil)
	_ flows.StatisticsStore = (*Store)(nil)
)

// RunHistory implements flows.HistoryStore.
func (s *Store) RunHistory(ctx context.Context, query flows.RunQuery) (_ []flows.Run, err error) {
	defer s.explain(&err, "RunHistory")
	list, err := historyQuery(query)
	if err != nil {
		return nil, err
	}
	return all(ctx, s.read, scanRun, list)
}

// historyQuery reads along one of the indexes runs_history and runs_flow_history.
func historyQuery(query flows.RunQuery) (list query, err error) {
	list = q("SELECT "+runColumns+" FROM runs WHERE workspace = $1", query.Workspace)
	if query.FlowID != "" {
		list.and("flow_id = $", query.FlowID)
	}
	if query.State != "" {
		list.and("state = $", query.State)
	}
	if query.Trigger != "" {
		list.and("started_by = $", query.Trigger)
	}
	if !query.From.IsZero() {
		list.and("created_at >= $", micros(query.From))
	}
	if !query.To.IsZero() {
		list.and("created_at < $", micros(query.To))
	}
	switch has := query.HasErrors; {
	case has != nil && *has:
		list.text += " AND records_errored > 0"
	case has != nil:
		list.text += " AND records_errored = 0"
	}
	created, id, ok, err := query.After()
	if err != nil {
		return list, err
	}
	if ok {
		list.args = append(list.args, micros(created), id)
		list.text += " AND (created_at, id) < ($" + strconv.Itoa(len(list.args)-1) + ", $" + strconv.Itoa(len(list.args)) + ")"
	}
	list.limit("created_at DESC, id DESC", limitOf(query.Page.Limit))
	return list, nil
}

// microsOfDay divides a time into its UTC day.
const microsOfDay = "86400000000"

const countDays = `SELECT created_at / ` + microsOfDay + ` AS day,
	SUM(CASE WHEN ` + live + ` THEN 1 ELSE 0 END), SUM(CASE WHEN state = 'succeeded' THEN 1 ELSE 0 END),
	SUM(CASE WHEN state = 'failed' THEN 1 ELSE 0 END), SUM(CASE WHEN state = 'canceled' THEN 1 ELSE 0 END),
	SUM(CASE WHEN records_errored > 0 THEN 1 ELSE 0 END),
	CAST(SUM(records_read) AS BIGINT), CAST(SUM(records_filtered) AS BIGINT), CAST(SUM(records_pushed) AS BIGINT),
	CAST(SUM(records_errored) AS BIGINT), CAST(SUM(bytes) AS BIGINT), CAST(SUM(chunks) AS BIGINT)
	FROM runs WHERE workspace = $1 AND flow_id = $2 AND created_at >= $3 AND created_at < $4 GROUP BY 1 ORDER BY 1`

// The database ranks the durations of a day and gives two of them: the least that half, and 95 of 100, do not exceed.
const rankDays = `SELECT day, MAX(CASE WHEN place = (runs * 50 + 99) / 100 THEN took ELSE 0 END),
	MAX(CASE WHEN place = (runs * 95 + 99) / 100 THEN took ELSE 0 END)
	FROM (SELECT created_at / ` + microsOfDay + ` AS day, finished_at - started_at AS took,
		ROW_NUMBER() OVER (PARTITION BY created_at / ` + microsOfDay + ` ORDER BY finished_at - started_at) AS place,
		COUNT(*) OVER (PARTITION BY created_at / ` + microsOfDay + `) AS runs
		FROM runs WHERE workspace = $1 AND flow_id = $2 AND created_at >= $3 AND created_at < $4
		AND state IN ('succeeded', 'failed') AND started_at > 0) ranked
	WHERE place IN ((runs * 50 + 99) / 100, (runs * 95 + 99) / 100) GROUP BY day`

// FlowStatistics implements flows.StatisticsStore. The database counts: of the
// runs themselves none comes here.
func (s *Store) FlowStatistics(ctx context.Context, span flows.StatisticsSpan) (_ *flows.FlowStatistics, err error) {
	defer s.explain(&err, "FlowStatistics")
	args := []any{span.Workspace, span.FlowID, micros(span.From), micros(span.To)}
	st := &flows.FlowStatistics{}
	if st.Days, err = all(ctx, s.read, scanDay, q(countDays, args...)); err != nil {
		return nil, err
	}
	ranked, err := all(ctx, s.read, scanRanks, q(rankDays, args...))
	if err != nil {
		return nil, err
	}
	for _, r := range ranked {
		for i := range st.Days {
			if d := &st.Days[i]; d.Day.Equal(r.Day) {
				d.Median, d.P95 = r.Median, r.P95
			}
		}
	}
	return st, s.streak(ctx, span, st)
}

// dayOf turns a stored number of a day into its first moment.
func dayOf(n int64) time.Time { return time.Unix(n*24*60*60, 0).UTC() }

func scanDay(r row) (d flows.DayStatistics, err error) {
	var day int64
	l := &d.Ledger
	err = r.Scan(&day, &d.Open, &d.Succeeded, &d.Failed, &d.Canceled, &d.WithErrors, &l.Read, &l.Filtered, &l.Pushed, &l.Errored, &d.Bytes, &d.Chunks)
	d.Day = dayOf(day)
	return d, err
}

func scanRanks(r row) (d flows.DayStatistics, err error) {
	var day, median, p95 int64
	err = r.Scan(&day, &median, &p95)
	d.Day, d.Median, d.P95 = dayOf(day), time.Duration(median)*time.Microsecond, time.Duration(p95)*time.Microsecond
	return d, err
}

// lastEnd and countSince read along runs_succeeded or runs_failed; the states are written out, or no index fits.
func lastEnd(state flows.State, span flows.StatisticsSpan) query {
	return q("SELECT finished_at FROM runs WHERE workspace = $1 AND flow_id = $2 AND state = '"+string(state)+
		"' ORDER BY finished_at DESC LIMIT 1", span.Workspace, span.FlowID)
}

func countSince(state flows.State, span flows.StatisticsSpan, after time.Time) query {
	return q("SELECT COUNT(*), MIN(finished_at) FROM (SELECT finished_at FROM runs WHERE workspace = $1 AND flow_id = $2 AND state = '"+
		string(state)+"' AND finished_at > $3 ORDER BY finished_at DESC LIMIT $4) newest", span.Workspace, span.FlowID, micros(after), flows.MaxStreak)
}

// streak finds the last ends and how often in a row the newest of them came.
func (s *Store) streak(ctx context.Context, span flows.StatisticsSpan, st *flows.FlowStatistics) error {
	for state, at := range map[flows.State]*time.Time{flows.Succeeded: &st.LastSuccessAt, flows.Failed: &st.LastFailureAt} {
		scan := func(r row) (t time.Time, err error) { return t, r.Scan(moment{&t}) }
		last, _, err := first(ctx, s.read, scan, lastEnd(state, span))
		if err != nil {
			return err
		}
		*at = last
	}
	if st.LastSuccessAt.IsZero() && st.LastFailureAt.IsZero() {
		return nil
	}
	k := &st.Streak
	after := st.LastFailureAt
	if k.State = flows.Succeeded; st.LastFailureAt.After(st.LastSuccessAt) {
		k.State, after = flows.Failed, st.LastSuccessAt
	}
	scan := func(r row) (n int64, err error) {
		var since sql.NullInt64
		err = r.Scan(&n, &since)
		if since.Valid {
			k.Since = time.UnixMicro(since.Int64).UTC()
		}
		return n, err
	}
	var err error
	k.Runs, _, err = first(ctx, s.read, scan, countSince(k.State, span, after))
	return err
}
