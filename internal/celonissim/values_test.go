package celonissim_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/celonissim"
)

type typed struct {
	S    string
	SO   *string `parquet:",optional,dict"`
	I32  int32
	I64  int64
	U32  uint32
	IO   *int64 `parquet:",optional,dict"`
	F    float64
	F32  float32
	FO   *float64 `parquet:",optional"`
	B    bool
	BO   *bool     `parquet:",optional"`
	D    int32     `parquet:",date"`
	TMs  time.Time `parquet:",timestamp(millisecond)"`
	TUs  int64     `parquet:",timestamp(microsecond)"`
	TNs  int64     `parquet:",timestamp(nanosecond)"`
	T96  deprecated.Int96
	Time int32    `parquet:",time(millisecond)"`
	TimU int64    `parquet:",time(microsecond)"`
	ID   [16]byte `parquet:",uuid"`
}

func typedRows() []typed {
	at := time.Date(2024, 2, 29, 13, 14, 15, 678_999_999, time.UTC)
	day := int32(at.Unix() / 86400)
	nanos := uint64(at.Sub(at.Truncate(24 * time.Hour)).Nanoseconds())
	julian := deprecated.Int96{uint32(nanos), uint32(nanos >> 32), uint32(day) + 2440588}
	s, i, f, b := "o", int64(-7), 0.1, true
	return []typed{
		{S: "é", SO: &s, I32: -1, I64: 1 << 62, U32: 4_000_000_000, IO: &i, F: 1e21, F32: 0.5, FO: &f, B: true, BO: &b, D: day, TMs: at,
			TUs: at.UnixMicro(), TNs: at.UnixNano(), T96: julian, Time: 1234, TimU: 86_399_999_999, ID: [16]byte{1}},
		{TUs: -1, TNs: -1_500_000, T96: deprecated.Int96{0, 0, 2440588}},
	}
}

func TestParquetTypes(t *testing.T) {
	t.Parallel()
	cols := []string{"S", "SO", "I32", "I64", "U32", "IO", "F", "F32", "FO", "B", "BO", "D", "TMs", "TUs", "TNs", "T96", "Time", "TimU", "ID"}
	const ts = "2024-02-29T13:14:15.678Z|"
	want := []string{
		"é|o|-1|4611686018427387904|4000000000|-7|1e+21|0.5|0.1|true|true|2024-02-29|" + ts + ts + ts + ts +
			"00:00:01.234|23:59:59.999|01000000-0000-0000-0000-000000000000|",
		"|~|0|0|0|~|0|0|~|false|~|1970-01-01|~|1969-12-31T23:59:59.999Z|1969-12-31T23:59:59.998Z|1970-01-01T00:00:00.000Z|" +
			"00:00:00.000|00:00:00.000|00000000-0000-0000-0000-000000000000|",
	}
	kinds := "STRING STRING INTEGER INTEGER INTEGER INTEGER FLOAT FLOAT FLOAT BOOLEAN BOOLEAN DATE DATETIME DATETIME DATETIME DATETIME TIME TIME STRING"
	var hashes []uint64
	for name, codec := range map[string]compress.Codec{"none": &parquet.Uncompressed, "snappy": &parquet.Snappy, "zstd": &parquet.Zstd} {
		for _, version := range []int{1, 2} {
			s := start(t)
			s.push(`"targetName":"T","type":"REPLACE"`, parquetFile(typedRows(), parquet.Compression(codec), parquet.DataPageVersion(version)))
			require.Equal(t, want, s.rows("T", cols...), name)
			tab, _ := s.Table(poolID, "T")
			var got []string
			for _, c := range tab.Columns() {
				got = append(got, c.Type.String())
			}
			require.Equal(t, kinds, strings.Join(got, " "))
			require.Equal(t, int64(1), tab.NulledInstants(), "Go's zero time is in the year 1")
			hashes = append(hashes, tab.Hash())
		}
	}
	for _, h := range hashes {
		require.Equal(t, hashes[0], h)
	}
}

func TestManyPagesAndGroups(t *testing.T) {
	t.Parallel()
	const rows = 5000
	file := parquetFile(events(0, rows), parquet.PageBufferSize(1000), parquet.MaxRowsPerRowGroup(700))
	s := start(t)
	s.push(`"targetName":"T","type":"REPLACE"`, file)
	tab, _ := s.Table(poolID, "T")
	require.Equal(t, rows, tab.Rows())
	for i, e := range events(0, rows) {
		for col, want := range map[string]string{"CaseID": e.CaseID, "Plant": e.Plant, "Text": e.Text, "Item": fmt.Sprint(i),
			"Time": e.Time.Format("2006-01-02T15:04:05.000Z"), "Blocked": fmt.Sprint(e.Blocked)} {
			got, null := tab.Value(col, i)
			require.False(t, null)
			require.Equal(t, want, got)
		}
	}
	whole := start(t)
	whole.push(`"targetName":"T","type":"REPLACE"`, parquetFile(events(0, rows)))
	other, _ := whole.Table(poolID, "T")
	require.Equal(t, other.Hash(), tab.Hash())
}

func TestHashSeesContentNotOrder(t *testing.T) {
	t.Parallel()
	type vk struct {
		V *string `parquet:",optional"`
		K string
	}
	v := "1"
	for _, keep := range []celonissim.Keep{celonissim.KeepValues, celonissim.KeepHashes} {
		s := start(t, func(o *celonissim.Options) { o.Keep = keep })
		hash := func(files ...[]byte) uint64 {
			s.push(`"targetName":"T","type":"REPLACE"`, files...)
			tab, _ := s.Table(poolID, "T")
			return tab.Hash()
		}
		base := hash(kvs("a", "1", "b", "~"))
		require.Equal(t, base, hash(kvs("b", "~"), kvs("a", "1")))
		require.Equal(t, base, hash(parquetFile([]vk{{&v, "a"}, {nil, "b"}})))
		require.NotEqual(t, base, hash(kvs("a", "1", "b", "")))
		require.NotEqual(t, base, hash(kvs("a", "~", "b", "1")))
		require.NotEqual(t, base, hash(kvs("a", "1", "b", "~", "b", "~")))
	}
}

func TestHashesFollowDeltas(t *testing.T) {
	t.Parallel()
	var hashes []uint64
	for _, keep := range []celonissim.Keep{celonissim.KeepValues, celonissim.KeepHashes} {
		s := start(t, func(o *celonissim.Options) { o.Keep = keep })
		s.push(`"targetName":"T","type":"DELTA","keys":["K"]`, kvs("a", "1", "b", "2", "c", "3"))
		job := s.create(`"targetName":"T","type":"DELTA","keys":["K"]`)
		s.upsert(job, kvs("b", "20", "d", "4"))
		require.Equal(t, 200, s.upload(job, "deleted", kvs("a", "~")).status)
		require.Equal(t, "DONE", s.submit(job).Status)
		tab, _ := s.Table(poolID, "T")
		require.Equal(t, 3, tab.Rows())
		hashes = append(hashes, tab.Hash())
	}
	require.Equal(t, hashes[0], hashes[1])

	s := start(t, func(o *celonissim.Options) { o.Keep = celonissim.KeepHashes })
	s.push(`"targetName":"T","type":"REPLACE"`, kvs("a", "1"))
	job := s.create(`"targetName":"T","type":"DELTA","keys":["K"]`)
	s.upsert(job, kvs("a", "2"))
	require.Equal(t, "ERROR", s.submit(job).Status, "keys cannot be found in hashes")
}

func TestKeepCounts(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *celonissim.Options) { o.Keep = celonissim.KeepCounts })
	file := kvs("a", "1", "b", "2")
	s.push(`"targetName":"T","type":"REPLACE"`, file)
	s.push(`"targetName":"C","type":"REPLACE","fileType":"CSV"`, []byte("A,B\n1,\"x\ny\"\n2,3\n"))
	tab, _ := s.Table(poolID, "T")
	require.Equal(t, 2, tab.Rows())
	require.Equal(t, int64(len(file)), tab.BytesReceived())
	tab, _ = s.Table(poolID, "C")
	require.Equal(t, 2, tab.Rows())
}

func TestStringsAreCutSilently(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 79) + "éz"
	for members, want := range map[string]string{
		`"type":"REPLACE"`: long[:79],
		`"type":"REPLACE","fallbackVarcharLength":81`:                                                                                      long[:81],
		`"type":"REPLACE","tableSchema":{"columns":[{"columnName":"K","columnType":"STRING","fieldLength":3}]}`:                            "xxx",
		`"type":"REPLACE","tableSchema":{"columns":[{"columnName":"K","columnType":"STRING"}]}`:                                            long[:79],
		`"type":"REPLACE","tableSchema":{"columns":[{"columnName":"K","columnType":"STRING"}]},"fallbackVarcharLength":100`:                long,
		`"type":"REPLACE","fallbackVarcharLength":2,"tableSchema":{"columns":[{"columnName":"K","columnType":"STRING","fieldLength":82}]}`: long,
	} {
		type k struct{ K string }
		s := start(t)
		s.push(`"targetName":"T",`+members, parquetFile([]k{{long}, {"ok"}}))
		rows := s.rows("T", "K")
		require.Equal(t, want+"|", rows[0], members)
		tab, _ := s.Table(poolID, "T")
		require.Equal(t, want != long, tab.CutValues() > 0)
	}
}

func TestInstantsOutOfRangeBecomeNull(t *testing.T) {
	t.Parallel()
	type row struct {
		T int64 `parquet:",timestamp(millisecond)"`
		D int32 `parquet:",date"`
	}
	first := time.Date(1400, 1, 1, 0, 0, 0, 0, time.UTC)
	last := time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC)
	days := func(at time.Time) int32 { return int32(at.Unix() / 86400) }
	s := start(t)
	s.push(`"targetName":"T","type":"REPLACE"`, parquetFile([]row{
		{first.UnixMilli(), days(first)}, {first.UnixMilli() - 1, days(first) - 1},
		{last.UnixMilli(), days(last)}, {last.UnixMilli() + 1, days(last) + 1},
	}))
	require.Equal(t, []string{"1400-01-01T00:00:00.000Z|1400-01-01|", "~|~|", "9999-12-31T23:59:59.999Z|9999-12-31|", "~|~|"}, s.rows("T", "T", "D"))
}

func TestChangeDate(t *testing.T) {
	t.Parallel()
	now := time.Date(2025, 5, 6, 7, 8, 9, 0, time.UTC)
	s := start(t, func(o *celonissim.Options) { o.Now = func() time.Time { return now } })
	s.push(`"targetName":"T","type":"REPLACE"`, kvs("a", "1"))
	require.Equal(t, []string{"a|2025-05-06T07:08:09.000Z|"}, s.rows("T", "K", "_CELONIS_CHANGE_DATE"))
	tab, _ := s.Table(poolID, "T")
	require.Len(t, tab.Columns(), 2)
	s.push(`"targetName":"T","type":"REPLACE","changeDate":"2020-01-02T03:04:05Z"`, kvs("a", "1"))
	require.Equal(t, []string{"2020-01-02T03:04:05.000Z|"}, s.rows("T", "_CELONIS_CHANGE_DATE"))
}

func TestWideningAndMissingColumns(t *testing.T) {
	t.Parallel()
	type in struct{ N int64 }
	s := start(t)
	s.push(`"targetName":"T","type":"REPLACE","tableSchema":{"columns":[{"columnName":"N","columnType":"FLOAT"},
		{"columnName":"X","columnType":"DATE"}]}`, parquetFile([]in{{3}}))
	require.Equal(t, []string{"3|~|"}, s.rows("T", "N", "X"))
}

func TestEmptyJobs(t *testing.T) {
	t.Parallel()
	s := start(t)
	require.Equal(t, "ERROR", s.submit(s.create(`"targetName":"T","type":"REPLACE"`)).Status)
	s.push(`"targetName":"T","type":"REPLACE","tableSchema":{"columns":[{"columnName":"N","columnType":"FLOAT"}]}`)
	require.Empty(t, s.rows("T", "N"))
	s.push(`"targetName":"T","type":"DELTA"`)
}

const csvDeclared = `"targetName":"T","type":"REPLACE","fileType":"CSV","tableSchema":{"columns":[
	{"columnName":"S","columnType":"STRING"},{"columnName":"N","columnType":"INTEGER"},{"columnName":"F","columnType":"FLOAT"},
	{"columnName":"B","columnType":"BOOLEAN"},{"columnName":"D","columnType":"DATE"},{"columnName":"T","columnType":"DATETIME"},
	{"columnName":"H","columnType":"TIME"}]}`

func TestCSV(t *testing.T) {
	t.Parallel()
	utf16 := func(s string) []byte {
		out := []byte{0xFF, 0xFE}
		for _, c := range s {
			out = append(out, byte(c), byte(c>>8))
		}
		return out
	}
	for _, c := range []struct {
		name, members string
		file          []byte
		want          []string
	}{
		{"defaults", csvDeclared, []byte("\xEF\xBB\xBFS,N,F,B,D,T,H\r\nx,1,2.5,TRUE,2024-01-02,2024-01-02T03:04:05.006+01:00,03:04:05.5\r\n,,,,,,\r\n\"\",2,1e3,0,,,\r\n"),
			[]string{"x|1|2.5|true|2024-01-02|2024-01-02T02:04:05.006Z|03:04:05.500|", "~|~|~|~|~|~|~|", "|2|1000|false|~|~|~|"}},
		{"quotes", csvDeclared, []byte("S,N,F,B,D,T,H\n\"a,\"\"b\n\\\"c\\\\\\d\",1,,,,,\n"), []string{"a,\"b\n\"c\\\\d|1|~|~|~|~|~|"}},
		{"options", csvDeclared + `,"csvParsingOptions":{"separatorSequence":";;","quoteSequence":"'","escapeSequence":"'","lineEnding":"|",
			"decimalSeparator":",","thousandSeparator":".","dateFormat":"dd.MM.yyyy HH:mm",
			"additionalColumnOptions":[{"columnName":"D","dateFormat":"yyyyMMdd"},{"columnName":"H","dateFormat":"HHmm"}]}`,
			[]byte("S;;N;;F;;B;;D;;T;;H|'it''s';;1.000;;1.234,5;;false;;20240229;;01.02.2024 13:14;;2359|"),
			[]string{"it's|1000|1234.5|false|2024-02-29|2024-02-01T13:14:00.000Z|23:59:00.000|"}},
		{"latin", `"targetName":"T","type":"REPLACE","fileType":"CSV","csvParsingOptions":{"charSet":"ISO-8859-1"}`,
			[]byte("S,N,F,B,D,T,H\n\xE9,1,2,3,4,5,6"), []string{"é|1|2|3|4|5|6|"}},
		{"utf-16", `"targetName":"T","type":"REPLACE","fileType":"CSV","csvParsingOptions":{"charSet":"UTF-16"}`,
			utf16("S,N,F,B,D,T,H\né,1,2,3,4,5,6\n"), []string{"é|1|2|3|4|5|6|"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.push(c.members, c.file)
			require.Equal(t, c.want, s.rows("T", "S", "N", "F", "B", "D", "T", "H"))
		})
	}
}

func TestLargeCSV(t *testing.T) {
	t.Parallel()
	const rows = 150_000
	var b bytes.Buffer
	b.WriteString("K,V\n")
	for i := range rows {
		fmt.Fprintf(&b, "k%d,\"value %d\"\n", i, i)
	}
	s := start(t, func(o *celonissim.Options) { o.SpoolDir = t.TempDir() })
	s.push(`"targetName":"T","type":"REPLACE","fileType":"CSV"`, b.Bytes(), []byte("V,K\nlast,z\n"))
	tab, _ := s.Table(poolID, "T")
	require.Equal(t, rows+1, tab.Rows())
	v, _ := tab.Value("V", rows-1)
	require.Equal(t, fmt.Sprintf("value %d", rows-1), v)
	v, _ = tab.Value("K", rows)
	require.Equal(t, "z", v)
}

func TestUpsertsOfManyRows(t *testing.T) {
	t.Parallel()
	type row struct {
		N int64
		V string
	}
	rows := func(from, n int, v string) []byte {
		out := make([]row, n)
		for i := range out {
			out[i] = row{int64(from + i), v}
		}
		return parquetFile(out)
	}
	s := start(t)
	const n = 120_000
	for i := range 3 {
		s.push(`"targetName":"T","type":"DELTA","keys":["N"]`, rows(0, n, fmt.Sprint(i)))
	}
	s.push(`"targetName":"T","type":"DELTA","keys":["N"]`, rows(n-10, 20, "x"))
	tab, _ := s.Table(poolID, "T")
	require.Equal(t, n+10, tab.Rows())
	sorted := tab.Sorted("N")
	for _, at := range []struct {
		row  int
		want string
	}{{0, "2"}, {n - 11, "2"}, {n - 10, "x"}, {n + 9, "x"}} {
		v, _ := tab.Value("V", sorted[at.row])
		require.Equal(t, at.want, v)
	}
	require.Equal(t, http.StatusOK, s.get("/_sim/pools/"+poolID+"/tables/T/rows?limit=1").status)
}
