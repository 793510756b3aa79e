package endpoint

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/celonis"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/pace"
)

// steps does what an import asks for once its rows are in the table: it starts
// data jobs and data model loads in order, each once, and waits for them.
type steps struct {
	client  *celonis.Client
	pool    string
	list    []flows.Step
	pollFor time.Duration
	now     func() time.Time
}

// Steps implements engine.Follower.
func (s *steps) Steps() int { return len(s.list) }

// Follow implements engine.Follower. What Celonis told of a step before it was
// started is on record first: an attempt that finds the step begun but not
// known to be started asks whether anything new runs, and starts it only then.
func (s *steps) Follow(ctx context.Context, c flows.Checkpoint, save func(flows.Checkpoint) error) error {
	for {
		st := flows.StepState{}
		if c.Then != nil {
			st = *c.Then
		}
		if st.Next >= len(s.list) {
			return nil
		}
		step := &following{steps: s, step: s.list[st.Next], state: st}
		warning, err := step.do(ctx, func(now flows.StepState) error {
			c.Then = &now
			return save(c)
		})
		var failed *stepFailure
		if errors.As(err, &failed) && step.step.OnFailure == flows.Warn {
			warning, err = &flows.Warning{Code: fault.CelonisStepFailed, Message: failed.sentence(st.Next, step.step)}, nil
		}
		if errors.As(err, &failed) {
			return fault.Wrap(failed.cause, fault.CelonisStepFailed, "the rows are in the table, but %s", failed.sentence(st.Next, step.step)).
				WithHint("look at it in Celonis, Data Integration; with onFailure %q a run only warns", flows.Warn)
		}
		if err != nil {
			return err
		}
		if warning != nil && len(c.Warnings) < flows.MaxWarnings {
			c.Warnings = append(c.Warnings[:len(c.Warnings):len(c.Warnings)], *warning)
		}
		c.Then = &flows.StepState{Next: st.Next + 1}
		if err := save(c); err != nil {
			return err
		}
	}
}

// stepFailure says that a step did not do what it should, whatever is tried.
type stepFailure struct {
	what  string
	cause error
}

func (f *stepFailure) Error() string { return f.what }

func (f *stepFailure) sentence(index int, step flows.Step) string {
	return fmt.Sprintf("step %d, %s, %s", index+1, step, f.what)
}

// following is one step under way.
type following struct {
	*steps
	step  flows.Step
	state flows.StepState
}

// progress is what Celonis tells of a step.
type progress struct {
	// id tells one execution from the next.
	id             string
	ended, ok      bool
	status         string
	message        string
	endedWithFlaws bool
}

func (f *following) look(ctx context.Context) (progress, error) {
	if f.step.Type == flows.StepDataJob {
		j, err := f.client.DataJobStanding(ctx, f.pool, f.step.ID)
		return progress{id: j.Started, ended: j.Ended(), ok: j.OK(), status: j.Status}, err
	}
	l, err := f.client.DataModelLoad(ctx, f.pool, f.step.ID)
	return progress{id: l.ID, ended: l.Ended(), ok: l.OK(), status: l.Status, message: l.Message, endedWithFlaws: l.Warned()}, err
}

func (f *following) start(ctx context.Context) error {
	if f.step.Type == flows.StepDataJob {
		return f.client.ExecuteDataJob(ctx, f.pool, f.step.ID, f.step.Mode)
	}
	return f.client.LoadDataModel(ctx, f.pool, f.step.ID, f.step.Partial)
}

// judge makes a failure of the step of what no further try can help.
func judge(err error) error {
	if err == nil || fault.RetryOf(err) != fault.Never {
		return err
	}
	return &stepFailure{what: "could not be done: " + fault.From(err).Message, cause: err}
}

func (f *following) do(ctx context.Context, save func(flows.StepState) error) (*flows.Warning, error) {
	if !f.state.Started {
		if err := f.begin(ctx, save); err != nil {
			return nil, err
		}
	}
	if !f.step.Waits() {
		return nil, nil
	}
	return f.await(ctx)
}

// begin starts the step unless an attempt before this one did.
func (f *following) begin(ctx context.Context, save func(flows.StepState) error) error {
	before, err := f.look(ctx)
	if err != nil {
		return judge(err)
	}
	switch {
	case f.state.Begun.IsZero():
		f.state.Begun, f.state.Baseline = f.now(), before.id
		if err := save(f.state); err != nil {
			return err
		}
	case before.id != f.state.Baseline:
		f.state.Started = true
		return save(f.state)
	}
	if err := f.start(ctx); err != nil {
		if fault.RetryOf(err) != fault.Later {
			return judge(err)
		}
		// The request may have been taken although its answer was lost.
		after, lookErr := f.look(ctx)
		if lookErr != nil || after.id == f.state.Baseline {
			return err
		}
	}
	f.state.Started = true
	return save(f.state)
}

// await waits for the step's end; without one for long the run goes on
// waiting without a worker.
func (f *following) await(ctx context.Context) (*flows.Warning, error) {
	over := f.state.Begun.Add(f.step.TimeLimit())
	hold := f.now().Add(f.pollFor)
	for pause := pollFirst; ; pause = min(pause*3/2, pollMax) {
		at, err := f.look(ctx)
		if err != nil {
			return nil, judge(err)
		}
		now := f.now()
		switch {
		case at.ended && at.id != f.state.Baseline:
			return f.settle(at)
		case !now.Before(over):
			return nil, &stepFailure{what: fmt.Sprintf("took longer than %s", f.step.TimeLimit())}
		case now.After(hold):
			next := now.Add(lookAgain)
			if over.Before(next) {
				next = over
			}
			return nil, fault.New(fault.CelonisStepBusy, "the rows are in the table; %s is under way", f.step).WithResumeAt(next)
		}
		if err := pace.Rest(ctx, pause); err != nil {
			return nil, err
		}
	}
}

func (f *following) settle(at progress) (*flows.Warning, error) {
	what := "ended as " + at.status
	if at.message != "" {
		what += fmt.Sprintf(": celonis says %q", at.message)
	}
	switch {
	case !at.ok:
		return nil, &stepFailure{what: what}
	case at.endedWithFlaws:
		return &flows.Warning{Code: fault.CelonisStepWarned, Message: fmt.Sprintf("%s %s", f.step, what)}, nil
	}
	return nil, nil
}
