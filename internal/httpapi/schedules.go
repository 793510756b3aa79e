package httpapi

import (
	"time"

	"github.com/celonis-connector/connector/flows"
)

// scheduleState is how a flow's schedule has done.
type scheduleState struct {
	NextFireAt    *time.Time `json:"nextFireAt"`
	LastFireAt    *time.Time `json:"lastFireAt"`
	Skipped       int64      `json:"skipped"`
	LastSkippedAt *time.Time `json:"lastSkippedAt"`
	Missed        int64      `json:"missed"`
	LastMissedAt  *time.Time `json:"lastMissedAt"`
}

func viewScheduleState(s *flows.ScheduleState) *scheduleState {
	if s == nil {
		return nil
	}
	return &scheduleState{timeOrNull(s.NextFireAt), timeOrNull(s.LastFireAt), s.Skipped, timeOrNull(s.LastSkippedAt), s.Missed, timeOrNull(s.LastMissedAt)}
}

// viewProspect is a flow with what lies ahead of it. The flow itself is the
// answer, so that it is given although what lies ahead cannot be told.
func (a *api) viewProspect(r *call, f *flows.Flow) flowView {
	v := viewFlow(f)
	p, err := a.Flows.Prospect(r.ctx(), f)
	if err != nil {
		a.Log.WarnContext(r.ctx(), "what lies ahead of a flow could not be told", "flow", f.ID, "error", err)
		return v
	}
	v.NextFires, v.ScheduleState, v.Warnings = p.NextFires, viewScheduleState(p.State), p.Warnings
	return v
}

func (a *api) pauseFlow(r *call) (reply, error)  { return a.holdFlow(r, true) }
func (a *api) resumeFlow(r *call) (reply, error) { return a.holdFlow(r, false) }

func (a *api) holdFlow(r *call, paused bool) (reply, error) {
	id, revision, err := a.expectedFlow(r)
	if err != nil {
		return reply{}, err
	}
	if err := readNothing(a, r); err != nil {
		return reply{}, err
	}
	return a.flowReply(r)(a.Flows.SetPaused(r.ctx(), r.who.Workspace, id, paused, revision))
}
