package app

import (
	"github.com/celonis-connector/connector/internal/config"
	"github.com/celonis-connector/connector/internal/endpoint"
	"github.com/celonis-connector/connector/internal/listener"
)

// WithListeningPace gives the App another pace at which subscriptions to events are looked at.
func WithListeningPace(p listener.Pace) Option { return func(a *App) { a.listening = p } }

// listeningPace gives a look at a subscription, which is a few requests, some of a worker's leases.
func listeningPace(cfg config.Config) listener.Pace {
	p := listener.DefaultPace()
	p.Lease = 4 * cfg.Lease
	return p
}

// subscriptions makes what looks after the subscriptions of flows to events of Celonis.
func (a *App) subscriptions() *listener.Listener {
	return &listener.Listener{
		Store: a.Store, Events: a.Flows, Celonis: endpoint.Subscriptions{Builder: a.endpoints, Gate: a.Connections}, Sealer: a.Keyring, Uses: a.uses,
		PublicURL: a.address(), Pace: a.listening, Every: a.cfg.SweepInterval, Now: a.now, Log: a.log,
	}
}
