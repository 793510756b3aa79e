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

// readWithin bounds a read, which belongs to no single caller.
const readWithin = 10 * time.Second

// recent remembers for CacheFor what it read of rows. It never remembers
// faults. Reads of one key that are asked for at the same time are one read,
// so that a flood of wrong secrets costs as many reads as fit one after the
// other, however many they are.
type recent[T any] struct {
	load func(ctx context.Context, key string) (T, error)
	now  func() time.Time

	mu    sync.RWMutex
	byKey map[string]remembered[T]
	reads map[string]*reading[T]
}

type remembered[T any] struct {
	value T
	until time.Time
}

// reading is a read under way; next is the one that those wait for who came
// after it had begun.
type reading[T any] struct {
	done  chan struct{}
	value T
	err   error
	// stale is set when the row changed while it was read: the value is for those who wait, and is not remembered.
	stale bool
	next  *reading[T]
}

func newRecent[T any](load func(context.Context, string) (T, error), now func() time.Time) *recent[T] {
	return &recent[T]{load: load, now: now, byKey: map[string]remembered[T]{}, reads: map[string]*reading[T]{}}
}

// get gives a value that must not be changed, not older than CacheFor, and
// whether it was read just now.
func (c *recent[T]) get(ctx context.Context, key string) (value T, fresh bool, err error) {
	now := c.now()
	c.mu.RLock()
	found, ok := c.byKey[key]
	c.mu.RUnlock()
	if ok && now.Before(found.until) {
		return found.value, false, nil
	}
	value, err = c.read(ctx, key)
	return value, true, err
}

// read gives a value from a read that begins after the call.
func (c *recent[T]) read(ctx context.Context, key string) (T, error) {
	r, lead := c.join(key)
	if lead {
		// Whoever leads reads for all who wait: a caller that leaves must not end it for the others.
		go c.run(context.WithoutCancel(ctx), key, r)
	}
	select {
	case <-r.done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

// join gives the read to wait for, and whether the caller has to run it.
func (c *recent[T]) join(key string) (r *reading[T], lead bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	current, busy := c.reads[key]
	if !busy {
		r = &reading[T]{done: make(chan struct{})}
		c.reads[key] = r
		return r, true
	}
	if current.next == nil {
		current.next = &reading[T]{done: make(chan struct{})}
	}
	return current.next, false
}

// run reads for r, and then for those who came meanwhile, until nobody waits.
func (c *recent[T]) run(ctx context.Context, key string, r *reading[T]) {
	for r != nil {
		until := c.now().Add(CacheFor)
		within, cancel := context.WithTimeout(ctx, readWithin)
		r.value, r.err = c.load(within, key)
		cancel()
		r = c.finish(key, r, until)
	}
}

func (c *recent[T]) finish(key string, r *reading[T], until time.Time) (next *reading[T]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case r.err != nil:
		delete(c.byKey, key)
	case !r.stale:
		if len(c.byKey) >= cacheSize {
			clear(c.byKey)
		}
		c.byKey[key] = remembered[T]{r.value, until}
	}
	if r.next == nil {
		delete(c.reads, key)
	} else {
		c.reads[key] = r.next
	}
	close(r.done)
	return r.next
}

// forget makes the next get read anew; what is being read now is not remembered.
func (c *recent[T]) forget(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.byKey, key)
	if r, busy := c.reads[key]; busy {
		r.stale = true
	}
}

// tokenCache remembers tokens whose signature was good. It saves the check of
// the signature, which costs more than the rest of a small request.
type tokenCache struct {
	now   func() time.Time
	mu    sync.RWMutex
	byRaw map[string]verifiedToken
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
