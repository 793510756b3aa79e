package celonissim

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// maxSCIMFilter bounds a filter, in bytes; its nesting is bounded with it.
const maxSCIMFilter = 4096

// scimTest is a filter that was read: it judges the value that it is about.
type scimTest func(value map[string]any) bool

// scimFilter is a filter for resources.
type scimFilter struct {
	test scimTest
	// exact is set for a filter that is nothing but `attribute eq "text"`.
	exact, text string
}

// scimParser reads a filter by descent.
type scimParser struct {
	rest string
	kind *scimKind
}

func parseSCIMFilter(text string, k *scimKind) (scimFilter, error) {
	if len(text) > maxSCIMFilter {
		return scimFilter{}, errors.New("the filter is too long")
	}
	p := &scimParser{rest: text, kind: k}
	f, err := p.either()
	if err == nil && strings.TrimSpace(p.rest) != "" {
		err = fmt.Errorf("the filter has %q behind its end", strings.TrimSpace(p.rest))
	}
	return f, err
}

// word takes a keyword, whatever its case.
func (p *scimParser) word(want string) bool {
	rest := strings.TrimLeft(p.rest, " ")
	if len(rest) < len(want) || !strings.EqualFold(rest[:len(want)], want) {
		return false
	}
	if after := rest[len(want):]; after != "" && isNamePart(want[len(want)-1]) && isNamePart(after[0]) {
		return false
	}
	p.rest = rest[len(want):]
	return true
}

func isNamePart(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_-$.:", c) >= 0
}

func (p *scimParser) either() (scimFilter, error) {
	first, err := p.both()
	for err == nil && p.word("or") {
		var second scimFilter
		second, err = p.both()
		a, b := first.test, second.test
		first = scimFilter{test: func(v map[string]any) bool { return a(v) || b(v) }}
	}
	return first, err
}

func (p *scimParser) both() (scimFilter, error) {
	first, err := p.one()
	for err == nil && p.word("and") {
		var second scimFilter
		second, err = p.one()
		a, b := first.test, second.test
		first = scimFilter{test: func(v map[string]any) bool { return a(v) && b(v) }}
	}
	return first, err
}

func (p *scimParser) one() (scimFilter, error) {
	not := p.word("not")
	if p.word("(") {
		f, err := p.either()
		if err == nil && !p.word(")") {
			err = errors.New("a bracket is not closed")
		}
		if not && err == nil {
			inner := f.test
			f = scimFilter{test: func(v map[string]any) bool { return !inner(v) }}
		}
		return f, err
	}
	if not {
		return scimFilter{}, errors.New("not needs brackets")
	}
	return p.comparison()
}

func (p *scimParser) comparison() (scimFilter, error) {
	path := p.name()
	if path == "" {
		return scimFilter{}, errors.New("an attribute is missing")
	}
	steps := p.kind.steps(path)
	if strings.HasPrefix(p.rest, "[") {
		p.rest = p.rest[1:]
		inner, err := p.either()
		if err == nil && !p.word("]") {
			err = errors.New("a square bracket is not closed")
		}
		return scimFilter{test: func(v map[string]any) bool { return slices.ContainsFunc(objectsOf(v, steps), inner.test) }}, err
	}
	for _, op := range []string{"pr", "eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"} {
		if !p.word(op) {
			continue
		}
		if op == "pr" {
			return scimFilter{test: func(v map[string]any) bool { return len(valuesOf(v, steps)) > 0 }}, nil
		}
		want, err := p.value()
		if err != nil {
			return scimFilter{}, err
		}
		return newComparison(steps, op, want)
	}
	return scimFilter{}, fmt.Errorf("there is no operator behind %q", path)
}

func newComparison(steps []string, op string, want any) (scimFilter, error) {
	_, isText := want.(string)
	_, isNumber := want.(float64)
	switch {
	case slices.Contains([]string{"co", "sw", "ew"}, op) && !isText, slices.Contains([]string{"gt", "ge", "lt", "le"}, op) && !isText && !isNumber:
		return scimFilter{}, fmt.Errorf("the operator %s does not take the value %v", op, want)
	}
	exact := slices.Contains([]string{"id", "externalid", "$ref"}, strings.ToLower(steps[len(steps)-1]))
	f := scimFilter{test: func(v map[string]any) bool {
		found := valuesOf(v, steps)
		if op == "ne" {
			return !slices.ContainsFunc(found, func(have any) bool { return scimCompare(have, "eq", want, exact) }) && (want != nil || len(found) > 0)
		}
		if want == nil {
			return len(found) == 0
		}
		return slices.ContainsFunc(found, func(have any) bool { return scimCompare(have, op, want, exact) })
	}}
	if isText && op == "eq" && len(steps) == 1 {
		f.exact, f.text = strings.ToLower(steps[0]), want.(string)
	}
	return f, nil
}

// name takes an attribute's path, which may begin with a URN.
func (p *scimParser) name() string {
	p.rest = strings.TrimLeft(p.rest, " ")
	n := 0
	for n < len(p.rest) && isNamePart(p.rest[n]) {
		n++
	}
	name := p.rest[:n]
	p.rest = p.rest[n:]
	return name
}

func (p *scimParser) value() (any, error) {
	d := json.NewDecoder(strings.NewReader(p.rest))
	var value any
	if err := d.Decode(&value); err != nil {
		return nil, errors.New("a value is no JSON")
	}
	switch value.(type) {
	case map[string]any, []any:
		return nil, errors.New("a value must not be an object or a list")
	}
	p.rest = p.rest[d.InputOffset():]
	return value, nil
}

// steps cuts a path into names, without the URN of the kind's own schemas.
func (k *scimKind) steps(path string) []string {
	for _, urn := range []string{k.urn, k.extension} {
		if len(path) > len(urn) && strings.EqualFold(path[:len(urn)], urn) && path[len(urn)] == ':' {
			path = path[len(urn)+1:]
		}
	}
	if strings.HasPrefix(strings.ToLower(path), "urn:") {
		return []string{path}
	}
	return strings.Split(path, ".")
}

// valuesOf gives the values that a path leads to; those of lists one by one, a value in place of its object.
func valuesOf(v map[string]any, steps []string) []any {
	at := []any{v}
	for _, step := range steps {
		var next []any
		for _, one := range at {
			object, _ := one.(map[string]any)
			for name, value := range object {
				if !strings.EqualFold(name, step) || value == nil || value == "" {
					continue
				}
				if list, ok := value.([]any); ok {
					next = append(next, list...)
					continue
				}
				next = append(next, value)
			}
		}
		at = next
	}
	for i, one := range at {
		if object, ok := one.(map[string]any); ok && object["value"] != nil {
			at[i] = object["value"]
		}
	}
	return at
}

func objectsOf(v map[string]any, steps []string) []map[string]any {
	var out []map[string]any
	for name, value := range v {
		if len(steps) != 1 || !strings.EqualFold(name, steps[0]) {
			continue
		}
		list, ok := value.([]any)
		if !ok {
			list = []any{value}
		}
		for _, one := range list {
			if object, ok := one.(map[string]any); ok {
				out = append(out, object)
			}
		}
	}
	return out
}

func scimCompare(have any, op string, want any, exact bool) bool {
	switch w := want.(type) {
	case bool:
		return op == "eq" && have == want
	case float64:
		h, ok := have.(float64)
		return ok && ordered(op, compareNumbers(h, w))
	case string:
		h, ok := have.(string)
		if !ok {
			return false
		}
		return compareTexts(h, op, w, exact)
	}
	return false
}

func compareTexts(h, op, w string, exact bool) bool {
	if !exact {
		h, w = strings.ToLower(h), strings.ToLower(w)
	}
	switch op {
	case "co":
		return strings.Contains(h, w)
	case "sw":
		return strings.HasPrefix(h, w)
	case "ew":
		return strings.HasSuffix(h, w)
	}
	a, errA := time.Parse(time.RFC3339, strings.ToUpper(h))
	b, errB := time.Parse(time.RFC3339, strings.ToUpper(w))
	if errA == nil && errB == nil {
		return ordered(op, a.Compare(b))
	}
	return ordered(op, strings.Compare(h, w))
}

func compareNumbers(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func ordered(op string, sign int) bool {
	switch op {
	case "eq":
		return sign == 0
	case "gt":
		return sign > 0
	case "ge":
		return sign >= 0
	case "lt":
		return sign < 0
	case "le":
		return sign <= 0
	}
	return false
}
