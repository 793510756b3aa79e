package mapping

import (
	"encoding/json"
	"slices"

	"github.com/celonis-connector/connector/internal/columns"
)

// remember takes note of the row that an error's number belongs to.
func (a *Applier) remember(number, row int) {
	if a.plan.shape.hides() {
		if a.shaped.failed == nil {
			a.shaped.failed = map[int]int{}
		}
		a.shaped.failed[number] = row
	}
}

// Kept gives a bad record of the block applied last as it may be kept: data
// with the protected fields masked; whole is false when it says nothing else of
// the record either. number is that of the record's error.
func (a *Applier) Kept(number int, data []byte) (kept []byte, whole bool) {
	shape := a.plan.shape
	if !shape.hides() {
		return data, true
	}
	row, known := a.shaped.failed[number]
	if !known || shape.all {
		return []byte(masked), false
	}
	if shape.json || row >= len(a.shaped.last.Records) {
		if out, ok := maskObject(nil, data, a.secretPaths()); ok {
			return out, true
		}
		return []byte(masked), false
	}
	return a.maskCells(row, data)
}

// secretPaths gives the protected fields as ways from the record.
func (a *Applier) secretPaths() [][]token {
	shape := a.plan.shape
	paths := make([][]token, 0, len(shape.secrets))
	for _, s := range shape.secrets {
		name, path := s.name, s.path
		if name == elementField {
			name, path = shape.expand.name, append(slices.Clone(shape.expand.path), path...)
		}
		paths = append(paths, append([]token{{name: name, index: -1}}, path...))
	}
	return paths
}

// maskCells masks the cells of a line where they stand; a cell that does not
// stand in it as it reads masks the line.
func (a *Applier) maskCells(row int, line []byte) ([]byte, bool) {
	last := a.shaped.last
	place := last.Records[row]
	var spans []columns.Span
	for _, s := range a.plan.shape.secrets {
		name := s.name
		if name == elementField {
			name = a.plan.shape.expand.name
		}
		for n, have := range last.Names {
			if have != name || n >= len(last.Cells) || last.Cells[n] == nil {
				continue
			}
			cell := last.Cells[n][row]
			if cell.Kind == columns.Null || cell.Len == 0 {
				continue
			}
			if cell.Off < place.Off || cell.Off+cell.Len > place.Off+place.Len {
				return []byte(masked), false
			}
			spans = append(spans, columns.Span{Off: cell.Off - place.Off, Len: cell.Len})
		}
	}
	slices.SortFunc(spans, func(x, y columns.Span) int { return int(x.Off) - int(y.Off) })
	out, at := make([]byte, 0, len(line)), 0
	for _, s := range slices.Compact(spans) {
		out = append(append(out, line[at:s.Off]...), masked...)
		at = int(s.Off + s.Len)
	}
	return append(out, line[at:]...), true
}

// maskObject appends a JSON value with the values at the ends of paths masked;
// a way that leads into a list leads into each of its elements. ok is false
// when the text cannot be followed.
func maskObject(dst, text []byte, paths [][]token) (_ []byte, ok bool) {
	text = trim(text)
	switch {
	case len(paths) == 0:
		return append(dst, text...), true
	case slices.ContainsFunc(paths, func(p []token) bool { return len(p) == 0 }):
		if string(text) == "null" {
			return append(dst, text...), true
		}
		return append(dst, `"`+masked+`"`...), true
	case len(text) == 0:
		return dst, false
	case text[0] == '{':
		return maskMembers(dst, text, paths)
	case text[0] == '[':
		return maskElements(dst, text, paths)
	case text[0] == '"':
		// A text may hold JSON that a pointer goes into.
		return append(dst, `"`+masked+`"`...), true
	}
	return append(dst, text...), true
}

func maskMembers(dst, text []byte, paths [][]token) ([]byte, bool) {
	dst = append(dst, '{')
	i := skipBlanks(text, 1)
	for first := true; i < len(text) && text[i] != '}'; first = false {
		end := skipString(text, i)
		if text[i] != '"' || end < 0 {
			return dst, false
		}
		var name string
		if json.Unmarshal(text[i:end], &name) != nil {
			return dst, false
		}
		if !first {
			dst = append(dst, ',')
		}
		dst = append(append(dst, text[i:end]...), ':')
		if i = skipBlanks(text, end); i >= len(text) || text[i] != ':' {
			return dst, false
		}
		start := skipBlanks(text, i+1)
		if end = skipValue(text, start); end < 0 {
			return dst, false
		}
		var below [][]token
		for _, p := range paths {
			if p[0].name == name {
				below = append(below, p[1:])
			}
		}
		var ok bool
		if dst, ok = maskObject(dst, text[start:end], below); !ok {
			return dst, false
		}
		if i = skipBlanks(text, end); i < len(text) && text[i] == ',' {
			i = skipBlanks(text, i+1)
		}
	}
	return append(dst, '}'), i < len(text)
}

func maskElements(dst, text []byte, paths [][]token) ([]byte, bool) {
	below := slices.Clone(paths)
	for _, p := range paths {
		if p[0].index >= 0 {
			below = append(below, p[1:])
		}
	}
	dst = append(dst, '[')
	i := skipBlanks(text, 1)
	for first := true; i < len(text) && text[i] != ']'; first = false {
		end := skipValue(text, i)
		if end < 0 {
			return dst, false
		}
		if !first {
			dst = append(dst, ',')
		}
		var ok bool
		if dst, ok = maskObject(dst, text[i:end], below); !ok {
			return dst, false
		}
		if i = skipBlanks(text, end); i < len(text) && text[i] == ',' {
			i = skipBlanks(text, i+1)
		}
	}
	return append(dst, ']'), i < len(text)
}
