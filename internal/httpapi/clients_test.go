package httpapi_test

import (
	"context"
	"sync"
	"time"

	"github.com/celonis-connector/connector/internal/access"
	"github.com/celonis-connector/connector/internal/fault"
)

// clients keeps API clients in memory.
type clients struct {
	mu   sync.Mutex
	byID map[string]access.Client
}

var _ access.Repository = (*clients)(nil)

func newClients() *clients { return &clients{byID: map[string]access.Client{}} }

func (m *clients) CreateClient(_ context.Context, c *access.Client) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.byID[c.ID] = *c
	return nil
}

func (m *clients) Client(_ context.Context, id string) (*access.Client, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.byID[id]
	if !ok {
		return nil, fault.New(fault.AccessClientNotFound, "there is no API client %q", id)
	}
	return &c, nil
}

func (m *clients) Clients(context.Context, string) ([]access.Client, error) { return nil, nil }

func (m *clients) TouchClient(context.Context, string, time.Time) error { return nil }

func (m *clients) SetClientDisabled(context.Context, string, string, bool) error { return nil }
