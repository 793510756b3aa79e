package strictjson

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
)

// parser builds nodes from a text that Check has found to be JSON, so it looks
// at no more than it needs to find the ends of things.
type parser struct {
	data   []byte
	at     int
	faults faults
}

func (p *parser) value(pointer string, depth int) (*node, error) {
	if depth > MaxDepth {
		line, column := Position(p.data, p.at)
		return nil, fault.New(fault.RequestMalformed, "line %d, column %d: nested deeper than %d", line, column, MaxDepth)
	}
	p.space()
	start := p.at
	n := &node{}
	var err error
	switch p.data[p.at] {
	case '{':
		err = p.object(n, pointer, depth)
	case '[':
		err = p.array(n, pointer, depth)
	case '"':
		n.kind, n.text = kindString, p.text()
		if strings.ContainsRune(n.text, 0) {
			p.faults.add(pointer, fault.RequestFieldInvalid, "must not hold the character U+0000")
		}
	case 'n':
		n.kind = kindNull
		p.word()
	case 't', 'f':
		n.kind = kindBool
		p.word()
	default:
		n.kind = kindNumber
		p.word()
	}
	n.raw = p.data[start:p.at]
	return n, err
}

func (p *parser) object(n *node, pointer string, depth int) error {
	n.kind = kindObject
	seen := map[string]bool{}
	for p.next('}') {
		name := p.text()
		p.space()
		p.at++ // the colon
		at := Pointer(pointer, name)
		value, err := p.value(at, depth+1)
		if err != nil {
			return err
		}
		if seen[name] {
			p.faults.add(at, fault.RequestFieldInvalid, "is given twice")
			continue
		}
		seen[name] = true
		n.members = append(n.members, member{name, value})
	}
	return nil
}

func (p *parser) array(n *node, pointer string, depth int) error {
	n.kind = kindArray
	for p.next(']') {
		value, err := p.value(Index(pointer, len(n.items)), depth+1)
		if err != nil {
			return err
		}
		n.items = append(n.items, value)
	}
	return nil
}

// next moves past the opening bracket or a comma to the next element, or past
// the closing bracket, when it reports false.
func (p *parser) next(closing byte) bool {
	p.space()
	if p.data[p.at] != closing {
		p.at++ // the opening bracket or the comma
		p.space()
	}
	if p.data[p.at] == closing {
		p.at++
		return false
	}
	return true
}

func (p *parser) space() {
	for p.at < len(p.data) && isSpace(p.data[p.at]) {
		p.at++
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// text reads a string.
func (p *parser) text() string {
	start := p.at
	p.at += stringLength(p.data[p.at:])
	raw := p.data[start:p.at]
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1])
	}
	var text string
	_ = json.Unmarshal(raw, &text) // Check has found it good
	return text
}

// stringLength gives the length of the string that data starts with, quotes included.
func stringLength(data []byte) int {
	i := 1
	for data[i] != '"' {
		if data[i] == '\\' {
			i++
		}
		i++
	}
	return i + 1
}

// word moves past a number, true, false or null.
func (p *parser) word() {
	for p.at < len(p.data) && !isSpace(p.data[p.at]) && strings.IndexByte(",]}", p.data[p.at]) < 0 {
		p.at++
	}
}
