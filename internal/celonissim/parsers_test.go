package celonissim

import (
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"
)

// FuzzCSV holds the scanner against encoding/csv where both know the text: with
// the quote as its own escape.
func FuzzCSV(f *testing.F) {
	for _, seed := range []string{"a,b\n1,2\n", "\"x\"\"y\",\r\n", "a\n\n\nb", "\"a\nb\",c\n", ",,\n", "\"", "a\rb,c\n", "\"a\"b\n"} {
		f.Add(seed)
	}
	quote := `"`
	format, err := newCSVFormat(&csvOptions{EscapeSequence: &quote})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, text string) {
		// The library drops a CR here and there without saying so.
		text = strings.ReplaceAll(text, "\r", "")
		want := csv.NewReader(strings.NewReader(text))
		want.FieldsPerRecord = -1
		s := csvScanner{format: format, rest: []byte(text), line: 1}
		for {
			expected, err := want.Read()
			got, gotErr := s.record()
			if errors.Is(err, io.EOF) {
				require.ErrorIs(t, gotErr, io.EOF)
				return
			}
			// Bare quotes are an error of the library's own.
			if err != nil {
				return
			}
			require.NoError(t, gotErr)
			require.Len(t, got, len(expected))
			for i, e := range expected {
				require.Equal(t, e, string(got[i].value))
			}
		}
	})
}

// FuzzJavaDate writes an instant and reads it back.
func FuzzJavaDate(f *testing.F) {
	f.Add(int64(0), "x")
	f.Add(int64(1_709_212_455_678), "2024-02-30T00:00:00.000Z")
	format, err := newJavaFormat(defaultDateFormat)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, ms int64, other string) {
		_, _ = format.parse([]byte(other))
		at := time.UnixMilli(ms % maxInstant).UTC()
		if at.Year() < 1 {
			return
		}
		for _, layout := range []string{"2006-01-02T15:04:05.000Z07:00", "2006-01-02T15:04:05.000-07:00"} {
			for _, zone := range []*time.Location{time.UTC, time.FixedZone("", 5*3600+1800)} {
				text := at.In(zone).Format(layout)
				if len(text) > len("2006-01-02T15:04:05.000-07:00") {
					return
				}
				got, ok := format.parse([]byte(text))
				require.True(t, ok, text)
				require.Equal(t, at.UnixMilli(), got)
			}
		}
	})
}

// TestBrokenParquet reads files that are cut off, or whose pages are wiped
// under a sound footer; nothing may panic.
func TestBrokenParquet(t *testing.T) {
	t.Parallel()
	type row struct {
		S *string `parquet:",optional,dict"`
		N int64
		T time.Time `parquet:",timestamp(millisecond)"`
	}
	s := "text"
	var b bytes.Buffer
	w := parquet.NewGenericWriter[row](&b)
	_, err := w.Write([]row{{&s, 1, time.Now()}, {nil, 2, time.Now()}})
	require.NoError(t, err)
	require.NoError(t, w.Close())
	whole := b.Bytes()
	require.NoError(t, readWhole(whole))
	for n := range len(whole) - 1 {
		require.Error(t, readWhole(whole[:n]), n)
	}
	footer := len(whole) - 8 - int(binary.LittleEndian.Uint32(whole[len(whole)-8:]))
	for from := 4; from < footer; from++ {
		broken := bytes.Clone(whole)
		clear(broken[from:footer])
		_ = readWhole(broken)
	}
}

func readWhole(data []byte) error {
	file, err := openParquet(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return err
	}
	p := &plan{pool: &sync.Pool{}}
	for _, c := range file.columns() {
		p.cols = append(p.cols, ColumnInfo{Name: c.name, Type: c.kind, Length: defaultVarchar})
	}
	targets, err := p.match(file.columns())
	if err != nil {
		return err
	}
	for _, read := range file.parts(p, targets) {
		if err := read(func(*segment) error { return nil }); err != nil {
			return err
		}
	}
	return nil
}

func TestJavaFormats(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ pattern, text, want string }{
		{"yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "2024-02-29T01:02:03.004Z", "2024-02-29T01:02:03.004Z"},
		{"yyyy-MM-dd HH:mm:ss", "2024-02-29 01:02:03", "2024-02-29T01:02:03.000Z"},
		{"d.M.yy", "1.2.24", "2024-02-01T00:00:00.000Z"},
		{"d.M.yy", "11.12.24", "2024-12-11T00:00:00.000Z"},
		{"yyyyMMddHHmmss", "20240229010203", "2024-02-29T01:02:03.000Z"},
		{"yyyy''MM", "2024'05", "2024-05-01T00:00:00.000Z"},
		{"yyyy-MM-ddZ", "2024-02-29-0130", "2024-02-29T01:30:00.000Z"},
		{"yyyy-MM-ddX", "2024-02-29+01", "2024-02-28T23:00:00.000Z"},
		{"yyyy-MM-dd z", "2024-02-29 UTC", "2024-02-29T00:00:00.000Z"},
		{"yyyy-MM-dd", "2024-02-30", ""},
		{"yyyy-MM-dd", "2024-2-3", ""},
		{"yyyy-MM-dd", "2024-02-03 ", ""},
		{"HH:mm", "24:00", ""},
		{"HH:mm:ss.SSS", "01:02:03.04", ""},
	} {
		f, err := newJavaFormat(c.pattern)
		require.NoError(t, err)
		got, ok := f.parse([]byte(c.text))
		require.Equal(t, c.want != "", ok, "%s %s", c.pattern, c.text)
		if ok {
			require.Equal(t, c.want, string(appendInstant(nil, got)))
		}
	}
	for _, bad := range []string{"yyyy'", "E, dd"} {
		_, err := newJavaFormat(bad)
		require.Error(t, err)
	}
}
