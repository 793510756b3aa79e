package budget_test

import (
	"testing"
	"time"

	"github.com/celonis-connector/connector/flows/budget"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// at gives a time of one morning.
func at(clock string) time.Time {
	t, err := time.Parse("2006-01-02 15:04:05.999", "2026-03-29 "+clock)
	if err != nil {
		panic(err)
	}
	return t
}

func TestTheOperatorComesBeforeCelonis(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		operator budget.Limits
		told     budget.Told
		want     budget.Limits
	}{
		"nothing known":          {want: budget.Limits{PerHour: budget.DefaultPerHour, PerSecond: budget.DefaultPerSecond}},
		"celonis":                {told: budget.Told{PerHour: 1000, PerSecond: 20}, want: budget.Limits{PerHour: 1000, PerSecond: 20}},
		"celonis, in part":       {told: budget.Told{PerHour: 1000}, want: budget.Limits{PerHour: 1000, PerSecond: 10}},
		"no limits":              {told: budget.Told{PerHour: 250, PerSecond: 10, Unlimited: true}},
		"the operator":           {operator: budget.Limits{PerHour: 5, PerSecond: 2}, told: budget.Told{PerHour: 9, PerSecond: 9}, want: budget.Limits{PerHour: 5, PerSecond: 2}},
		"the operator, in part":  {operator: budget.Limits{PerHour: 5}, told: budget.Told{PerSecond: 9}, want: budget.Limits{PerHour: 5, PerSecond: 9}},
		"the operator of a free": {operator: budget.Limits{PerHour: 5}, told: budget.Told{Unlimited: true}, want: budget.Limits{PerHour: 5}},
	} {
		require.Equal(t, c.want, budget.Choose(c.operator, c.told), name)
	}
}

func TestAShareIsKeptForRetries(t *testing.T) {
	t.Parallel()
	for perHour, first := range map[int64]int64{0: 0, 1: 1, 5: 5, 9: 9, 10: 9, 100: 90, 250: 225} {
		require.Equal(t, first, budget.Limits{PerHour: perHour}.FirstPerHour(), perHour)
	}
}

func TestWhenARunWakes(t *testing.T) {
	t.Parallel()
	team := budget.Limits{PerHour: 250, PerSecond: 10}
	for name, c := range map[string]struct {
		limits budget.Limits
		free   string
		ahead  int64
		want   string
	}{
		"the first of the hour":         {team, "11:00:00", 0, "11:00:01"},
		"in the pace of the second":     {team, "11:00:00", 13, "11:00:02.3"},
		"the last that fits":            {team, "11:00:00", 224, "11:00:23.4"},
		"the first that does not":       {team, "11:00:00", 225, "12:00:01"},
		"hours later":                   {team, "11:00:00", 3*225 + 1, "14:00:01.1"},
		"within the hour":               {team, "10:20:07", 2, "10:20:07.2"},
		"within the hour, does not fit": {team, "10:20:07", 226, "11:00:01.1"},
		"the hour turns in the pace":    {budget.Limits{PerHour: 4, PerSecond: 1}, "10:59:58", 2, "11:00:01"},
		"no limit per second":           {budget.Limits{PerHour: 10}, "11:00:00", 8, "11:00:01"},
		"no limit per hour":             {budget.Limits{PerSecond: 2}, "10:20:07", 1000, "10:28:27"},
	} {
		require.Equal(t, at(c.want), c.limits.Wake(at(c.free), c.ahead), name)
	}
}

// Runs wake in the order in which they were made, never before the budget is free, and no hour gets more of them than it bears.
func TestWakingKeepsOrderAndLimit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := budget.Limits{PerHour: rapid.Int64Range(1, 400).Draw(t, "perHour"), PerSecond: rapid.Int64Range(1, 20).Draw(t, "perSecond")}
		free := at("10:00:00").Add(time.Duration(rapid.IntRange(0, 7199).Draw(t, "free")) * time.Second)
		hours := map[time.Time]int64{}
		last := free
		for ahead := range int64(1200) {
			wake := l.Wake(free, ahead)
			if wake.Before(last) {
				t.Fatalf("run %d wakes at %v, before the one ahead of it", ahead, wake)
			}
			last = wake
			hours[budget.Hour(wake)]++
		}
		for hour, n := range hours {
			require.LessOrEqual(t, n, l.FirstPerHour(), hour)
		}
	})
}

func TestHours(t *testing.T) {
	t.Parallel()
	berlin := time.FixedZone("half past", 5*3600+1800)
	require.Equal(t, at("10:00:00"), budget.Hour(at("10:59:59.999").In(berlin)))
	require.Equal(t, at("11:00:00"), budget.Turn(at("10:00:00")))
	l := budget.Limits{PerHour: 1}
	require.False(t, l.Closing(at("10:59:58.9")))
	require.True(t, l.Closing(at("10:59:59")))
	require.False(t, budget.Limits{}.Closing(at("10:59:59.5")))
}

func TestForecast(t *testing.T) {
	t.Parallel()
	l := budget.Limits{PerHour: 10}
	fires := []budget.Fire{
		{At: at("09:59:59"), Pushes: 100}, {At: at("10:00:00"), Pushes: 4}, {At: at("10:59:59"), Pushes: 6},
		{At: at("11:30:00"), Pushes: 25}, {At: at("12:00:00"), Pushes: 1}, {At: at("14:00:00"), Pushes: 100},
	}
	require.Equal(t, []budget.Outlook{
		{at("10:00:00"), 10, true}, {at("11:00:00"), 25, false}, {at("12:00:00"), 16, false}, {at("13:00:00"), 6, true},
	}, budget.Forecast(l, at("10:20:00"), 4, fires))
	require.Equal(t, []budget.Outlook{{at("11:00:00"), 25, true}}, budget.Forecast(budget.Limits{}, at("11:00:00"), 1, fires))
	require.Empty(t, budget.Forecast(l, at("11:00:00"), 0, fires))
}

func TestThePastRepeatsItself(t *testing.T) {
	t.Parallel()
	now := at("10:20:00")
	hour := func(back int, pushes int64) budget.Fire {
		return budget.Fire{At: at("10:00:00").Add(-time.Duration(back) * time.Hour), Pushes: pushes}
	}
	pushes := func(fires []budget.Fire) (out []int64) {
		for i, f := range fires {
			require.Equal(t, at("11:00:00").Add(time.Duration(i)*time.Hour), f.At)
			out = append(out, f.Pushes)
		}
		return out
	}
	require.Empty(t, budget.Repeat(nil, now, 3))
	require.Empty(t, budget.Repeat([]budget.Fire{hour(0, 9)}, now, 3), "this hour is not over")
	require.Equal(t, []int64{7, 0, 5}, pushes(budget.Repeat([]budget.Fire{hour(24, 1), hour(23, 7), hour(21, 5), hour(3, 2)}, now, 3)), "as a day before")
	require.Equal(t, []int64{3, 3}, pushes(budget.Repeat([]budget.Fire{hour(3, 4), hour(1, 3), hour(0, 50)}, now, 2)), "the mean of 4, 0 and 3")
	require.Equal(t, []int64{4, 6}, pushes(budget.Repeat([]budget.Fire{hour(30, 99), hour(22, 6), hour(1, 80)}, now, 2)), "the mean of 22 hours, then a day before")
}
