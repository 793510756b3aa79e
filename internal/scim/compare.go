package scim

import (
	"bytes"
	"encoding/json"
	"math/big"
	"strings"
)

// operator is a word that compares.
type operator string

const (
	opEqual     operator = "eq"
	opUnequal   operator = "ne"
	opContains  operator = "co"
	opStarts    operator = "sw"
	opEnds      operator = "ew"
	opGreater   operator = "gt"
	opAtLeast   operator = "ge"
	opLess      operator = "lt"
	opAtMost    operator = "le"
	wordPresent          = "pr"
)

func operatorOf(word string) (operator, bool) {
	op := operator(strings.ToLower(word))
	switch op {
	case opEqual, opUnequal, opContains, opStarts, opEnds, opGreater, opAtLeast, opLess, opAtMost:
		return op, true
	}
	return "", false
}

// takes reports whether the operator can compare with such a value.
func (o operator) takes(value any) bool {
	switch o {
	case opEqual, opUnequal:
		return true
	case opContains, opStarts, opEnds:
		_, text := value.(string)
		return text
	}
	switch value.(type) {
	case string, json.Number:
		return true
	}
	return false
}

func (n comparison) matches(r Resource) bool {
	if n.op == opUnequal {
		return !comparison{n.path, opEqual, n.value}.matches(r)
	}
	values := n.path.values(r)
	if n.value == nil { // only eq gets here
		return !present{n.path}.matches(r)
	}
	for _, v := range values {
		if o, complex := v.(map[string]any); complex {
			v = Resource(o).Get("value")
		}
		if n.op.holds(v, n.value, n.path.caseExact()) {
			return true
		}
	}
	return false
}

// holds compares a value of a resource with one of a filter.
func (o operator) holds(have, want any, exact bool) bool {
	switch want := want.(type) {
	case bool:
		b, ok := Bool(have)
		return ok && b == want
	case json.Number:
		number, ok := have.(json.Number)
		if !ok {
			return false
		}
		a, okA := new(big.Float).SetString(number.String())
		b, okB := new(big.Float).SetString(want.String())
		return okA && okB && o.orders(a.Cmp(b))
	case string:
		return o.holdsText(have, want, exact)
	}
	return false
}

func (o operator) holdsText(have any, want string, exact bool) bool {
	if b, ok := have.(bool); ok { // some providers write booleans of filters as texts
		w, is := Bool(want)
		return is && o == opEqual && b == w
	}
	text, ok := have.(string)
	if !ok {
		return false
	}
	if a, b := timeOf(text), timeOf(want); !a.IsZero() && !b.IsZero() && o != opContains && o != opStarts && o != opEnds {
		return o.orders(a.Compare(b))
	}
	if !exact {
		text, want = strings.ToLower(text), strings.ToLower(want)
	}
	switch o {
	case opContains:
		return strings.Contains(text, want)
	case opStarts:
		return strings.HasPrefix(text, want)
	case opEnds:
		return strings.HasSuffix(text, want)
	}
	return o.orders(strings.Compare(text, want))
}

// orders reports whether the operator holds for how two values are ordered.
func (o operator) orders(order int) bool {
	switch o {
	case opEqual:
		return order == 0
	case opGreater:
		return order > 0
	case opAtLeast:
		return order >= 0
	case opLess:
		return order < 0
	case opAtMost:
		return order <= 0
	}
	return false
}

// literal writes a value of a filter as JSON does.
func literal(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil { // texts, numbers, booleans and null always have a JSON form
		return "null"
	}
	return strings.TrimSpace(b.String())
}
