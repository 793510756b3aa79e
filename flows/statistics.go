package flows

import (
	"context"
	"time"
)

const (
	// MaxStatisticsDays bounds the days of a flow's statistics.
	MaxStatisticsDays = 90
	// DefaultStatisticsDays is how many there are when the caller does not say.
	DefaultStatisticsDays = 7
	// MaxStreak bounds how far a streak is counted.
	MaxStreak = 10_000
)

// DayStatistics is what the runs of a flow came to that were created on a UTC day.
type DayStatistics struct {
	// Day is its first moment.
	Day time.Time
	// Open runs have not ended yet.
	Open, Succeeded, Failed, Canceled int64
	// WithErrors counts the runs of whose records some went to the error store.
	WithErrors    int64
	Ledger        Ledger
	Bytes, Chunks int64
	// Median and P95 are of the time from the first attempt's beginning to the end, waits included, of the runs that
	// succeeded or failed; 0 when there are none.
	Median, P95 time.Duration
}

// Streak is how often in a row runs came to the same.
type Streak struct {
	// State is Succeeded or Failed; "" when no run has ended so.
	State State
	// Runs counts up to MaxStreak.
	Runs int64
	// Since is when the first of them ended.
	Since time.Time
}

// FlowStatistics is what the runs of a flow came to.
type FlowStatistics struct {
	// Days are in order, one for each day, whether or not there was a run.
	Days []DayStatistics
	// LastSuccessAt and LastFailureAt are of all runs, not of the days only; zero when there was none.
	LastSuccessAt, LastFailureAt time.Time
	Streak                       Streak
}

// StatisticsSpan names a flow and the days.
type StatisticsSpan struct {
	Workspace, FlowID string
	// From is the first moment of the first day, To the first after the last one.
	From, To time.Time
}

// StatisticsStore counts runs.
type StatisticsStore interface {
	// FlowStatistics counts; days without a run are left out.
	FlowStatistics(ctx context.Context, span StatisticsSpan) (*FlowStatistics, error)
}

const wholeDay = 24 * time.Hour

// FlowStatistics tells what the runs of a flow came to, day by day, the
// present day among them. Fault FlowNotFound.
func (s *Service) FlowStatistics(ctx context.Context, workspace, flowID string, days int) (*FlowStatistics, error) {
	if _, err := s.Flows.Flow(ctx, workspace, flowID); err != nil {
		return nil, err
	}
	today := s.Now().UTC().Truncate(wholeDay)
	span := StatisticsSpan{Workspace: workspace, FlowID: flowID, From: today.AddDate(0, 0, 1-days), To: today.AddDate(0, 0, 1)}
	found, err := s.Statistics.FlowStatistics(ctx, span)
	if err != nil {
		return nil, err
	}
	byDay := map[time.Time]DayStatistics{}
	for _, d := range found.Days {
		byDay[d.Day] = d
	}
	found.Days = make([]DayStatistics, 0, days)
	for day := span.From; day.Before(span.To); day = day.AddDate(0, 0, 1) {
		d := byDay[day]
		d.Day = day
		found.Days = append(found.Days, d)
	}
	return found, nil
}
