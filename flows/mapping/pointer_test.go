package mapping_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/mapping"
	"github.com/celonis-connector/connector/internal/fault"
)

func TestPointers(t *testing.T) {
	t.Parallel()
	rows := []struct {
		pointer string
		in      cell
		want    any
		code    fault.Code
	}{
		{pointer: "/f", in: text("plain"), want: "plain"},
		{pointer: "/f", in: nested(`{ "a" : [1, 2] }`), want: `{"a":[1,2]}`},
		{pointer: "/f/a", in: nested(`{"a":"x"}`), want: "x"},
		{pointer: "/f/a", in: nested(` {"b":1, "a" : "x" } `), want: "x"},
		{pointer: "/f/a", in: nested(`{"a":1,"a":2}`), want: "2"},
		{pointer: "/f/a", in: nested(`{"a":"tab\t\"q\" \u00e9 \ud83d\ude00 \ud800 \/"}`), want: "tab\t\"q\" é \U0001F600 \uFFFD /"},
		{pointer: "/f/a", in: nested(`{"a":"\b\f\n\r\u12"}`), want: "\b\f\n\r\uFFFD"},
		{pointer: "/f/a/b", in: nested(`{"a":{"x":"}","b":true}}`), want: "true"},
		{pointer: "/f/a/1/c", in: nested(`{"a":[{"c":1},{"c":-2.50}]}`), want: "-2.50"},
		{pointer: "/f/0", in: nested(`{"0":"by name"}`), want: "by name"},
		{pointer: "/f/a", in: nested(`{"a":{"k": [ 1 ,"a b" ]}}`), want: `{"k":[1,"a b"]}`},
		{pointer: "/f/a~1b", in: nested(`{"a/b":"slash"}`), want: "slash"},
		{pointer: "/f/~01", in: nested(`{"~1":"tilde"}`), want: "tilde"},
		{pointer: "/f/", in: nested(`{"":"empty name"}`), want: "empty name"},
		{pointer: "/f/é", in: nested(`{"\u00e9":"escaped name"}`), want: "escaped name"},
		{pointer: "/f/a", in: text(`{"a":"JSON inside of text"}`), want: "JSON inside of text"},
		{pointer: "/f/a", in: nested(`{"a":""}`), want: ""},
		{pointer: "/f/a", in: nested(`{"a":null}`)},
		{pointer: "/f/a/b", in: nested(`{"a":null}`)},
		{pointer: "/f/b", in: nested(`{"a":1}`)},
		{pointer: "/f/b", in: nested(`{}`)},
		{pointer: "/f/b/c", in: nested(`{"a":1}`)},
		{pointer: "/f/0", in: nested(`[]`)},
		{pointer: "/f/2", in: nested(`[1,2]`)},
		{pointer: "/f/-", in: nested(`[1,2]`)},
		{pointer: "/f/01", in: nested(`[1,2]`)},
		{pointer: "/f/a", in: nested(`[1,2]`)},
		{pointer: "/f/99999999999999999999", in: nested(`[1,2]`)},
		{pointer: "/f/a", in: null},
		{pointer: "/f/a", in: text("")},
		{pointer: "/f/a", in: text("plain"), code: fault.ValueType},
		{pointer: "/f/a", in: number("1"), code: fault.ValueType},
		{pointer: "/f/a/b", in: nested(`{"a":"x"}`), code: fault.ValueType},
		{pointer: "/f/a", in: text(`{"a":`), code: fault.ValueType},
		{pointer: "/f/a", in: text(`{"a" 1}`), code: fault.ValueType},
		{pointer: "/f/a", in: text(`{"a`), code: fault.ValueType},
		{pointer: "/f/a", in: text(`{"a":1`), code: fault.ValueType},
		{pointer: "/f/a", in: text(`{"a":1;}`), code: fault.ValueType},
		{pointer: "/f/a", in: text(`{"a":nothing}`), code: fault.ValueType},
		{pointer: "/f/a", in: text(`{"a":[1}`), code: fault.ValueType},
		{pointer: "/f/1", in: text(`[1 2]`), code: fault.ValueType},
		{pointer: "/f/1", in: text(`[1`), code: fault.ValueType},
		{pointer: "/f/1", in: text(`[,]`), code: fault.ValueType},
	}
	for _, row := range rows {
		plan := compile(t, mapping.Options{}, flows.Rule{To: "F", From: row.pointer})
		require.Equal(t, []string{"f"}, plan.Want())
		out, errs := apply(plan, block([]string{"f"}, []cell{row.in}))
		if row.code != "" {
			require.Lenf(t, errs, 1, "%s in %s", row.pointer, row.in.value)
			require.Equal(t, row.code, errs[0].Code)
			require.Equal(t, row.pointer, errs[0].Field)
			continue
		}
		require.Emptyf(t, errs, "%s in %s", row.pointer, row.in.value)
		require.Equalf(t, []any{row.want}, values(&out.Columns[0]), "%s in %s", row.pointer, row.in.value)
	}
}

func TestPointersKeepTypes(t *testing.T) {
	t.Parallel()
	plan := compile(t, mapping.Options{},
		flows.Rule{To: "ID", From: "/order/id", Type: "integer"},
		flows.Rule{To: "PAID", From: "/order/paid", Type: "boolean"},
		flows.Rule{To: "AT", From: "/order/at", Type: "datetime"},
		flows.Rule{To: "ITEM", From: "/order/items/0", Length: 20},
		flows.Rule{To: "BY", From: "by"},
	)
	require.Equal(t, []string{"order", "by"}, plan.Want())
	out, errs := apply(plan, block([]string{"by", "order"},
		[]cell{text("ann"), nested(`{"id": 7, "paid": true, "at": "2024-05-01T10:00:00Z", "items": [{"n": 1}]}`)},
		[]cell{null, nested(`{"id": "8", "at": 0}`)},
		[]cell{text("bob"), nested(`{"id": true}`)},
	))
	require.Len(t, errs, 1)
	require.Equal(t, `value "true" of field "/order/id" is not an integer`, errs[0].Message)
	require.Equal(t, []any{int64(7), int64(8)}, values(&out.Columns[0]))
	require.Equal(t, []any{int64(1), nil}, values(&out.Columns[1]))
	require.Equal(t, []any{at("2024-05-01T10:00:00Z"), int64(0)}, values(&out.Columns[2]))
	require.Equal(t, []any{`{"n":1}`, nil}, values(&out.Columns[3]))
	require.Equal(t, []any{"ann", nil}, values(&out.Columns[4]))
}

func TestPointerFaults(t *testing.T) {
	t.Parallel()
	for _, from := range []string{"/a~", "/a~2b", "/ok/b~/c"} {
		_, err := mapping.Compile([]flows.Rule{{To: "F", From: from}}, nil, mapping.Options{})
		require.True(t, fault.Has(err, fault.MappingRule), from)
		require.Equal(t, "/mapping/0/from", fault.From(err).Fields[0].Pointer)
	}
}

// lookUp is what a JSON Pointer finds by way of encoding/json.
func lookUp(value any, path []string) (any, bool) {
	for _, step := range path {
		switch v := value.(type) {
		case map[string]any:
			value = v[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(v) || strconv.Itoa(i) != step {
				return nil, true
			}
			value = v[i]
		case nil:
			return nil, true
		default:
			return nil, false
		}
	}
	return value, true
}

func FuzzPointer(f *testing.F) {
	f.Add(`{"a":{"b":[1,"x",{"c":"\u00e9\ud83d\ude00"}]}}`, "a/b/2/c")
	f.Add(`[{"a":1.50,"a":"t\\\"w"}]`, "0/a")
	f.Add(`{"a": true , "b" : null}`, "a/b")
	f.Add(`{"":{"":[]}}`, "//0")
	f.Fuzz(func(t *testing.T, document, path string) {
		steps := strings.Split(path, "/")
		decoder := json.NewDecoder(strings.NewReader(document))
		decoder.UseNumber()
		var decoded any
		// encoding/json takes bytes that are no UTF-8 for U+FFFD, in names too.
		valid := utf8.ValidString(document) && utf8.ValidString(path) && json.Valid([]byte(document)) && decoder.Decode(&decoded) == nil
		pointer := "/f/" + path
		if strings.Contains(path, "~") || len(document) == 0 || len(pointer) > 1024 {
			return
		}
		plan := compile(t, mapping.Options{}, flows.Rule{To: "F", From: pointer, Length: 65_000})
		out, errs := apply(plan, block([]string{"f"}, []cell{nested(document)}))
		require.Equal(t, 1, out.Rows+len(errs))
		if !valid || len(document) > 60_000 || !strings.ContainsAny(strings.TrimSpace(document)[:1], "{[") {
			return
		}
		want, ok := lookUp(decoded, steps)
		require.Equal(t, ok, len(errs) == 0, "%v", errs)
		if !ok {
			return
		}
		got := values(&out.Columns[0])[0]
		switch w := want.(type) {
		case nil:
			require.Nil(t, got)
		case string:
			require.Equal(t, w, strings.ToValidUTF8(got.(string), "\uFFFD"))
		case json.Number:
			require.Equal(t, w.String(), got)
		case bool:
			require.Equal(t, strconv.FormatBool(w), got)
		default:
			require.True(t, json.Valid([]byte(got.(string))))
		}
	})
}
