package flows

import (
	"context"
	"time"

	"github.com/celonis-connector/connector/flows/budget"
	"github.com/celonis-connector/connector/flows/schedule"
	"github.com/celonis-connector/connector/internal/fault"
)

// Prospect is what lies ahead of a flow.
type Prospect struct {
	// NextFires are the next fire times, at most ShownFires; none while the flow is disabled or without a schedule.
	NextFires []time.Time
	// State is how the schedule has done; nil without one.
	State    *ScheduleState
	Warnings []FlowWarning
}

// FlowWarning is something that a flow will run into.
type FlowWarning struct {
	Code    fault.Code `json:"code"`
	Message string     `json:"message"`
}

// Limits tells the push limits of teams.
type Limits interface {
	// TeamLimits gives the limits in force for the team of a domain, as far as they are known.
	TeamLimits(ctx context.Context, domain string) (budget.Limits, error)
}

const (
	// prospectHours is how far ahead pushes are added up, maxProspect how many of them at most.
	prospectHours, maxProspect = 24, 50_000
)

// Prospect tells what lies ahead of a flow as it is stored.
func (s *Service) Prospect(ctx context.Context, f *Flow) (Prospect, error) {
	if f.Schedule == nil {
		return Prospect{}, nil
	}
	state, err := s.Schedules.ScheduleState(ctx, f.Workspace, f.ID)
	if err != nil {
		return Prospect{}, err
	}
	now := s.Now()
	p := Prospect{State: &state, NextFires: f.NextFires(now, ShownFires)}
	if len(p.NextFires) == 0 || f.Import.Type != ImportDataPush {
		return p, nil
	}
	p.Warnings, err = s.budgetWarnings(ctx, f, now)
	return p, err
}

// budgetWarnings says when the schedules of the flow's team come to more pushes
// in an hour than the team has. A run counts as one push.
func (s *Service) budgetWarnings(ctx context.Context, f *Flow, now time.Time) ([]FlowWarning, error) {
	c, err := s.Connections.Connection(ctx, f.Workspace, f.Import.ConnectionID)
	if fault.Has(err, fault.ConnectionNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	limits, err := s.Limits.TeamLimits(ctx, c.Domain)
	if err != nil || limits.PerHour <= 0 {
		return nil, err
	}
	all, err := s.Schedules.TeamSchedules(ctx, c.Domain, f.ID)
	if err != nil {
		return nil, err
	}
	all = append(all, TeamSchedule{Cron: f.Schedule.Cron, TimeZone: f.Schedule.TimeZone, Flows: 1})
	hours := min(prospectHours, max(1, maxProspect/(60*len(all))))
	from := budget.Turn(now)
	for _, o := range budget.Forecast(limits, from, hours, teamFires(all, from, from.Add(time.Duration(hours)*time.Hour))) {
		if !o.Fits {
			w := fault.New(fault.FlowBudgetShort, "the schedules of the team %q come to %d pushes in the hour from %s, and it has %d",
				c.Domain, o.Expected, o.Hour.Format(time.RFC3339), limits.PerHour)
			return []FlowWarning{{Code: w.Code, Message: w.Message}}, nil
		}
	}
	return nil, nil
}

func teamFires(all []TeamSchedule, from, to time.Time) (fires []budget.Fire) {
	for _, t := range all {
		times, err := schedule.Parse(t.Cron, t.TimeZone)
		if err != nil {
			continue
		}
		for at := times.Next(from.Add(-time.Second)); !at.IsZero() && at.Before(to); at = times.Next(at) {
			fires = append(fires, budget.Fire{At: at, Pushes: t.Flows})
		}
	}
	return fires
}
