package scimgate

import (
	"context"

	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
)

// queue stores a write until Celonis is back. why is the fault that made it
// wait, nil for one that waits for others.
func (s *Service) queue(ctx context.Context, w *write, a *Alias, why error) error {
	now, who := s.deps.Now(), audit.By(ctx)
	o := &Operation{
		ID: s.deps.NewID(), Place: w.Place, Kind: w.Kind, ResourceID: w.view.id, Verb: w.verb, State: Pending,
		Actor: who.ID, RequestID: who.RequestID, NextAt: now, CreatedAt: now, UpdatedAt: now,
	}
	p := payload{Resource: w.body, Patch: w.patch}
	if why != nil {
		f := fault.From(why)
		o.Code = string(f.Code)
		p.Problem = &Problem{f.Code, f.Message, f.Hint}
		o.NextAt = now.Add(firstPause)
		if !f.ResumeAt.IsZero() && f.ResumeAt.After(o.NextAt) {
			o.NextAt = f.ResumeAt
		}
	}
	var err error
	if o.Envelope, err = s.seal(o, p); err != nil {
		return err
	}
	if err := s.deps.Store.QueueSCIM(ctx, o, a, w.event(audit.Queued, w.names()), MaxQueued); err != nil {
		return err
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return nil
}
