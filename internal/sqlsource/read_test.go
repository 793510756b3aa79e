package sqlsource_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/sqlsource"
	"github.com/celonis-connector/connector/internal/sqlsource/query"
)

// TestDatabases is what holds with every engine.
func TestDatabases(t *testing.T) {
	t.Parallel()
	contract := map[string]func(t *testing.T, e *engine){
		"every row comes once":               whole,
		"a watermark is bound":               marked,
		"the watched column bounds":          watched,
		"an open watermark reads everything": unmarked,
		"partitions by number":               byNumber,
		"partitions by time":                 byTime,
		"partitions by text":                 byText,
		"a column's name twice":              twice,
		"a query that is wrong":              wrong,
		"writes are refused":                 refused,
		"enough":                             enough,
		"cancel":                             canceled,
		"ping":                               pinged,
		"no rows":                            none,
	}
	for dialect, make := range engines() {
		t.Run(string(dialect), func(t *testing.T) {
			t.Parallel()
			for name, check := range contract {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					check(t, make(t))
				})
			}
		})
	}
}

func whole(t *testing.T, e *engine) {
	e.numbers(2500)
	r := e.mustRead(sqlsource.Request{Query: "SELECT id, label FROM n -- all of it"})
	require.Equal(t, upTo(1, 2500), r.ids(t))
	require.Len(t, r.parts, 1)
	require.Contains(t, r.records(), `{"id":7,"label":"label 7"}`)
	require.Empty(t, r.marks)
}

func none(t *testing.T, e *engine) {
	e.numbers(1)
	r := e.mustRead(sqlsource.Request{Query: "SELECT id FROM n WHERE id < 0", Watch: "id"})
	require.Empty(t, r.records())
	require.Empty(t, r.marks)
	r = e.mustRead(sqlsource.Request{Query: "SELECT id FROM n WHERE id < 0", PartitionBy: "id", Partitions: 2})
	require.Empty(t, r.records())
}

func marked(t *testing.T, e *engine) {
	e.numbers(100)
	r := e.mustRead(sqlsource.Request{
		Query: "SELECT id, label FROM n WHERE id > {{watermark}} AND id <= {{until}} AND {{watermark}} < 1000", From: "9", To: "12", Watch: "id", Order: sqlsource.ByNumber,
	})
	require.Equal(t, upTo(10, 12), r.ids(t))
	require.Equal(t, []string{"12"}, r.marks)

	r = e.mustRead(sqlsource.Request{
		Query: "SELECT id, at FROM n WHERE at > {{watermark}} ORDER BY id", From: "2024-01-01T00:01:30.000Z", Watch: "at", Order: sqlsource.ByTime,
	})
	require.Equal(t, upTo(91, 100), r.ids(t))
	require.Len(t, r.marks, 1)
	require.Regexp(t, `^2024-01-01T00:01:40(\.000)?Z$`, r.marks[0])

	// What looks like SQL is a value.
	_, err := e.read(t.Context(), sqlsource.Request{Query: "SELECT label AS id FROM n WHERE label > {{watermark}}", From: "x' OR '1'='1", Typed: true, Order: sqlsource.ByText})
	require.NoError(t, err)
}

func watched(t *testing.T, e *engine) {
	e.numbers(50)
	request := sqlsource.Request{Query: "SELECT id, at FROM n", Watch: "id", Order: sqlsource.ByNumber, Typed: true, From: "10", To: "45"}
	r := e.mustRead(request)
	require.Equal(t, upTo(11, 45), r.ids(t))
	require.Equal(t, []string{"45"}, r.marks)
	request.PartitionBy, request.Partitions = "id", 3
	r = e.mustRead(request)
	require.Equal(t, upTo(11, 45), r.ids(t))
	require.Contains(t, r.marks, "45")

	_, err := e.read(t.Context(), sqlsource.Request{Query: "SELECT id FROM n", Watch: "nothing"})
	require.Equal(t, fault.SourceWatermark, fault.CodeOf(err), "%v", err)
}

func unmarked(t *testing.T, e *engine) {
	e.numbers(20)
	require.Equal(t, upTo(1, 20), e.mustRead(sqlsource.Request{
		Query: "SELECT id FROM n WHERE id > {{watermark}} AND id <= {{until}}", Watch: "id", Order: sqlsource.ByNumber, Typed: true,
	}).ids(t))
	require.Equal(t, upTo(1, 20), e.mustRead(sqlsource.Request{
		Query: "SELECT id, at FROM n WHERE at > {{watermark}} AND at <= {{until}}", Watch: "at", Order: sqlsource.ByTime, Typed: true,
	}).ids(t))
	require.Equal(t, upTo(1, 20), e.mustRead(sqlsource.Request{
		Query: "SELECT id, label FROM n WHERE label > {{watermark}}", Watch: "label", Order: sqlsource.ByText, Typed: true,
	}).ids(t))
}

func byNumber(t *testing.T, e *engine) {
	e.numbers(2000)
	e.exec("CREATE TABLE p (id BIGINT, x BIGINT)", "INSERT INTO p SELECT id, id * id * id FROM n", "INSERT INTO p SELECT id + 2000, NULL FROM n WHERE id <= 10")
	for _, column := range []string{"id", "x"} {
		r := e.mustRead(sqlsource.Request{Query: "SELECT * FROM p", PartitionBy: column, Partitions: 3})
		require.Equal(t, upTo(1, 2010), r.ids(t), column)
		require.Greater(t, len(r.parts), 6, column)
	}
}

func byTime(t *testing.T, e *engine) {
	e.numbers(2000)
	r := e.mustRead(sqlsource.Request{Query: "WITH a AS (SELECT * FROM n) SELECT * FROM a", PartitionBy: "at", Partitions: 2})
	require.Equal(t, upTo(1, 2000), r.ids(t))
	require.Greater(t, len(r.parts), 4)
}

func byText(t *testing.T, e *engine) {
	e.numbers(2000)
	e.exec("INSERT INTO n (id, label) VALUES (2001, 'Ünïcode'), (2002, ''), (2003, NULL), (2004, 'LABEL 7')")
	r := e.mustRead(sqlsource.Request{Query: "SELECT * FROM n", PartitionBy: "label", Partitions: 3})
	require.Equal(t, upTo(1, 2004), r.ids(t))
	require.Greater(t, len(r.parts), 6)
	most := 0
	for _, p := range r.parts {
		most = max(most, len(p.records))
	}
	require.Less(t, most, 600, "the ranges hold about as much each")
}

func twice(t *testing.T, e *engine) {
	e.numbers(2)
	_, err := e.read(t.Context(), sqlsource.Request{Query: "SELECT a.id, b.id FROM n a CROSS JOIN n b"})
	require.Equal(t, fault.SourceHeader, fault.CodeOf(err), "%v", err)
	require.Contains(t, fault.From(err).Message, `"id"`)
}

func wrong(t *testing.T, e *engine) {
	e.numbers(2)
	e.target.Password = crypto.NewSecret(e.target.Password.Reveal())
	for text, named := range map[string]string{
		"SELECT id\nFROM nowhere": "nowhere", "SELECT id,\n  colour FROM n": "colour", "SELECT id FROM FROM n": "",
	} {
		_, err := e.read(t.Context(), sqlsource.Request{Query: text})
		require.Equal(t, fault.SourceQuery, fault.CodeOf(err), "%v", err)
		require.Equal(t, fault.Never, fault.RetryOf(err))
		require.Contains(t, fault.From(err).Message, named)
		require.NotEmpty(t, fault.From(err).Hint)
		if e.target.Dialect == query.PostgreSQL && named == "colour" {
			require.Contains(t, fault.From(err).Message, "line 2, column 3")
		}
	}
	_, err := e.read(t.Context(), sqlsource.Request{Query: "SELECT id FROM n", PartitionBy: "nothing", Partitions: 2})
	if e.target.Dialect != query.SQLite {
		require.Equal(t, fault.SourceQuery, fault.CodeOf(err), "%v", err)
	}
}

// refused: the first lock is the query's check.
func refused(t *testing.T, e *engine) {
	e.numbers(2)
	for _, text := range []string{"DELETE FROM n", "SELECT 1; DELETE FROM n", "WITH a AS (DELETE FROM n RETURNING id) SELECT * FROM a", "SELECT * FROM n FOR UPDATE"} {
		_, err := e.read(t.Context(), sqlsource.Request{Query: text})
		require.Equal(t, fault.SourceQuery, fault.CodeOf(err), "%v", err)
		require.Contains(t, fault.From(err).Message, "line 1, column ")
	}
	require.Equal(t, upTo(1, 2), e.mustRead(sqlsource.Request{Query: "SELECT id FROM n"}).ids(t))
}

var errEnough = errors.New("enough")

func enough(t *testing.T, e *engine) {
	e.numbers(5000)
	for _, request := range []sqlsource.Request{{Query: "SELECT id FROM n"}, {Query: "SELECT id FROM n", PartitionBy: "id", Partitions: 2}} {
		r, err := e.read(t.Context(), request, func(n int) error {
			if n == 10 {
				return errEnough
			}
			return nil
		})
		require.ErrorIs(t, err, errEnough)
		require.Less(t, len(r.records()), 5000)
	}
}

func canceled(t *testing.T, e *engine) {
	e.numbers(5000)
	ctx, cancel := context.WithCancelCause(t.Context())
	_, err := e.read(ctx, sqlsource.Request{Query: "SELECT a.id FROM n a CROSS JOIN n b"}, func(n int) error {
		if n == 100 {
			cancel(fault.New(fault.RunCanceled, "the run was canceled"))
		}
		return nil
	})
	require.Equal(t, fault.RunCanceled, fault.CodeOf(err), "%v", err)
}

func pinged(t *testing.T, e *engine) {
	require.NoError(t, databases().Ping(t.Context(), e.target))
	bad := e.target
	bad.Database += strings.Repeat("x", 3)
	err := databases().Ping(t.Context(), bad)
	require.Equal(t, fault.SourceNotFound, fault.CodeOf(err), "%v", err)
}

// TestWindowsInOtherZones: the type timestamp knows no zone; a bound that has one is meant in UTC.
func TestWindowsInOtherZones(t *testing.T) {
	t.Parallel()
	e := newPostgreSQL(t)
	e.exec("CREATE TABLE z (id int, at timestamp)", "INSERT INTO z VALUES (1, '2024-01-01 10:00'), (2, '2024-01-01 11:00'), (3, '2024-01-01 12:00')")
	r := e.mustRead(sqlsource.Request{Query: "SELECT * FROM z", Watch: "at", Typed: true, From: "2024-01-01T12:00:00+02:00", To: "2024-01-01T13:00:00+02:00"})
	require.Equal(t, []int{2}, r.ids(t))
	require.Equal(t, []string{"2024-01-01T11:00:00Z"}, r.marks)
}
