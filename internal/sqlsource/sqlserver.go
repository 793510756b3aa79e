package sqlsource

import (
	"context"
	"database/sql"
	"net"
	"net/url"
	"time"

	mssql "github.com/microsoft/go-mssqldb"
	"github.com/microsoft/go-mssqldb/msdsn"
)

func (d *Databases) openSQLServer(ctx context.Context, t Target) (*standardSession, error) {
	c, err := d.sqlServerConfig(t)
	if err != nil {
		return nil, err
	}
	connector := mssql.NewConnectorConfig(c)
	connector.Dialer = sqlServerDialer{dial: d.dialTarget(t), host: c.Host}
	s, err := connect(ctx, sql.OpenDB(connector), t.Dialect)
	if err != nil {
		return nil, err
	}
	s.encoder = sqlServerEncoder
	if err := s.beginSQLServer(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// beginSQLServer opens the transaction, which is always rolled back: the engine
// has none that only reads. Where the database keeps row versions, it sees one moment.
func (s *standardSession) beginSQLServer() error {
	// The transaction outlives the time for connecting; statements have their own.
	ctx := context.Background()
	level := sql.LevelDefault
	state, err := ask[int](ctx, s, "SELECT CAST(snapshot_isolation_state AS INT) FROM sys.databases WHERE database_id = DB_ID()")
	if err == nil && state == 1 {
		level = sql.LevelSnapshot
	}
	tx, err := s.conn.BeginTx(ctx, &sql.TxOptions{Isolation: level})
	if err != nil {
		return err
	}
	s.in, s.end = tx, func(context.Context) { _ = tx.Rollback() }
	return nil
}

// sqlServerConfig says how to connect: as one who only reads.
func (d *Databases) sqlServerConfig(t Target) (msdsn.Config, error) {
	settings := url.Values{
		msdsn.Database: {t.Database}, msdsn.ApplicationIntent: {"ReadOnly"}, msdsn.AppName: {appName}, msdsn.Protocol: {"tcp"},
		msdsn.DisableRetry: {"true"}, msdsn.WorkstationID: {appName},
	}
	switch t.TLS {
	case TLSOff:
		settings.Set(msdsn.Encrypt, "disable")
	case TLSRequire:
		settings.Set(msdsn.Encrypt, "true")
		settings.Set(msdsn.TrustServerCertificate, "true")
	default:
		settings.Set(msdsn.Encrypt, "true")
	}
	address := url.URL{Scheme: "sqlserver", Host: t.Host, User: url.UserPassword(t.Username, t.Password.Reveal()), RawQuery: settings.Encode()}
	c, err := msdsn.Parse(address.String())
	if err != nil {
		return c, hidden{err}
	}
	c.Host = hostOf(t)
	if c.TLSConfig != nil {
		c.TLSConfig.RootCAs = d.RootCAs
		c.TLSConfig.ServerName = c.Host
	}
	return c, nil
}

// hidden keeps a text that may hold the password out of every error.
type hidden struct{ cause error }

// Error says nothing of the cause.
func (hidden) Error() string { return "the connection's settings cannot be used with SQL Server" }

// sqlServerDialer dials in the driver's place and resolves the name, too.
type sqlServerDialer struct {
	dial Dial
	host string
}

var _ mssql.HostDialer = sqlServerDialer{}

// DialContext implements mssql.Dialer.
func (d sqlServerDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return d.dial(ctx, network, address)
}

// HostName implements mssql.HostDialer.
func (d sqlServerDialer) HostName() string { return d.host }

func sqlServerEncoder(databaseType string) encode {
	switch databaseType {
	case "DECIMAL", "NUMERIC", "MONEY", "SMALLMONEY":
		return bytesOr(appendNumber[[]byte])
	case "UNIQUEIDENTIFIER":
		return func(dst []byte, value any) []byte {
			var id mssql.UniqueIdentifier
			if id.Scan(value) != nil {
				return appendValue(dst, value)
			}
			return appendString(dst, id.String())
		}
	case "DATE":
		return clock(time.DateOnly)
	case "TIME":
		return clock("15:04:05.9999999")
	}
	return appendValue
}

// clock writes times in a layout that has no date, or nothing but it.
func clock(layout string) encode {
	return func(dst []byte, value any) []byte {
		if at, ok := value.(time.Time); ok {
			return appendString(dst, at.Format(layout))
		}
		return appendValue(dst, value)
	}
}
