package httpsink_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/httpsink"
	"github.com/stretchr/testify/require"
)

// table is a batch with a row of values and a row of nulls.
func table() *columns.Batch {
	schema := columns.Schema{
		{Name: "ID", Type: columns.Integer}, {Name: "/detail/amount", Type: columns.Float}, {Name: "/detail/a~1b/ok", Type: columns.Boolean},
		{Name: "day", Type: columns.Date}, {Name: "at", Type: columns.DateTime}, {Name: "text", Type: columns.String},
	}
	b := columns.NewBatch(schema)
	b.Columns[0].AppendInt(math.MaxInt64)
	b.Columns[1].AppendFloat(0.1)
	b.Columns[2].AppendInt(1)
	b.Columns[3].AppendInt(1)
	b.Columns[4].AppendInt(1_767_225_600_123)
	b.Columns[5].AppendString([]byte("a \"b\"\n\u2028"))
	for i := range b.Columns {
		b.Columns[i].AppendNull()
	}
	b.Rows = 2
	return b
}

func TestBodies(t *testing.T) {
	t.Parallel()
	const whole = `{"ID":9223372036854775807,"detail":{"amount":0.1,"a/b":{"ok":true}},"day":"1970-01-02","at":"2026-01-01T00:00:00.123Z","text":"a \"b\"\n` + "\u2028" + `"}`
	const nulls = `{"ID":null,"detail":{"amount":null,"a/b":{"ok":null}},"day":null,"at":null,"text":null}`
	for name, c := range map[string]struct {
		form httpsink.Form
		want string
		to   int
	}{
		"an object":        {httpsink.Form{}, whole, 1},
		"a list":           {httpsink.Form{List: true}, "[" + whole + "," + nulls + "]", 2},
		"at a place":       {httpsink.Form{List: true, At: "/data/items"}, `{"data":{"items":[` + whole + `]}}`, 1},
		"nulls left out":   {httpsink.Form{List: true, OmitNulls: true}, "[" + whole + ",{}]", 2},
		"an object within": {httpsink.Form{At: "/order"}, `{"order":` + whole + `}`, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rows := table()
			body, err := httpsink.NewBody(rows.Schema, c.form)
			require.NoError(t, err)
			text, err := body.Append(nil, rows, 0, c.to)
			require.NoError(t, err)
			require.True(t, json.Valid(text), "%s", text)
			require.JSONEq(t, c.want, string(text))
		})
	}
	rows := table()
	body, err := httpsink.NewBody(rows.Schema, httpsink.Form{Lines: true})
	require.NoError(t, err)
	text, err := body.Append(nil, rows, 1, 2)
	require.NoError(t, err)
	require.Equal(t, nulls+"\n", string(text))
}

func TestColumnsThatContradict(t *testing.T) {
	t.Parallel()
	for _, names := range [][]string{{"/a", "/a/b"}, {"/a/b", "/a"}, {"a", "/a"}, {"/a/b", "/a/b"}, {"/a~2"}} {
		var schema columns.Schema
		for _, name := range names {
			schema = append(schema, columns.Field{Name: name, Type: columns.Integer})
		}
		_, err := httpsink.NewBody(schema, httpsink.Form{})
		require.True(t, fault.Has(err, fault.FlowInvalid), "%v", names)
	}
}

func TestFloatsStayWhatTheyAre(t *testing.T) {
	t.Parallel()
	for _, f := range []float64{0, 1, -0.1, 1e20, 1e21, 5e-324, math.MaxFloat64, 1.0 / 3} {
		b := columns.NewBatch(columns.Schema{{Name: "f", Type: columns.Float}})
		b.Columns[0].AppendFloat(f)
		b.Rows = 1
		body, err := httpsink.NewBody(b.Schema, httpsink.Form{})
		require.NoError(t, err)
		text, err := body.Append(nil, b, 0, 1)
		require.NoError(t, err)
		var got struct{ F float64 }
		require.NoError(t, json.Unmarshal(text, &got))
		require.Equal(t, f, got.F)
	}
}
