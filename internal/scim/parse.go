package scim

import (
	"encoding/json"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
)

// parser reads filters and paths.
type parser struct {
	text string
	at   int
	// code is that of its faults, what the name of the text in them.
	code fault.Code
	what string
}

func (p *parser) fault(format string, args ...any) error {
	return fault.New(p.code, "the "+p.what+" "+format, args...)
}

// wrong tells what was wanted where the parser stands.
func (p *parser) wrong(wanted string) error {
	if p.at >= len(p.text) {
		return p.fault("ends where %s is wanted", wanted)
	}
	return p.fault("has %q at position %d where %s is wanted", quote(p.text[p.at:min(p.at+20, len(p.text))]), p.at+1, wanted)
}

func (p *parser) blank() {
	for p.at < len(p.text) && (p.text[p.at] == ' ' || p.text[p.at] == '\t') {
		p.at++
	}
}

// take goes over a byte that is next after blanks.
func (p *parser) take(c byte) bool {
	p.blank()
	if p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}

// word gives the next run of bytes that may stand in a path or an operator.
func (p *parser) word() string {
	p.blank()
	start := p.at
	for p.at < len(p.text) && !strings.ContainsRune(" \t()[]\"", rune(p.text[p.at])) {
		p.at++
	}
	return p.text[start:p.at]
}

// takeWord goes over a word, in any case, that is next and ends there.
func (p *parser) takeWord(word string) bool {
	start := p.at
	if strings.EqualFold(p.word(), word) {
		return true
	}
	p.at = start
	return false
}

func (p *parser) or(depth int) (node, error) {
	left, err := p.and(depth)
	for err == nil && p.takeWord("or") {
		var right node
		if right, err = p.and(depth); err == nil {
			left = either{left, right}
		}
	}
	return left, err
}

func (p *parser) and(depth int) (node, error) {
	left, err := p.term(depth)
	for err == nil && p.takeWord("and") {
		var right node
		if right, err = p.term(depth); err == nil {
			left = both{left, right}
		}
	}
	return left, err
}

func (p *parser) term(depth int) (node, error) {
	if depth >= MaxFilterDepth {
		return nil, p.fault("nests deeper than %d levels", MaxFilterDepth)
	}
	if p.take('(') {
		return p.closed(depth, ')')
	}
	start := p.at
	if p.takeWord("not") {
		if p.take('(') {
			of, err := p.closed(depth, ')')
			return inverse{of}, err
		}
		p.at = start
	}
	return p.attribute(depth)
}

// closed reads a filter up to its closing bracket.
func (p *parser) closed(depth int, end byte) (node, error) {
	n, err := p.or(depth + 1)
	if err == nil && !p.take(end) {
		err = p.wrong(`"` + string(end) + `"`)
	}
	return n, err
}

// attribute reads what is said of one attribute.
func (p *parser) attribute(depth int) (node, error) {
	path, err := p.path()
	if err != nil {
		return nil, err
	}
	if p.at >= len(p.text) || p.text[p.at] != '[' {
		return p.said(path)
	}
	p.at++
	of, err := p.closed(depth, ']')
	if err != nil {
		return nil, err
	}
	n := element{path: path, of: of}
	if p.at < len(p.text) && p.text[p.at] == '.' {
		p.at++
		sub, err := p.path()
		if err != nil {
			return nil, err
		}
		if n.rest, err = p.said(sub); err != nil {
			return nil, err
		}
	}
	return n, nil
}

func (p *parser) path() (AttrPath, error) {
	start := p.at
	word := p.word()
	path, ok := parseAttrPath(word)
	if !ok {
		p.at = start
		p.blank()
		return AttrPath{}, p.wrong("an attribute")
	}
	return path, nil
}

// said reads the operator and the value that follow an attribute.
func (p *parser) said(path AttrPath) (node, error) {
	p.blank()
	start := p.at
	word := p.word()
	if strings.EqualFold(word, wordPresent) {
		return present{path}, nil
	}
	op, ok := operatorOf(word)
	if !ok {
		p.at = start
		return nil, p.wrong("an operator")
	}
	p.blank()
	start = p.at
	value, err := p.value()
	if err != nil {
		return nil, err
	}
	if !op.takes(value) {
		p.at = start
		return nil, p.wrong(`a value that "` + string(op) + `" can compare with`)
	}
	return comparison{path, op, value}, nil
}

// value reads a JSON string, number, boolean or null.
func (p *parser) value() (any, error) {
	if p.at < len(p.text) && p.text[p.at] == '"' {
		return p.quoted()
	}
	start := p.at
	word := p.word()
	switch strings.ToLower(word) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	case "null":
		return nil, nil
	}
	var n json.Number
	if len(word) == 0 || word[0] == '"' || json.Unmarshal([]byte(word), &n) != nil || n == "" {
		p.at = start
		return nil, p.wrong("a value (texts stand in quotation marks)")
	}
	return n, nil
}

func (p *parser) quoted() (any, error) {
	start := p.at
	for i := p.at + 1; i < len(p.text); i++ {
		switch p.text[i] {
		case '\\':
			i++
		case '"':
			var text string
			if json.Unmarshal([]byte(p.text[start:i+1]), &text) != nil {
				return nil, p.wrong("a JSON string")
			}
			p.at = i + 1
			return text, nil
		}
	}
	return nil, p.wrong("the end of the text")
}
