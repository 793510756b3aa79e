package app

import "github.com/celonis-connector/connector/flows/budget"

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
	return &budget.Reporter{Store: a.Store, Operator: a.operatorLimits(), Now: a.now}
}
