package httpapi

import (
	"net/http"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

type runView struct {
	ID           string          `json:"id"`
	FlowID       string          `json:"flowId"`
	FlowRevision int64           `json:"flowRevision"`
	Trigger      flows.Trigger   `json:"trigger"`
	Window       *flows.Window   `json:"window"`
	Backfill     bool            `json:"backfill"`
	DryRun       bool            `json:"dryRun"`
	State        flows.State     `json:"state"`
	HasErrors    bool            `json:"hasErrors"`
	Attempt      int             `json:"attempt"`
	Ledger       flows.Ledger    `json:"ledger"`
	Bytes        int64           `json:"bytes"`
	Chunks       int64           `json:"chunks"`
	PushJobID    *string         `json:"pushJobId"`
	Error        *flows.RunError `json:"error"`
	Warnings     []flows.Warning `json:"warnings"`
	// Actions counts what was done in a destination that tells, or of a dry run would be.
	Actions map[string]int64 `json:"actions"`
	// Forecast is what a dry run has found; null of any other run.
	Forecast *flows.Forecast `json:"forecast"`
	ResumeAt *time.Time      `json:"resumeAt"`
	// FireAt is the fire time of a scheduled run, AfterRunID the run that one of another flow follows.
	FireAt     *time.Time `json:"fireAt"`
	AfterRunID *string    `json:"afterRunId"`

	// Progress is there for a running run of which it is known; a list leaves it out.
	Progress *progressView `json:"progress,omitempty"`
	// Files are what the run has made; only the answer for the run alone has them.
	Files []fileView `json:"files,omitzero"`

	CreatedAt  time.Time  `json:"createdAt"`
	StartedAt  *time.Time `json:"startedAt"`
	FinishedAt *time.Time `json:"finishedAt"`
}

func viewRun(r *flows.Run) runView {
	v := runView{
		ID: r.ID, FlowID: r.FlowID, FlowRevision: r.FlowRevision, Trigger: r.Trigger, State: r.State,
		Window: r.Options.Window, Backfill: r.Options.Backfill, DryRun: r.Options.DryRun,
		HasErrors: r.HasErrors(), Attempt: r.Attempt, Ledger: r.Ledger, Bytes: r.Bytes, Chunks: r.Chunks,
		PushJobID: orNull(r.PushJobID), Error: r.Error, Warnings: list(r.Checkpoint.Warnings), ResumeAt: timeOrNull(r.ResumeAt),
		FireAt: timeOrNull(r.FireAt), AfterRunID: orNull(r.AfterRun),
		CreatedAt: moment(r.CreatedAt), StartedAt: timeOrNull(r.StartedAt), FinishedAt: timeOrNull(r.FinishedAt),
	}
	if r.Options.DryRun {
		v.PushJobID, v.Forecast = nil, viewForecast(r.Checkpoint)
	}
	if v.Actions = r.Checkpoint.Actions; v.Actions == nil {
		v.Actions = map[string]int64{}
	}
	return v
}

// viewForecast gives what a dry run has found so far.
func viewForecast(c flows.Checkpoint) *flows.Forecast {
	f := c.Forecast
	if f == nil {
		return nil
	}
	return &flows.Forecast{Table: f.Table, Errors: list(f.Errors), Changes: f.Changes, Actions: c.Actions}
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = moment(t)
	return &t
}

// moment gives a time as the database keeps it, to the microsecond, so that
// the answer of a create reads like every later one.
func moment(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// accepted answers 202 with a run and where to follow it.
func accepted(r *flows.Run, err error) (reply, error) {
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusAccepted, body: viewRun(r), location: runPath(r.ID)}, nil
}

func runPath(id string) string { return "/v1/runs/" + id }

func (r *call) runID() (string, error) { return r.id(fault.RunNotFound, "run") }

func (a *api) startRun(r *call) (reply, error) {
	id, err := r.flowID()
	if err != nil {
		return reply{}, err
	}
	ask, err := readRunRequest(a, r)
	if err != nil {
		return reply{}, err
	}
	return accepted(a.Runs.StartRunWith(r.ctx(), r.who.Workspace, id, ask))
}

func (a *api) getRun(r *call) (reply, error) {
	id, err := r.runID()
	if err != nil {
		return reply{}, err
	}
	run, err := a.Runs.Run(r.ctx(), r.who.Workspace, id)
	if err != nil {
		return reply{}, err
	}
	files, err := a.Files.FilesOfRuns(r.ctx(), r.who.Workspace, []string{run.ID})
	if err != nil {
		return reply{}, err
	}
	view := viewRun(run)
	view.Progress = viewProgress(a.Runs.RunProgress(r.ctx(), run))
	view.Files = make([]fileView, len(files))
	for i := range files {
		view.Files[i] = viewFile(&files[i])
	}
	return ok(view)
}

func (a *api) cancelRun(r *call) (reply, error) {
	id, err := r.runID()
	if err != nil {
		return reply{}, err
	}
	if err := readNothing(a, r); err != nil {
		return reply{}, err
	}
	return accepted(a.Runs.CancelRun(r.ctx(), r.who.Workspace, id))
}
