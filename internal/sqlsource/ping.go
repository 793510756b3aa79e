package sqlsource

import (
	"context"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
)

// pingTimeout bounds the statement of a Ping.
const pingTimeout = 10 * time.Second

// Ping logs in, begins a transaction that only reads, and asks for one value.
// Faults: those of dialing and of TLS, SourceUnauthorized, SourceNotFound for
// the database, SourceUnavailable, SourceRead.
func (d *Databases) Ping(ctx context.Context, t Target) error {
	w, err := Request{Query: "SELECT 1 AS one"}.writer(t.Dialect)
	if err != nil {
		return err
	}
	ping := &reading{databases: d, target: t, request: Request{Timeout: pingTimeout}, writer: w}
	s, err := d.open(ctx, t, ping.options(""))
	if err != nil {
		return err
	}
	defer s.close()
	count := 0
	err = ping.stream(ctx, s, w.statement("", ""), &rows{take: func([]byte) error { count++; return nil }})
	if err == nil && count != 1 {
		return fault.New(fault.SourceUnavailable, "the database answered %d rows where one was asked for", count)
	}
	return err
}
