package columns

import (
	"bytes"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
)

const (
	// magicBytes is how much of a source is looked at for a magic number.
	magicBytes = 64
	// sniffBytes is how much text is looked at for bytes that no text holds.
	sniffBytes = 64 << 10
)

// magics are the first bytes of files that are often given in place of text.
var magics = [...]struct{ head, what, hint string }{
	{"PAR1", "a Parquet file", "use format parquet"},
	{"PK\x03\x04", "a ZIP archive or an Excel workbook", "unpack the archive, or save the sheet as CSV UTF-8"},
	{"PK\x05\x06", "an empty ZIP archive", "check how the file was made"},
	{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook", "save the sheet as CSV UTF-8"},
	{"%PDF-", "a PDF document", "export the table as CSV"},
	{"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it, or use gzip or zstd"},
	{"\xfd7zXZ\x00", "an xz archive", "unpack it, or use gzip or zstd"},
	{"BZh", "a bzip2 archive", "unpack it, or use gzip or zstd"},
	{"Rar!\x1a\x07", "a RAR archive", "unpack it, or use gzip or zstd"},
	{"SQLite format 3\x00", "an SQLite database", "export the table as CSV"},
	{"Obj\x01", "an Avro file", "convert it to CSV or NDJSON"},
	{"\x89PNG\r\n", "a PNG image", "check the file's path"},
}

// sniffMagic refuses a source whose first bytes name another file type.
func sniffMagic(head []byte, format Format) error {
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.head)) && (m.head != "BZh" || isBzip2(head)) {
			return looksLike(format, m.what, m.hint)
		}
	}
	text := strings.ToLower(string(bytes.TrimLeft(head, "\xef\xbb\xbf \t\r\n")))
	for _, tag := range []string{"<!doctype html", "<html", "<?xml"} {
		if strings.HasPrefix(text, tag) {
			return looksLike(format, "a web page or XML",
				"a server answers like this when it wants a login or reports an error; check the address and its authorization")
		}
	}
	return nil
}

// isBzip2 tells a bzip2 header (level and block magic) from text that begins with BZh.
func isBzip2(head []byte) bool {
	return len(head) >= 10 && string(head[4:10]) == "1AY&SY"
}

// sniffText refuses text that holds NUL bytes: it is binary, or UTF-16 whose
// encoding was not declared.
func sniffText(text []byte, format Format) error {
	text = text[:min(len(text), sniffBytes)]
	at := bytes.IndexByte(text, 0)
	if at < 0 {
		return nil
	}
	nuls := [2]int{}
	for i, c := range text {
		if c == 0 {
			nuls[i&1]++
		}
	}
	switch half := len(text) / 4; {
	case nuls[1] > half && nuls[0] <= nuls[1]/8:
		return looksLike(format, "UTF-16 without a byte order mark", `declare the encoding "utf-16le"`)
	case nuls[0] > half && nuls[1] <= nuls[0]/8:
		return looksLike(format, "UTF-16 without a byte order mark", `declare the encoding "utf-16be"`)
	}
	return fault.New(fault.SourceFormat, "the source is not %s: byte %d is NUL", format.title(), at).
		WithHint("it looks like a binary file; text does not hold NUL bytes")
}

// beginsJSON reports whether a first line is the beginning of a JSON object or
// of an array of objects. A header may well begin with a bracket, "[Case ID]".
func beginsJSON(line []byte) bool {
	text := bytes.TrimLeft(line, " \t")
	rest, isArray := bytes.CutPrefix(text, []byte("["))
	if rest = bytes.TrimLeft(rest, " \t"); len(rest) == 0 {
		return isArray
	}
	rest, isObject := bytes.CutPrefix(rest, []byte("{"))
	rest = bytes.TrimLeft(rest, " \t")
	return isObject && (len(rest) == 0 || rest[0] == '"')
}

func looksLike(format Format, what, hint string) error {
	return fault.New(fault.SourceFormat, "the source is not %s: it looks like %s", format.title(), what).WithHint("%s", hint)
}

// title is the format's name in a sentence.
func (f Format) title() string {
	if f == FormatNDJSON || f == FormatJSON || f == FormatCSV {
		return strings.ToUpper(string(f))
	}
	return string(f)
}
