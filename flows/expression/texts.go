package expression

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// texts are the functions on text; a null in the first place gives null.
func texts() map[string]function {
	return map[string]function{
		"upper":     onText(strings.ToUpper),
		"lower":     onText(strings.ToLower),
		"trim":      trimmed(strings.TrimSpace, strings.Trim),
		"trimStart": trimmed(func(s string) string { return strings.TrimLeft(s, " \t\r\n") }, strings.TrimLeft),
		"trimEnd":   trimmed(func(s string) string { return strings.TrimRight(s, " \t\r\n") }, strings.TrimRight),
		"hasPrefix": between(strings.HasPrefix),
		"hasSuffix": between(strings.HasSuffix),
		"replace":   text(3, 3, func(s []string) (any, error) { return replaced(s[0], s[1], s[2]) }),
		"split":     text(2, 2, func(s []string) (any, error) { return splitted(s[0], s[1]) }),
		"indexOf":   text(2, 2, func(s []string) (any, error) { return runesBefore(s[0], strings.Index(s[0], s[1])), nil }),
		"join":      {gives: other, min: 1, max: 2, call: join},
		"concat":    {gives: other, min: 1, max: many, call: concat},
		"repeat": {gives: other, min: 2, max: 2, call: func(_ *meter, a []any) (any, error) {
			s, n, err := textAndCount(a)
			if err != nil || a[0] == nil {
				return nil, err
			}
			if n < 0 || n > MaxText || len(s)*n > MaxText {
				return nil, fmt.Errorf("a text of more than %d bytes", MaxText)
			}
			return strings.Repeat(s, n), nil
		}},
		"substring": {gives: other, min: 2, max: 3, call: substring},
		"padLeft":   {gives: other, min: 2, max: 3, call: func(_ *meter, a []any) (any, error) { return pad(a, true) }},
		"padRight":  {gives: other, min: 2, max: 3, call: func(_ *meter, a []any) (any, error) { return pad(a, false) }},
	}
}

// text makes a function of texts; a null in the first place gives null.
func text(low, high int, f func(s []string) (any, error)) function {
	return function{gives: other, min: low, max: high, call: func(_ *meter, a []any) (any, error) {
		if a[0] == nil {
			return nil, nil
		}
		s, err := textsOf(a)
		if err != nil {
			return nil, err
		}
		return f(s)
	}}
}

func trimmed(blank func(string) string, cut func(s, set string) string) function {
	return text(1, 2, func(s []string) (any, error) {
		if len(s) == 1 {
			return blank(s[0]), nil
		}
		return cut(s[0], s[1]), nil
	})
}

func replaced(s, old, with string) (any, error) {
	if old == "" {
		return nil, errors.New("the text to replace is empty")
	}
	if n := strings.Count(s, old); len(s)+n*(len(with)-len(old)) > MaxText {
		return nil, bounded(len(s) + n*(len(with)-len(old)))
	}
	return strings.ReplaceAll(s, old, with), nil
}

func splitted(s, by string) (any, error) {
	if by == "" {
		return nil, errors.New("the separator is empty")
	}
	if n := strings.Count(s, by) + 1; n > MaxElements {
		return nil, fmt.Errorf("a list of %d elements, more than %d", n, MaxElements)
	}
	parts := strings.Split(s, by)
	out := make([]any, len(parts))
	for i, p := range parts {
		out[i] = p
	}
	return out, nil
}

func join(_ *meter, a []any) (any, error) {
	if a[0] == nil {
		return nil, nil
	}
	list, ok := a[0].([]any)
	if !ok {
		return nil, fmt.Errorf("it takes a list and not %s", wordFor(a[0]))
	}
	by := ""
	if len(a) == 2 {
		by, _ = a[1].(string)
	}
	var b strings.Builder
	for i, v := range list {
		if i > 0 {
			b.WriteString(by)
		}
		s, err := textOf(v)
		if err != nil {
			return nil, err
		}
		b.WriteString(s)
		if err := bounded(b.Len()); err != nil {
			return nil, err
		}
	}
	return b.String(), nil
}

// concat joins texts; a null is no text.
func concat(_ *meter, a []any) (any, error) {
	s, err := textsOf(a)
	if err != nil {
		return nil, err
	}
	out := strings.Join(s, "")
	return out, bounded(len(out))
}

func textAndCount(a []any) (string, int, error) {
	s, err := textOf(a[0])
	if err != nil {
		return "", 0, err
	}
	n, err := intOf(a[1])
	return s, n, err
}

// substring counts characters from 0; a negative start counts from the end.
func substring(_ *meter, a []any) (any, error) {
	s, start, err := textAndCount(a)
	if err != nil || a[0] == nil {
		return nil, err
	}
	runes := []rune(s)
	if start < 0 {
		start += len(runes)
	}
	start = min(max(start, 0), len(runes))
	end := len(runes)
	if len(a) == 3 {
		n, err := intOf(a[2])
		if err != nil {
			return nil, err
		}
		end = start + min(max(n, 0), len(runes)-start)
	}
	return string(runes[start:end]), nil
}

func pad(a []any, left bool) (any, error) {
	s, n, err := textAndCount(a)
	if err != nil || a[0] == nil {
		return nil, err
	}
	fill := " "
	if len(a) == 3 {
		if fill, err = textOf(a[2]); err != nil {
			return nil, err
		}
	}
	if utf8.RuneCountInString(fill) != 1 {
		return nil, errors.New("the filling is one character")
	}
	missing := n - utf8.RuneCountInString(s)
	if missing <= 0 {
		return s, nil
	}
	if missing > MaxText/len(fill)-len(s) {
		return nil, fmt.Errorf("a text of more than %d bytes", MaxText)
	}
	if left {
		return strings.Repeat(fill, missing) + s, nil
	}
	return s + strings.Repeat(fill, missing), nil
}

func runesBefore(s string, at int) int {
	if at < 0 {
		return -1
	}
	return utf8.RuneCountInString(s[:at])
}

// patterns are the functions with regular expressions, which never backtrack.
func patterns() map[string]function {
	return map[string]function{
		"regexMatch": {gives: boolean, min: 2, max: 2, pattern: 1, call: func(_ *meter, a []any) (any, error) {
			s, err := textOf(a[0])
			return err == nil && a[0] != nil && a[1].(*regexp.Regexp).MatchString(s), err
		}},
		"regexExtract": {gives: other, min: 2, max: 3, pattern: 1, call: regexExtract},
		"regexReplace": {gives: other, min: 3, max: 3, pattern: 1, call: regexReplace},
	}
}

// regexExtract gives a group of the first match: the one that is named by
// number, else the first, else the whole match.
func regexExtract(_ *meter, a []any) (any, error) {
	if a[0] == nil {
		return nil, nil
	}
	s, err := textOf(a[0])
	if err != nil {
		return nil, err
	}
	re := a[1].(*regexp.Regexp)
	group := min(1, re.NumSubexp())
	if len(a) == 3 {
		if group, err = intOf(a[2]); err != nil {
			return nil, err
		}
	}
	if group < 0 || group > re.NumSubexp() {
		return nil, fmt.Errorf("the regular expression has no group %d", group)
	}
	found := re.FindStringSubmatchIndex(s)
	if found == nil || found[2*group] < 0 {
		return nil, nil
	}
	return s[found[2*group]:found[2*group+1]], nil
}

func regexReplace(_ *meter, a []any) (any, error) {
	if a[0] == nil {
		return nil, nil
	}
	s, err := textOf(a[0])
	if err != nil {
		return nil, err
	}
	with, err := textOf(a[2])
	if err != nil {
		return nil, err
	}
	re := a[1].(*regexp.Regexp)
	var out []byte
	last := 0
	for _, m := range re.FindAllStringSubmatchIndex(s, -1) {
		out = append(out, s[last:m[0]]...)
		out = re.ExpandString(out, with, s, m)
		last = m[1]
		if err := bounded(len(out)); err != nil {
			return nil, err
		}
	}
	out = append(out, s[last:]...)
	return string(out), bounded(len(out))
}
