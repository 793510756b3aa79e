package columns_test

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

func TestNDJSONEncodeEveryType(t *testing.T) {
	t.Parallel()
	enc := columns.NewNDJSONEncoder(everyType)
	out := encode(t, enc, batchOf(everyType,
		[]any{"text", 42, 1.5, 1, 19_000, 1_700_000_000_123, 86_399_999},
		[]any{nil, nil, nil, nil, nil, nil, nil},
		[]any{"a\"b\\c\n\r\t\x01ü", math.MinInt64, 1e21, 0, -208_188, -17_987_443_200_000, 0},
	))
	require.Equal(t, strings.Join([]string{
		`{"z:text":"text","a.int":42,"Größe":1.5,"flag":true,"day":"2022-01-08","case:start.time":"2023-11-14T22:13:20.123Z","日本":"23:59:59.999"}`,
		`{"z:text":null,"a.int":null,"Größe":null,"flag":null,"day":null,"case:start.time":null,"日本":null}`,
		`{"z:text":"a\"b\\c\n\r\t\u0001ü","a.int":-9223372036854775808,"Größe":1e+21,"flag":false,"day":"1400-01-01","case:start.time":"1400-01-01T00:00:00.000Z","日本":"00:00:00.000"}`,
		"",
	}, "\n"), string(out))
	require.Equal(t, 3, enc.Rows())
	require.Equal(t, len(out), enc.Size())
	enc.Reset()
	require.Zero(t, enc.Rows()+enc.Size())
}

func TestNDJSONRefusesWhatJSONCannotHold(t *testing.T) {
	t.Parallel()
	schema := columns.Schema{{Name: "n", Type: columns.Float}}
	for _, v := range []float64{math.NaN(), math.Inf(1)} {
		err := columns.NewNDJSONEncoder(schema).Append(batchOf(schema, []any{v}))
		require.True(t, fault.Has(err, fault.ValueOutOfRange), "%v", err)
	}
}

// FuzzNDJSONText: whatever bytes a text and a column's name have, the line is
// JSON and reads back as the same text, with U+FFFD for what is no UTF-8.
func FuzzNDJSONText(f *testing.F) {
	for _, s := range []string{"", "plain", `"\`, "\x00\x1f\x7f", "\xff\xfeä", "\u2028", strings.Repeat("a", 9) + `"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		schema := columns.Schema{{Name: text, Type: columns.String}}
		line := encode(t, columns.NewNDJSONEncoder(schema), batchOf(schema, []any{text}))
		require.Equal(t, 1, bytes.Count(line, []byte("\n")))
		var back map[string]string
		require.NoError(t, json.Unmarshal(line, &back))
		want := string([]rune(text))
		require.Equal(t, map[string]string{want: want}, back)
	})
}

func TestCSVEncodeOptions(t *testing.T) {
	t.Parallel()
	schema := columns.Schema{{Name: "a;b", Type: columns.String}, {Name: "n", Type: columns.Integer}}
	rows := [][]any{{"x,y", 1}, {"NULL", nil}, {nil, 2}, {"", 3}, {"p;q", 4}}
	enc := columns.NewCSVEncoder(schema, columns.CSVWriteOptions{Separator: ';', Null: "NULL"})
	require.Equal(t, "\"a;b\";n\r\nx,y;1\r\n\"NULL\";NULL\r\nNULL;2\r\n\"\";3\r\n\"p;q\";4\r\n", string(encode(t, enc, batchOf(schema, rows...))))
	enc = columns.NewCSVEncoder(schema, columns.CSVWriteOptions{QuoteAll: true})
	require.Equal(t, "\"a;b\",\"n\"\r\n\"x,y\",\"1\"\r\n\"NULL\",\r\n,\"2\"\r\n\"\",\"3\"\r\n\"p;q\",\"4\"\r\n", string(encode(t, enc, batchOf(schema, rows...))))
}
