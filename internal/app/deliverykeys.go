package app

import (
	"context"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/endpoint"
	"github.com/celonis-connector/connector/internal/telemetry"
)

// knownKeys keeps what deliveries are signed with out of the log.
type knownKeys struct {
	keys     endpoint.DeliveryKeys
	redactor *telemetry.Redactor
}

var _ endpoint.DeliveryKeys = knownKeys{}

// deliveryKeys opens what deliveries are signed with; each opening is on record.
func (a *App) deliveryKeys() endpoint.DeliveryKeys {
	used := func(ctx context.Context, f *flows.Flow) error {
		return a.uses.Used(audit.For(ctx, audit.ForWebhook), audit.Event{Workspace: f.Workspace, Kind: audit.Flow, ObjectID: f.ID, Name: f.Name})
	}
	return knownKeys{&flows.DeliveryKeys{Secrets: a.Store, Sealer: a.Keyring, Used: used, Now: a.now}, a.redactor}
}

// DeliveryKeys implements endpoint.DeliveryKeys.
func (k knownKeys) DeliveryKeys(ctx context.Context, f *flows.Flow) ([]flows.DeliveryKey, error) {
	keys, err := k.keys.DeliveryKeys(ctx, f)
	for _, key := range keys {
		context.AfterFunc(ctx, k.redactor.Register(key.Secret))
	}
	return keys, err
}
