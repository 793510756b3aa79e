package celonis

import (
	"context"
	"net/http"
	"sync"
)

// generation is one of the two path prefixes under which Celonis serves Data
// Push. Both are live, on different teams and at different times.
type generation string

const (
	genNew generation = "/data-ingestion/api/v1/data-push/"
	genOld generation = "/integration/api/v1/data-push/"
)

func (g generation) other() generation {
	if g == genNew {
		return genOld
	}
	return genNew
}

// generations remembers which prefix answered: for the client as a whole, and
// for each push job, which stays under one prefix for its whole life.
type generations struct {
	mu        sync.Mutex
	preferred generation
	jobs      map[string]generation
}

// of gives the prefix to try first; known tells whether it has answered before.
func (g *generations) of(job string) (first generation, known bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if own, ok := g.jobs[job]; ok && job != "" {
		return own, true
	}
	if g.preferred != "" {
		return g.preferred, true
	}
	return genNew, false
}

func (g *generations) remember(job string, gen generation) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if job == "" {
		g.preferred = gen
		return
	}
	if g.preferred == "" {
		g.preferred = gen
	}
	if g.jobs == nil {
		g.jobs = map[string]generation{}
	}
	g.jobs[job] = gen
}

func (g *generations) forget(job string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.jobs, job)
}

// do makes a call under the pool's jobs; rest is what follows ".../jobs". A
// 404 may mean that the prefix is not served here, so the other one is asked
// before a 404 is believed.
func (p *DataPush) do(ctx context.Context, job, rest string, k call) (generation, error) {
	pool, err := segment(p.pool)
	if err != nil {
		return "", err
	}
	first, known := p.client.generations.of(job)
	k.path = string(first) + pool + "/jobs" + rest
	err = p.client.do(ctx, k)
	if statusOf(err) != http.StatusNotFound {
		if err == nil {
			p.client.generations.remember(job, first)
		}
		return first, err
	}
	second := first.other()
	k.path = string(second) + pool + "/jobs" + rest
	otherErr := p.client.do(ctx, k)
	switch {
	case otherErr == nil:
		p.client.generations.remember(job, second)
		return second, nil
	case statusOf(otherErr) == http.StatusNotFound, known && statusOf(otherErr) != 0:
		// Where the first prefix has answered before, only a success of the other one counts against its 404.
		return first, err
	}
	return second, otherErr
}
