package sqlsource

import (
	"context"
	"crypto/tls"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"
	"unicode/utf8"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	mssql "github.com/microsoft/go-mssqldb"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/sqlsource/query"
)

// classify gives an error of a server, a driver or the network as a fault. s is
// the statement that it answers, nil for none of the flow's.
func classify(ctx context.Context, err error, t Target, s *statement) error {
	var known *fault.Error
	switch cause := context.Cause(ctx); {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return known
	case cause != nil:
		return cause
	}
	for _, ask := range []func(error, Target, *statement) *fault.Error{postgresFault, mysqlFault, sqlServerFault, sqliteFault} {
		if found := ask(err, t, s); found != nil {
			return found
		}
	}
	var secret hidden
	if errors.As(err, &secret) {
		return fault.New(fault.FlowInvalid, "%s", secret.Error())
	}
	if isTLS(err) {
		return fault.Wrap(redacted{err, t}, fault.EgressTLS, "TLS with the database on host %q failed", hostOf(t)).
			WithHint("check that the server offers TLS with a certificate for this name from a trusted authority; the connection's tls says how it is used")
	}
	if isBroken(err) {
		return broken(err, t)
	}
	return fault.Wrap(redacted{err, t}, fault.SourceRead, "the database could not be read")
}

// redacted is an error without the password in its text.
type redacted struct {
	error
	target Target
}

// Error gives the text.
func (r redacted) Error() string { return r.target.redact(r.error.Error()) }

// Unwrap gives the error.
func (r redacted) Unwrap() error { return r.error }

func broken(err error, t Target) *fault.Error {
	return fault.Wrap(redacted{err, t}, fault.SourceRead, "the connection to the database broke").WithRetry(fault.Later)
}

func isTLS(err error) bool {
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	return errors.As(err, &certificate) || errors.As(err, &record) || errors.As(err, &alert) || errors.Is(err, mysql.ErrNoTLS) ||
		strings.Contains(err.Error(), "server refused TLS connection")
}

func isBroken(err error) bool {
	var network net.Error
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.As(err, &network)
}

// redact takes the password out of what a server says.
func (t Target) redact(text string) string {
	if secret := t.Password.Reveal(); secret != "" {
		text = strings.ReplaceAll(text, secret, "***")
	}
	return text
}

// said is a server's message, in one line of bounded length.
func (t Target) said(message string) string {
	const most = 500
	message = strings.Join(strings.Fields(t.redact(message)), " ")
	if len(message) > most {
		message = strings.ToValidUTF8(message[:most], "") + " ..."
	}
	return message
}

func (t Target) login(err error) *fault.Error {
	return fault.Wrap(redacted{err, t}, fault.SourceUnauthorized, "the database refuses the login of %q", t.Username).
		WithHint("check the user name and the password of the connection, and that the server lets the user log in from this machine")
}

func (t Target) noDatabase(err error) *fault.Error {
	return fault.Wrap(redacted{err, t}, fault.SourceNotFound, "the server has no database %q, or the user may not use it", t.Database).
		WithHint("check the database of the connection")
}

func (t Target) busy(err error, message string) *fault.Error {
	return fault.Wrap(redacted{err, t}, fault.SourceUnavailable, "the database does not answer now: %s", t.said(message))
}

func (t Target) tooSlow(err error) *fault.Error {
	return fault.Wrap(redacted{err, t}, fault.SourceTimeout, "the query took longer than it may").
		WithHint("make the query faster, read less of it with a delta, or raise export.queryTimeout")
}

// refused is a query that the server does not run; offset is the byte of the statement, below zero for unknown.
func (t Target) refused(err error, s *statement, message string, offset int) *fault.Error {
	text := t.said(message)
	if s != nil && s.query != nil && offset >= 0 {
		if at, ok := s.origin(offset); ok {
			line, column := query.PlaceOf(s.query.Text(), at)
			return fault.Wrap(redacted{err, t}, fault.SourceQuery, "the database refuses the query at line %d, column %d: %s", line, column, text).
				WithHint(queryHint)
		}
	}
	return fault.Wrap(redacted{err, t}, fault.SourceQuery, "the database refuses the query: %s", text).WithHint(queryHint)
}

const queryHint = "run the query in the database as the user of the connection, and put export.query right"

func postgresFault(err error, t Target, s *statement) *fault.Error {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return nil
	}
	switch {
	case strings.HasPrefix(e.Code, "28"):
		return t.login(err)
	case e.Code == "3D000" || s == nil && e.Code == "42501":
		return t.noDatabase(err)
	case e.Code == "57014":
		return t.tooSlow(err)
	case strings.HasPrefix(e.Code, "08") || strings.HasPrefix(e.Code, "57P"):
		return broken(err, t)
	case strings.HasPrefix(e.Code, "53") || strings.HasPrefix(e.Code, "40"):
		return t.busy(err, e.Message)
	}
	return t.refused(err, s, e.Message, postgresOffset(e, s))
}

// postgresOffset turns the server's count of characters from 1 into bytes, -1 for none.
func postgresOffset(e *pgconn.PgError, s *statement) int {
	if e.Position <= 0 || s == nil {
		return -1
	}
	offset := 0
	for range e.Position - 1 {
		_, size := utf8.DecodeRuneInString(s.sql[offset:])
		offset += size
	}
	return offset
}

func mysqlFault(err error, t Target, s *statement) *fault.Error {
	var e *mysql.MySQLError
	if !errors.As(err, &e) {
		return nil
	}
	switch e.Number {
	case 1045, 1698, 1862, 3118, 1130, 1251, 2049:
		return t.login(err)
	case 1044, 1049:
		return t.noDatabase(err)
	case 1317, 1969, 3024:
		return t.tooSlow(err)
	case 1040, 1203, 1205, 1213, 1226, 1129:
		return t.busy(err, e.Message)
	case 1053, 1077, 1079, 1927:
		return broken(err, t)
	}
	return t.refused(err, s, e.Message, -1)
}

func sqlServerFault(err error, t Target, s *statement) *fault.Error {
	var e mssql.Error
	if !errors.As(err, &e) {
		return nil
	}
	switch e.Number {
	case 18456, 18452, 18470, 18486, 18487, 18488:
		return t.login(err)
	case 4060, 916:
		return t.noDatabase(err)
	case 1205, 1222, 10928, 10929, 40501, 40613, 3960:
		return t.busy(err, e.Message)
	case 6005, 596:
		return broken(err, t)
	}
	return t.refused(err, s, e.Message, -1)
}

func sqliteFault(err error, t Target, s *statement) *fault.Error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return nil
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return t.busy(err, e.Error())
	case sqlite3.SQLITE_INTERRUPT:
		return t.tooSlow(err)
	case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_CANTOPEN:
		return fault.Wrap(redacted{err, t}, fault.SourceRefused, "the file is no database of SQLite that can be read")
	}
	return t.refused(err, s, e.Error(), -1)
}
