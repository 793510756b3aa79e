package access

import (
	"context"
	"strings"
	"sync"
	"time"
)

// cacheSize bounds each cache, in entries. A full cache is emptied: the worst
// that a flood of tokens can do is to make every request pay the full price.
const cacheSize = 10_000

// clientCache remembers clients for CacheFor.
type clientCache struct {
	load func(ctx context.Context, id string) (*Client, error)
	now  func() time.Time
	mu   sync.RWMutex
	byID map[string]cachedClient
}

type cachedClient struct {
	client *Client
	until  time.Time
}

func newClientCache(load func(context.Context, string) (*Client, error), now func() time.Time) *clientCache {
	return &clientCache{load: load, now: now, byID: map[string]cachedClient{}}
}

// get gives a client that must not be changed.
func (c *clientCache) get(ctx context.Context, id string) (*Client, error) {
	now := c.now()
	c.mu.RLock()
	found, ok := c.byID[id]
	c.mu.RUnlock()
	if ok && now.Before(found.until) {
		return found.client, nil
	}
	client, err := c.load(ctx, id)
	if err != nil {
		c.forget(id)
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.byID) >= cacheSize {
		clear(c.byID)
	}
	c.byID[id] = cachedClient{client, now.Add(CacheFor)}
	return client, nil
}

func (c *clientCache) forget(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.byID, id)
}

// tokenCache remembers tokens whose signature was good. It saves the check of
// the signature, which costs more than the rest of a small request.
type tokenCache struct {
	now   func() time.Time
	mu    sync.RWMutex
	byRaw map[string]verifiedToken
}

type verifiedToken struct {
	client    string
	workspace string
	scopes    []Scope
	ends      time.Time
}

func newTokenCache(now func() time.Time) *tokenCache {
	return &tokenCache{now: now, byRaw: map[string]verifiedToken{}}
}

func (c *tokenCache) get(raw string) (verifiedToken, bool) {
	c.mu.RLock()
	t, ok := c.byRaw[raw]
	c.mu.RUnlock()
	return t, ok && c.now().Before(t.ends)
}

func (c *tokenCache) put(raw string, t verifiedToken) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.byRaw) >= cacheSize {
		clear(c.byRaw)
	}
	c.byRaw[strings.Clone(raw)] = t
}
