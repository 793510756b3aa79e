package schedule_test

import (
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/celonis-connector/connector/flows/schedule"
	"github.com/celonis-connector/connector/internal/fault"
)

const layout = "2006-01-02 15:04 -0700"

func at(t testing.TB, text string) time.Time {
	t.Helper()
	moment, err := time.Parse(layout, text)
	require.NoError(t, err)
	return moment.UTC()
}

func times(t testing.TB, cron, zone string) schedule.Times {
	t.Helper()
	times, err := schedule.Parse(cron, zone)
	require.NoError(t, err)
	return times
}

// The transitions of three zones. Berlin and New York turn by an hour (at 02:00
// and 03:00 local time), Lord Howe by half an hour (02:00 to 02:30 and back).
func TestTransitions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, zone, cron, after string
		want                    []string
	}{
		// Europe/Berlin, spring: 02:00 to 03:00 on 2026-03-29 do not exist.
		{"a time in the gap", "Europe/Berlin", "30 2 * * *", "2026-03-28 00:00 +0100",
			[]string{"2026-03-28 02:30 +0100", "2026-03-29 03:00 +0200", "2026-03-30 02:30 +0200"}},
		{"the first minute of the gap", "Europe/Berlin", "0 2 * * *", "2026-03-28 12:00 +0100",
			[]string{"2026-03-29 03:00 +0200", "2026-03-30 02:00 +0200"}},
		{"in the gap and at its end are one", "Europe/Berlin", "30 2,3 * * *", "2026-03-29 00:00 +0100",
			[]string{"2026-03-29 03:00 +0200", "2026-03-29 03:30 +0200", "2026-03-30 02:30 +0200"}},
		{"many in the gap are one", "Europe/Berlin", "*/15 2-3 * * *", "2026-03-29 00:00 +0100",
			[]string{"2026-03-29 03:00 +0200", "2026-03-29 03:15 +0200", "2026-03-29 03:30 +0200"}},
		{"every other hour", "Europe/Berlin", "0 */2 * * *", "2026-03-29 00:00 +0100",
			[]string{"2026-03-29 03:00 +0200", "2026-03-29 04:00 +0200"}},
		{"quarters go on", "Europe/Berlin", "*/15 * * * *", "2026-03-29 01:30 +0100",
			[]string{"2026-03-29 01:45 +0100", "2026-03-29 03:00 +0200", "2026-03-29 03:15 +0200"}},
		{"hours go on", "Europe/Berlin", "30 * * * *", "2026-03-29 00:45 +0100",
			[]string{"2026-03-29 01:30 +0100", "2026-03-29 03:30 +0200", "2026-03-29 04:30 +0200"}},
		// Europe/Berlin, autumn: 02:00 to 03:00 on 2026-10-25 occur twice.
		{"a time that occurs twice", "Europe/Berlin", "30 2 * * *", "2026-10-25 00:00 +0200",
			[]string{"2026-10-25 02:30 +0200", "2026-10-26 02:30 +0100"}},
		{"asked between the two", "Europe/Berlin", "30 2 * * *", "2026-10-25 02:15 +0100",
			[]string{"2026-10-26 02:30 +0100"}},
		{"quarters of an hour that occurs twice", "Europe/Berlin", "*/15 2 * * *", "2026-10-25 02:20 +0200",
			[]string{"2026-10-25 02:30 +0200", "2026-10-25 02:45 +0200", "2026-10-26 02:00 +0100"}},
		{"quarters go on", "Europe/Berlin", "*/15 * * * *", "2026-10-25 02:40 +0200",
			[]string{"2026-10-25 02:45 +0200", "2026-10-25 02:00 +0100", "2026-10-25 02:15 +0100"}},
		{"hours go on", "Europe/Berlin", "0 * * * *", "2026-10-25 01:30 +0200",
			[]string{"2026-10-25 02:00 +0200", "2026-10-25 02:00 +0100", "2026-10-25 03:00 +0100"}},

		// America/New_York, spring: 02:00 to 03:00 on 2026-03-08 do not exist.
		{"a time in the gap", "America/New_York", "15 2 * * *", "2026-03-07 12:00 -0500",
			[]string{"2026-03-08 03:00 -0400", "2026-03-09 02:15 -0400"}},
		{"a day of the week in the gap", "America/New_York", "59 2 * * SUN", "2026-03-07 12:00 -0500",
			[]string{"2026-03-08 03:00 -0400", "2026-03-15 02:59 -0400"}},
		{"quarters go on", "America/New_York", "*/15 * * * *", "2026-03-08 01:44 -0500",
			[]string{"2026-03-08 01:45 -0500", "2026-03-08 03:00 -0400"}},
		// America/New_York, autumn: 01:00 to 02:00 on 2026-11-01 occur twice.
		{"a time that occurs twice", "America/New_York", "30 1 * * *", "2026-10-31 12:00 -0400",
			[]string{"2026-11-01 01:30 -0400", "2026-11-02 01:30 -0500"}},
		{"after the second", "America/New_York", "0 1-2 * * *", "2026-11-01 00:30 -0400",
			[]string{"2026-11-01 01:00 -0400", "2026-11-01 02:00 -0500", "2026-11-02 01:00 -0500"}},
		{"quarters go on", "America/New_York", "*/15 * * * *", "2026-11-01 01:30 -0400",
			[]string{"2026-11-01 01:45 -0400", "2026-11-01 01:00 -0500", "2026-11-01 01:15 -0500"}},

		// Australia/Lord_Howe, spring: 02:00 to 02:30 on 2026-10-04 do not exist.
		{"a time in the gap", "Australia/Lord_Howe", "15 2 * * *", "2026-10-03 12:00 +1030",
			[]string{"2026-10-04 02:30 +1100", "2026-10-05 02:15 +1100"}},
		{"a time at the end of the gap", "Australia/Lord_Howe", "30 2 * * *", "2026-10-03 12:00 +1030",
			[]string{"2026-10-04 02:30 +1100", "2026-10-05 02:30 +1100"}},
		{"in the gap and at its end are one", "Australia/Lord_Howe", "0,30 2 * * *", "2026-10-03 12:00 +1030",
			[]string{"2026-10-04 02:30 +1100", "2026-10-05 02:00 +1100"}},
		{"quarters go on", "Australia/Lord_Howe", "*/15 * * * *", "2026-10-04 01:30 +1030",
			[]string{"2026-10-04 01:45 +1030", "2026-10-04 02:30 +1100", "2026-10-04 02:45 +1100"}},
		// Australia/Lord_Howe, autumn: 01:30 to 02:00 on 2026-04-05 occur twice.
		{"a time that occurs twice", "Australia/Lord_Howe", "45 1 * * *", "2026-04-04 12:00 +1100",
			[]string{"2026-04-05 01:45 +1100", "2026-04-06 01:45 +1030"}},
		{"a time that occurs once in the hour", "Australia/Lord_Howe", "15 1 * * *", "2026-04-04 12:00 +1100",
			[]string{"2026-04-05 01:15 +1100", "2026-04-06 01:15 +1030"}},
		{"quarters go on", "Australia/Lord_Howe", "*/15 * * * *", "2026-04-05 01:40 +1100",
			[]string{"2026-04-05 01:45 +1100", "2026-04-05 01:30 +1030", "2026-04-05 01:45 +1030", "2026-04-05 02:00 +1030"}},

		// Apia left out 2011-12-30, and clocks of Sao Paulo used to skip midnight.
		{"a day that does not exist", "Pacific/Apia", "0 12 * * *", "2011-12-29 00:00 -1000",
			[]string{"2011-12-29 12:00 -1000", "2011-12-31 00:00 +1400", "2011-12-31 12:00 +1400"}},
		{"a midnight that does not exist", "America/Sao_Paulo", "@daily", "2018-11-03 12:00 -0300",
			[]string{"2018-11-04 01:00 -0200", "2018-11-05 00:00 -0200"}},
	} {
		t.Run(strings.Join([]string{c.zone, c.cron, c.name}, " "), func(t *testing.T) {
			t.Parallel()
			zone, err := schedule.LoadZone(c.zone)
			require.NoError(t, err)
			var got []string
			for _, fire := range times(t, c.cron, c.zone).After(at(t, c.after), len(c.want)) {
				got = append(got, fire.In(zone).Format(layout))
			}
			require.Equal(t, c.want, got)
		})
	}
}

func TestNextWithoutTransitions(t *testing.T) {
	t.Parallel()
	for cron, want := range map[string]string{
		"* * * * *":         "2026-05-01 10:08 +0000",
		"*/15 * * * *":      "2026-05-01 10:15 +0000",
		"7 10 * * *":        "2026-05-02 10:07 +0000",
		"0 0 29 2 *":        "2028-02-29 00:00 +0000",
		"0 0 13 * FRI":      "2026-05-08 00:00 +0000",
		"0 0 * * 7":         "2026-05-03 00:00 +0000",
		"0 22-2/2 * * *":    "2026-05-01 22:00 +0000",
		"@monthly":          "2026-06-01 00:00 +0000",
		" 0 6 * * MON-FRI ": "2026-05-04 06:00 +0000",
	} {
		require.Equal(t, want, times(t, cron, "").Next(at(t, "2026-05-01 10:07 +0000").Add(30*time.Second)).Format(layout), cron)
	}
}

func TestRefusedExpressions(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *", "* * * * 8", "a b c d e",
		"0 0 30 2 *", "0 0 31 4,6,9,11 *", "@every 1h", "@reboot", "TZ=UTC 0 0 * * *", "CRON_TZ=UTC * * * *", "*/0 * * * *",
		"H * * * *", "0 0 L * *", strings.Repeat("*", 300) + " * * * *",
	} {
		_, err := schedule.ParseCron(text)
		require.Equal(t, fault.RequestFieldInvalid, fault.CodeOf(err), "%q", text)
	}
	for _, name := range []string{"Local", "Berlin", "Europe/Nowhere", "../etc/passwd", "+02:00"} {
		_, err := schedule.LoadZone(name)
		require.Equal(t, fault.RequestFieldInvalid, fault.CodeOf(err), "%q", name)
	}
}

func TestDue(t *testing.T) {
	t.Parallel()
	first := at(t, "2026-05-01 10:00 +0000")
	quarters := times(t, "*/15 * * * *", "UTC")
	last, count := quarters.Due(first, first, 3)
	require.Equal(t, []time.Time{first.UTC()}, last)
	require.Equal(t, 1, count)
	last, count = quarters.Due(first, first.Add(time.Hour+time.Minute), 2)
	require.Equal(t, 5, count)
	require.Equal(t, []time.Time{first.Add(45 * time.Minute).UTC(), first.Add(time.Hour).UTC()}, last)
	// Ten years of minutes are not walked through.
	now := first.AddDate(10, 0, 0)
	last, count = times(t, "* * * * *", "UTC").Due(first, now, 2)
	require.Equal(t, 10_000, count)
	require.Equal(t, []time.Time{now.Add(-time.Minute).UTC(), now.UTC()}, last)
}

// In every zone fire times grow, and none lies between a moment and the next one.
func TestNextIsTheNext(t *testing.T) {
	t.Parallel()
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu", "Africa/Casablanca"}
	crons := []string{"* * * * *", "*/15 * * * *", "30 2 * * *", "15,45 1-3 * * *", "0 */2 * * *", "0 0 1,15 * MON", "59 23 31 12 *"}
	rapid.Check(t, func(t *rapid.T) {
		fires, err := schedule.Parse(rapid.SampledFrom(crons).Draw(t, "cron"), rapid.SampledFrom(zones).Draw(t, "zone"))
		require.NoError(t, err)
		after := time.Unix(rapid.Int64Range(1.2e9, 2.2e9).Draw(t, "after"), 0)
		list := fires.After(after, 4)
		require.Len(t, list, 4)
		require.True(t, list[0].After(after))
		require.True(t, slices.IsSortedFunc(list, time.Time.Compare))
		between := after.Add(time.Duration(rapid.Int64Range(0, int64(list[0].Sub(after))-1).Draw(t, "between")))
		require.Equal(t, list[0], fires.Next(between))
		require.Equal(t, list[1], fires.Next(list[0]))
		require.Zero(t, list[0].Second())
	})
}

func FuzzParseCron(f *testing.F) {
	for _, seed := range []string{"*/15 * * * *", "0 0 29 2 *", "@daily", "1-5,7 22-2 * JAN-MAR MON#1", "? ? ? ? ?", "* * * * 7"} {
		f.Add(seed)
	}
	zone, err := schedule.LoadZone("Australia/Lord_Howe")
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := schedule.ParseCron(text)
		if err != nil {
			return
		}
		after := time.Date(2026, 4, 4, 15, 0, 0, 0, time.UTC)
		if next := c.In(zone).Next(after); !next.IsZero() {
			require.True(t, next.After(after))
		}
	})
}
