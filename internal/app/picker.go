package app

import (
	"context"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/connections/picker"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/celonis"
)

// pickers makes the lists that forms offer.
func (a *App) pickers() *picker.Service {
	return picker.New(picker.Deps{
		Connections: pickConnections{a.Connections, knownSecrets{targets: a.Connections, redactor: a.redactor}},
		Source:      celonis.NewPicker(celonis.PickerConfig{Transport: a.Egress.Transport(), Logger: a.log, Now: a.now, Shared: &a.limits, Tokens: a.Tokens}),
		Logger:      a.log, Now: a.now,
	})
}

// pickConnections opens connections for pickers and keeps their keys out of the logs.
type pickConnections struct {
	service *connections.Service
	opened  knownSecrets
}

var _ picker.Connections = pickConnections{}

// Get implements picker.Connections.
func (p pickConnections) Get(ctx context.Context, workspace, id string) (*connections.Connection, error) {
	return p.service.Get(ctx, workspace, id)
}

// Target implements picker.Connections.
func (p pickConnections) Target(ctx context.Context, workspace, id string) (connections.Target, error) {
	return p.opened.Target(audit.For(ctx, audit.ForPicker), workspace, id)
}
