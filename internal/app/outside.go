package app

import (
	"context"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/endpoint"
	"github.com/celonis-connector/connector/internal/sqlsource"
)

// OutsideTarget implements endpoint.OutsideTargets.
func (k knownSecrets) OutsideTarget(ctx context.Context, workspace, id string) (connections.OutsideTarget, error) {
	t, err := k.outside.OutsideTarget(ctx, workspace, id)
	if err == nil {
		for _, secret := range t.Secrets() {
			context.AfterFunc(ctx, k.redactor.Register(secret))
		}
	}
	return t, err
}

// TestOutside implements connections.OutsideTester.
func (k knownSecrets) TestOutside(ctx context.Context, t connections.OutsideTarget) connections.TestResult {
	for _, secret := range t.Secrets() {
		defer k.redactor.Register(secret)()
	}
	return k.outsideTester.TestOutside(ctx, t)
}

// databases opens databases through the egress dialer.
func (a *App) databases() *sqlsource.Databases {
	return &sqlsource.Databases{Dial: a.Egress.DialDatabase}
}

// sqlPinger tests databases.
func (a *App) sqlPinger() connections.SQLPinger {
	return func(ctx context.Context, t connections.OutsideTarget) error {
		return a.databases().Ping(ctx, endpoint.SQLTarget(t))
	}
}
