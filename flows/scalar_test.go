package flows_test

import (
	"encoding/json"
	"testing"

	"github.com/celonis-connector/connector/flows"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestScalarTakesWhatHasOneValue(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]flows.Scalar{
		`"a \"b\""`: `a "b"`, `""`: "", `12.50`: "12.50", `true`: "true", ` -3 `: "-3",
	} {
		var s flows.Scalar
		require.NoError(t, json.Unmarshal([]byte(text), &s), text)
		require.Equal(t, want, s)
	}
	for _, text := range []string{`{}`, `[1]`} {
		var s flows.Scalar
		require.ErrorContains(t, json.Unmarshal([]byte(text), &s), "must be a string, a number or a boolean", text)
	}
}

func TestThresholdIsACountOrAPercentage(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]flows.Threshold{
		`0`: {}, `100`: {Count: 100}, `"5%"`: {Percent: 5}, `" 0.5 % "`: {Percent: 0.5}, `"100%"`: {Percent: 100},
	} {
		var got flows.Threshold
		require.NoError(t, json.Unmarshal([]byte(text), &got), text)
		require.Equal(t, want, got, text)
		again, err := json.Marshal(got)
		require.NoError(t, err)
		var back flows.Threshold
		require.NoError(t, json.Unmarshal(again, &back))
		require.Equal(t, got, back, "%s is read as it is written", again)
	}
	for _, text := range []string{`-1`, `"5"`, `"0%"`, `"101%"`, `"x%"`, `1.5`, `true`, `"NaN%"`} {
		var got flows.Threshold
		require.Error(t, json.Unmarshal([]byte(text), &got), text)
	}
}

func TestThresholdExceeded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		limit         flows.Threshold
		errored, read int64
		final, want   bool
	}{
		{flows.Threshold{}, 0, 10, true, false},
		{flows.Threshold{}, 1, 10, false, true},
		{flows.Threshold{Count: 3}, 3, 3, true, false},
		{flows.Threshold{Count: 3}, 4, 1e6, false, true},
		{flows.Threshold{Percent: 10}, 5, 10, false, false}, // too few to tell yet
		{flows.Threshold{Percent: 10}, 5, 10, true, true},
		{flows.Threshold{Percent: 10}, 1, 10, true, false},
		{flows.Threshold{Percent: 10}, 101, flows.MinPercentRecords, false, true},
		{flows.Threshold{Percent: 10}, 0, 0, true, false},
	} {
		require.Equal(t, c.want, c.limit.Exceeded(c.errored, c.read, c.final), "%+v", c)
	}
}

func TestThresholdNeverPassesMoreWhenThereAreMoreErrors(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limit := flows.Threshold{Count: rapid.Int64Range(0, 1e6).Draw(t, "count")}
		if rapid.Bool().Draw(t, "by percent") {
			limit = flows.Threshold{Percent: rapid.Float64Range(0.01, 100).Draw(t, "percent")}
		}
		read := rapid.Int64Range(1, 1e9).Draw(t, "read")
		errored := rapid.Int64Range(0, read-1).Draw(t, "errored")
		if limit.Exceeded(errored, read, true) {
			require.True(t, limit.Exceeded(errored+1, read, true))
		}
	})
}
