package flows_test

import (
	"encoding/json"
	"testing"

	"github.com/celonis-connector/connector/flows"
	"github.com/stretchr/testify/require"
)

// A setting of 0 seconds is one; an absent one is not.
func TestGatherIsReadAsItIsWritten(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{}`, `{"rows":5}`, `{"seconds":0}`, `{"rows":1,"bytes":2,"seconds":3}`} {
		var g flows.Gather
		require.NoError(t, json.Unmarshal([]byte(text), &g))
		written, err := json.Marshal(g)
		require.NoError(t, err)
		require.JSONEq(t, text, string(written))
	}
}
