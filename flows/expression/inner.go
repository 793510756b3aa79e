package expression

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/expr-lang/expr/vm/runtime"
)

// types gives function types as the library takes them.
func types(fs ...any) []reflect.Type {
	out := make([]reflect.Type, len(fs))
	for i, f := range fs {
		out[i] = reflect.TypeOf(f).Elem()
	}
	return out
}

// inner are the functions behind operators and members.
func inner() map[string]function {
	return map[string]function{
		"__turn": {min: 1, max: 1, call: func(_ *meter, a []any) (any, error) { return a[0], nil }},
		"__record": {gives: other, min: 1, max: 1, call: func(_ *meter, a []any) (any, error) {
			all, err := a[0].(Row).Fields()
			return all, err
		}},
		"__field": {min: 2, max: 2, call: func(_ *meter, a []any) (any, error) {
			name, ok := a[1].(string)
			if !ok {
				return nil, fmt.Errorf("a field's name is a text and not %s", wordFor(a[1]))
			}
			return a[0].(Row).Field(name)
		}},
		"__member":     {min: 2, max: 2, call: func(_ *meter, a []any) (any, error) { return memberOf(a[0], a[1]) }},
		"__add":        {gives: other, min: 2, max: 2, call: func(_ *meter, a []any) (any, error) { return add(a[0], a[1]) }},
		"__equal":      {gives: boolean, min: 2, max: 2, call: func(_ *meter, a []any) (any, error) { return runtime.Equal(a[0], a[1]), nil }},
		"__unequal":    {gives: boolean, min: 2, max: 2, call: func(_ *meter, a []any) (any, error) { return !runtime.Equal(a[0], a[1]), nil }},
		"__in":         {gives: boolean, min: 2, max: 2, call: within},
		"__contains":   between(strings.Contains),
		"__startsWith": between(strings.HasPrefix),
		"__endsWith":   between(strings.HasSuffix),
		"__matches": {gives: boolean, min: 2, max: 2, call: func(_ *meter, a []any) (any, error) {
			if a[0] == nil {
				return false, nil
			}
			s, err := textOf(a[0])
			return err == nil && a[1].(*regexp.Regexp).MatchString(s), err
		}},
	}
}

// between compares two texts; null is false.
func between(f func(s, part string) bool) function {
	return function{gives: boolean, min: 2, max: 2, call: func(_ *meter, a []any) (any, error) {
		if a[0] == nil || a[1] == nil {
			return false, nil
		}
		s, err := textsOf(a)
		return err == nil && f(s[0], s[1]), err
	}}
}

// memberOf gives a member of an object or an element of a list, null when there is none.
func memberOf(of, name any) (any, error) {
	switch v := of.(type) {
	case nil:
		return nil, nil
	case map[string]any:
		key, ok := name.(string)
		if !ok {
			return nil, errors.New("a member's name is a text")
		}
		return v[key], nil
	case []any:
		i, err := intOf(name)
		if err != nil {
			return nil, errors.New("a list's element is named by a whole number")
		}
		if i < 0 {
			i += len(v)
		}
		if i < 0 || i >= len(v) {
			return nil, nil
		}
		return v[i], nil
	}
	return nil, fmt.Errorf("%s has no members", wordFor(of))
}

// add adds numbers and joins texts; null with anything is null.
func add(a, b any) (out any, err error) {
	if a == nil || b == nil {
		return nil, nil
	}
	s, first := a.(string)
	t, second := b.(string)
	if first && second {
		if err := bounded(len(s) + len(t)); err != nil {
			return nil, err
		}
		return s + t, nil
	}
	if !addable(a) || !addable(b) {
		return nil, fmt.Errorf("%s and %s cannot be added", wordFor(a), wordFor(b))
	}
	return runtime.Add(a, b), nil
}

func addable(v any) bool {
	switch v.(type) {
	case time.Time, time.Duration, string, bool, []any, map[string]any:
		return false
	}
	_, ok := numberOf(v)
	return ok
}

// within looks for a value in a list, or for a member of an object.
func within(m *meter, a []any) (any, error) {
	switch in := a[1].(type) {
	case nil:
		return false, nil
	case []any:
		if err := m.turn(len(in) / 4); err != nil {
			return nil, err
		}
		for _, v := range in {
			if runtime.Equal(a[0], v) {
				return true, nil
			}
		}
		return false, nil
	case map[string]any:
		key, ok := a[0].(string)
		_, there := in[key]
		return ok && there, nil
	}
	if list := reflect.ValueOf(a[1]); list.Kind() == reflect.Slice {
		return runtime.In(a[0], a[1]), nil
	}
	return nil, fmt.Errorf("%s holds nothing to look for", wordFor(a[1]))
}
