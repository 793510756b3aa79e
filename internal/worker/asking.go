package worker

import (
	"context"
	"maps"
	"sync"

	"github.com/celonis-connector/connector/flows/mapping"
)

// guardAskers lets the doors of the lookups hear why agents could not be asked.
func guardAskers(shape mapping.Shape, d doors) mapping.Shape {
	if len(shape.Agents) == 0 {
		return shape
	}
	guarded := maps.Clone(shape.Agents)
	one := new(sync.Mutex)
	for name, agent := range guarded {
		if agent.Asker != nil && d.lookups[name] != nil {
			agent.Asker = &guardedAsker{Asker: agent.Asker, heard: d.lookups[name], one: one}
			guarded[name] = agent
		}
	}
	shape.Agents = guarded
	return shape
}

// guardedAsker is an asker whose connection's gate hears, once, why it could
// not ask. Several goroutines ask; doors hear one at a time.
type guardedAsker struct {
	mapping.Asker
	heard func(error) error
	one   *sync.Mutex
	fault *sourceFault
}

var _ mapping.Asker = (*guardedAsker)(nil)

// Ask implements mapping.Asker; its faults are a sourceFault.
func (g *guardedAsker) Ask(ctx context.Context, questions []string) ([]mapping.Answer, error) {
	answers, err := g.Asker.Ask(ctx, questions)
	if err == nil || ctx.Err() != nil {
		return answers, err
	}
	g.one.Lock()
	defer g.one.Unlock()
	if g.fault == nil {
		g.fault = &sourceFault{g.heard(err)}
	}
	return nil, g.fault
}
