package mapping_test

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

func TestInteger(t *testing.T) {
	t.Parallel()
	check(t, flows.Rule{Type: "integer"}, []conversion{
		{in: null},
		{in: text("")},
		{in: text("   ")},
		{in: text("0"), want: int64(0)},
		{in: text("-0"), want: int64(0)},
		{in: text(" 42\t"), want: int64(42)},
		{in: text("+7"), want: int64(7)},
		{in: text("007"), want: int64(7)},
		{in: text("999999999999999999"), want: int64(999999999999999999)},
		{in: text("9223372036854775807"), want: int64(math.MaxInt64)},
		{in: text("-9223372036854775808"), want: int64(math.MinInt64)},
		{in: text("0000000000000000000000000000012"), want: int64(12)},
		{in: text("9223372036854775808"), code: fault.ValueOutOfRange},
		{in: text("-9223372036854775809"), code: fault.ValueOutOfRange},
		{in: text("99999999999999999999999"), code: fault.ValueOutOfRange},
		{in: text("1e19"), code: fault.ValueOutOfRange},
		{in: text("1e999999999999999999999999"), code: fault.ValueOutOfRange},
		{in: text("0e999999999999999999999999"), want: int64(0)},
		{in: text("1.0"), want: int64(1)},
		{in: number("1.0"), want: int64(1)},
		{in: number("1e3"), want: int64(1000)},
		{in: number("1.5e1"), want: int64(15)},
		{in: number("1200e-2"), want: int64(12)},
		{in: number("-1E0"), want: int64(-1)},
		{in: number("1.5"), code: fault.ValueType},
		{in: number("1e-1"), code: fault.ValueType},
		{in: text("1.00000000000000000000000000001"), code: fault.ValueType},
		{in: text("12a"), code: fault.ValueType},
		{in: text("-"), code: fault.ValueType},
		{in: text("+"), code: fault.ValueType},
		{in: text("--1"), code: fault.ValueType},
		{in: text("1 2"), code: fault.ValueType},
		{in: text("1,5"), code: fault.ValueType},
		{in: text("0x10"), code: fault.ValueType},
		{in: text("1_000"), code: fault.ValueType},
		{in: text("NaN"), code: fault.ValueType},
		{in: truth("true"), code: fault.ValueType},
		{in: nested("{}"), code: fault.ValueType},
	})
}

func TestFloat(t *testing.T) {
	t.Parallel()
	check(t, flows.Rule{Type: "float"}, []conversion{
		{in: null},
		{in: text(" ")},
		{in: text("1"), want: 1.0},
		{in: text(" -1.25 "), want: -1.25},
		{in: text(".5"), want: 0.5},
		{in: text("5."), want: 5.0},
		{in: text("+1e3"), want: 1000.0},
		{in: text("0.1"), want: 0.1},
		{in: text("123456789012345678901234567890"), want: 123456789012345678901234567890.0},
		{in: text("3.14159265358979323846264338327950288419716939937510"), want: math.Pi},
		{in: number("1.7976931348623157e308"), want: math.MaxFloat64},
		{in: number("5e-324"), want: math.SmallestNonzeroFloat64},
		{in: number("1e-400"), want: 0.0},
		{in: number("1e309"), code: fault.ValueOutOfRange},
		{in: text("NaN"), code: fault.ValueOutOfRange},
		{in: text("-Infinity"), code: fault.ValueOutOfRange},
		{in: text("+inf"), code: fault.ValueOutOfRange},
		{in: text("."), code: fault.ValueType},
		{in: text("e5"), code: fault.ValueType},
		{in: text("1e"), code: fault.ValueType},
		{in: text("1e+"), code: fault.ValueType},
		{in: text("1.2.3"), code: fault.ValueType},
		{in: text("1,5"), code: fault.ValueType},
		{in: text("0x1p-2"), code: fault.ValueType},
		{in: text("1_0"), code: fault.ValueType},
		{in: truth("false"), code: fault.ValueType},
		{in: nested("[1]"), code: fault.ValueType},
	})
}

func TestDecimalComma(t *testing.T) {
	t.Parallel()
	check(t, flows.Rule{Type: "float", Format: "comma"}, []conversion{
		{in: null},
		{in: text(" ")},
		{in: text("1,5"), want: 1.5},
		{in: text("-1.234,56"), want: -1234.56},
		{in: text("12.345.678"), want: 12345678.0},
		{in: text("1234,5"), want: 1234.5},
		{in: text("1,5e3"), want: 1500.0},
		{in: number("1.5"), want: 1.5},
		{in: text(strings.Repeat("1", 60) + ",5"), want: 111111111111111111111111111111111111111111111111111111111111.5},
		{in: text("1.5"), code: fault.ValueType},
		{in: text("1234.567"), code: fault.ValueType},
		{in: text("1.2345,6"), code: fault.ValueType},
		{in: text("1,5,6"), code: fault.ValueType},
		{in: text("1,234.567"), code: fault.ValueType},
		{in: text("1e2.345"), code: fault.ValueType},
		{in: text("1.234e5"), code: fault.ValueType},
		{in: text(".123"), code: fault.ValueType},
		{in: text("-.123"), code: fault.ValueType},
	})
	check(t, flows.Rule{Type: "integer", Format: "comma"}, []conversion{
		{in: text("1.234"), want: int64(1234)},
		{in: text("1.234,0"), want: int64(1234)},
		{in: text("1,5"), code: fault.ValueType},
		{in: number("7"), want: int64(7)},
		{in: truth("true"), code: fault.ValueType},
	})
}

func TestBoolean(t *testing.T) {
	t.Parallel()
	rows := []conversion{
		{in: null},
		{in: text("")},
		{in: truth("true"), want: int64(1)},
		{in: truth("false"), want: int64(0)},
		{in: number("1"), want: int64(1)},
		{in: number("0"), want: int64(0)},
		{in: number("2"), code: fault.ValueType},
		{in: text("on"), code: fault.ValueType},
		{in: text("truer"), code: fault.ValueType},
		{in: text("wahrhaftig"), code: fault.ValueType},
		{in: nested("{}"), code: fault.ValueType},
	}
	for _, s := range []string{"true", "TRUE", "True", "1", "yes", "Yes", "t", "T", "y", "Y", " y "} {
		rows = append(rows, conversion{in: text(s), want: int64(1)})
	}
	for _, s := range []string{"false", "FALSE", "0", "no", "f", "N"} {
		rows = append(rows, conversion{in: text(s), want: int64(0)})
	}
	check(t, flows.Rule{Type: "boolean"}, rows)
}

func TestNumbersRoundTrip(t *testing.T) {
	t.Parallel()
	integers, floats := newOne(t, flows.Rule{Type: "integer"}), newOne(t, flows.Rule{Type: "float"})
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Int64().Draw(t, "v")
		got, _ := integers.convert(text(strconv.FormatInt(v, 10)))
		require.Equal(t, v, got)
		f := rapid.Float64().Draw(t, "f")
		form := rapid.SampledFrom([]byte("eEfgG")).Draw(t, "form")
		back, _ := floats.convert(number(strconv.FormatFloat(f, form, -1, 64)))
		require.Equal(t, math.Float64bits(f), math.Float64bits(back.(float64)))
	})
}

func FuzzInteger(f *testing.F) {
	for _, s := range []string{"0", "-1", "+12", "9223372036854775807", "-9223372036854775808", "9223372036854775808",
		"1.0", "1e3", "12e-1", "00000000000000000000001", "123456789012345678.0", "abc", "", "-"} {
		f.Add(s)
	}
	o := newOne(f, flows.Rule{Type: "integer"})
	f.Fuzz(func(t *testing.T, s string) {
		got, code := o.convert(number(s))
		want, err := strconv.ParseInt(s, 10, 64)
		if err == nil {
			require.Equal(t, want, got, s)
			return
		}
		if got == nil {
			return
		}
		// What is written as a decimal must have that value as a float, too.
		value, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		require.NoError(t, err, s)
		require.Equal(t, value, float64(got.(int64)), s)
		require.Empty(t, code)
	})
}

func FuzzFloat(f *testing.F) {
	for _, s := range []string{"0", "-0", "1.5", "1e22", "1e23", "9007199254740993", "0.1", ".5", "5.", "1e309", "1e-400",
		"179769313486231580793e289", "0x1p4", "NaN", "Inf", "1_0", "2.2250738585072011e-308", "0.000000000000000000000000000001e30"} {
		f.Add(s)
	}
	o := newOne(f, flows.Rule{Type: "float"})
	f.Fuzz(func(t *testing.T, s string) {
		got, _ := o.convert(number(s))
		want, err := strconv.ParseFloat(s, 64)
		switch {
		case got != nil:
			want, err = strconv.ParseFloat(strings.TrimSpace(s), 64)
			require.NoError(t, err, s)
			require.Equal(t, math.Float64bits(want), math.Float64bits(got.(float64)), s)
		case err == nil && !math.IsNaN(want) && !math.IsInf(want, 0):
			require.True(t, strings.ContainsAny(s, "xX_"), "%q is refused", s)
		}
	})
}
