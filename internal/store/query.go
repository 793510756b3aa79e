package store

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
)

// query is a statement with its arguments.
type query struct {
	text string
	args []any
}

// q makes a query; the text names its arguments $1, $2, ...
func q(text string, args ...any) query { return query{text, args} }

// and adds a condition; the text ends where the number of its argument belongs, in "id < $".
func (q *query) and(condition string, arg any) {
	q.args = append(q.args, arg)
	q.text += " AND " + condition + strconv.Itoa(len(q.args))
}

// in adds the condition that a column has one of the values, of which there is at least one.
func (q *query) in(column string, values []string) {
	for i, v := range values {
		q.args = append(q.args, v)
		if i == 0 {
			q.text += " AND " + column + " IN ("
		} else {
			q.text += ", "
		}
		q.text += "$" + strconv.Itoa(len(q.args))
	}
	q.text += ")"
}

// limit adds an order and how many rows to take.
func (q *query) limit(order string, n int) {
	q.args = append(q.args, n)
	q.text += " ORDER BY " + order + " LIMIT $" + strconv.Itoa(len(q.args))
}

// placeholders gives "($1, $2), ($3, $4)" for two rows of two columns.
func placeholders(rows, columns int) string {
	var b strings.Builder
	for i := range rows * columns {
		switch {
		case i == 0:
			b.WriteByte('(')
		case i%columns == 0:
			b.WriteString("), (")
		default:
			b.WriteString(", ")
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(i + 1))
	}
	b.WriteByte(')')
	return b.String()
}

// executor is a *sql.DB or a *sql.Tx.
type executor interface {
	ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error)
}

// row is one row of a result.
type row interface{ Scan(dest ...any) error }

// all reads every row; none gives an empty list.
func all[T any](ctx context.Context, db executor, scan func(row) (T, error), q query) ([]T, error) {
	rows, err := db.QueryContext(ctx, q.text, q.args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := []T{}
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

// first reads the first row and, unlike QueryRow, runs the statement to its
// end, so that the error of a change that could not be committed is seen.
func first[T any](ctx context.Context, db executor, scan func(row) (T, error), q query) (v T, found bool, err error) {
	list, err := all(ctx, db, scan, q)
	if err != nil || len(list) == 0 {
		return v, false, err
	}
	return list[0], true, nil
}

// one reads the row that a caller asked for, and gives missing when there is none.
func one[T any](ctx context.Context, db executor, scan func(row) (T, error), q query, missing error) (*T, error) {
	v, found, err := first(ctx, db, scan, q)
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, missing
	}
	return &v, nil
}

// scanText reads a single text column.
func scanText(r row) (text string, err error) { return text, r.Scan(&text) }

// exists reports whether a SELECT finds a row.
func exists(ctx context.Context, db executor, q query) (bool, error) {
	_, found, err := first(ctx, db, func(r row) (one int, err error) { return one, r.Scan(&one) }, q)
	return found, err
}

// exec runs a change and tells how many rows it touched.
func exec(ctx context.Context, db executor, q query) (int64, error) {
	result, err := db.ExecContext(ctx, q.text, q.args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// inTx runs do in a transaction that is rolled back when do fails. do may run
// more than once and must not touch the Store itself.
func (s *Store) inTx(ctx context.Context, do func(tx *sql.Tx) error) error {
	return s.write.patiently(ctx, func() error { return s.tryTx(ctx, do) })
}

func (s *Store) tryTx(ctx context.Context, do func(tx *sql.Tx) error) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	// After a commit this does nothing; before one, the error that led here says more than a failed rollback.
	defer func() { _ = tx.Rollback() }()
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// rowsOf repeats the form of a row and numbers its arguments, which "?" stands for.
func rowsOf(form string, rows int) string {
	var b strings.Builder
	arg := 0
	for i := range rows {
		if i > 0 {
			b.WriteString(", ")
		}
		for _, c := range []byte(form) {
			if c != '?' {
				b.WriteByte(c)
				continue
			}
			arg++
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(arg))
		}
	}
	return b.String()
}
