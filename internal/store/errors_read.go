package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

var _ flows.ErrorStore = (*Store)(nil)

func noError(id string) *fault.Error {
	return fault.New(fault.ErrorNotFound, "there is no record error %q", id)
}

// narrow adds the conditions of a query of errors, but for its page.
func (q *query) narrow(ask flows.ErrorQuery) {
	q.args = append(q.args, ask.Workspace, ask.FlowID)
	q.text += fmt.Sprintf(" WHERE workspace = $%d AND flow_id = $%d", len(q.args)-1, len(q.args))
	for _, equal := range []struct{ column, value string }{
		{"state", string(ask.State)}, {"code", string(ask.Code)}, {"signature", ask.Signature}, {"field", clean(ask.Field)},
		{"trace_key", clean(ask.TraceKey)},
	} {
		if equal.value != "" {
			q.and(equal.column+" = $", equal.value)
		}
	}
	if ask.RunID != "" {
		q.args = append(q.args, ask.RunID)
		q.text += fmt.Sprintf(" AND (run_id = $%d OR last_run_id = $%d)", len(q.args), len(q.args))
	}
	if !ask.From.IsZero() {
		q.and("created_at >= $", micros(ask.From))
	}
	if !ask.To.IsZero() {
		q.and("created_at < $", micros(ask.To))
	}
	if ask.FlowRevision != 0 {
		q.and("flow_revision = $", ask.FlowRevision)
	}
	if len(ask.IDs) > 0 {
		among(q, "id IN", ask.IDs)
	}
	if ask.Class != "" {
		codes, listed := ask.Class.Codes()
		if listed {
			among(q, "code IN", codes)
		} else {
			among(q, "code NOT IN", codes)
		}
	}
}

// among adds a condition on a list, which is not empty.
func among[T ~string](q *query, condition string, values []T) {
	marks := make([]string, len(values))
	for i, v := range values {
		q.args = append(q.args, string(v))
		marks[i] = "$" + strconv.Itoa(len(q.args))
	}
	q.text += " AND " + condition + " (" + strings.Join(marks, ", ") + ")"
}

// RecordErrors implements flows.ErrorStore.
func (s *Store) RecordErrors(ctx context.Context, ask flows.ErrorQuery) (_ []flows.RecordError, err error) {
	defer s.explain(&err, "RecordErrors")
	list := q("SELECT " + errorColumns + " FROM record_errors")
	list.narrow(ask)
	if ask.Page.After != "" {
		list.and("id < $", ask.Page.After)
	}
	list.limit("id DESC", limitOf(ask.Page.Limit))
	return all(ctx, s.read, scanError, list)
}

// RecordError implements flows.ErrorStore.
func (s *Store) RecordError(ctx context.Context, workspace, id string) (_ *flows.RecordError, err error) {
	defer s.explain(&err, "RecordError")
	return recordError(ctx, s.read, workspace, id)
}

func recordError(ctx context.Context, db executor, workspace, id string) (*flows.RecordError, error) {
	return one(ctx, db, scanError,
		q("SELECT "+errorColumns+" FROM record_errors WHERE workspace = $1 AND id = $2", workspace, id), noError(id))
}

const (
	countGroups = `SELECT signature, MAX(id) AS newest, MIN(created_at) AS first_at, MAX(created_at) AS last_at,
		SUM(CASE WHEN state = 'open' THEN 1 ELSE 0 END) AS open_count, COUNT(*) AS total FROM record_errors`
	selectGroups = `SELECT g.signature, e.code, e.field, e.message, e.id, g.open_count, g.total - g.open_count, g.first_at, g.last_at
		FROM groups g JOIN record_errors e ON e.id = g.newest ORDER BY g.newest DESC LIMIT `
	// maxGroups bounds the groups of an answer.
	maxGroups = 1000
)

// ErrorGroups implements flows.ErrorStore; it gives the 1,000 groups with the newest errors.
func (s *Store) ErrorGroups(ctx context.Context, ask flows.ErrorQuery) (_ []flows.ErrorGroup, err error) {
	defer s.explain(&err, "ErrorGroups")
	ask.State = ""
	count := q("WITH groups AS (" + countGroups)
	count.narrow(ask)
	count.text += " GROUP BY signature) " + selectGroups + strconv.Itoa(maxGroups)
	scan := func(r row) (g flows.ErrorGroup, err error) {
		return g, r.Scan(&g.Signature, &g.Code, &g.Field, &g.Message, &g.ExampleID, &g.Open, &g.Resolved,
			moment{&g.FirstAt}, moment{&g.LastAt})
	}
	return all(ctx, s.read, scan, count)
}

// OpenRevisions implements flows.ErrorStore.
func (s *Store) OpenRevisions(ctx context.Context, ask flows.ErrorQuery) (_ []int64, err error) {
	defer s.explain(&err, "OpenRevisions")
	ask.State = flows.ErrorOpen
	list := q("SELECT DISTINCT flow_revision FROM record_errors")
	list.narrow(ask)
	list.text += " ORDER BY flow_revision"
	return all(ctx, s.read, func(r row) (n int64, err error) { return n, r.Scan(&n) }, list)
}
