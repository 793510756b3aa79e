package scheduler

import (
	"context"
	"log/slog"
	"time"
)

// Connections tests the offline connections whose time has come.
type Connections interface {
	Probe(ctx context.Context) error
}

// Prober has offline connections tested. Any number of probers may run at
// once: each connection is tested by one.
type Prober struct {
	Connections Connections
	// Every is the pause between two looks for connections that are due.
	Every time.Duration
	Log   *slog.Logger
}

// Run probes until ctx ends. It is a loop of its own, because a test call may
// take long and the sweep may not.
func (p *Prober) Run(ctx context.Context) error {
	ticker := time.NewTicker(p.Every)
	defer ticker.Stop()
	for {
		if err := p.Connections.Probe(ctx); err != nil && ctx.Err() == nil {
			p.Log.ErrorContext(ctx, "the look for offline connections failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}
