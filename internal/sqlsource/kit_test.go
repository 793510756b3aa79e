package sqlsource_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/sqlsource"
	"github.com/celonis-connector/connector/internal/sqlsource/query"
	"github.com/celonis-connector/connector/internal/testservers"
)

// engine is a database of one test.
type engine struct {
	t      testing.TB
	target sqlsource.Target
	// db may write, as somebody else than the source.
	db *sql.DB
}

// engines are those that run here.
func engines() map[query.Dialect]func(t testing.TB) *engine {
	return map[query.Dialect]func(t testing.TB) *engine{query.SQLite: newSQLite, query.PostgreSQL: newPostgreSQL, query.MySQL: newMariaDB}
}

func open(t testing.TB, driver, dsn string, target sqlsource.Target) *engine {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return &engine{t: t, target: target, db: db}
}

func newSQLite(t testing.TB) *engine {
	path := filepath.Join(t.TempDir(), "some data#1.db")
	e := open(t, "sqlite", (&url.URL{Scheme: "file", Opaque: url.PathEscape(path)}).String(), sqlsource.Target{Dialect: query.SQLite, Database: path})
	e.exec("PRAGMA journal_mode=WAL")
	return e
}

func newPostgreSQL(t testing.TB) *engine {
	dsn := testservers.PostgreSQL(t)
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	return open(t, "pgx", dsn, sqlsource.Target{
		Dialect: query.PostgreSQL, Host: u.Host, Database: u.Path[1:], Username: u.User.Username(), TLS: sqlsource.TLSOff,
	})
}

func newMariaDB(t testing.TB) *engine {
	d := testservers.MariaDB(t)
	return open(t, "mysql", d.DSN(), sqlsource.Target{
		Dialect: query.MySQL, Host: d.Host, Database: d.Database, Username: d.Username, Password: crypto.NewSecret(d.Password), TLS: sqlsource.TLSOff,
	})
}

func (e *engine) exec(statements ...string) {
	e.t.Helper()
	for _, text := range statements {
		_, err := e.db.ExecContext(e.t.Context(), text)
		require.NoError(e.t, err, text)
	}
}

// numbers fills a table n(id, label, at) with ids from 1 to count.
func (e *engine) numbers(count int) {
	e.t.Helper()
	e.exec("CREATE TABLE n (id BIGINT PRIMARY KEY, label VARCHAR(40), at "+map[query.Dialect]string{
		query.SQLite: "DATETIME", query.PostgreSQL: "TIMESTAMPTZ", query.MySQL: "DATETIME(3)"}[e.target.Dialect]+")",
		"INSERT INTO n WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < "+itoa(min(count, 1000))+"), d(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM d WHERE i < "+itoa(count/1000+1)+") SELECT a.i + 1000 * (b.i - 1), "+
			map[query.Dialect]string{
				query.SQLite:     "'label ' || a.i, strftime('%Y-%m-%dT%H:%M:%fZ', 1704067200 + a.i + 1000 * (b.i - 1), 'unixepoch')",
				query.PostgreSQL: "'label ' || a.i, to_timestamp(1704067200 + a.i + 1000 * (b.i - 1))",
				query.MySQL:      "CONCAT('label ', a.i), TIMESTAMPADD(SECOND, a.i + 1000 * (b.i - 1), '2024-01-01')"}[e.target.Dialect]+
			" FROM c a CROSS JOIN d b WHERE a.i + 1000 * (b.i - 1) <= "+itoa(count))
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

// databases dials without limits.
func databases() *sqlsource.Databases {
	return &sqlsource.Databases{Dial: (&net.Dialer{}).DialContext}
}

// list is a part that keeps its records.
type list struct {
	mu      sync.Mutex
	records []string
	// on hears of each record.
	on func(n int) error
}

// Append implements sqlsource.Part.
func (l *list) Append(record []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = append(l.records, string(record))
	if l.on != nil {
		return l.on(len(l.records))
	}
	return nil
}

// result is what a read has brought.
type result struct {
	parts []*list
	marks []string
}

func (r result) records() (all []string) {
	for _, p := range r.parts {
		all = append(all, p.records...)
	}
	return all
}

// read reads from the database.
func (e *engine) read(ctx context.Context, request sqlsource.Request, on ...func(n int) error) (r result, err error) {
	return readFrom(ctx, e.target, request, on...)
}

func readFrom(ctx context.Context, target sqlsource.Target, request sqlsource.Request, on ...func(n int) error) (r result, err error) {
	r.marks, err = databases().Read(ctx, target, request, func() (sqlsource.Part, error) {
		p := &list{}
		if len(on) > 0 {
			p.on = on[0]
		}
		r.parts = append(r.parts, p)
		return p, nil
	})
	return r, err
}

func (e *engine) mustRead(request sqlsource.Request) result {
	e.t.Helper()
	r, err := e.read(e.t.Context(), request)
	require.NoError(e.t, err)
	return r
}

// ids gives the member id of each record, sorted.
func (r result) ids(t testing.TB) []int {
	t.Helper()
	var ids []int
	for _, record := range r.records() {
		var row struct{ ID *int }
		require.NoError(t, json.Unmarshal([]byte(record), &row), record)
		if row.ID == nil {
			ids = append(ids, -1)
			continue
		}
		ids = append(ids, *row.ID)
	}
	slices.Sort(ids)
	return ids
}

func upTo(from, to int) (all []int) {
	for i := from; i <= to; i++ {
		all = append(all, i)
	}
	return all
}
