// Package strictjson reads request bodies: it finds every fault of a body at
// once, each with a JSON Pointer, where encoding/json stops at the first,
// takes names in any case and lets a name occur twice.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/celonis-connector/connector/internal/fault"
)

const (
	// MaxDepth bounds how deep arrays and objects may stand in each other.
	MaxDepth = 64
	// MaxFaults bounds how many faults are told.
	MaxFaults = 100
)

// kind is the kind of a JSON value, in words for people.
type kind string

const (
	kindNull   kind = "null"
	kindBool   kind = "a boolean"
	kindNumber kind = "a number"
	kindString kind = "a string"
	kindArray  kind = "an array"
	kindObject kind = "an object"
)

// node is one value of a document.
type node struct {
	kind kind
	// raw is the value as it was written; nil for an object that Merge made.
	raw     []byte
	text    string
	items   []*node
	members []member
}

type member struct {
	name  string
	value *node
}

func (n *node) member(name string) *node {
	for _, m := range n.members {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// bytes gives the value as JSON.
func (n *node) bytes() []byte {
	if n.raw != nil {
		return n.raw
	}
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range n.members {
		if i > 0 {
			b.WriteByte(',')
		}
		name, _ := json.Marshal(m.name) // a string always has a JSON form
		b.Write(name)
		b.WriteByte(':')
		b.Write(m.value.bytes())
	}
	b.WriteByte('}')
	return b.Bytes()
}

// Document is a JSON text that was read.
type Document struct {
	root   *node
	faults faults
}

// IsObject reports whether the document is an object.
func (d *Document) IsObject() bool { return d.root.kind == kindObject }

// Parse reads a JSON text. Fault RequestMalformed tells the line and the column
// of what is not JSON, data after the end included. A name that occurs twice
// in an object, and a string with the character U+0000, which the database
// cannot keep, are faults that Decode reports.
func Parse(data []byte) (*Document, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, fault.New(fault.RequestMalformed, "the body is empty")
	}
	if at := invalidUTF8(data); at >= 0 {
		return nil, malformed(data, at, "not UTF-8")
	}
	if err := Check(data); err != nil {
		return nil, err
	}
	p := parser{data: data}
	root, err := p.value("", 0)
	if err != nil {
		return nil, err
	}
	return &Document{root: root, faults: p.faults}, nil
}

// Check tells whether data is one JSON value; fault RequestMalformed tells the
// line and the column of what is not JSON.
func Check(data []byte) error {
	var value json.RawMessage
	err := json.Unmarshal(data, &value)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		// The offset counts the byte at fault too, unless the text ended.
		at := int(syntax.Offset) - 1
		if strings.Contains(syntax.Error(), "unexpected end") {
			at = len(data)
		}
		return malformed(data, at, syntax.Error())
	}
	if err != nil {
		return fault.Wrap(err, fault.RequestMalformed, "the body is not JSON")
	}
	return nil
}

func malformed(data []byte, at int, what string) error {
	line, column := Position(data, at)
	return fault.New(fault.RequestMalformed, "line %d, column %d: %s", line, column, what)
}

// Position turns a byte offset into a line and a column in characters, both from 1.
func Position(data []byte, at int) (line, column int) {
	before := data[:min(max(at, 0), len(data))]
	return bytes.Count(before, []byte{'\n'}) + 1, utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
}

// invalidUTF8 gives the offset of the first byte that is not UTF-8, -1 when there is none.
func invalidUTF8(data []byte) int {
	if utf8.Valid(data) {
		return -1
	}
	at := 0
	for {
		r, size := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && size <= 1 {
			return at
		}
		at += size
	}
}

// faults collects the faults of a body, MaxFaults at most.
type faults []fault.Field

func (f *faults) add(pointer string, code fault.Code, detail string) {
	if len(*f) < MaxFaults {
		*f = append(*f, fault.Field{Pointer: pointer, Code: code, Detail: detail})
	}
}

// Pointer appends a name to a JSON Pointer.
func Pointer(pointer, name string) string {
	if strings.ContainsAny(name, "~/") {
		name = strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
	}
	return pointer + "/" + name
}

// Index appends an array's index to a JSON Pointer.
func Index(pointer string, i int) string { return pointer + "/" + strconv.Itoa(i) }
