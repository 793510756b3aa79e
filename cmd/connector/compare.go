package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/celonis-connector/connector/internal/celonissim"
)

// equalTable compares a CSV file with a table, value by value, and gives the
// file's records. It reads the file with the standard library alone, so that
// the connector's own reader cannot agree with itself. Rows have no order: the
// sums of their hashes are compared.
func equalTable(path string, table *celonissim.Table) (records int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.ReuseRecord = true
	header, err := r.Read()
	if err != nil {
		return 0, err
	}
	names := make([]string, len(header))
	for i, name := range header {
		names[i] = strings.TrimPrefix(name, "\ufeff")
	}
	canon, err := canonical(names, table.Columns())
	if err != nil {
		return 0, err
	}
	var want, have uint64
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, err
		}
		records++
		sum, err := hashRow(func(i int) (string, error) { return canon[i](record[i]) }, len(names))
		if err != nil {
			return 0, fmt.Errorf("record %d: %w", records, err)
		}
		want += sum
	}
	for i := range table.Rows() {
		sum, _ := hashRow(func(c int) (string, error) { text, _ := table.Value(names[c], i); return text, nil }, len(names))
		have += sum
	}
	if records != table.Rows() {
		return 0, fmt.Errorf("the file has %d records and the table %d rows", records, table.Rows())
	}
	if want != have {
		return 0, errors.New("the table's values are not the file's")
	}
	return records, nil
}

func hashRow(value func(int) (string, error), columns int) (uint64, error) {
	h := fnv.New64a()
	for i := range columns {
		text, err := value(i)
		if err != nil {
			return 0, err
		}
		fmt.Fprintf(h, "%d:%s", len(text), text)
	}
	return h.Sum64(), nil
}

// canonical gives for each of the file's columns the function that writes its
// cells as the simulator writes values of the table's type.
func canonical(names []string, columns []celonissim.ColumnInfo) ([]func(string) (string, error), error) {
	if len(names) != len(columns) {
		return nil, fmt.Errorf("the file has %d columns and the table %d", len(names), len(columns))
	}
	out := make([]func(string) (string, error), len(names))
	for i, name := range names {
		if columns[i].Name != name {
			return nil, fmt.Errorf("column %d is %q in the file and %q in the table", i+1, name, columns[i].Name)
		}
		out[i] = canonicalOf(columns[i].Type)
	}
	return out, nil
}

func canonicalOf(kind celonissim.Kind) func(string) (string, error) {
	write := func(s string) (string, error) { return s, nil }
	switch kind {
	case celonissim.Integer:
		write = func(s string) (string, error) {
			n, err := strconv.ParseInt(s, 10, 64)
			return strconv.FormatInt(n, 10), err
		}
	case celonissim.Float:
		write = func(s string) (string, error) {
			n, err := strconv.ParseFloat(s, 64)
			return strconv.FormatFloat(n, 'g', -1, 64), err
		}
	case celonissim.Boolean:
		write = func(s string) (string, error) {
			b, err := strconv.ParseBool(s)
			return strconv.FormatBool(b), err
		}
	case celonissim.Date:
		write = func(s string) (string, error) { return reformat(s, "2006-01-02") }
	case celonissim.DateTime:
		write = func(s string) (string, error) { return reformat(s, "2006-01-02T15:04:05.000Z") }
	}
	return func(s string) (string, error) {
		if s == "" {
			return "", nil
		}
		return write(s)
	}
}

func reformat(s, layout string) (string, error) {
	for _, known := range []string{
		time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999", "2006-01-02",
	} {
		if t, err := time.Parse(known, s); err == nil {
			return t.UTC().Truncate(time.Millisecond).Format(layout), nil
		}
	}
	return "", fmt.Errorf("%q is not a time that the comparison knows", s)
}
