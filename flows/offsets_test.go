package flows_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/celonis-connector/connector/flows"
)

// taking gives offsets that took these, from a floor.
func taking(floor int64, taken ...int64) flows.Offsets {
	o := flows.NewOffsets(floor)
	for _, n := range taken {
		o.Add(n)
	}
	return o
}

func TestOffsets(t *testing.T) {
	t.Parallel()
	unknown := flows.UnknownOffset
	for name, tt := range map[string]struct {
		floor      int64
		taken      []int64
		gaps       []flows.OffsetRange
		contiguous int64
	}{
		"nothing":                  {0, nil, nil, unknown},
		"in order":                 {0, []int64{0, 1, 2}, nil, 2},
		"out of order":             {0, []int64{2, 0, 1}, nil, 2},
		"a gap":                    {0, []int64{0, 1, 4}, []flows.OffsetRange{{From: 2, To: 3}}, 1},
		"the first is missing":     {0, []int64{1, 2}, []flows.OffsetRange{{From: 0, To: 0}}, unknown},
		"two gaps":                 {3, []int64{3, 5, 9}, []flows.OffsetRange{{From: 4, To: 4}, {From: 6, To: 8}}, 3},
		"from below the floor":     {5, []int64{1, 5, 6}, nil, 6},
		"no floor has no gaps":     {unknown, []int64{1, 7}, nil, 7},
		"what is negative is none": {0, []int64{-1, 0}, nil, 0},
	} {
		o := taking(tt.floor, tt.taken...)
		require.Equal(t, tt.gaps, o.Gaps(), name)
		require.Equal(t, tt.contiguous, o.Contiguous(), name)
	}
}

func TestWhatCelonisDeliveredAndDidNotComeIsAGap(t *testing.T) {
	t.Parallel()
	o := taking(0, 0, 1)
	require.Equal(t, []flows.OffsetRange{{From: 2, To: 5}}, o.GapsUpTo(5))
	require.Empty(t, o.GapsUpTo(1))
	require.Empty(t, o.GapsUpTo(flows.UnknownOffset))
	none := taking(0)
	require.Equal(t, []flows.OffsetRange{{From: 0, To: 5}}, none.GapsUpTo(5))
	unknown := taking(flows.UnknownOffset)
	require.Empty(t, unknown.GapsUpTo(5))
}

func TestWhatWasGivenUpIsTakenLate(t *testing.T) {
	t.Parallel()
	o := taking(0, 0, 5, 9)
	o.GiveUp(flows.OffsetRange{From: 1, To: 4})
	require.Equal(t, []flows.OffsetRange{{From: 6, To: 8}}, o.Gaps())
	require.EqualValues(t, 4, o.Lost())
	require.True(t, o.Add(2))
	require.False(t, o.Add(2))
	require.EqualValues(t, 3, o.Lost())
	require.Equal(t, []flows.OffsetRange{{From: 1, To: 1}, {From: 3, To: 4}}, o.Missed)
	require.Equal(t, []flows.OffsetRange{{From: 6, To: 8}}, o.Gaps())
}

func TestAReplayMayCountAgain(t *testing.T) {
	t.Parallel()
	o := taking(0, 0, 1, 2, 3, 4)
	o.Forget(2)
	require.False(t, o.Add(1))
	require.True(t, o.Add(4))
	require.Equal(t, []flows.OffsetRange{{From: 2, To: 3}}, o.Gaps())
}

func TestOffsetsAreBounded(t *testing.T) {
	t.Parallel()
	o := taking(0, 0)
	for i := range int64(flows.MaxOffsetRanges - 1) {
		require.True(t, o.Add(10*(i+1)))
		require.True(t, o.Close())
	}
	require.True(t, o.Add(1_000_000))
	require.False(t, o.Close(), "every gap is still to be filled")
	o.GiveUp(flows.OffsetRange{From: 21, To: 29})
	require.True(t, o.Close())
	require.Len(t, o.Seen, flows.MaxOffsetRanges)
	require.EqualValues(t, 9, o.Closed)
	require.EqualValues(t, 9, o.Lost())
	require.False(t, o.Add(25), "what was closed counts as come")
	require.True(t, o.Add(11))
}

func TestOffsetsInJSON(t *testing.T) {
	t.Parallel()
	o := taking(0, 0, 1, 5)
	text, err := json.Marshal(o)
	require.NoError(t, err)
	require.JSONEq(t, `{"floor":0,"seen":[[0,1],[5,5]]}`, string(text))
	var back flows.Offsets
	require.NoError(t, json.Unmarshal(text, &back))
	require.Equal(t, o, back)
	for _, bad := range []string{`[2,1]`, `[-1,3]`, `{}`, `"x"`} {
		require.Error(t, json.Unmarshal([]byte(`{"seen":[`+bad+`]}`), &back), bad)
	}
}

// Whatever comes in whatever order, each offset is new once, and what is missing is what did not come.
func TestOffsetsAreASet(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o, model := flows.NewOffsets(0), map[int64]bool{}
		for _, n := range rapid.SliceOfN(rapid.Int64Range(0, 40), 0, 80).Draw(t, "offsets") {
			if o.Add(n) == model[n] {
				t.Fatalf("%d was new or not, wrongly", n)
			}
			model[n] = true
		}
		missing := map[int64]bool{}
		for _, g := range o.Gaps() {
			for n := g.From; n <= g.To; n++ {
				missing[n] = true
			}
		}
		for n := range o.Last() + 1 {
			if model[n] == missing[n] {
				t.Fatalf("%d is missing or not, wrongly: %v", n, o)
			}
		}
		for i := 1; i < len(o.Seen); i++ {
			if o.Seen[i].From <= o.Seen[i-1].To+1 {
				t.Fatalf("ranges touch: %v", o.Seen)
			}
		}
	})
}
