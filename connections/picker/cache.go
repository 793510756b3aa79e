package picker

import (
	"context"
	"sync"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
)

const (
	// DefaultKeep is how long a list is remembered.
	DefaultKeep = time.Minute
	// DefaultMaxItems bounds the items of all remembered lists, some 40 MB at most.
	DefaultMaxItems = 200_000
	// maxLists bounds the remembered lists, empty ones included.
	maxLists = 1000
)

// key is what a remembered list depends on. A changed connection has another
// revision and so other lists.
type key struct {
	workspace, connection string
	revision              int64
	query                 Query
}

// cache remembers lists for a short while, and reads a list once however many
// ask for it at the same time. Failures are not remembered.
type cache struct {
	keep     time.Duration
	maxItems int
	now      func() time.Time
	fetch    func(context.Context, key) ([]item, error)

	mu      sync.Mutex
	lists   map[key]kept
	items   int
	flights map[key]*flight
}

type kept struct {
	items []item
	until time.Time
}

// flight is a reading under way; items and err are set when done is closed.
type flight struct {
	done  chan struct{}
	items []item
	err   error
}

func newCache(keep time.Duration, maxItems int, now func() time.Time, fetch func(context.Context, key) ([]item, error)) *cache {
	return &cache{keep: keep, maxItems: maxItems, now: now, fetch: fetch, lists: map[key]kept{}, flights: map[key]*flight{}}
}

// get gives a list; fresh reads it anew. A reading goes on when its first
// asker goes away, because others may wait for it.
func (c *cache) get(ctx context.Context, k key, fresh bool) ([]item, error) {
	f, list, ok := c.find(ctx, k, fresh)
	if ok {
		return list, nil
	}
	select {
	case <-f.done:
		return f.items, f.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (c *cache) find(ctx context.Context, k key, fresh bool) (f *flight, list []item, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l, found := c.lists[k]; found && !fresh && c.now().Before(l.until) {
		return nil, l.items, true
	}
	f = c.flights[k]
	if f == nil {
		f = &flight{done: make(chan struct{}), err: fault.New(fault.Internal, "the list was not read")}
		c.flights[k] = f
		go c.fly(context.WithoutCancel(ctx), k, f)
	}
	return f, nil, false
}

func (c *cache) fly(ctx context.Context, k key, f *flight) {
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.flights, k)
		if f.err == nil {
			c.remember(k, f.items)
		}
		close(f.done)
	}()
	f.items, f.err = c.fetch(ctx, k)
}

// remember keeps a list, and forgets those that are over and then the oldest
// until the bounds hold.
func (c *cache) remember(k key, items []item) {
	now := c.now()
	c.forget(k)
	c.lists[k] = kept{items, now.Add(c.keep)}
	c.items += len(items)
	for old, l := range c.lists {
		if !now.Before(l.until) {
			c.forget(old)
		}
	}
	for len(c.lists) > maxLists || c.items > c.maxItems {
		c.forget(c.oldest())
	}
}

func (c *cache) oldest() (k key) {
	var until time.Time
	for each, l := range c.lists {
		if until.IsZero() || l.until.Before(until) {
			k, until = each, l.until
		}
	}
	return k
}

func (c *cache) forget(k key) {
	c.items -= len(c.lists[k].items)
	delete(c.lists, k)
}
