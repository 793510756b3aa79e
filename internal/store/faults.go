package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/celonis-connector/connector/internal/fault"
)

// explain turns *err into a fault, unless it is one. op is the method's name, for the log.
func (s *Store) explain(err *error, op string) {
	var known *fault.Error
	if *err == nil || errors.As(*err, &known) {
		return
	}
	cause := fmt.Errorf("store.%s: %w", op, *err)
	switch {
	case errors.Is(cause, context.Canceled):
		*err = fault.Wrap(cause, fault.Unavailable, "the call was canceled")
	case s.closed.Load(), s.kindOf(cause) == unreachable, s.kindOf(cause) == contended:
		*err = fault.Wrap(cause, fault.StoreUnavailable, "the database does not answer")
	case s.kindOf(cause) == unstorable:
		*err = fault.Wrap(cause, fault.RequestInvalid, "a text holds a character that cannot be stored")
	default:
		*err = fault.Wrap(cause, fault.Internal, "internal error")
	}
}

// is reports whether err is of a kind.
func (s *Store) is(err error, k kind) bool { return err != nil && s.kindOf(err) == k }

// kindOf knows what both dialects share and asks the dialect for the rest.
func (s *Store) kindOf(err error) kind {
	var network net.Error
	var errno syscall.Errno
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, driver.ErrBadConn), errors.Is(err, sql.ErrConnDone),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.As(err, &network), errors.As(err, &errno):
		return unreachable
	}
	return s.dialect.kindOf(err)
}
