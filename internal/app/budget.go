package app

import (
	"context"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/budget"
)

// operatorLimits are those that the configuration sets, 0 where it leaves them to Celonis.
func (a *App) operatorLimits() budget.Limits {
	return budget.Limits{PerHour: a.cfg.PushesPerHour, PerSecond: a.cfg.PushesPerSecond}
}

// governor keeps the teams' push submissions within their limits.
func (a *App) governor() *budget.Governor {
	return budget.NewGovernor(budget.Deps{Store: a.Store, Operator: a.operatorLimits(), Now: a.now})
}

// budgets tells what is left of them.
func (a *App) budgets() *budget.Reporter {
	return &budget.Reporter{Store: a.Store, Operator: a.operatorLimits(), Now: a.now, Requests: a.requests()}
}

// requests keeps the requests to the Intelligence API within the limits of the team's license.
func (a *App) requests() *budget.Requests {
	limits := budget.RequestLimits{PerDay: a.cfg.IntelligencePerDay}
	return &budget.Requests{Store: a.Store, Limits: limits, Now: a.now}
}

// teamLimits tells the limits in force for a team by what is on record.
func (a *App) teamLimits() flows.Limits { return recordedLimits{a.Store, a.operatorLimits()} }

type recordedLimits struct {
	store    budget.Store
	operator budget.Limits
}

// TeamLimits implements flows.Limits.
func (r recordedLimits) TeamLimits(ctx context.Context, domain string) (budget.Limits, error) {
	told, err := r.store.ToldLimits(ctx, domain)
	return budget.Choose(r.operator, told), err
}
