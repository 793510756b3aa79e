package flows_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/flows"
)

func TestWatermarkColumn(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]string{"changed_at": "changed_at", "/changed_at": "changed_at", "/a~1b~0c": "a/b~c", "a/b": "a/b", "/a/b": "", "/": "", "": ""} {
		e := flows.Export{Type: flows.ExportSQL, Delta: &flows.DeltaSpec{Mode: flows.ReadDelta, Field: field}}
		column, ok := e.WatermarkColumn()
		require.Equal(t, want != "", ok, field)
		if ok {
			require.Equal(t, want, column, field)
		}
	}
	_, ok := flows.Export{Delta: &flows.DeltaSpec{Mode: flows.ReadAll, Field: "a"}}.WatermarkColumn()
	require.False(t, ok)
}
