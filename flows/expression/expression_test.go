package expression_test

import (
	"strings"
	"testing"
	"time"

	"github.com/celonis-connector/connector/flows/expression"
	"github.com/stretchr/testify/require"
)

func options() expression.Options {
	return expression.Options{
		Now:    time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC),
		Tables: map[string]map[string]string{"country": {"DE": "Germany", "7": "seven"}},
	}
}

// record is a row of a map.
type record map[string]any

func (r record) Field(name string) (any, error)  { return r[name], nil }
func (r record) Fields() (map[string]any, error) { return r, nil }

func example() record {
	return record{
		"case:id": "A-1", "name": "Müller", "amount": 12.345, "n": 7, "text": "7", "empty": "", "gone": nil, "ok": true,
		"at": "2024-03-30T23:30:00Z", "list": []any{3, 1, 2}, "deep": map[string]any{"er": []any{map[string]any{"x": 1}}},
		"/a/b": "dug", "big": "123456789012345678901234567890",
	}
}

func run(t testing.TB, source string) (any, error) {
	t.Helper()
	p, err := expression.Compile(source, options())
	require.NoError(t, err, source)
	values := make([]any, len(p.Fields()))
	for i, f := range p.Fields() {
		values[i] = example()[f]
	}
	return p.NewRunner().Run(values, example())
}

func TestResults(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]any{
		`record["case:id"]`: "A-1", `record["/a/b"]`: "dug", `record.name`: "Müller", `name`: "Müller", `get(record, "case:id")`: "A-1",
		`record["na" + "me"]`: "Müller", `len(record)`: 13, `nowhere`: nil, `record["no"]?.x.y[3]`: nil, `deep.er[0].x`: 1, `deep.er[-1]["x"]`: 1,
		`deep.er[9]`: nil, `gone ?? "x"`: "x", `coalesce(gone, empty, name)`: "Müller", `"name" in record`: true,
		`n + 1`: 8, `n + 0.5`: 7.5, `name + "!"`: "Müller!", `name + gone`: nil, `n > 3 && ok`: true, `text == "7"`: true, `int(text) * 2`: 14, `-n`: -7,
		`float("1.234,50", ",")`: 1234.5, `float("1,234.5", ".")`: 1234.5, `float(n)`: 7.0, `int("12.9")`: 12, `int(gone)`: nil, `int(ok)`: 1,
		`round(amount, 2)`: 12.35, `round(1.005, 2)`: 1.01, `round(-2.5)`: -3.0, `floor(amount)`: 12.0, `ceil(amount)`: 13.0, `abs(-n)`: 7, `min(3, 1, 2)`: 1, `max(list)`: 3,
		`isNumber("x")`: false, `isNumber(text)`: true,
		`upper(name)`: "MÜLLER", `name | lower()`: "müller", `trim("  a ")`: "a", `trim("xax", "x")`: "a", `trimStart("  a ")`: "a ", `replace(name, "ü", "ue")`: "Mueller",
		`split("a,b", ",")[1]`: "b", `substring(name, 1, 2)`: "ül", `substring(name, -2)`: "er", `padLeft(n, 4, "0")`: "0007", `padRight("a", 3)`: "a  ",
		`name startsWith "M"`: true, `gone contains "x"`: false, `hasSuffix(name, "er")`: true, `repeat("ab", 2)`: "abab", `join(list, "-")`: "3-1-2", `concat(name, gone, n)`: "Müller7",
		`len(name)`: 6, `indexOf(name, "l")`: 2, `upper(gone)`: nil, `string(1.50)`: "1.5", `string(1e21)`: "1e+21",
		`name matches "^M.+r$"`: true, `gone matches "x"`: false, `regexExtract("order 4711 x", "order (\\d+)")`: "4711", `regexExtract("abc", "b")`: "b", `regexExtract("abc", "z")`: nil,
		`regexReplace("a1b2", "([0-9])", "<$1>")`: "a<1>b<2>", `regexMatch(name, "ll")`: true,
		`sha256("abc")`: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", `len(sha512(name))`: 128, `len(uuidv5(name))`: 36,
		`lookup("country", "DE")`: "Germany", `lookup("country", "FR")`: nil, `lookup("country", "FR", "?")`: "?", `lookup("country", n)`: "seven", `lookup("country", gone, 0)`: 0,
		`year(at)`: 2024, `hour(toZone(at, "Europe/Berlin"))`: 0, `day(toZone(at, "Europe/Berlin"))`: 31, `weekday(at)`: 6, `week(at)`: 13,
		`formatDate(date("31.12.2023 23:59", "dd.MM.yyyy HH:mm", "Europe/Berlin"), "yyyy-MM-dd'T'HH:mm:ssXXX", "UTC")`: "2023-12-31T22:59:00Z",
		`formatDate(addDays(toZone(at, "Europe/Berlin"), 1), "yyyy-MM-dd HH:mm XXX")`:                                  "2024-04-01 00:30 +02:00",
		`formatDate(addMonths("2024-01-31", 1), "yyyy-MM-dd")`:                                                         "2024-02-29",
		`formatDate(addYears("2024-02-29", 1), "dd/MM/yy")`:                                                            "28/02/25",
		`formatDate(addDuration(at, "36h"), "EEE d MMM yyyy HH:mm:ss.SSS")`:                                            "Mon 1 Apr 2024 11:30:00.000",
		`dateDiff("2024-03-01", "2024-02-01", "days")`:                                                                 29, `unix(fromUnix(1.5))`: 1, `formatDate(now(), "yyyyMMddHHmmss")`: "20240506070809",
		`date("")`: nil, `date(at) < date("2025-01-01")`: true, `date(at) == date("2024-03-31T00:30:00+01:00")`: true,
		`map(list, # * 2)`: []any{6, 2, 4}, `sum(list)`: 6, `count(list, # > 1)`: 2, `any(list, # == 2)`: true, `reduce(list, #acc + #, 0)`: 6, `filter(list, # > 1)[0]`: 3,
		`first(list)`: 3, `keys({"b": 1, "a": 2})`: []any{"a", "b"}, `toJSON({"b": [1, nil, "x"], "a": at})`: `{"a":"2024-03-30T23:30:00Z","b":[1,null,"x"]}`,
		`fromJSON("{\"a\":[1.5,12345678901234567890]}").a[1]`: "12345678901234567890", `n in [1, 7]`: true, `n in list`: false, `text in ["7"]`: true, `n not in list`: true,
		`let x = n * 2; x + 1`: 15, `ok ? "yes" : "no"`: "yes", `big`: "123456789012345678901234567890", `1..3`: []any{1, 2, 3}, `sum(1..4, # * 2)`: 20,
	} {
		got, err := run(t, source)
		require.NoError(t, err, source)
		require.Equal(t, want, got, source)
	}
}

func TestErrorsOfARecord(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		`1 + int(name)`:                         "int: the text is not a number at 1:5",
		"1 +\n  float(name)":                    "float: the text is not a number at 2:3",
		`date(name)`:                            "date: the text is not a date in ISO 8601; give its layout at 1:1",
		`date(at, "dd.MM.yyyy")`:                "date: the text is not a date in this layout at 1:1",
		`date(at, "QQ")`:                        `date: the layout's "QQ" is not known at 1:1`,
		`toZone(at, "Mars")`:                    "toZone: there is no such time zone at 1:1",
		`toZone(at, "Local")`:                   "toZone: the zone is a name such as Europe/Berlin at 1:1",
		`name + n`:                              "+: a text and a number cannot be added at 1:6",
		`text > 5`:                              "invalid operation: string > int at 1:6",
		`gone > 5`:                              "invalid operation: null > int at 1:6",
		`n % 0`:                                 "integer divide by zero",
		`n.x`:                                   "the record: a number has no members at 1:3",
		`repeat(name, 100000)`:                  "repeat: a text of more than 262144 bytes at 1:1",
		`len([1..9000, 1..9000])`:               "the expression makes more than 10000 elements",
		`let a = 1..9000; all(a, all(a, true))`: "the expression takes more than 20000 steps",
		`let a = repeat("x", 200000); len(a + a)`:                                                             "+: a text of 400000 bytes, more than 262144 at 1:36",
		`let a = repeat("x", 99); let b = replace(a, "x", a); let c = replace(b, "x", a); replace(c, "x", a)`: "replace: a text of 970299 bytes, more than 262144",
		`let a = 1..9000; all(a, sum(a) > 0)`:                                                                 "more than 20000 steps",
		`let a = map(1..4000, #); all(a, a == reverse(a))`:                                                    "the expression",
		`let a = repeat("x", 200000); all(1..99, upper(a) != "")`:                                             "more than 20000 steps",
		`1 / 0`: "no finite number",
		`let a = ["12345678901234567890","12345678901234567890"]; let b=[a,a,a,a,a,a,a,a]; let c=[b,b,b,b,b,b,b,b]; let d=[c,c,c,c,c,c,c,c]; let e=[d,d,d,d,d,d,d,d]; toJSON([e,e,e,e,e,e])`: "more than 262144",
	} {
		_, err := run(t, source)
		require.ErrorContains(t, err, want, source)
		require.NotContains(t, err.Error(), "Müller", "a message quotes nothing of the record")
	}
}

func TestWrongExpressions(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		`1 +`:                           "unexpected token EOF at 1:3",
		"ok and\n  )":                   "at 2:3",
		`uper(name)`:                    `there is no function "uper" at 1:1`,
		`toBase64(name)`:                "unknown name toBase64 at 1:9",
		`substring(name)`:               "substring takes 2 to 3 arguments, not 1 at 1:1",
		`upper(name, 1)`:                "upper takes 1 argument, not 2 at 1:1",
		`date(at).Year()`:               "only functions can be called at 1:10",
		`$env`:                          `there is no variable "$env" at 1:1`,
		`__turn(1)`:                     `there is no function "__turn" at 1:1`,
		`name matches text`:             "a regular expression must be a literal text at 1:14",
		`name matches "("`:              "the regular expression is not valid: missing closing ): `(` at 1:14",
		`regexExtract(name, "a{2000}")`: "the regular expression is not valid",
		`lookup("nope", name)`:          `there is no lookup table "nope" at 1:8`,
		`lookup(name, name)`:            "the name of a lookup table must be a literal text at 1:8",
		`record["/a~2"]`:                `the JSON Pointer "/a~2" has a "~" that is neither ~0 nor ~1`,
		`"a" * 2`:                       "at 1:5",
		strings.Repeat("1+", 400) + "1": "the expression has more than 500 parts",
		strings.Repeat(" ", 4001) + "1": "the expression has 4002 bytes, more than 4000 at 1:1",
		`{(name): 1}`:                   "at 1:",
		``:                              "at 1:1",
	} {
		_, err := expression.Compile(source, options())
		var e *expression.Error
		require.ErrorAs(t, err, &e, source)
		require.ErrorContains(t, err, want, source)
		require.Positive(t, e.Line)
		require.Positive(t, e.Column)
	}
}

func TestAFilterIsTrueOrFalse(t *testing.T) {
	t.Parallel()
	opt := options()
	opt.Boolean = true
	for source, want := range map[string]string{
		`1`: "this is a number", `"x"`: "this is a text", `[1]`: "this is a list", `upper(name)`: "never is", `n + 1`: "never is", `ok ? 1 : 2`: "a number", `len(name)`: "never is",
	} {
		_, err := expression.Compile(source, opt)
		require.ErrorContains(t, err, "a filter must be true or false", source)
		require.ErrorContains(t, err, want, source)
	}
	for source, want := range map[string]any{`ok`: true, `gone`: false, `!ok`: false, `n > 3`: true, `name matches "x"`: false, `lookup("country", "x") == nil`: true} {
		p, err := expression.Compile(source, opt)
		require.NoError(t, err, source)
		values := make([]any, len(p.Fields()))
		for i, f := range p.Fields() {
			values[i] = example()[f]
		}
		got, err := p.NewRunner().True(values, example())
		require.NoError(t, err, source)
		require.Equal(t, want, got, source)
	}
	p, err := expression.Compile(`name`, opt)
	require.NoError(t, err)
	_, err = p.NewRunner().True([]any{"x"}, nil)
	require.ErrorContains(t, err, "the filter gave a text and must give true or false")
}

func TestFieldsThatAnExpressionReads(t *testing.T) {
	t.Parallel()
	p, err := expression.Compile(`let y = b; record["a:b"] + b + record["/c/d"] + y + record.e + get(record, "f").g`, options())
	require.NoError(t, err)
	require.Equal(t, []string{"b", "a:b", "/c/d", "e", "f"}, p.Fields())
	require.False(t, p.Dynamic())
	for _, source := range []string{`record[a]`, `keys(record)`, `"x" in record`} {
		p, err := expression.Compile(source, options())
		require.NoError(t, err)
		require.True(t, p.Dynamic(), source)
	}
}

func TestNumbersOfJSON(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]any{"12": 12, "-3": -3, "1.5": 1.5, "1e3": 1000.0, "9223372036854775807": 9223372036854775807, "9223372036854775808": "9223372036854775808"} {
		require.Equal(t, want, expression.Number([]byte(text)), text)
	}
}

func FuzzCompile(f *testing.F) {
	for _, seed := range []string{`record["a:b"] != ""`, `let x = 1; x + a`, `map(list, #.x)`, `a?.b[1:2]`, `{"a": 1}.a ?? nil`, `a matches "("`, `if a { 1 } else { 2 }`, `$env`, `1; 2`, `all(1..5, {# > 1})`, "`x`", `reduce(1..3, #acc)`, `a | upper() | len()`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, source string) {
		p, err := expression.Compile(source, options())
		if err != nil {
			var e *expression.Error
			require.ErrorAs(t, err, &e)
			return
		}
		values := make([]any, len(p.Fields()))
		for i, name := range p.Fields() {
			values[i] = example()[name]
		}
		r := p.NewRunner()
		first, err := r.Run(values, example())
		again, errAgain := r.Run(values, example())
		require.Equal(t, err == nil, errAgain == nil)
		require.Equal(t, first, again)
	})
}

func BenchmarkFilter(b *testing.B) {
	p, err := expression.Compile(`record["concept:name"] != "" && n > 3`, options())
	require.NoError(b, err)
	r := p.NewRunner()
	values := []any{any("create order"), any(7)}
	b.ReportAllocs()
	for b.Loop() {
		if ok, err := r.True(values, nil); !ok || err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkExpr(b *testing.B) {
	p, err := expression.Compile(`upper(trim(name)) + "-" + string(n)`, options())
	require.NoError(b, err)
	r := p.NewRunner()
	values := []any{any(" create order "), any(7)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Run(values, nil); err != nil {
			b.Fatal(err)
		}
	}
}
