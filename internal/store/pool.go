package store

import (
	"context"
	"database/sql"
	"sync"
	"time"
)

const (
	// A statement that finds SQLite locked by another process waits for busyTimeout inside the driver, where no context
	// can end it; so that is short, and the tries are many: about 15 seconds.
	busyTimeout = 150 * time.Millisecond
	busyTries   = 100
	busyPause   = 2 * time.Millisecond
)

// pool is connections that try again what lost against another transaction.
type pool struct {
	*sql.DB
	kindOf func(error) kind
	// prepared keeps statements by their text, for a driver that parses anew each time (SQLite); nil for one that keeps them
	// itself. The texts are few: they are constants with some conditions more or less.
	prepared *sync.Map
}

var _ executor = pool{}

// ExecContext is sql.DB's, tried again.
func (p pool) ExecContext(ctx context.Context, text string, args ...any) (result sql.Result, err error) {
	err = p.patiently(ctx, func() error {
		if p.prepared == nil {
			result, err = p.DB.ExecContext(ctx, text, args...)
			return err
		}
		statement, err := p.statement(ctx, text)
		if err != nil {
			return err
		}
		result, err = statement.ExecContext(ctx, args...)
		return err
	})
	return result, err
}

// QueryContext is sql.DB's, tried again.
func (p pool) QueryContext(ctx context.Context, text string, args ...any) (rows *sql.Rows, err error) {
	err = p.patiently(ctx, func() error {
		if p.prepared == nil {
			rows, err = p.DB.QueryContext(ctx, text, args...)
			return err
		}
		statement, err := p.statement(ctx, text)
		if err != nil {
			return err
		}
		rows, err = statement.QueryContext(ctx, args...)
		return err
	})
	return rows, err
}

func (p pool) statement(ctx context.Context, text string) (*sql.Stmt, error) {
	if known, ok := p.prepared.Load(text); ok {
		return known.(*sql.Stmt), nil
	}
	made, err := p.DB.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	if known, raced := p.prepared.LoadOrStore(text, made); raced {
		return known.(*sql.Stmt), made.Close()
	}
	return made, nil
}

// patiently repeats do while it loses against others. What lost has changed nothing.
func (p pool) patiently(ctx context.Context, do func() error) error {
	for try := 1; ; try++ {
		err := do()
		if err == nil || p.kindOf(err) != contended || try == busyTries {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(busyPause):
		}
	}
}
