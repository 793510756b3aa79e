package columns_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/columns"
)

// FuzzCSV compares with encoding/csv on inputs that both accept, and makes sure
// that the block size changes nothing.
func FuzzCSV(f *testing.F) {
	for _, s := range []string{
		"a,b\n1,2\n", "a,b\r\n\"x,\r\ny\",\"\"\r\n", "a\n\n\"\"\n", "a,b\n\"q\"\"q\",\n", "x,y\n1\n1,2,3\n\"o\"x,1\n", "a,b\r1,2\r3,\"\r\"",
		"\"a\"\n\"open", "a,b\n5\" pipe,x\"y\n", ",", "\xef\xbb\xbfa,b\n\xff,2\n", "a\n\"\n\"\n",
	} {
		f.Add([]byte(s), uint8(3))
	}
	f.Fuzz(func(t *testing.T, data []byte, size uint8) {
		opt := columns.ReadOptions{Format: columns.FormatCSV, CSV: columns.CSVOptions{Separator: ",", NoHeader: true}}
		whole := read(t, data, opt)
		opt.BlockSize = int(size) + 1
		cut := read(t, data, opt)
		require.Equal(t, whole.err == nil, cut.err == nil)
		if whole.err != nil {
			return
		}
		require.Equal(t, whole.rows, cut.rows)
		require.Equal(t, whole.bad, cut.bad)
		if want, ok := peerCSV(data); ok && len(whole.bad) == 0 {
			require.Equal(t, want, texts(whole.rows))
		}
	})
}

// peerCSV reads by encoding/csv; ok is false where the two differ by design: a
// \r that is no line end there, empty lines, which are no record there.
func peerCSV(data []byte) (rows [][]string, ok bool) {
	text := strings.ReplaceAll(string(data), "\r\n", "\n")
	if strings.ContainsRune(text, '\r') || strings.Contains(text, "\n\n") || strings.HasPrefix(text, "\n") || hasMark(data) {
		return nil, false
	}
	if text != string(data) && strings.ContainsRune(text, '"') { // a cell may hold \r\n
		return nil, false
	}
	r := csv.NewReader(strings.NewReader(text))
	rows, err := r.ReadAll()
	return rows, err == nil
}

// hasMark tells a byte order mark, which the peers do not know.
func hasMark(data []byte) bool {
	for _, mark := range []string{"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff"} {
		if bytes.HasPrefix(data, []byte(mark)) {
			return true
		}
	}
	return false
}

// texts turns nulls into empty cells, which encoding/csv does not tell apart.
func texts(rows [][]string) [][]string {
	out := make([][]string, 0, len(rows))
	for _, row := range rows {
		line := make([]string, 0, len(row))
		for _, cell := range row {
			line = append(line, strings.TrimSuffix(cell, "<null>"))
		}
		out = append(out, line)
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// FuzzNDJSON compares with encoding/json line by line.
func FuzzNDJSON(f *testing.F) {
	for _, s := range []string{
		`{"a":1}`, `{"a":"x\u00e4\ud83d\ude00","b":[1,{"c":null}]}`, `{"a":-0.5e+10,"a":true}`, `{"\u0061":"\/"}`, "{\"a\":1}\r\n\n{\"b\":{}}\n",
		`{"a":"\ud800"}`, `{"a":01}`, `{"a":"` + "\t" + `"}`, `[1]`, `{} {}`, "{\"a\":\"\xff\"}", `{"a":{"b":[[[]]],"c":"\\"}}`, `{"a":nul}`,
	} {
		f.Add([]byte(s), uint8(3))
	}
	f.Fuzz(func(t *testing.T, data []byte, size uint8) {
		opt := columns.ReadOptions{Format: columns.FormatNDJSON, Want: []string{"a", "b", "ä"}}
		whole := read(t, data, opt)
		opt.BlockSize = int(size) + 1
		cut := read(t, data, opt)
		require.Equal(t, whole.err == nil, cut.err == nil)
		if whole.err != nil {
			return
		}
		require.Equal(t, whole.rows, cut.rows)
		require.Equal(t, whole.bad, cut.bad)
		if hasMark(data) {
			return
		}
		good := map[int][]string{}
		for i, row := range whole.rows {
			good[whole.index[i]] = row
		}
		seen := 0
		for line := range bytes.Lines(data) {
			if line = bytes.Trim(line, " \t\r\n"); len(line) == 0 {
				continue
			}
			row, ok := good[seen]
			compareJSON(t, line, row, ok)
			seen++
		}
		require.Equal(t, seen, len(whole.rows)+len(whole.bad))
	})
}

// compareJSON holds one record against encoding/json. A surrogate without its
// partner, bytes that are not UTF-8 and deep nesting are refused here and not there.
func compareJSON(t *testing.T, line []byte, row []string, ok bool) {
	var peer map[string]json.RawMessage
	err := json.Unmarshal(line, &peer)
	if line[0] != '{' || err != nil {
		require.False(t, ok, "%q is not an object", line)
		return
	}
	if !ok {
		require.True(t, !utf8.Valid(line) || bytes.Contains(line, []byte(`\u`)) || bytes.Count(line, []byte("[")) > 500 || bytes.Count(line, []byte("{")) > 500,
			"%q was refused", line)
		return
	}
	for i, name := range []string{"a", "b", "ä"} {
		require.Equal(t, peerCell(t, peer[name]), row[i], "%q of %q", name, line)
	}
}

func peerCell(t *testing.T, v json.RawMessage) string {
	if len(v) == 0 || string(v) == "null" {
		return "<null>"
	}
	switch v[0] {
	case '"':
		var s string
		require.NoError(t, json.Unmarshal(v, &s))
		return s
	case '{', '[':
		return "j:" + string(v)
	case 't', 'f':
		return "b:" + string(v)
	}
	return "n:" + string(v)
}

// FuzzJSONArray compares the acceptance of arrays of objects with encoding/json.
func FuzzJSONArray(f *testing.F) {
	for _, s := range []string{
		`[]`, `[{"a":1},{"a":"]"}]`, ` [ {"a":[{}]} , {} ] `, `[{"a":1}`, `[{"a":1}]x`, `[{"a":1},]`, `[1,"x",{"a":2}]`, `[{"a":"\""},{"a":"\\"}]`,
		`[{"a":1}{"a":2}]`, `[tru]`, `[{"a":}]`, `[[{"a":1}],{"a":2}]`,
	} {
		f.Add([]byte(s), uint8(3))
	}
	f.Fuzz(func(t *testing.T, data []byte, size uint8) {
		opt := columns.ReadOptions{Format: columns.FormatJSON, Want: []string{"a"}}
		whole := read(t, data, opt)
		opt.BlockSize = int(size) + 1
		cut := read(t, data, opt)
		require.Equal(t, whole.err == nil, cut.err == nil, "%v / %v", whole.err, cut.err)
		if whole.err != nil {
			require.False(t, isArrayOfObjects(data) && utf8.Valid(data) && !bytes.Contains(data, []byte{0}), "%v", whole.err)
			return
		}
		require.Equal(t, whole.rows, cut.rows)
		require.Equal(t, whole.bad, cut.bad)
		if len(whole.bad) > 0 || hasMark(data) {
			return
		}
		var peer []map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(data, &peer))
		require.Len(t, whole.rows, len(peer))
		for i, record := range peer {
			require.Equal(t, peerCell(t, record["a"]), whole.rows[i][0])
		}
	})
}

func isArrayOfObjects(data []byte) bool {
	var peer []map[string]json.RawMessage
	return json.Unmarshal(data, &peer) == nil && peer != nil
}

// FuzzParquet turns bytes into rows and reads them back.
func FuzzParquet(f *testing.F) {
	f.Add([]byte("a\x00b\xffc"), uint8(1), true)
	f.Add(bytes.Repeat([]byte("abc\x00\x01"), 1000), uint8(7), false)
	schema := columns.Schema{{Name: "s", Type: columns.String, Length: 10}, {Name: "i", Type: columns.Integer}, {Name: "b", Type: columns.Boolean}}
	f.Fuzz(func(t *testing.T, data []byte, step uint8, none bool) {
		opt := columns.ParquetOptions{}
		if none {
			opt.Compression = columns.CompressionNone
		}
		enc, err := columns.NewParquetEncoder(schema, opt)
		require.NoError(t, err)
		rows, b := [][]any{}, columns.NewBatch(schema)
		for i := 0; i < len(data); i += int(step%9) + 1 {
			c := int(data[i])
			row := []any{string(data[max(0, i-c%5):i]), c << (c % 50), c & 1}
			if c%7 == 0 {
				row[c%3] = nil
			}
			rows = append(rows, row)
			appendAny(b, row...)
		}
		require.Equal(t, rows, readParquet(t, encode(t, enc, b), schema))
	})
}

// FuzzOpen gives any bytes to every format, compressed or not: no panic, no
// endless loop, and faults that carry a code.
func FuzzOpen(f *testing.F) {
	f.Add([]byte("\x1f\x8b\x08\x00"), uint8(0))
	f.Add([]byte("\x28\xb5\x2f\xfd\x24"), uint8(1))
	f.Add([]byte("\xff\xfea\x00,\x00"), uint8(0))
	f.Add([]byte("\x00\xd8x"), uint8(3))
	formats := []columns.Format{columns.FormatCSV, columns.FormatNDJSON, columns.FormatJSON}
	encodings := []string{"", "utf-16le", "windows-1252"}
	f.Fuzz(func(t *testing.T, data []byte, how uint8) {
		opt := columns.ReadOptions{Format: formats[int(how)%3], BlockSize: 16, MaxRecord: 1 << 12}
		opt.CSV.Encoding = encodings[int(how)/3%3]
		res := readFrom(t, io.LimitReader(bytes.NewReader(data), 1<<16), opt)
		if res.err != nil {
			require.NotContains(t, res.err.Error(), "internal", "%v", res.err)
		}
	})
}
