package columns_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
)

func csvOpt() columns.ReadOptions { return columns.ReadOptions{Format: columns.FormatCSV} }

func TestCSVRows(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, data string
		rows       [][]string
	}{
		{"plain", "a,b\n1,2\n3,4\n", [][]string{{"1", "2"}, {"3", "4"}}},
		{"no line end at the end", "a,b\n1,2", [][]string{{"1", "2"}}},
		{"header only", "a,b\n", nil},
		{"crlf", "a,b\r\n1,2\r\n3,4\r\n", [][]string{{"1", "2"}, {"3", "4"}}},
		{"lone cr", "a,b\r1,2\r3,4\r", [][]string{{"1", "2"}, {"3", "4"}}},
		{"mixed line ends", "a,b\r1,2\n3,4\r\n5,6\r7,8", [][]string{{"1", "2"}, {"3", "4"}, {"5", "6"}, {"7", "8"}}},
		{"null and empty", "a,b,c\n,\"\",\n", [][]string{{"<null>", "", "<null>"}}},
		{"blank lines", "\n\na,b\n\n1,2\r\n\r\n\n3,4\n\n", [][]string{{"1", "2"}, {"3", "4"}}},
		{"blank line of one column is a null", "a\n1\n\n2\n", [][]string{{"1"}, {"<null>"}, {"2"}}},
		{"quoted", "a,b\n\"x,y\",\"p\nq\"\n", [][]string{{"x,y", "p\nq"}}},
		{"quoted crlf kept", "a,b\r\n\"x\r\ny\",\"\r\"\r\n", [][]string{{"x\r\ny", "\r"}}},
		{"doubled quotes", `a,b` + "\n" + `"say ""hi""",""""` + "\n" + `"""""","z"` + "\n", [][]string{{`say "hi"`, `"`}, {`""`, "z"}}},
		{"bare quotes", "a,b\n5\" pipe,x\"y\"z\n1, \"2\"\n", [][]string{{`5" pipe`, `x"y"z`}, {"1", ` "2"`}}},
		{"unicode", "naïve,日本\nü,😀\n", [][]string{{"ü", "😀"}}},
		{"last cell empty", "a,b\n1,\n2,", [][]string{{"1", "<null>"}, {"2", "<null>"}}},
		{"quoted header", "\"a,\n1\",\"b\"\"\"\n1,2\n", [][]string{{"1", "2"}}},
		{"utf-8 mark", "\xef\xbb\xbfa,b\n1,2\n", [][]string{{"1", "2"}}},
		{"quoted cells only", "\"a\",\"b\"\n\"1\",\"2\"\n\"3\",\"4\"", [][]string{{"1", "2"}, {"3", "4"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			res := readEach(t, []byte(tt.data), csvOpt())
			require.NoError(t, res.err)
			require.Empty(t, res.bad)
			require.Equal(t, tt.rows, res.rows)
		})
	}
}

func TestCSVHeaderNames(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, data string
		csv        columns.CSVOptions
		want       []string
	}{
		{"plain", "a,b c,d:e\n", columns.CSVOptions{}, []string{"a", "b c", "d:e"}},
		{"quoted", "\"a,\n1\",\"b\"\"\"\n", columns.CSVOptions{}, []string{"a,\n1", `b"`}},
		{"semicolon", "a;b,c;d\n", columns.CSVOptions{}, []string{"a", "b,c", "d"}},
		{"tab", "a\tb\n", columns.CSVOptions{}, []string{"a", "b"}},
		{"bar", "a|b\n", columns.CSVOptions{}, []string{"a", "b"}},
		{"tie goes to comma", "a,b;c\n", columns.CSVOptions{}, []string{"a", "b;c"}},
		{"separators in quotes do not count", "\"a;;;\",b\n", columns.CSVOptions{}, []string{"a;;;", "b"}},
		{"declared", "a,b;c\n", columns.CSVOptions{Separator: ";"}, []string{"a,b", "c"}},
		{"declared tab", "a,b\tc\n", columns.CSVOptions{Separator: `\t`}, []string{"a,b", "c"}},
		{"declared tab by name", "a,b\tc\n", columns.CSVOptions{Separator: "tab"}, []string{"a,b", "c"}},
		{"sep line", "sep=;\r\na;b\r\n1;2\r\n", columns.CSVOptions{}, []string{"a", "b"}},
		{"no header", "x,y,z\n", columns.CSVOptions{NoHeader: true}, []string{"column1", "column2", "column3"}},
		{"other quote", "'a,b',c\n", columns.CSVOptions{Quote: "'"}, []string{"a,b", "c"}},
		{"no quote", "\"a,b\n", columns.CSVOptions{Quote: "none"}, []string{`"a`, "b"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			opt := csvOpt()
			opt.CSV = tt.csv
			res := readEach(t, []byte(tt.data), opt)
			require.NoError(t, res.err)
			require.Equal(t, tt.want, res.names)
		})
	}
}

func TestCSVWithoutHeaderDeliversTheFirstLine(t *testing.T) {
	t.Parallel()
	opt := csvOpt()
	opt.CSV.NoHeader = true
	res := readEach(t, []byte("\r\n1,2\r\n3,4\r\n"), opt)
	require.NoError(t, res.err)
	require.Equal(t, [][]string{{"1", "2"}, {"3", "4"}}, res.rows)
}

func TestCSVBadRecords(t *testing.T) {
	t.Parallel()
	data := "id,name\n" + // line 1, byte 0
		"1,ok\n" + // line 2, byte 8
		"2\n" + // line 3, byte 13
		"3,a,b\n" + // line 4, byte 15
		"4,\"x\"y\n" + // line 5, byte 21
		"5,\"multi\nline\"\n" + // line 6, byte 28
		"6,bad\xff\n" + // line 8, byte 43
		"7,ok\n"
	res := readEach(t, []byte(data), csvOpt())
	require.NoError(t, res.err)
	require.Equal(t, [][]string{{"1", "ok"}, {"5", "multi\nline"}, {"7", "ok"}}, res.rows)
	require.Equal(t, []int{0, 4, 6}, res.index)
	require.Equal(t, []badRecord{
		{1, 3, 13, fault.RecordCells, "", "2", "the record has 1 cell, the header has 2"},
		{2, 4, 15, fault.RecordCells, "", "3,a,b", "the record has 3 cells, the header has 2"},
		{3, 5, 21, fault.RecordMalformed, "name", `4,"x"y`, "'y' follows the closing quote"},
		{5, 8, 43, fault.ValueEncoding, "name", "6,bad\xff", "byte 0xff of the value is not UTF-8 (byte 48 of the source)"},
	}, res.bad)
}

func TestCSVFaults(t *testing.T) {
	t.Parallel()
	wide := strings.Repeat("c,", columns.MaxColumns) + "c\n"
	tests := []struct {
		name, data string
		opt        columns.ReadOptions
		code       fault.Code
		says       string
	}{
		{"empty", "", csvOpt(), fault.SourceEmpty, "empty"},
		{"only line ends", "\n\r\n", csvOpt(), fault.SourceEmpty, "empty"},
		{"only a mark", "\xef\xbb\xbf", csvOpt(), fault.SourceEmpty, "empty"},
		{"name missing", "a,,c,\n", csvOpt(), fault.SourceHeader, "no name for column 2, 4"},
		{"name twice", "a,b,a\n", csvOpt(), fault.SourceHeader, `"a" (column 3)`},
		{"case only", "Id,x,ID,X\n", csvOpt(), fault.SourceHeader, `"Id" (column 1) and "ID" (column 3), "x" (column 2) and "X" (column 4)`},
		{"many twice", strings.Repeat("a,", 14) + "a\n", csvOpt(), fault.SourceHeader, "(column 11) and 4 more"},
		{"too wide", wide, csvOpt(), fault.SourceTooManyCols, fmt.Sprint(columns.MaxColumns)},
		{"quote open", "a,b\n1,2\n3,\"x\ny\n", csvOpt(), fault.SourceTruncated, "line 3, byte 10"},
		{"quote open in header", "a,\"b\n", csvOpt(), fault.SourceTruncated, "line 1, byte 2"},
		{"header not UTF-8", "a,b\xe4\n", csvOpt(), fault.SourceEncoding, "header"},
		{"broken header", "a,\"b\"x\n", csvOpt(), fault.SourceHeader, "cell 2"},
		{"long separator", "a\n", columns.ReadOptions{Format: columns.FormatCSV, CSV: columns.CSVOptions{Separator: "||"}}, fault.SourceFormat, "separator"},
		{"long quote", "a\n", columns.ReadOptions{Format: columns.FormatCSV, CSV: columns.CSVOptions{Quote: "''"}}, fault.SourceFormat, "quote"},
		{"separator is quote", "a\n", columns.ReadOptions{Format: columns.FormatCSV, CSV: columns.CSVOptions{Separator: `"`}}, fault.SourceFormat, "same"},
		{"format", "a\n", columns.ReadOptions{Format: "xls"}, fault.SourceFormat, `"xls"`},
		{"record too long", "a,b\n1,2\n3," + strings.Repeat("x", 200) + "\n", columns.ReadOptions{Format: columns.FormatCSV, MaxRecord: 64, BlockSize: 16},
			fault.SourceLineTooLong, "line 3, byte 8 is longer than 64 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			res := read(t, []byte(tt.data), tt.opt)
			require.Equal(t, tt.code, fault.CodeOf(res.err), "%v", res.err)
			require.Contains(t, fault.From(res.err).Message, tt.says)
		})
	}
}

func TestCSVRecordAtTheLimit(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"\n", "\r\n", ""} {
		opt := columns.ReadOptions{Format: columns.FormatCSV, MaxRecord: 64}
		record := "1," + strings.Repeat("x", 62)
		res := readEach(t, []byte("a,b\n"+record+end), opt)
		require.NoError(t, res.err)
		require.Equal(t, record, strings.Join(res.rows[0], ","))
	}
}

func TestCSVWant(t *testing.T) {
	t.Parallel()
	opt := csvOpt()
	opt.Want = []string{"c", "a", "nowhere"}
	res := readEach(t, []byte("a,b,c\n1,\"2\"\"\",3\n4,5\n"), opt)
	require.NoError(t, res.err)
	require.Equal(t, []string{"a", "b", "c"}, res.names)
	require.Equal(t, [][]string{{"1", "<unwanted>", "3"}}, res.rows)
	require.Len(t, res.bad, 1)
}

func TestCSVManyEmptyLines(t *testing.T) {
	t.Parallel()
	names := make([]string, columns.MaxColumns)
	for i := range names {
		names[i] = fmt.Sprintf("c%d", i)
	}
	data := strings.Join(names, ",") + "\n" + strings.Repeat("\n", 1<<20) + strings.Repeat("x\n", 1000)
	res := read(t, []byte(data), csvOpt())
	require.NoError(t, res.err)
	require.Len(t, res.bad, 1000)
}

func TestCSVRealEventLog(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../../shared/data/receipt.csv")
	if err != nil {
		t.Skip("the shared event log is not here")
	}
	res := read(t, data, csvOpt())
	require.NoError(t, res.err)
	require.Empty(t, res.bad)
	require.Len(t, res.names, 15)
	require.Len(t, res.rows, 8577)
	opt := csvOpt()
	opt.BlockSize = 1000
	require.Equal(t, res.rows, read(t, data, opt).rows)
}
