package sqlsource_test

import (
	"encoding/json"
	"testing"
	"time"
	"unicode/utf8"

	mssql "github.com/microsoft/go-mssqldb"
	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/sqlsource"
	"github.com/celonis-connector/connector/internal/sqlsource/query"
)

// TestTypes: an expression of a database and the JSON that stands for it.
func TestTypes(t *testing.T) {
	t.Parallel()
	for dialect, table := range map[query.Dialect]map[string]string{
		query.PostgreSQL: {
			"NULL::int": `null`, "-7::smallint": `-7`, "9223372036854775807": `9223372036854775807`,
			"123456789012345678901234567890.123456789::numeric": `123456789012345678901234567890.123456789`, "1.50::numeric(9,2)": `1.50`,
			"0.1::float8": `0.1`, "1e300::float8": `1e+300`, "3.4::float4": `3.4`, "'NaN'::float8": `null`, "'-Infinity'::float8": `null`, "'NaN'::numeric": `null`,
			"true": `true`, "false": `false`, `E'q"\\ \n\t\x01 ü'`: `"q\"\\ \n\t\u0001 ü"`, "'x'::char(3)": `"x  "`,
			"'2024-02-29'::date": `"2024-02-29"`, "'infinity'::date": `null`, "'2024-02-29 12:30:00.120'::timestamp": `"2024-02-29T12:30:00.12Z"`,
			"'2024-02-29 12:30:00+02'::timestamptz": `"2024-02-29T10:30:00Z"`, "'infinity'::timestamptz": `null`, "'12:30'::time": `"12:30:00"`,
			"'1 day 02:00'::interval": `"1 day 02:00:00"`, `'\xdeadbeef'::bytea`: `"3q2+7w=="`, "''::bytea": `""`,
			"'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid": `"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"`,
			`'{"b": [1, null]}'::jsonb`:                    `{"b": [1, null]}`, "'[1,\n2]'::json": "[1,\n2]", "ARRAY[1,NULL,3]": `[1,null,3]`, `ARRAY['a,b','"c"','NULL',NULL]`: `["a,b","\"c\"","NULL",null]`,
			"ARRAY[[1,2],[3,4]]": `[[1,2],[3,4]]`, "'{}'::text[]": `[]`, "ARRAY['2024-01-01 00:00'::timestamp]": `["2024-01-01T00:00:00Z"]`,
			"'[2:3]={1,2}'::int[]": `[1,2]`, "inet '10.0.0.1'": `"10.0.0.1"`, "'{true}'::bool[]": `[true]`,
		},
		query.MySQL: {
			"CAST(NULL AS SIGNED)": `null`, "-7": `-7`, "CAST(18446744073709551615 AS UNSIGNED)": `18446744073709551615`,
			"CAST('12345678901234567890.123456789' AS DECIMAL(38,9))": `12345678901234567890.123456789`, "CAST('1.50' AS DECIMAL(9,2))": `1.50`,
			"CAST(0.1 AS DOUBLE)": `0.1`, "1e300": `1e+300`, "true": `1`, `'q"\\\\ \n ü'`: `"q\"\\\\ \n ü"`, "CAST('2024-02-29' AS DATE)": `"2024-02-29"`,
			"CAST('2024-02-29 12:30:00.120' AS DATETIME(3))": `"2024-02-29T12:30:00.12Z"`, "CAST('12:30' AS TIME)": `"12:30:00"`,
			"X'DEADBEEF'": `"3q2+7w=="`, "b'101'": `"BQ=="`, "TIMESTAMP('2024-02-29 12:30:00')": `"2024-02-29T12:30:00Z"`,
		},
		query.SQLite: {
			"NULL": `null`, "9223372036854775807": `9223372036854775807`, "0.1": `0.1`, "1e300": `1e+300`, "'it''s ü'": `"it's ü"`, "x'deadbeef'": `"3q2+7w=="`, "9e999": `null`,
		},
	} {
		t.Run(string(dialect), func(t *testing.T) {
			t.Parallel()
			e := engines()[dialect](t)
			for expression, want := range table {
				r, err := e.read(t.Context(), sqlsource.Request{Query: "SELECT " + expression + " AS v"})
				require.NoError(t, err, expression)
				require.Equal(t, []string{`{"v":` + want + `}`}, r.records(), expression)
				require.True(t, json.Valid([]byte(r.records()[0])), expression)
			}
		})
	}
}

func TestTypesOfMySQLTables(t *testing.T) {
	t.Parallel()
	e := newMariaDB(t)
	e.exec("CREATE TABLE v (a TINYINT(1), b BIT(10), c ENUM('x','y'), d YEAR, e TIMESTAMP NULL, f FLOAT, g JSON, h VARBINARY(4), i BLOB, j TEXT, k DATE, l BIGINT UNSIGNED, m TIME(2))",
		"SET SESSION time_zone='+02:00', sql_mode=''",
		"INSERT INTO v VALUES (1, b'1000000001', 'y', 2024, NULL, 3.4, '{\"a\": 1}', 'ab', 'cd', 'ef', '0000-00-00', 18446744073709551615, '-12:00:00.25')")
	want := `{"a":1,"b":513,"c":"y","d":2024,"e":null,"f":3.4,"g":"{\"a\": 1}","h":"YWI=","i":"Y2Q=","j":"ef","k":null,"l":18446744073709551615,"m":"-12:00:00.25"}`
	require.Equal(t, []string{want}, e.mustRead(sqlsource.Request{Query: "SELECT * FROM v"}).records())
	// With bound values the server answers in its other form.
	require.Equal(t, []string{want}, e.mustRead(sqlsource.Request{Query: "SELECT * FROM v WHERE d > {{watermark}}", From: "1"}).records())
}

// TestTypesOfSQLite: what a table declares does not change what it holds.
func TestTypesOfSQLite(t *testing.T) {
	t.Parallel()
	e := newSQLite(t)
	e.exec("CREATE TABLE v (id INTEGER, \"at \"\"x\"\"\" DATETIME, b BOOLEAN)", "INSERT INTO v VALUES (1, '2024-02-29 12:30:00', 1), (2, 1700000000, 0), (3, 'soon', NULL)")
	require.Equal(t, []string{
		`{"id":1,"at \"x\"":"2024-02-29 12:30:00","b":1}`, `{"id":2,"at \"x\"":1700000000,"b":0}`, `{"id":3,"at \"x\"":"soon","b":null}`,
	}, e.mustRead(sqlsource.Request{Query: "SELECT * FROM v"}).records())
	r := e.mustRead(sqlsource.Request{Query: "SELECT * FROM v WHERE id < 2", Watch: `at "x"`, From: "2024-02-29 12:29:59", Typed: true})
	require.Equal(t, []string{"2024-02-29 12:30:00"}, r.marks)
}

func TestTypesOfSQLServer(t *testing.T) {
	t.Parallel()
	at := time.Date(2024, 2, 29, 12, 30, 0, 120_000_000, time.FixedZone("", 7200))
	id := mssql.UniqueIdentifier{0xa0, 0xee, 0xbc, 0x99, 0x9c, 0x0b, 0x4e, 0xf8, 0xbb, 0x6d, 0x6b, 0xb9, 0xbd, 0x38, 0x0a, 0x11}
	raw, err := id.Value()
	require.NoError(t, err)
	for _, c := range []struct {
		databaseType string
		value        any
		want         string
	}{
		{"BIGINT", int64(7), `7`}, {"DECIMAL", []byte("1234567890123456789.50"), `1234567890123456789.50`}, {"MONEY", []byte("12.5000"), `12.5000`},
		{"FLOAT", 0.1, `0.1`}, {"BIT", true, `true`}, {"NVARCHAR", "ü", `"ü"`}, {"VARBINARY", []byte{0xde, 0xad}, `"3q0="`},
		{"DATE", at, `"2024-02-29"`}, {"TIME", at, `"12:30:00.12"`}, {"DATETIMEOFFSET", at, `"2024-02-29T10:30:00.12Z"`}, {"DATETIME2", at.UTC(), `"2024-02-29T10:30:00.12Z"`},
		{"UNIQUEIDENTIFIER", raw, `"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"`},
	} {
		require.Equal(t, c.want, sqlsource.EncodeSQLServer(c.databaseType, c.value), c.databaseType)
	}
}

// FuzzAppendString: what is appended is what encoding/json reads back.
func FuzzAppendString(f *testing.F) {
	for _, seed := range []string{"", "plain", "q\"\\\n\x00\x1f", "ü€😀", "\xff\xc3", "a\xf0\x9f"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var back string
		require.NoError(t, json.Unmarshal([]byte(sqlsource.AppendString(s)), &back))
		require.Equal(t, string([]rune(s)), back)
		require.True(t, utf8.ValidString(back))
	})
}

// FuzzAppendArray: no text makes it panic or run forever.
func FuzzAppendArray(f *testing.F) {
	for _, seed := range []string{"{}", "{1,NULL,{\"a\\\"\"}}", "[1:2]={1,2}", "{\"", "}{", "[", "{,}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) { require.NotNil(t, sqlsource.AppendArray(s+"}")) })
}
