package store

import (
	"cmp"
	"context"
	"database/sql"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/google/uuid"
)

const errorColumns = `id, workspace, flow_id, run_id, record, line, byte_offset, code, field, message, data, truncated, state,
	created_at, flow_revision, revision, signature, trace_key, form, object, edited, attempts, retry_run_id, last_run_id,
	resolved_by, resolved_at, updated_at`

const (
	errorColumnCount = 27
	// maxErrorBytes is how much data of errors a statement carries, about.
	maxErrorBytes = 8 << 20
)

// The forms of a kept record; see the table.
const (
	formRaw    = "raw"
	formJSON   = "json"
	formObject = "object"
)

func scanError(r row) (flows.RecordError, error) {
	var e flows.RecordError
	var form string
	err := r.Scan(&e.ID, &e.Workspace, &e.FlowID, &e.RunID, &e.Record, &e.Line, &e.Offset, &e.Code, &e.Field, &e.Message,
		&e.Data, &e.Truncated, &e.State, moment{&e.CreatedAt}, &e.FlowRevision, &e.Revision, &e.Signature, &e.TraceKey, &form,
		&e.Object, &e.Edited, &e.Attempts, &e.RetryRunID, &e.LastRunID, &e.ResolvedBy, moment{&e.ResolvedAt}, moment{&e.UpdatedAt})
	e.DataIsObject = form == formJSON
	return e, err
}

// errorBatch is record errors found by one attempt of a run.
type errorBatch struct {
	token        flows.Token
	flowID       string
	flowRevision int64
	errors       []flows.RecordError
	now          time.Time
}

// insertErrors stores the errors in one transaction, as many in a statement as
// the dialect bears well. An error of a record that is stored already is left as it is.
func (s *Store) insertErrors(ctx context.Context, tx *sql.Tx, b errorBatch) error {
	most := s.dialect.bulkRows
	whole, err := tx.PrepareContext(ctx, insertErrors(most))
	if err != nil {
		return err
	}
	defer whole.Close()
	var args []any
	rows, size := 0, 0
	for i, e := range b.errors {
		values, err := b.values(&e)
		if err != nil {
			return err
		}
		args = append(args, values...)
		rows, size = rows+1, size+len(e.Data)+len(e.Object)
		switch {
		case rows == most:
			_, err = whole.ExecContext(ctx, args...)
		case size >= maxErrorBytes, i == len(b.errors)-1:
			_, err = tx.ExecContext(ctx, insertErrors(rows), args...)
		default:
			continue
		}
		if err != nil {
			return err
		}
		args, rows, size = args[:0], 0, 0
	}
	return nil
}

func insertErrors(rows int) string {
	return "INSERT INTO record_errors (" + errorColumns + ") VALUES " + placeholders(rows, errorColumnCount) + " ON CONFLICT DO NOTHING"
}

func (b errorBatch) values(e *flows.RecordError) ([]any, error) {
	id := e.ID
	if id == "" {
		made, err := uuid.NewV7()
		if err != nil {
			return nil, err
		}
		id = made.String()
	}
	createdAt := e.CreatedAt
	if createdAt.IsZero() {
		createdAt = b.now
	}
	return []any{id, b.token.Workspace, b.flowID, b.token.RunID, e.Record, e.Line, e.Offset, e.Code, clean(e.Field),
		clean(e.Message), notNil(e.Data), e.Truncated, cmp.Or(e.State, flows.ErrorOpen), micros(createdAt), b.flowRevision,
		max(e.Revision, 1), e.Signature, clean(e.TraceKey), formOf(e), e.Object, e.Edited, max(e.Attempts, 1), "", "",
		e.ResolvedBy, micros(e.ResolvedAt), micros(createdAt)}, nil
}

func formOf(e *flows.RecordError) string {
	switch {
	case e.DataIsObject:
		return formJSON
	case e.Object != nil:
		return formObject
	}
	return formRaw
}
