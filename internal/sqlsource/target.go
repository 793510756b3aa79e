// Package sqlsource reads databases: PostgreSQL, MySQL and MariaDB, SQL Server
// and SQLite. It logs in through the dialer that it is given, holds the server
// to reading, and hands over every row as a JSON object:
//
//	integers, decimals   numbers with all their digits
//	floats               numbers; NaN and the infinities are null
//	booleans             true and false; numbers with MySQL and SQLite, which have none
//	dates                "2006-01-02"; "infinity" and dates of zeros are null
//	dates with times     RFC 3339 in UTC; one without a zone is taken for UTC
//	times, intervals     text as the server writes it
//	bytes                base64
//	JSON                 as it is; text with MariaDB, which has no type for it
//	arrays               lists (PostgreSQL)
//	everything else      text
//
// SQLite has no dates: its texts and numbers come as they are stored.
//
// A watermark goes into the query as a bound value: by the type that the flow's
// delta names, else an integer, else a time of RFC 3339, else text, as it looks.
// PostgreSQL reads it as the type that it finds for the place. With SQLite a
// time is compared as text, so that it must be stored in one form.
package sqlsource

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"time"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/sqlsource/query"
)

// How TLS is used.
const (
	// TLSVerify encrypts and checks the certificate and its name.
	TLSVerify = "verify"
	// TLSRequire encrypts, whoever answers.
	TLSRequire = "require"
	// TLSOff sends everything in the clear.
	TLSOff = "off"
)

// Target says which database to read, and as whom. It holds a plaintext secret
// and lives inside one call (I4).
type Target struct {
	Dialect query.Dialect
	// Host is host:port; it is empty for SQLite.
	Host string
	// Database is the database's name; for SQLite the absolute path of the file.
	Database string
	Username string
	Password crypto.Secret
	// TLS is TLSVerify, TLSRequire or TLSOff.
	TLS string
}

// Dial connects to host:port; the egress dialer does. Its faults are passed on.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Databases opens databases. Any number of goroutines may use it.
type Databases struct {
	Dial Dial
	// RootCAs are the system's when nil.
	RootCAs *x509.CertPool
}

// connectTimeout bounds dialing and logging in.
const connectTimeout = 30 * time.Second

// appName is how the server's lists of sessions name ours.
const appName = "celonis-connector"

// session is one connection whose transaction only reads.
type session interface {
	// stream runs a statement and hands its rows over. An error of the rows' own taker comes back as it is.
	stream(ctx context.Context, s statement, out *rows) error
	// close ends the transaction and the connection, whatever they do.
	close()
}

// open logs in and begins a transaction that only reads. snapshot, where the
// engine knows such a thing, is what share has given of another session.
func (d *Databases) open(ctx context.Context, t Target, o sessionOptions) (session, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, connectTimeout, fault.New(fault.EgressTimeout, "the host %q did not answer in time", hostOf(t)))
	defer cancel()
	opened, err := d.openDialect(ctx, t, o)
	if err != nil {
		return nil, classify(ctx, err, t, nil)
	}
	return opened, nil
}

func (d *Databases) openDialect(ctx context.Context, t Target, o sessionOptions) (session, error) {
	switch t.Dialect {
	case query.PostgreSQL:
		return d.openPostgres(ctx, t, o)
	case query.MySQL:
		return d.openMySQL(ctx, t, o)
	case query.SQLServer:
		return d.openSQLServer(ctx, t)
	case query.SQLite:
		return openSQLite(ctx, t)
	}
	return nil, fault.New(fault.FlowInvalid, "the dialect %q is not known", t.Dialect)
}

// sessionOptions are how a session begins.
type sessionOptions struct {
	// snapshot is another session's, "" for one of its own.
	snapshot string
	// timeout bounds every statement, on the server too.
	timeout time.Duration
}

// dialTarget dials the target's host, whatever a driver has made of its name.
func (d *Databases) dialTarget(t Target) Dial {
	return func(ctx context.Context, network, _ string) (net.Conn, error) { return d.Dial(ctx, network, t.Host) }
}

// tlsConfig gives how to encrypt, nil for not at all.
func (d *Databases) tlsConfig(t Target) *tls.Config {
	if t.TLS == TLSOff {
		return nil
	}
	return &tls.Config{
		ServerName: hostOf(t), RootCAs: d.RootCAs, MinVersion: tls.VersionTLS12,
		// Only where the connection's owner asked for encryption without a check.
		InsecureSkipVerify: t.TLS == TLSRequire,
	}
}

func hostOf(t Target) string {
	host, _, err := net.SplitHostPort(t.Host)
	if err != nil {
		return t.Host
	}
	return host
}
