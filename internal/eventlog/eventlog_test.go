package eventlog_test

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/celonis-connector/connector/internal/eventlog"
	"github.com/stretchr/testify/require"
)

func TestBothFormatsTellTheSameEvents(t *testing.T) {
	t.Parallel()
	const rows = 2000
	var text, lines bytes.Buffer
	require.NoError(t, eventlog.Write(&text, eventlog.CSV, rows, 7))
	require.NoError(t, eventlog.Write(&lines, eventlog.NDJSON, rows, 7))

	table, err := csv.NewReader(&text).ReadAll()
	require.NoError(t, err)
	require.Len(t, table, rows+1)
	require.Equal(t, eventlog.Columns(), table[0])

	scanner := bufio.NewScanner(&lines)
	for i := 1; scanner.Scan(); i++ {
		decoder := json.NewDecoder(bytes.NewReader(scanner.Bytes()))
		decoder.UseNumber()
		var event map[string]any
		require.NoError(t, decoder.Decode(&event))
		for c, name := range table[0] {
			want := ""
			if event[name] != nil {
				want = fmt.Sprint(event[name])
			}
			require.Equal(t, want, table[i][c], "row %d, %s", i, name)
		}
	}
}

func TestTheSameSeedGivesTheSameBytes(t *testing.T) {
	t.Parallel()
	var a, b, c bytes.Buffer
	require.NoError(t, eventlog.Write(&a, eventlog.CSV, 500, 1))
	require.NoError(t, eventlog.Write(&b, eventlog.CSV, 500, 1))
	require.NoError(t, eventlog.Write(&c, eventlog.CSV, 500, 2))
	require.Equal(t, a.String(), b.String())
	require.NotEqual(t, a.String(), c.String())
}
