package httpapi

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/fault"
)

// FuzzRecordsOfArray holds the records of an array against encoding/json.
func FuzzRecordsOfArray(f *testing.F) {
	f.Add(`[{"a":1},{"b":"]},{"}]`)
	f.Add("[\n{\"a\":\r\n[1,\n2]}]")
	f.Add(`[]`)
	f.Add(`[1,null,[{}]]`)
	f.Add(`{"a":1}`)
	f.Fuzz(func(t *testing.T, body string) {
		ndjson, count, err := recordsOfArray([]byte(body))
		var want []map[string]any
		wantErr := json.Unmarshal([]byte(body), &want)
		if err != nil {
			require.Contains(t, []fault.Code{fault.RequestMalformed, fault.RequestInvalid}, fault.CodeOf(err))
			require.LessOrEqual(t, len(fault.From(err).Fields), 100)
			if wantErr == nil { // encoding/json takes null for a map and for the list, and an empty list
				for _, m := range want {
					if m == nil {
						return
					}
				}
				require.Empty(t, want)
			}
			return
		}
		require.NoError(t, wantErr)
		requireLines(t, ndjson, count)
		var got []map[string]any
		for line := range bytes.Lines(ndjson) {
			var m map[string]any
			require.NoError(t, json.Unmarshal(line, &m))
			got = append(got, m)
		}
		require.Equal(t, want, got)
	})
}

// FuzzRecordsOfLines checks that what is taken is lines of objects, and that
// taking them again changes nothing.
func FuzzRecordsOfLines(f *testing.F) {
	f.Add("{\"a\":1}\n{\"b\":2}")
	f.Add("\r\n {} \r\n\n")
	f.Add("{}\rx\n[1]\n")
	f.Add("{\"a\":\r1}\n")
	f.Fuzz(func(t *testing.T, body string) {
		ndjson, count, err := recordsOfLines([]byte(body))
		if err != nil {
			require.Equal(t, fault.RequestInvalid, fault.CodeOf(err))
			require.LessOrEqual(t, len(fault.From(err).Fields), 100)
			return
		}
		requireLines(t, ndjson, count)
		again, same, err := recordsOfLines(ndjson)
		require.NoError(t, err)
		require.Equal(t, count, same)
		require.Equal(t, string(ndjson), string(again))
	})
}

func requireLines(t *testing.T, ndjson []byte, count int64) {
	t.Helper()
	require.EqualValues(t, count, bytes.Count(ndjson, []byte{'\n'}))
	require.NotContains(t, string(ndjson), "\r")
	for line := range bytes.Lines(ndjson) {
		require.True(t, json.Valid(line))
		require.EqualValues(t, '{', line[0])
	}
}
