package expression

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// numbers are the functions on numbers; null gives null.
func numbers() map[string]function {
	return map[string]function{
		"int":   {gives: other, min: 1, max: 1, call: toInt},
		"float": {gives: other, min: 1, max: 2, call: toFloat},
		"isNumber": {gives: boolean, min: 1, max: 1, call: func(_ *meter, a []any) (any, error) {
			_, err := parseNumber(a[0])
			return err == nil && a[0] != nil, nil
		}},
		"abs":   onNumber(math.Abs),
		"floor": onNumber(math.Floor),
		"ceil":  onNumber(math.Ceil),
		"round": {gives: other, min: 1, max: 2, call: round},
		"min":   extreme(func(a, b float64) bool { return a < b }),
		"max":   extreme(func(a, b float64) bool { return a > b }),
	}
}

// parseNumber reads a number or the text of one.
func parseNumber(v any) (any, error) {
	if n, ok := numberOf(v); ok {
		return n, nil
	}
	s, ok := v.(string)
	if !ok {
		return nil, fmt.Errorf("it takes a number and not %s", wordFor(v))
	}
	s = strings.TrimSpace(s)
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return int(n), nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) || strings.ContainsAny(s, "xXpP_") {
		return nil, errors.New("the text is not a number")
	}
	return f, nil
}

// toInt cuts what is behind the decimal point.
func toInt(_ *meter, a []any) (any, error) {
	if a[0] == nil {
		return nil, nil
	}
	if b, ok := a[0].(bool); ok {
		if b {
			return 1, nil
		}
		return 0, nil
	}
	n, err := parseNumber(a[0])
	if err != nil {
		return nil, err
	}
	f, ok := n.(float64)
	if !ok {
		return n, nil
	}
	if math.Abs(f) >= 1<<63 {
		return nil, errors.New("the number has more than 64 bits")
	}
	return int(f), nil
}

// toFloat takes a decimal comma where the second argument is ",".
func toFloat(_ *meter, a []any) (any, error) {
	if a[0] == nil {
		return nil, nil
	}
	v := a[0]
	if len(a) == 2 {
		switch a[1] {
		case ",":
			if s, ok := v.(string); ok {
				v = strings.Replace(strings.ReplaceAll(s, ".", ""), ",", ".", 1)
			}
		case ".":
			if s, ok := v.(string); ok {
				v = strings.ReplaceAll(s, ",", "")
			}
		default:
			return nil, errors.New(`the decimal sign is "," or "."`)
		}
	}
	n, err := parseNumber(v)
	if i, ok := n.(int); ok {
		return float64(i), nil
	}
	return n, err
}

func onNumber(f func(float64) float64) function {
	return function{gives: other, min: 1, max: 1, call: func(_ *meter, a []any) (any, error) {
		if a[0] == nil {
			return nil, nil
		}
		n, err := parseNumber(a[0])
		if i, ok := n.(int); ok {
			return small(f(float64(i)), i), nil
		}
		if err != nil {
			return nil, err
		}
		return f(n.(float64)), nil
	}}
}

// small keeps whole numbers whole: of a number of more bits than a float64 holds, only the sign can change.
func small(f float64, i int) any {
	switch {
	case math.Abs(f) < 1<<53:
		return int(f)
	case f > 0 && i < 0 && i != math.MinInt:
		return -i
	}
	return i
}

// round rounds half away from zero to a number of decimals.
func round(_ *meter, a []any) (any, error) {
	if a[0] == nil {
		return nil, nil
	}
	digits := 0
	if len(a) == 2 {
		var err error
		if digits, err = intOf(a[1]); err != nil {
			return nil, err
		}
		if digits < 0 || digits > 15 {
			return nil, errors.New("the decimals are 0 to 15")
		}
	}
	n, err := parseNumber(a[0])
	if err != nil {
		return nil, err
	}
	f, ok := n.(float64)
	if !ok {
		return n, nil
	}
	scale := math.Pow10(digits)
	if math.Abs(f) >= 1<<52/scale {
		return f, nil
	}
	// The shortest text of the number decides, so that 1.005 rounds up as it is written.
	text := strconv.FormatFloat(f, 'e', -1, 64)
	mantissa, exponent, _ := strings.Cut(text, "e")
	power, _ := strconv.Atoi(exponent)
	shifted, err := strconv.ParseFloat(fmt.Sprintf("%se%d", mantissa, power+digits), 64)
	if err != nil {
		return f, nil
	}
	return math.Round(shifted) / scale, nil
}

// extreme gives the number that stands out among the arguments or the elements of a list; nulls do not count.
func extreme(before func(a, b float64) bool) function {
	return function{gives: other, min: 1, max: many, call: func(_ *meter, a []any) (any, error) {
		if list, ok := a[0].([]any); ok && len(a) == 1 {
			a = list
		}
		var best any
		for _, v := range a {
			if v == nil {
				continue
			}
			n, err := parseNumber(v)
			if err != nil {
				return nil, err
			}
			if best == nil || before(asFloat(n), asFloat(best)) {
				best = n
			}
		}
		return best, nil
	}}
}

func asFloat(n any) float64 {
	if i, ok := n.(int); ok {
		return float64(i)
	}
	return n.(float64)
}
