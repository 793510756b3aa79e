package strictjson

import (
	"bytes"
	"iter"
)

// Elements gives the elements of a JSON array as they are written. The text
// must be an array that Check has found to be JSON.
func Elements(data []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		p := parser{data: data}
		p.space()
		for p.next(']') {
			start := p.at
			p.skip()
			if !yield(data[start:p.at]) {
				return
			}
		}
	}
}

// skip moves past a value without looking into it.
func (p *parser) skip() {
	depth := 0
	for {
		switch p.data[p.at] {
		case '{', '[':
			depth++
			p.at++
		case '}', ']':
			depth--
			p.at++
		case '"':
			p.at += stringLength(p.data[p.at:])
		case ',', ':':
			p.at++
		default:
			p.word()
		}
		if depth == 0 {
			return
		}
		p.space()
	}
}

// KindOf says in words what kind of value a JSON text starts with: "an object", "null" and so on.
func KindOf(data []byte) string {
	data = bytes.TrimLeft(data, " \t\r\n")
	if len(data) == 0 {
		return "nothing"
	}
	switch data[0] {
	case '{':
		return string(kindObject)
	case '[':
		return string(kindArray)
	case '"':
		return string(kindString)
	case 'n':
		return string(kindNull)
	case 't', 'f':
		return string(kindBool)
	}
	return string(kindNumber)
}
