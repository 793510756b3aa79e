package app

import (
	"context"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/endpoint"
	"github.com/celonis-connector/connector/internal/telemetry"
)

// knownKeys keeps what deliveries are signed with out of the log.
type knownKeys struct {
	keys     endpoint.DeliveryKeys
	redactor *telemetry.Redactor
}

var _ endpoint.DeliveryKeys = knownKeys{}

// DeliveryKeys implements endpoint.DeliveryKeys.
func (k knownKeys) DeliveryKeys(ctx context.Context, f *flows.Flow) ([]flows.DeliveryKey, error) {
	keys, err := k.keys.DeliveryKeys(ctx, f)
	for _, key := range keys {
		context.AfterFunc(ctx, k.redactor.Register(key.Secret))
	}
	return keys, err
}
