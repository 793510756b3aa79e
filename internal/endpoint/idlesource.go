package endpoint

import (
	"context"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
)

// idleSource is the source of a run whose flow leaves it nothing to read.
type idleSource struct{ why flows.Idle }

var _ engine.Source = idleSource{}

// idleOf gives the source of a run that has nothing to read; ok is false for any other run.
func idleOf(r *flows.Run) (s idleSource, ok bool) {
	d := r.Options.Delta
	if d == nil || d.Idle == "" {
		return idleSource{}, false
	}
	return idleSource{d.Idle}, true
}

// Open implements engine.Source: it gives no records, and a warning where that may be a surprise.
func (s idleSource) Open(context.Context, []string) (*engine.Stream, error) {
	warn := func(code fault.Code, message string) error {
		return &engine.Empty{Warning: &flows.Warning{Code: code, Message: message}}
	}
	switch s.why {
	case flows.IdleRanOnce:
		return nil, warn(fault.FlowRanOnce, "the flow reads once, and an earlier run has: nothing was read")
	case flows.IdleBehind:
		return nil, warn(fault.SourceBehind, "the flow that this one keeps behind has no watermark yet: nothing was read")
	case flows.IdleUnfit:
		return nil, fault.New(fault.SourceWatermark, "the flow's watermark is not of the type that export.delta.type now says").
			WithHint("set it anew with PUT /v1/flows/{id}/watermark")
	}
	return nil, &engine.Empty{}
}
