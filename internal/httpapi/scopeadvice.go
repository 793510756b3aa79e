package httpapi

import (
	"context"

	"github.com/celonis-connector/connector/connections"
)

// ScopeAdvisor compares a connection's scopes with what its flows do; *connections.Service is one.
type ScopeAdvisor interface {
	ScopeAdvice(ctx context.Context, workspace, id string) (connections.ScopeAdvice, error)
}

var _ ScopeAdvisor = (*connections.Service)(nil)

func (a *api) getScopeAdvice(r *call) (reply, error) {
	id, err := r.connectionID()
	if err != nil {
		return reply{}, err
	}
	advice, err := a.ScopeAdvisor.ScopeAdvice(r.ctx(), r.who.Workspace, id)
	if err != nil {
		return reply{}, err
	}
	return ok(advice)
}
