package columns

import (
	"bufio"
	"bytes"
	"io"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"github.com/celonis-connector/connector/internal/fault"
)

// charset is a character encoding that is turned into UTF-8.
type charset struct {
	name string
	// convert appends the UTF-8 form of src to dst and says how many bytes of
	// src it used; only the head of a character is left over.
	convert func(dst, src []byte) ([]byte, int)
}

// charsets lists what encodingNamed knows besides UTF-8, by canonical name.
func charsets() []charset {
	return []charset{
		{"utf-16le", convertUTF16LE},
		{"utf-16be", convertUTF16BE},
		{"iso-8859-1", convertBytes(charmap.ISO8859_1)},
		{"iso-8859-2", convertBytes(charmap.ISO8859_2)},
		{"iso-8859-15", convertBytes(charmap.ISO8859_15)},
		{"windows-1250", convertBytes(charmap.Windows1250)},
		{"windows-1251", convertBytes(charmap.Windows1251)},
		{"windows-1252", convertBytes(charmap.Windows1252)},
	}
}

// encodingAlias maps other spellings to a canonical name.
func encodingAlias(name string) string {
	switch name {
	case "", "utf8", "us-ascii", "ascii":
		return "utf-8"
	case "utf16", "utf-16", "utf16le", "utf_16le":
		return "utf-16le" // without a byte order mark: as Windows writes it
	case "utf16be", "utf_16be":
		return "utf-16be"
	case "latin1", "latin-1", "iso8859-1", "iso_8859-1":
		return "iso-8859-1"
	case "latin2", "latin-2", "iso8859-2":
		return "iso-8859-2"
	case "latin9", "latin-9", "iso8859-15":
		return "iso-8859-15"
	case "cp1250", "cp1251", "cp1252":
		return "windows-" + name[2:]
	case "ansi":
		return "windows-1252"
	}
	return name
}

// EncodingNames lists the canonical names that CSVOptions.Encoding takes.
func EncodingNames() []string {
	names := []string{"utf-8"}
	for _, c := range charsets() {
		names = append(names, c.name)
	}
	return names
}

// encodingNamed finds a declared encoding; nil stands for UTF-8.
func encodingNamed(declared string) (*charset, error) {
	name := encodingAlias(strings.ToLower(strings.TrimSpace(declared)))
	if name == "utf-8" {
		return nil, nil
	}
	all := charsets()
	if i := slices.IndexFunc(all, func(c charset) bool { return c.name == name }); i >= 0 {
		return &all[i], nil
	}
	return nil, fault.New(fault.SourceEncoding, "encoding %q is not known", declared).
		WithHint("use one of %s", strings.Join(EncodingNames(), ", "))
}

// byteOrderMark tells the encoding that the first bytes declare and how many
// bytes the mark takes, 0 when there is none.
func byteOrderMark(head []byte) (name string, n int) {
	switch {
	case bytes.HasPrefix(head, []byte{0xef, 0xbb, 0xbf}):
		return "utf-8", 3
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}):
		return "utf-16le", 2
	case bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		return "utf-16be", 2
	}
	return "", 0
}

// decodeText turns plain bytes into UTF-8 and drops a byte order mark. Magic
// numbers of other file types are refused here, while they can still be seen.
func decodeText(plain io.Reader, opt ReadOptions) (text io.Reader, head int64, err error) {
	buffered := bufio.NewReaderSize(plain, inputBuffer)
	first, err := buffered.Peek(magicBytes)
	if err != nil && err != io.EOF {
		return nil, 0, err
	}
	if err := sniffMagic(first, opt.Format); err != nil {
		return nil, 0, err
	}
	declared := ""
	if opt.Format == FormatCSV {
		declared = opt.CSV.Encoding
	}
	set, err := encodingNamed(declared)
	if err != nil {
		return nil, 0, err
	}
	if name, n := byteOrderMark(first); n > 0 {
		if set, err = encodingNamed(name); err != nil {
			return nil, 0, err
		}
		if _, err := buffered.Discard(n); err != nil {
			return nil, 0, err
		}
		head = int64(n)
	}
	if set == nil {
		return buffered, head, nil
	}
	return &transcoder{src: buffered, set: set, in: make([]byte, inputBuffer)}, 0, nil
}

// transcoder reads UTF-8 from a source in another encoding.
type transcoder struct {
	src  io.Reader
	set  *charset
	in   []byte
	kept int    // bytes at the head of in: the beginning of a character
	out  []byte // converted
	off  int    // bytes of out that are read
	err  error
}

func (t *transcoder) Read(p []byte) (int, error) {
	for t.off == len(t.out) && t.err == nil {
		t.refill()
	}
	n := copy(p, t.out[t.off:])
	t.off += n
	if t.off < len(t.out) {
		return n, nil
	}
	return n, t.err
}

func (t *transcoder) refill() {
	n, err := t.src.Read(t.in[t.kept:])
	var used int
	t.off = 0
	t.out, used = t.set.convert(t.out[:0], t.in[:t.kept+n])
	t.kept = copy(t.in, t.in[used:t.kept+n])
	if err == io.EOF && t.kept > 0 {
		err = fault.New(fault.SourceTruncated, "the %s text ends within a character", t.set.name).
			WithHint("the file was cut in transfer; fetch it again")
	}
	t.err = err
}

// convertBytes makes the conversion of an encoding of one byte a character.
func convertBytes(m *charmap.Charmap) func(dst, src []byte) ([]byte, int) {
	var table [256]rune
	for i := range table {
		table[i] = m.DecodeByte(byte(i))
	}
	return func(dst, src []byte) ([]byte, int) {
		for _, c := range src {
			if c < utf8.RuneSelf {
				dst = append(dst, c)
			} else {
				dst = utf8.AppendRune(dst, table[c])
			}
		}
		return dst, len(src)
	}
}

func convertUTF16LE(dst, src []byte) ([]byte, int) { return convertUTF16(dst, src, 0, 1) }
func convertUTF16BE(dst, src []byte) ([]byte, int) { return convertUTF16(dst, src, 1, 0) }

// convertUTF16 reads code units whose low and high byte stand at lo and hi. A
// surrogate without its partner becomes bytes that are not UTF-8, so that the
// record that holds it is reported and not silently changed.
func convertUTF16(dst, src []byte, lo, hi int) ([]byte, int) {
	i := 0
	for ; i+2 <= len(src); i += 2 {
		u := rune(src[i+lo]) | rune(src[i+hi])<<8
		switch {
		case u < utf8.RuneSelf:
			dst = append(dst, byte(u))
		case !utf16.IsSurrogate(u):
			dst = utf8.AppendRune(dst, u)
		case u < 0xdc00 && i+4 > len(src):
			return dst, i
		default:
			var pair rune = utf8.RuneError
			if i+4 <= len(src) {
				pair = utf16.DecodeRune(u, rune(src[i+2+lo])|rune(src[i+2+hi])<<8)
			}
			if pair == utf8.RuneError {
				dst = append(dst, 0xed, 0x80|byte(u>>6)&0x3f, 0x80|byte(u)&0x3f)
				continue
			}
			dst = utf8.AppendRune(dst, pair)
			i += 2
		}
	}
	return dst, i
}
