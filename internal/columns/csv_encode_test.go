package columns_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
)

func TestCSVEncodeEveryType(t *testing.T) {
	t.Parallel()
	enc := columns.NewCSVEncoder(everyType, columns.CSVWriteOptions{})
	out := encode(t, enc, batchOf(everyType,
		[]any{"text", 42, 1.5, 1, 19_000, 1_700_000_000_123, 86_399_999},
		[]any{nil, nil, nil, nil, nil, nil, nil},
		[]any{"", -1, 1e21, 0, -208_188, -17_987_443_200_000, 0},
		[]any{"a,\"b\"\r\nc", 0, 0.1, 0, 0, 0, 0},
		[]any{` pad\ `, math.MinInt64, 1e-7, 1, 2_932_896, 253_402_300_799_999, 1},
	))
	require.Equal(t, strings.Join([]string{
		"z:text,a.int,Größe,flag,day,case:start.time,日本",
		"text,42,1.5,true,2022-01-08,2023-11-14T22:13:20.123Z,23:59:59.999",
		",,,,,,",
		`"",-1,1e+21,false,1400-01-01,1400-01-01T00:00:00.000Z,00:00:00.000`,
		"\"a,\"\"b\"\"\r\nc\",0,0.1,false,1970-01-01,1970-01-01T00:00:00.000Z,00:00:00.000",
		`" pad\ ",-9223372036854775808,1e-07,true,9999-12-31,9999-12-31T23:59:59.999Z,00:00:00.001`,
		"",
	}, "\r\n"), string(out))
	require.Equal(t, 5, enc.Rows())
	require.Equal(t, len(out), enc.Size())
}

func TestCSVEncodeHeaderStandsInEveryChunk(t *testing.T) {
	t.Parallel()
	schema := columns.Schema{{Name: `na"me,`, Type: columns.String}}
	enc := columns.NewCSVEncoder(schema, columns.CSVWriteOptions{})
	first := encode(t, enc, batchOf(schema, []any{"x"}))
	enc.Reset()
	require.Zero(t, enc.Rows())
	second := encode(t, enc, batchOf(schema, []any{"x"}))
	require.Equal(t, "\"na\"\"me,\"\r\nx\r\n", string(first))
	require.Equal(t, first, second)
	bare := columns.NewCSVEncoder(schema, columns.CSVWriteOptions{NoHeader: true})
	require.Equal(t, "x\r\n", string(encode(t, bare, batchOf(schema, []any{"x"}))))
}

func TestCSVEncodeReadsBack(t *testing.T) {
	t.Parallel()
	schema := columns.Schema{{Name: "a", Type: columns.String}, {Name: "b", Type: columns.String}}
	rows := [][]any{{"", nil}, {"x\ny", `"`}, {`""`, ","}, {" a ", "\\"}, {"\r", "ü"}, {nil, nil}, {"\ttab", "é"}}
	want := [][]string{}
	for _, row := range rows {
		line := make([]string, 0, 2)
		for _, v := range row {
			if v == nil {
				v = "<null>"
			}
			line = append(line, v.(string))
		}
		want = append(want, line)
	}
	enc := columns.NewCSVEncoder(schema, columns.CSVWriteOptions{})
	res := readEach(t, encode(t, enc, batchOf(schema, rows...)), csvOpt())
	require.NoError(t, res.err)
	require.Equal(t, want, res.rows)
}

func TestCSVEncodeRefusesWhatCSVCannotHold(t *testing.T) {
	t.Parallel()
	schema := columns.Schema{{Name: "f", Type: columns.Float}}
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		enc := columns.NewCSVEncoder(schema, columns.CSVWriteOptions{})
		require.Equal(t, fault.ValueOutOfRange, fault.CodeOf(enc.Append(batchOf(schema, []any{v}))))
		require.Zero(t, enc.Rows())
	}
}

func TestCSVParsingNamesWhatTheEncoderWrites(t *testing.T) {
	t.Parallel()
	got, err := json.Marshal(columns.CSVParsing(everyType))
	require.NoError(t, err)
	require.JSONEq(t, `{"escapeSequence":"\"","quoteSequence":"\"","separatorSequence":",","lineEnding":"\r\n","charSet":"UTF-8",
		"decimalSeparator":".","dateFormat":"yyyy-MM-dd'T'HH:mm:ss.SSSXXX","additionalColumnOptions":[
		{"columnName":"day","dateFormat":"yyyy-MM-dd"},{"columnName":"日本","dateFormat":"HH:mm:ss.SSS"}]}`, string(got))
}
