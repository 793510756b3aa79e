package query_test

import (
	"strings"
	"testing"

	"github.com/celonis-connector/connector/internal/sqlsource/query"
	"github.com/stretchr/testify/require"
)

func TestParseTakesWhatReads(t *testing.T) {
	t.Parallel()
	everywhere := []string{
		"SELECT 1", " select a from t ; ", "SELECT 'DROP TABLE t; -- ' FROM t", `SELECT a AS "insert" FROM t`, "SELECT 1 -- ; DROP TABLE t",
		"SELECT 1 /* ; DROP TABLE t */ FROM t", "WITH x AS (SELECT 1) SELECT * FROM x", "SELECT t.update, t . delete FROM t", "TABLE t", "VALUES (1)",
		"SELECT replace(a, 'x', 'y'), truncate (b, 2) FROM t", "SELECT * FROM t WHERE a > {{watermark}} AND a <= {{ until }}",
		"SELECT CASE WHEN a THEN 1 ELSE 2 END FROM t", "SELECT 'it''s'", "SELECT updated, inserted_at, deleted FROM updates", "SELECT 1;\n-- end\n",
		"SELECT größe FROM maße",
	}
	for _, d := range query.Dialects() {
		for _, text := range everywhere {
			_, err := query.Parse(d, text)
			require.NoError(t, err, "%s: %s", d, text)
		}
	}
	for d, texts := range map[query.Dialect][]string{
		query.PostgreSQL: {"SELECT $$ DROP $$, $a$ ; $$ $a$, E'\\' INTO ', a[1] #> b /* /* ; */ INTO */ FROM t", `SELECT '\' INTO x /* '*/`},
		query.MySQL:      {"SELECT `drop`, 'a\\' INTO ', \"b\\\" INTO \" FROM t # INTO x", "SELECT a--1 FROM t"},
		query.SQLServer:  {"SELECT [drop]]; ] FROM t FOR JSON PATH", "SELECT TOP 5 a FROM t WITH (NOLOCK)"},
		query.SQLite:     {"SELECT [drop], `into` FROM t"},
	} {
		for _, text := range texts {
			_, err := query.Parse(d, text)
			if strings.Contains(text, "/* '*/") {
				require.Error(t, err, text)
				continue
			}
			require.NoError(t, err, "%s: %s", d, text)
		}
	}
}

func TestParseRefusesWhatWrites(t *testing.T) {
	t.Parallel()
	everywhere := map[string]int{
		"": 0, ";": 0, "-- only this": 0, "INSERT INTO t VALUES (1)": 0, "SELECT 1; DROP TABLE t": 10, "DROP TABLE t": 0,
		"WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x": 11, "SELECT * INTO u FROM t": 9, "SELECT * FROM t FOR UPDATE": 20,
		"SELECT * FROM t FOR NO KEY UPDATE": 16, "SELECT * FROM t FOR KEY SHARE": 16, "SELECT * FROM t FOR share": 16, "CALL p()": 0, "EXPLAIN SELECT 1": 0,
		"SELECT 'open": 7, "SELECT 1 /* open": 9, "SELECT '{{watermark}}'": 8, "SELECT {{other}}": 7, "SELECT {{watermark": 7,
		"SELECT 1INTO t": 8, "SELECT 1.INTO t": 9, "SELECT .5INTO t": 9, "SELECT 1\u00a0INTO\u00a0t": 10, "SELECT a\x00": 8, "SELECT \xff": 7,
		"SELECT 1 --\r'\n INTO OUTFILE 'x' --": 11, "SELECT 1 -- \u2028'\n": 12, "SELECT nextval(x) FROM t; SELECT 2": 26, "SELECT NEXT VALUE FOR s": 7,
		"SELECT * FROM a UNION SELECT * INTO b FROM c": 31, "(SELECT 1)": 0,
	}
	for _, d := range query.Dialects() {
		for text, at := range everywhere {
			_, err := query.Parse(d, text)
			var bad *query.Error
			require.ErrorAs(t, err, &bad, "%s: %s", d, text)
			require.Equal(t, at, bad.Offset, "%s: %s: %s", d, text, bad)
			require.NotEmpty(t, bad.Detail)
		}
	}
	for d, texts := range map[query.Dialect][]string{
		query.PostgreSQL: {`SELECT E'\'' INTO x`, `SELECT '\' INTO x --'`, "SELECT $a$ $a$ INTO x", "SELECT 1 /* /* */ */ INTO x"},
		query.MySQL: {
			"SELECT 1 /*! INTO OUTFILE 'x' */", "SELECT 1 /*M! INTO OUTFILE 'x' */", "SELECT 'a' INTO @x", "SELECT 1 INTO DUMPFILE 'x'",
			"SELECT 1 /* /* */ INTO OUTFILE 'x' -- */", "SELECT 1--INTO x", "SELECT * FROM t LOCK IN SHARE MODE",
		},
		query.SQLServer: {
			"SELECT 1 DROP TABLE t", "SELECT 1 EXEC p", "SELECT [a]]] INTO t", "SELECT 1 WAITFOR DELAY '1'", "SELECT 1 SET x 1",
			"SELECT * FROM OPENROWSET('x')", "SELECT 1 BEGIN SELECT 2", "SELECT * FROM t WITH (UPDLOCK)",
		},
		query.SQLite: {"SELECT `a` ; DROP TABLE t", "SELECT 1 /* /* */ ; DELETE FROM t"},
	} {
		for _, text := range texts {
			_, err := query.Parse(d, text)
			require.Error(t, err, "%s: %s", d, text)
		}
	}
}

func TestParametersAreBound(t *testing.T) {
	t.Parallel()
	q, err := query.Parse(query.PostgreSQL, "SELECT *\nFROM t WHERE a > {{watermark}} AND a <= {{ until }} ; ")
	require.NoError(t, err)
	require.True(t, q.Uses(query.Watermark))
	require.True(t, q.Uses(query.Until))
	place := func(name string) string { return map[string]string{query.Watermark: "$1", query.Until: "$2"}[name] }
	sql := q.SQL(place)
	require.Equal(t, "SELECT *\nFROM t WHERE a > $1 AND a <= $2", sql)
	for _, word := range []string{"FROM", "AND", "t WHERE"} {
		require.Equal(t, strings.Index(q.Text(), word), q.Origin(strings.Index(sql, word), place), word)
	}
	require.Equal(t, strings.Index(q.Text(), "{{ until"), q.Origin(strings.Index(sql, "$2"), place))
	line, column := query.PlaceOf(q.Text(), strings.Index(q.Text(), "FROM"))
	require.Equal(t, []int{2, 1}, []int{line, column})
}

func TestParseAnyTakesWhatOneDialectTakes(t *testing.T) {
	t.Parallel()
	_, err := query.ParseAny("SELECT 'it\\'s'")
	require.NoError(t, err)
	_, err = query.ParseAny("SELECT 1; DROP TABLE t")
	require.EqualError(t, err, "line 1, column 11: a second statement")
}

// FuzzParse: what is taken begins as a query, has one statement, and binds its parameters.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"SELECT 1", "SELECT 'a''b', \"c\", [d], `e`, $x$f$x$ FROM t -- g\n", "WITH x AS (SELECT {{watermark}}) SELECT * FROM x /* /* */ */",
		"SELECT E'\\'' ; DROP", "SELECT 1 # x\n", "SELECT {{until}}; --", "TABLE \u00a0t", "SELECT 1 /*! 2 */", "VALUES ('{{', 1)",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, d := range query.Dialects() {
			q, err := query.Parse(d, text)
			if err != nil {
				var bad *query.Error
				require.ErrorAs(t, err, &bad)
				require.True(t, bad.Offset >= 0 && bad.Offset <= len(text))
				continue
			}
			bound := q.SQL(func(string) string { return " 1 " })
			again, err := query.Parse(d, bound)
			require.NoError(t, err, "%q became %q", text, bound)
			require.False(t, again.Uses(query.Watermark) || again.Uses(query.Until))
			// Whatever is taken is refused with a second statement, or with what writes, behind it.
			for _, more := range []string{"\n;\nDROP TABLE t", "\n1 INTO t"} {
				_, err = query.Parse(d, q.Text()+more)
				require.Error(t, err, "%q", q.Text()+more)
			}
			require.Equal(t, 0, q.Origin(0, func(string) string { return "$1" }))
		}
	})
}
