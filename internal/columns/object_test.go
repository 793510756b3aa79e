package columns_test

import (
	"strings"
	"testing"

	"github.com/celonis-connector/connector/internal/columns"
	"github.com/stretchr/testify/require"
)

func TestARecordAsAnObject(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		format columns.Format
		source string
		record string
		want   string
		same   bool
	}{
		{"cells by name", columns.FormatCSV, "a;b c;d\n1;2;3\n", "x;;\"\"", `{"a":"x","b c":null,"d":""}`, false},
		{"quotes and line breaks", columns.FormatCSV, "a;b\n1;2\n", "\"he said \"\"no\"\"\";\"two\nlines\"", `{"a":"he said \"no\"","b":"two\nlines"}`, false},
		{"a cell too many", columns.FormatCSV, "a;b\n1;2\n", "1;2;3", "", false},
		{"no UTF-8", columns.FormatCSV, "a;b\n1;2\n", "1;\xff", "", false},
		{"one column, empty", columns.FormatCSV, "a\n1\n", "\"\"", `{"a":""}`, false},
		{"a line of JSON", columns.FormatNDJSON, "{\"a\":1}\n", `{"a": 1.50}`, `{"a": 1.50}`, true},
		{"an element on two lines", columns.FormatJSON, `[{"a":1}]`, "{\"a\":\n 1}", `{"a":1}`, false},
		{"no object", columns.FormatNDJSON, "{\"a\":1}\n", `[1]`, "", false},
		{"broken JSON", columns.FormatNDJSON, "{\"a\":1}\n", `{"a":`, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, err := columns.Open(strings.NewReader(c.source), columns.ReadOptions{Format: c.format, Want: []string{"a"}})
			require.NoError(t, err)
			defer r.Close()
			object, same := r.Object([]byte(c.record))
			require.Equal(t, c.want, string(object))
			require.Equal(t, c.same, same)
		})
	}
}
