package sqlsource

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/celonis-connector/connector/internal/sqlsource/query"
)

// querier runs queries: a connection or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// standardSession reads through database/sql.
type standardSession struct {
	dialect query.Dialect
	db      *sql.DB
	conn    *sql.Conn
	in      querier
	// end ends the transaction.
	end func(ctx context.Context)
	// kill ends the statement that the server is at; nil where the driver does.
	kill func()
	// encoder gives how values of a column of a database type become JSON.
	encoder func(databaseType string) encode
	// plain turns a statement into one whose values come as they are stored; nil for as it is.
	plain func(ctx context.Context, in querier, s statement) (statement, error)
}

// encode appends a value as a driver gives it.
type encode func(dst []byte, value any) []byte

// connect opens the only connection of a pool, which it closes with it.
func connect(ctx context.Context, db *sql.DB, d query.Dialect) (*standardSession, error) {
	db.SetMaxOpenConns(1)
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &standardSession{dialect: d, db: db, conn: conn, in: conn, encoder: func(string) encode { return appendValue }}, nil
}

// cell takes a column's value right out of the driver's memory into the row's object.
type cell struct {
	out    *rows
	column int
	encode encode
}

var _ sql.Scanner = (*cell)(nil)

// Scan implements sql.Scanner.
func (c *cell) Scan(value any) error {
	out := c.out
	out.buf = append(out.buf, out.prefixes[c.column]...)
	start := len(out.buf)
	if value == nil {
		out.buf = appendNull(out.buf)
	} else {
		out.buf = c.encode(out.buf, value)
	}
	if c.column == out.watched {
		out.see(out.buf[start:])
	}
	return nil
}

// stream implements session.
func (s *standardSession) stream(ctx context.Context, st statement, out *rows) (err error) {
	if s.plain != nil {
		if st, err = s.plain(ctx, s.in, st); err != nil {
			return err
		}
	}
	defer s.killWith(ctx)()
	found, err := s.in.QueryContext(ctx, st.sql, s.values(st)...)
	if err != nil {
		return err
	}
	taken, err := s.rows(found, out)
	if taken != nil && s.kill != nil {
		// What is still under way would be read to its end.
		s.kill()
	}
	closed := found.Close()
	if taken != nil {
		return taken
	}
	return errors.Join(err, closed)
}

// killWith ends the server's statement when ctx ends; the function that it gives waits for that.
func (s *standardSession) killWith(ctx context.Context) (wait func()) {
	if s.kill == nil {
		return func() {}
	}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { defer close(done); s.kill() })
	return func() {
		if !stop() {
			<-done
		}
	}
}

func (s *standardSession) values(st statement) []any {
	values := make([]any, len(st.args))
	for i, a := range st.args {
		values[i] = a.value(s.dialect)
		if s.dialect == query.SQLServer {
			values[i] = sql.Named(a.name, values[i])
		}
	}
	return values
}

// rows hands over the rows of a result; taken is the error of the one who takes them.
func (s *standardSession) rows(found *sql.Rows, out *rows) (taken, err error) {
	types, err := found.ColumnTypes()
	if err != nil {
		return nil, err
	}
	names, into := make([]string, len(types)), make([]any, len(types))
	for i, t := range types {
		names[i] = t.Name()
		into[i] = &cell{out: out, column: i, encode: s.encoder(t.DatabaseTypeName())}
	}
	if err := out.begin(names); err != nil {
		return err, nil
	}
	for found.Next() {
		out.buf = out.buf[:0]
		if err := found.Scan(into...); err != nil {
			return nil, err
		}
		if err := out.end(); err != nil {
			return err, nil
		}
	}
	return nil, found.Err()
}

// close implements session.
func (s *standardSession) close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
	defer cancel()
	if s.end != nil {
		s.end(ctx)
	}
	_ = s.conn.Close()
	_ = s.db.Close()
}

// exec runs statements of our own, one after another.
func (s *standardSession) exec(ctx context.Context, statements ...string) error {
	for _, text := range statements {
		if _, err := s.conn.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

// ask gives the one value that a statement of our own answers with.
func ask[T any](ctx context.Context, s *standardSession, text string) (value T, err error) {
	return value, s.conn.QueryRowContext(ctx, text).Scan(&value)
}

// appendValue appends what a driver gives without a type of the database's telling otherwise.
func appendValue(dst []byte, value any) []byte {
	switch v := value.(type) {
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case uint64:
		return strconv.AppendUint(dst, v, 10)
	case float64:
		return appendFloat(dst, v, 64)
	case float32:
		return appendFloat(dst, float64(v), 32)
	case bool:
		return strconv.AppendBool(dst, v)
	case string:
		return appendString(dst, v)
	case []byte:
		return appendBase64(dst, v)
	case time.Time:
		return appendTime(dst, v)
	}
	return appendString(dst, fmt.Sprint(value))
}

// bytesOr gives an encoding that reads bytes by f and anything else as it is.
func bytesOr(f func(dst, s []byte) []byte) encode {
	return func(dst []byte, value any) []byte {
		switch v := value.(type) {
		case []byte:
			return f(dst, v)
		case string:
			return f(dst, []byte(v))
		}
		return appendValue(dst, value)
	}
}
