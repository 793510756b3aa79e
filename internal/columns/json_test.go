package columns_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
)

func ndjsonOpt() columns.ReadOptions { return columns.ReadOptions{Format: columns.FormatNDJSON} }
func jsonOpt() columns.ReadOptions   { return columns.ReadOptions{Format: columns.FormatJSON} }

// bothJSON reads lines as NDJSON and as the elements of an array.
func bothJSON(t *testing.T, lines []string, opt columns.ReadOptions) result {
	t.Helper()
	opt.Format = columns.FormatNDJSON
	res := readEach(t, []byte(strings.Join(lines, "\n")), opt)
	opt.Format = columns.FormatJSON
	array := readEach(t, []byte("[\n"+strings.Join(lines, ",\n")+"\n]\n"), opt)
	require.Equal(t, res.names, array.names)
	require.Equal(t, res.rows, array.rows)
	require.Equal(t, res.index, array.index)
	require.NoError(t, array.err)
	return res
}

func TestJSONValues(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, value, want string }{
		{"string", `"x"`, "x"},
		{"empty string", `""`, ""},
		{"long string", `"` + strings.Repeat("0123456789", 5) + `"`, strings.Repeat("0123456789", 5)},
		{"escapes", `"a\"b\\c\/d\b\f\n\r\t"`, "a\"b\\c/d\b\f\n\r\t"},
		{"unicode escape", `"\u00e4\u20AC"`, "ä€"},
		{"surrogate pair", `"\ud83d\ude00!"`, "😀!"},
		{"NUL escape", `"\u0000"`, "\x00"},
		{"plain unicode", `"日本 😀"`, "日本 😀"},
		{"integer", `12`, "n:12"},
		{"negative", `-0`, "n:-0"},
		{"float", `-12.50e+3`, "n:-12.50e+3"},
		{"true", `true`, "b:true"},
		{"false", `false`, "b:false"},
		{"null", `null`, "<null>"},
		{"object", `{"x": [1, {"y":"]}"}], "z":"\u0041"}`, `j:{"x": [1, {"y":"]}"}], "z":"\u0041"}`},
		{"array", `[ ]`, `j:[ ]`},
		{"nested values", `[null, true,false,-1.5e3,"\u00e4\\\"", {} ]`, `j:[null, true,false,-1.5e3,"\u00e4\\\"", {} ]`},
		{"brackets in string", `"}]{[,"`, "}]{[,"},
		{"quote before the end", `"\\"`, `\`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			res := bothJSON(t, []string{
				`{"a":` + tt.value + `,"b":1}`,
				"\t{ \"b\" : 2 , \"a\" : " + tt.value + " } ",
			}, columns.ReadOptions{})
			require.NoError(t, res.err)
			require.Empty(t, res.bad)
			require.Equal(t, []string{"a", "b"}, res.names)
			require.Equal(t, [][]string{{tt.want, "n:1"}, {tt.want, "n:2"}}, res.rows)
		})
	}
}

func TestJSONRecords(t *testing.T) {
	t.Parallel()
	res := bothJSON(t, []string{
		`{"a":1,"b":"x"}`,
		`{}`,
		`{"b":"y"}`,
		`{"c":true,"a":2,"b":null}`,
		`{"a":1,"a":"last"}`,
		`{"\u0061":"escaped key"}`,
	}, columns.ReadOptions{})
	require.NoError(t, res.err)
	require.Equal(t, []string{"a", "b", "c"}, res.names)
	require.Equal(t, [][]string{
		{"n:1", "x", "<null>"}, {"<null>", "<null>", "<null>"}, {"<null>", "y", "<null>"},
		{"n:2", "<null>", "b:true"}, {"last", "<null>", "<null>"}, {"escaped key", "<null>", "<null>"},
	}, res.rows)
}

// TestJSONKeysAreForeseenAsTheyAreWritten has keys that come as those of the
// record before, but for a sign or a blank.
func TestJSONKeysAreForeseenAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("key ", 12)
	line := func(format string) string { return strings.ReplaceAll(format, "LONG", long) }
	res := bothJSON(t, []string{
		line(`{"a":1,"sixteen bytes__":2,"LONG":3}`),
		line(`{"a":4,"sixteen bytes__":5,"LONG":6}`),
		line(`{"a": 7,"sixteen bytes__" :8, "LONG":9}`),
		line(`{"a": 10,"sixteen bytes__" :"11", "LONG":[12]}`),
		line(`{ "a":13 ,"sixteen bytes__":14,` + "\t" + `"LONG" : 15 }`),
		line(`{"a"` + "\t" + ` 16,"sixteen bytes__":17,"LONG":18}`),
		line(`{"a":19,"sixteen bytes_!":20,"LONG":21}`),
		line(`{"a":22,"sixteen bytes__":23,"L!NG":24}`),
		line(`{"a":}`),
		line(`{"a":25,"LONG":26}`),
	}, columns.ReadOptions{Want: []string{"a", "sixteen bytes__", long}})
	require.NoError(t, res.err)
	require.Equal(t, [][]string{
		{"n:1", "n:2", "n:3"}, {"n:4", "n:5", "n:6"}, {"n:7", "n:8", "n:9"}, {"n:10", "11", "j:[12]"}, {"n:13", "n:14", "n:15"},
		{"n:19", "<null>", "n:21"}, {"n:22", "n:23", "<null>"}, {"n:25", "<null>", "n:26"},
	}, res.rows)
	require.Equal(t, []int{0, 1, 2, 3, 4, 6, 7, 9}, res.index)
}

func TestJSONBadRecords(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, record, field, says string }{
		{"number", `7`, "", "begins with '7'"},
		{"string", `"x"`, "", "not a JSON object"},
		{"array", `[1,2]`, "", "not a JSON object"},
		{"word", `nope`, "", "not a JSON object"},
		{"bad word", `{"a":tru}`, "a", "value is expected"},
		{"leading zero", `{"a":01}`, "a", "value is expected"},
		{"plus", `{"a":+1}`, "a", "value is expected"},
		{"dot", `{"a":1.}`, "a", "value is expected"},
		{"exponent", `{"a":1e}`, "a", "value is expected"},
		{"minus", `{"a":-}`, "a", "value is expected"},
		{"no colon", `{"a" 1}`, "", "colon"},
		{"no comma", `{"a":1 "b":2}`, "", "comma"},
		{"trailing comma", `{"a":1,}`, "", "field name in quotes"},
		{"bare key", `{a:1}`, "", "field name in quotes"},
		{"unknown escape", `{"a":"\x"}`, "a", "invalid escape"},
		{"short escape", `{"a":"\u12"}`, "a", "invalid escape"},
		{"high surrogate alone", `{"a":"\ud83d"}`, "a", "invalid escape"},
		{"low surrogate alone", `{"a":"\ude00x"}`, "a", "invalid escape"},
		{"high then other", `{"a":"\ud83d\u0041"}`, "a", "invalid escape"},
		{"control character", "{\"a\":\"x\ty\"}", "a", "control character"},
		{"bad nested", `{"a":{"x":[1,]}}`, "a", "nested value"},
		{"bad nested escape", `{"a":["\q"]}`, "a", "nested value"},
		{"bad nested unicode", `{"a":["\u12x4"]}`, "a", "nested value"},
		{"nested word", `{"a":[nul]}`, "a", "nested value"},
		{"nested key", `{"a":{b:1}}`, "a", "nested value"},
		{"nested colon", `{"a":{"b" 1}}`, "a", "nested value"},
		{"nested comma", `{"a":[1 2]}`, "a", "nested value"},
		{"long value", `{"a":"` + strings.Repeat("x", 100) + `ü\q"}`, "a", "..."},
		{"nested too deep", `{"a":` + strings.Repeat("[", 600) + strings.Repeat("]", 600) + `}`, "a", "nested too deeply"},
		{"escaped key broken", `{"\x":1}`, "", "invalid escape"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			res := bothJSON(t, []string{`{"a":"before","z":1}`, tt.record, `{"a":"after"}`}, columns.ReadOptions{})
			require.NoError(t, res.err)
			require.Equal(t, [][]string{{"before", "n:1"}, {"after", "<null>"}}, res.rows)
			require.Equal(t, []int{0, 2}, res.index)
			require.Len(t, res.bad, 1)
			bad := res.bad[0]
			require.Equal(t, fault.RecordMalformed, bad.code)
			require.Equal(t, tt.field, bad.field)
			require.Contains(t, bad.msg, tt.says)
			require.Contains(t, bad.msg, "of the source")
			require.Equal(t, tt.record, bad.text)
			require.Equal(t, 2, bad.line)
			require.EqualValues(t, 21, bad.offset)
		})
	}
}

func TestNDJSONBadLines(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, line, says string }{
		{"goes on", `{"a":1} {"a":2}`, "goes on"},
		{"not closed", `{"a":1`, "the end of the record"},
		{"string not closed", `{"a":"x`, "never closed"},
		{"over lines", "{\n\"a\":1}", "the end of the record"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			res := readEach(t, []byte("{\"a\":0}\r\n\r\n"+tt.line+"\r\n{\"a\":9}"), ndjsonOpt())
			require.NoError(t, res.err)
			require.Equal(t, [][]string{{"n:0"}, {"n:9"}}, res.rows)
			require.NotEmpty(t, res.bad)
			require.Contains(t, res.bad[0].msg, tt.says)
			require.Equal(t, 3, res.bad[0].line)
		})
	}
}

func TestJSONInvalidUTF8(t *testing.T) {
	t.Parallel()
	res := bothJSON(t, []string{`{"a":"ok","b":"ü"}`, "{\"a\":\"x\",\"b\":\"y\xfc\"}", "{\"a\":\"1\",\"k\xff\":2}", `{"a":"ok"}`}, columns.ReadOptions{})
	require.NoError(t, res.err)
	require.Equal(t, [][]string{{"ok", "ü"}, {"ok", "<null>"}}, res.rows)
	require.Len(t, res.bad, 2)
	require.Equal(t, fault.ValueEncoding, res.bad[0].code)
	require.Equal(t, "b", res.bad[0].field)
	require.Contains(t, res.bad[0].msg, "0xfc")
	require.Equal(t, fault.ValueEncoding, res.bad[1].code)
}

func TestJSONStrictAndWant(t *testing.T) {
	t.Parallel()
	lines := []string{`{"a":1,"b":2}`, `{"a":1,"x":{"y":"\n"},"b":"\u0042"}`}
	res := bothJSON(t, lines, columns.ReadOptions{Want: []string{"b", "none"}})
	require.Equal(t, []string{"b", "none"}, res.names)
	require.Equal(t, [][]string{{"n:2", "<null>"}, {"B", "<null>"}}, res.rows)

	res = bothJSON(t, lines, columns.ReadOptions{Want: []string{"a", "b"}, Strict: true})
	require.Equal(t, [][]string{{"n:1", "n:2"}}, res.rows)
	require.Equal(t, fault.RecordUnexpected, res.bad[0].code)
	require.Equal(t, "x", res.bad[0].field)
}

func TestJSONFaults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, data string
		opt        columns.ReadOptions
		code       fault.Code
		says       string
	}{
		{"empty ndjson", "", ndjsonOpt(), fault.SourceEmpty, "empty"},
		{"blank ndjson", " \n\n", ndjsonOpt(), fault.SourceEmpty, "empty"},
		{"empty json", "", jsonOpt(), fault.SourceEmpty, "empty"},
		{"single object", `{"a":1}`, jsonOpt(), fault.SourceFormat, "begins with '{'"},
		{"word", `nope`, jsonOpt(), fault.SourceFormat, "begins with 'n'"},
		{"array as ndjson", `[{"a":1}]`, ndjsonOpt(), fault.SourceFormat, "JSON array"},
		{"array with spaces as ndjson", "[ \t {\"a\":1}]", ndjsonOpt(), fault.SourceFormat, "JSON array"},
		{"array over lines as ndjson", "[\n{\"a\":1}\n]", ndjsonOpt(), fault.SourceFormat, "JSON array"},
		{"not closed", `[{"a":1}`, jsonOpt(), fault.SourceTruncated, "line 1, byte 8"},
		{"only opened", `[`, jsonOpt(), fault.SourceTruncated, "array is closed"},
		{"comma at the end", "[{\"a\":1},\n", jsonOpt(), fault.SourceTruncated, "line 2, byte 10"},
		{"record not closed", "[{\"a\":1},\n{\"a\":", jsonOpt(), fault.SourceTruncated, "record that begins at line 2, byte 10"},
		{"string not closed", "[{\"a\":1},\n{\"a\":\"]}", jsonOpt(), fault.SourceTruncated, "record that begins at line 2, byte 10"},
		{"trailing", `[{"a":1}] x`, jsonOpt(), fault.SourceFormat, "'x' at line 1, byte 10"},
		{"second array", "[{\"a\":1}]\n[]", jsonOpt(), fault.SourceFormat, "'[' at line 2, byte 10"},
		{"no comma", `[{"a":1}{"a":2}]`, jsonOpt(), fault.SourceFormat, "a comma"},
		{"two commas", `[{"a":1},,{"a":2}]`, jsonOpt(), fault.SourceFormat, "an object"},
		{"comma then end", `[{"a":1},]`, jsonOpt(), fault.SourceFormat, "an object"},
		{"comma first", `[,{"a":1}]`, jsonOpt(), fault.SourceFormat, "an object"},
		{"too long", `[{"a":1},{"a":"` + strings.Repeat("x", 100) + `"}]`, columns.ReadOptions{Format: columns.FormatJSON, MaxRecord: 64}, fault.SourceLineTooLong, "64 bytes"},
		{"line too long", `{"a":"` + strings.Repeat("x", 100) + `"}`, columns.ReadOptions{Format: columns.FormatNDJSON, MaxRecord: 64}, fault.SourceLineTooLong, "64 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, size := range blockSizes {
				tt.opt.BlockSize = size
				res := read(t, []byte(tt.data), tt.opt)
				require.Equal(t, tt.code, fault.CodeOf(res.err), "%v", res.err)
				require.Contains(t, fault.From(res.err).Message, tt.says)
			}
		})
	}
}

func TestJSONEmptyArray(t *testing.T) {
	t.Parallel()
	res := readEach(t, []byte(" [ \n ] \n"), jsonOpt())
	require.NoError(t, res.err)
	require.Empty(t, res.rows)
	require.Empty(t, res.names)
}

func TestJSONTooManyFields(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range columns.MaxColumns + 1 {
		fmt.Fprintf(&b, "{\"f%d\":1}\n", i)
	}
	res := read(t, []byte(b.String()), ndjsonOpt())
	require.Equal(t, fault.SourceTooManyCols, fault.CodeOf(res.err))
}

// TestJSONManyFieldsOfUnknownNames makes a record's keys outgrow what is remembered.
func TestJSONManyFieldsOfUnknownNames(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 3 * columns.MaxColumns {
		fmt.Fprintf(&b, "{\"f%d\":1,\"a\":%d}\n", i, i)
	}
	opt := ndjsonOpt()
	opt.Want = []string{"a"}
	res := read(t, []byte(b.String()), opt)
	require.NoError(t, res.err)
	require.Len(t, res.rows, 3*columns.MaxColumns)
	require.Equal(t, "n:11999", res.rows[11999][0])
}

func TestJSONSparseWideRecordsStayBounded(t *testing.T) {
	t.Parallel()
	want := make([]string, columns.MaxColumns)
	for i := range want {
		want[i] = fmt.Sprintf("f%d", i)
	}
	for _, opt := range []columns.ReadOptions{{Format: columns.FormatNDJSON, Want: want}, {Format: columns.FormatJSON, Want: want}} {
		data := strings.Repeat("{}\n", 20_000)
		if opt.Format == columns.FormatJSON {
			data = "[" + strings.Repeat("{},", 19_999) + "{}]"
		}
		rd, err := columns.Open(strings.NewReader(data), opt)
		require.NoError(t, err)
		raw, rows := &columns.Raw{}, 0
		for {
			b, err := rd.Next(t.Context())
			if err != nil {
				break
			}
			require.NoError(t, rd.Decode(b, raw))
			require.LessOrEqual(t, raw.Rows, 1<<20/len(want)+1)
			rows += raw.Rows
			rd.Release(b)
		}
		require.Equal(t, 20_000, rows)
	}
}
