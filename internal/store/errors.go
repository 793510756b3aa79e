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
	created_at`

const (
	errorColumnCount = 14
	// maxErrorBytes is how much data of errors a statement carries, about.
	maxErrorBytes = 8 << 20
)

func scanError(r row) (flows.RecordError, error) {
	var e flows.RecordError
	err := r.Scan(&e.ID, &e.Workspace, &e.FlowID, &e.RunID, &e.Record, &e.Line, &e.Offset, &e.Code, &e.Field, &e.Message,
		&e.Data, &e.Truncated, &e.State, moment{&e.CreatedAt})
	return e, err
}

// errorBatch is record errors found by one attempt of a run.
type errorBatch struct {
	token  flows.Token
	flowID string
	errors []flows.RecordError
	now    time.Time
}

// insertErrors stores the errors in one transaction, as many in a statement as
// the dialect bears well. An error of a record that is stored already is left as it is.
func (s *Store) insertErrors(ctx context.Context, tx *sql.Tx, b errorBatch) error {
	whole, err := tx.PrepareContext(ctx, insertErrors(s.dialect.bulkRows))
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
		rows, size = rows+1, size+len(e.Data)
		switch {
		case rows == s.dialect.bulkRows:
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
		clean(e.Message), notNil(e.Data), e.Truncated, cmp.Or(e.State, flows.ErrorOpen), micros(createdAt)}, nil
}

// RecordErrors implements flows.RunStore.
func (s *Store) RecordErrors(ctx context.Context, ask flows.ErrorQuery) (_ []flows.RecordError, err error) {
	defer s.explain(&err, "RecordErrors")
	list := q("SELECT "+errorColumns+" FROM record_errors WHERE workspace = $1 AND flow_id = $2", ask.Workspace, ask.FlowID)
	if ask.RunID != "" {
		list.and("run_id = $", ask.RunID)
	}
	if ask.State != "" {
		list.and("state = $", ask.State)
	}
	if ask.Page.After != "" {
		list.and("id < $", ask.Page.After)
	}
	list.limit("id DESC", limitOf(ask.Page.Limit))
	return all(ctx, s.read, scanError, list)
}
