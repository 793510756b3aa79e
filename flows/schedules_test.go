package flows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/flows"
)

func TestWhatADueScheduleDoes(t *testing.T) {
	t.Parallel()
	due := time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)
	at := func(minutes int) time.Time { return due.Add(time.Duration(minutes) * time.Minute) }
	quarters := func(list ...int) []time.Time {
		out := make([]time.Time, len(list))
		for i, minutes := range list {
			out[i] = at(minutes)
		}
		return out
	}
	for name, c := range map[string]struct {
		overlap flows.Overlap
		misfire flows.Misfire
		busy    bool
		now     time.Time
		want    flows.Firing
	}{
		"on time":                       {now: due.Add(time.Second), want: flows.Firing{Fires: quarters(0), Next: at(15)}},
		"on time, whatever the misfire": {misfire: flows.MisfireSkip, now: at(1), want: flows.Firing{Fires: quarters(0), Next: at(15)}},
		"late, once":                    {now: at(14), want: flows.Firing{Fires: quarters(0), Next: at(15)}},
		"very late, once":               {now: at(50), want: flows.Firing{Fires: quarters(45), Next: at(60), Missed: 3, MissedAt: at(30)}},
		"late, skipped":                 {misfire: flows.MisfireSkip, now: at(14), want: flows.Firing{Next: at(15), Missed: 1, MissedAt: due}},
		"late, but the last is on time": {misfire: flows.MisfireSkip, now: at(45), want: flows.Firing{Fires: quarters(45), Next: at(60), Missed: 3, MissedAt: at(30)}},
		"late, all":                     {misfire: flows.MisfireAll, now: at(50), want: flows.Firing{Fires: quarters(0, 15, 30, 45), Next: at(60)}},
		"busy":                          {busy: true, now: due, want: flows.Firing{Next: at(15), Skipped: 1, SkippedAt: due}},
		"busy, queued":                  {busy: true, overlap: flows.OverlapQueue, now: due, want: flows.Firing{Fires: quarters(0), Next: at(15)}},
		"busy, canceled":                {busy: true, overlap: flows.OverlapCancel, now: due, want: flows.Firing{Fires: quarters(0), CancelPrevious: true, Next: at(15)}},
		"busy and late":                 {busy: true, now: at(50), want: flows.Firing{Next: at(60), Missed: 3, MissedAt: at(30), Skipped: 1, SkippedAt: at(45)}},
		"busy, nothing to cancel for":   {busy: true, overlap: flows.OverlapCancel, misfire: flows.MisfireSkip, now: at(14), want: flows.Firing{Next: at(15), Missed: 1, MissedAt: due}},
		"busy and all queue":            {busy: true, misfire: flows.MisfireAll, now: at(20), want: flows.Firing{Fires: quarters(0, 15), Next: at(30)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := flows.DueSchedule{FireAt: due, Busy: c.busy, Schedule: flows.Schedule{Cron: "*/15 * * * *", Overlap: c.overlap, Misfire: c.misfire}}
			times, err := d.Schedule.Times()
			require.NoError(t, err)
			require.Equal(t, c.want, d.Fire(times, c.now))
		})
	}
}

func TestAllMisfiresAreBounded(t *testing.T) {
	t.Parallel()
	due := time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)
	d := flows.DueSchedule{FireAt: due, Schedule: flows.Schedule{Cron: "* * * * *", Misfire: flows.MisfireAll}}
	times, err := d.Schedule.Times()
	require.NoError(t, err)
	f := d.Fire(times, due.AddDate(0, 0, 1))
	require.Len(t, f.Fires, flows.MaxMisfires)
	require.Equal(t, due.AddDate(0, 0, 1), f.Fires[flows.MaxMisfires-1])
	require.EqualValues(t, 24*60+1-flows.MaxMisfires, f.Missed)
	require.Equal(t, due.AddDate(0, 0, 1).Add(-flows.MaxMisfires*time.Minute), f.MissedAt)
}

func TestCycles(t *testing.T) {
	t.Parallel()
	links := map[string][]string{"a": {"b", "c"}, "b": {"d"}, "c": {"d"}, "d": nil}
	require.Nil(t, flows.Cycle(links, "a"))
	links["d"] = []string{"e", "c"}
	require.Nil(t, flows.Cycle(links, "a"), "a is in none")
	require.Equal(t, []string{"c", "d", "c"}, flows.Cycle(links, "c"))
	require.Equal(t, []string{"x", "x"}, flows.Cycle(map[string][]string{"x": {"x"}}, "x"))
}
