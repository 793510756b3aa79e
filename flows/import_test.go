package flows_test

import (
	"testing"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/stretchr/testify/require"
)

func TestStepDefaults(t *testing.T) {
	t.Parallel()
	no := false
	require.True(t, flows.Step{}.Waits())
	require.False(t, flows.Step{Wait: &no}.Waits())
	require.Equal(t, time.Hour, flows.Step{}.TimeLimit())
	require.Equal(t, 5*time.Second, flows.Step{Timeout: 5}.TimeLimit())
	require.Equal(t, `data job "j"`, flows.Step{Type: flows.StepDataJob, ID: "j"}.String())
	require.Equal(t, `load of data model "m"`, flows.Step{Type: flows.StepDataModel, ID: "m"}.String())
}

func TestWhichImportsUpsert(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		of      flows.Import
		upserts bool
		order   string
	}{
		{of: flows.Import{Type: flows.ImportDataPush, Mode: flows.Replace}},
		{of: flows.Import{Type: flows.ImportDataPush, Mode: flows.Delete}},
		{of: flows.Import{Type: flows.ImportDataPush, Mode: flows.Delta, OrderBy: "N"}, upserts: true, order: "N"},
		{of: flows.Import{Type: flows.ImportContinuousPush, OrderBy: "N"}, upserts: true, order: "N"},
		{of: flows.Import{Type: flows.ImportDataIngestion, AgeColumn: "A"}, upserts: true, order: "A"},
	} {
		require.Equal(t, c.upserts, c.of.Upserts(), "%+v", c.of)
		require.Equal(t, c.order, c.of.Order(), "%+v", c.of)
	}
}
