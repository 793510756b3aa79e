package scimgate

import "sync"

// turns lets the writes of one resource take turns in this process, so that
// each begins from what the one before it made.
type turns struct {
	mu   sync.Mutex
	held map[string]*turn
}

type turn struct {
	mu      sync.Mutex
	waiting int
}

// take waits for the turn of a resource and gives what ends it.
func (t *turns) take(key string) (end func()) {
	t.mu.Lock()
	one := t.held[key]
	if one == nil {
		one = &turn{}
		t.held[key] = one
	}
	one.waiting++
	t.mu.Unlock()
	one.mu.Lock()
	return func() {
		one.mu.Unlock()
		t.mu.Lock()
		defer t.mu.Unlock()
		if one.waiting--; one.waiting == 0 {
			delete(t.held, key)
		}
	}
}
