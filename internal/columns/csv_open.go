package columns

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/celonis-connector/connector/internal/fault"
)

// separators are those that are tried, in the order that settles a tie.
const separators = ",;\t|"

// maxListed bounds the names that a message lists.
const maxListed = 10

// openCSV settles the dialect and reads the header.
func (r *Reader) openCSV() error {
	d, err := parseQuote(r.opt.CSV.Quote)
	if err != nil {
		return err
	}
	if d.sep, err = r.separator(d); err != nil {
		return err
	}
	if d.quoting && d.sep == d.quote {
		return fault.New(fault.SourceFormat, "separator and quote are the same character %q", d.sep)
	}
	r.split = &csvSplitter{csvDialect: d}
	head, err := r.firstRecord()
	if err != nil {
		return err
	}
	names, err := r.headerNames(d, head)
	if err != nil {
		return err
	}
	r.names = names
	r.split = &csvSplitter{csvDialect: d}
	r.dec = newCSVDecoder(d, names, r.opt.Want)
	return nil
}

func parseQuote(s string) (csvDialect, error) {
	switch {
	case s == "":
		return csvDialect{quote: '"', quoting: true}, nil
	case s == "none":
		return csvDialect{}, nil
	case len(s) == 1 && s[0] < utf8.RuneSelf && s[0] != '\n' && s[0] != '\r' && s[0] != 0:
		return csvDialect{quote: s[0], quoting: true}, nil
	}
	return csvDialect{}, fault.New(fault.SourceFormat, "quote %q is not one ASCII character", s).
		WithHint(`use one character, or "none"`)
}

// separator gives the declared separator or finds it in the first line. A
// "sep=;" line as Excel writes it is consumed.
func (r *Reader) separator(d csvDialect) (byte, error) {
	s := r.opt.CSV.Separator
	switch {
	case s == `\t`, strings.EqualFold(s, "tab"):
		return '\t', nil
	case len(s) == 1 && s[0] < utf8.RuneSelf && s[0] != '\n' && s[0] != '\r' && s[0] != 0:
		return s[0], nil
	case s != "":
		return 0, fault.New(fault.SourceFormat, "separator %q is not one ASCII character", s)
	}
	line := r.in.bytes()
	line = line[len(line)-len(bytes.TrimLeft(line, "\r\n")):]
	if n := firstLineEnd(line); n >= 0 {
		line = line[:n]
	}
	if len(line) == 5 && strings.EqualFold(string(line[:4]), "sep=") && line[4] < utf8.RuneSelf {
		sep := line[4]
		start := bytes.Index(r.in.bytes(), line)
		r.in.consume(skipLineEnd(r.in.bytes(), start+len(line)))
		return sep, nil
	}
	return sniffSeparator(line, d), nil
}

// sniffSeparator takes the candidate that occurs most outside of quotes.
func sniffSeparator(line []byte, d csvDialect) byte {
	var counts [len(separators)]int
	quoted := false
	for _, c := range line {
		if d.quoting && c == d.quote {
			quoted = !quoted
		}
		if k := strings.IndexByte(separators, c); k >= 0 && !quoted {
			counts[k]++
		}
	}
	best := 0
	for k, n := range counts {
		if n > counts[best] {
			best = k
		}
	}
	return separators[best]
}

// firstRecord gives the first record that is not an empty line. It is left in
// the window when it is data.
func (r *Reader) firstRecord() ([]byte, error) {
	for {
		n, _, err := r.cutNext(r.opt.BlockSize, true)
		if err == io.EOF {
			return nil, fault.New(fault.SourceEmpty, "the source is empty").
				WithHint("a CSV source holds at least a header line")
		}
		if err != nil {
			return nil, err
		}
		record := bytes.TrimRight(r.in.bytes()[:n], "\r\n")
		if len(record) > 0 {
			record = bytes.Clone(record)
			if !r.opt.CSV.NoHeader {
				r.in.consume(n)
			}
			return record, nil
		}
		r.in.consume(n)
	}
}

// headerNames checks the header's names, or makes names for the cells of the
// first record when there is no header.
func (r *Reader) headerNames(d csvDialect, head []byte) ([]string, error) {
	if !r.opt.CSV.NoHeader && beginsJSON(head) {
		return nil, looksLike(FormatCSV, "JSON", "use the format ndjson, or json for an array")
	}
	names, err := csvCells(d, head)
	if err != nil {
		return nil, err
	}
	if len(names) > MaxColumns {
		return nil, fault.New(fault.SourceTooManyCols, "the source has %d columns, at most %d are read", len(names), MaxColumns).
			WithHint("check the separator")
	}
	if r.opt.CSV.NoHeader {
		for i := range names {
			names[i] = fmt.Sprintf("column%d", i+1)
		}
		return names, nil
	}
	if !utf8.Valid(head) {
		return nil, fault.New(fault.SourceEncoding, "the header is not UTF-8").
			WithHint(`declare the file's encoding, for example "windows-1252"`)
	}
	return names, checkHeader(names)
}

// checkHeader reports empty names and names that differ in case only: Celonis
// cannot tell such columns apart.
func checkHeader(names []string) error {
	var empty, twice []string
	seen := make(map[string]string, len(names))
	for i, name := range names {
		if name == "" {
			empty = append(empty, fmt.Sprint(i+1))
			continue
		}
		key := strings.ToLower(name)
		place := fmt.Sprintf("%q (column %d)", shorten([]byte(name)), i+1)
		if first, ok := seen[key]; ok {
			twice = append(twice, first+" and "+place)
			continue
		}
		seen[key] = place
	}
	switch {
	case len(empty) > 0:
		return fault.New(fault.SourceHeader, "the header has no name for column %s", listed(empty)).
			WithHint("name every column, and check that no line ends with a separator")
	case len(twice) > 0:
		return fault.New(fault.SourceHeader, "the header holds a name twice, upper and lower case taken as equal: %s", listed(twice)).
			WithHint("give each column a name of its own")
	}
	return nil
}

func listed(items []string) string {
	if len(items) > maxListed {
		return fmt.Sprintf("%s and %d more", strings.Join(items[:maxListed], ", "), len(items)-maxListed)
	}
	return strings.Join(items, ", ")
}

// csvCells reads one record into strings.
func csvCells(d csvDialect, record []byte) ([]string, error) {
	raw := &Raw{Data: record[:len(record):len(record)]}
	r := csvRow{csvDecoder: newCSVDecoder(d, nil, nil), raw: raw, data: record}
	var cells []string
	for i := 0; ; i++ {
		var cell Cell
		cell, i = r.cell(i, len(cells))
		cells = append(cells, string(raw.Value(cell)))
		if r.isBad {
			return nil, fault.New(fault.SourceHeader, "cell %d of the first line cannot be read: %s", len(cells), r.bad.Message)
		}
		if i >= len(record) || record[i] != d.sep {
			return cells, nil
		}
	}
}
