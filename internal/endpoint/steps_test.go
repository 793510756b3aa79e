package endpoint_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/celonis-connector/connector/internal/fault"
)

func jobStep() flows.Step {
	return flows.Step{Type: flows.StepDataJob, ID: jobID, Mode: flows.JobFull, OnFailure: flows.Fail}
}

func modelStep(tables ...string) flows.Step {
	return flows.Step{Type: flows.StepDataModel, ID: modelID, Partial: tables, OnFailure: flows.Fail}
}

func withSteps(steps ...flows.Step) *flows.Flow {
	return flowOf(flows.Import{Type: flows.ImportDataPush, Table: "T", Mode: flows.Replace, FileType: flows.Parquet, Then: steps})
}

// started lists what was started in the pool, without its ids.
func (k *kit) started() (out []celonissim.Execution) {
	for _, e := range k.Executions(poolID) {
		e.ID = ""
		out = append(out, e)
	}
	return out
}

func TestSteps(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(o *celonissim.Options) { o.RunDelay = 30 * time.Millisecond })
	j := &journal{}
	f := withSteps(jobStep(), modelStep(), modelStep("t1", "t2"))
	_, err := k.push(t.Context(), f, k.csv(many(3)...), j)
	require.NoError(t, err)
	require.Equal(t, []celonissim.Execution{
		{Of: jobID, Status: "SUCCESS", Mode: "FULL"},
		{Of: modelID, Status: "SUCCESS", Mode: "COMPLETE"},
		{Of: modelID, Status: "SUCCESS", Mode: "PARTIAL", Tables: []string{"t1", "t2"}},
	}, k.started())
	c := j.checkpoint()
	require.True(t, c.Committed && c.Visible)
	require.Equal(t, &flows.StepState{Next: 3}, c.Then)
	require.Empty(t, c.Warnings)

	_, err = k.push(t.Context(), f, k.csv(many(3)...), j)
	require.NoError(t, err)
	require.Len(t, k.started(), 3, "a run that has done its steps does none again")
	require.Equal(t, int64(1), k.Counts()["push.jobs.create"].Requests)
}

// TestStepsSurviveCrashes breaks the attempt at every checkpoint after the
// push, and at every answer of Celonis that is lost: each step is started once.
func TestStepsSurviveCrashes(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(o *celonissim.Options) { o.RunDelay = 10 * time.Millisecond })
	for _, route := range []string{"jobs.execute", "models.load"} {
		k.AddFault(celonissim.Fault{Route: route, Times: 1, Cut: celonissim.CutBeforeAnswer})
	}
	f, path := withSteps(jobStep(), modelStep()), k.csv(many(3)...)
	j := &journal{}
	saves, attempts := 0, 0
	j.fail = func(c flows.Checkpoint) error {
		// The save is lost once each time it comes; and once it is kept, but the worker dies.
		if saves++; c.Committed && saves%2 == 1 {
			return errCrash
		}
		return nil
	}
	for {
		attempts++
		require.Less(t, attempts, 40)
		_, err := k.push(t.Context(), f, path, j)
		if err == nil {
			break
		}
		require.True(t, errors.Is(err, errCrash), "%v", err)
	}
	require.Greater(t, attempts, 3)
	require.Equal(t, []celonissim.Execution{
		{Of: jobID, Status: "SUCCESS", Mode: "FULL"}, {Of: modelID, Status: "SUCCESS", Mode: "COMPLETE"},
	}, k.started())
}

func TestStepFailures(t *testing.T) {
	t.Parallel()
	unknown := func(s flows.Step) flows.Step { s.ID = "nobody"; return s }
	for name, c := range map[string]struct {
		step  flows.Step
		fault celonissim.Fault
		// says is what the fault or the warning must say.
		says string
		code fault.Code
	}{
		"the data job fails":        {step: jobStep(), fault: celonissim.Fault{Route: "jobs.execute", JobError: "x"}, says: `step 1, data job "data-job", ended as FAIL`},
		"the load fails":            {step: modelStep(), fault: celonissim.Fault{Route: "models.load", JobError: "table missing"}, says: `ended as ERROR: celonis says "table missing"`},
		"the data job is not there": {step: unknown(jobStep()), says: "could not be done"},
		"the model is not there":    {step: unknown(modelStep()), says: "could not be done"},
		"no permission":             {step: jobStep(), fault: celonissim.Fault{Route: "jobs.execute", Status: 403}, says: "may not execute the data job"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t)
			if c.fault.Route != "" {
				k.AddFault(c.fault)
			}
			_, err := k.push(t.Context(), withSteps(c.step, modelStep("t")), k.csv(many(3)...), &journal{})
			require.Equal(t, fault.CelonisStepFailed, fault.CodeOf(err), "%v", err)
			require.Equal(t, fault.Never, fault.RetryOf(err))
			require.Contains(t, fault.From(err).Message, "the rows are in the table, but step 1")
			require.Contains(t, fault.From(err).Message, c.says)
			require.Len(t, k.rows(flows.Import{Table: "T"}), 3)

			warn := c.step
			warn.OnFailure = flows.Warn
			j := &journal{}
			k = newKit(t)
			if c.fault.Route != "" {
				c.fault.Times = 1
				k.AddFault(c.fault)
			}
			_, err = k.push(t.Context(), withSteps(warn, modelStep("t")), k.csv(many(3)...), j)
			require.NoError(t, err)
			warnings := j.checkpoint().Warnings
			require.Len(t, warnings, 1)
			require.Equal(t, fault.CelonisStepFailed, warnings[0].Code)
			require.Contains(t, warnings[0].Message, c.says)
			started := k.started()
			require.Equal(t, "PARTIAL", started[len(started)-1].Mode, "the next step was done")
		})
	}
	t.Run("the load warns", func(t *testing.T) {
		t.Parallel()
		k := newKit(t)
		k.AddFault(celonissim.Fault{Route: "models.load", JobError: "WARNING: rows without a case"})
		j := &journal{}
		_, err := k.push(t.Context(), withSteps(modelStep()), k.csv(many(3)...), j)
		require.NoError(t, err)
		require.Equal(t, []flows.Warning{{
			Code: fault.CelonisStepWarned, Message: `load of data model "data-model" ended as WARNING: celonis says "WARNING: rows without a case"`,
		}}, j.checkpoint().Warnings)
	})
}

// TestLongSteps: a run waits for a long step without a worker, and not for ever.
func TestLongSteps(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.AddFault(celonissim.Fault{Route: "jobs.execute", JobStuck: true})
	var ahead atomic.Int64
	k.deps.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	k.deps.PollFor = time.Millisecond
	step := jobStep()
	step.Timeout = 60
	f, path, j := withSteps(step), k.csv(many(3)...), &journal{}
	for range 2 {
		// The first attempts may also wait for the push job itself.
		require.Eventually(t, func() bool {
			_, err := k.push(t.Context(), f, path, j)
			require.Equal(t, fault.Wait, fault.RetryOf(err), "%v", err)
			require.True(t, fault.From(err).ResumeAt.After(k.deps.Now()))
			return fault.Has(err, fault.CelonisStepBusy)
		}, 20*time.Second, time.Millisecond)
	}
	ahead.Store(int64(2 * time.Minute))
	_, err := k.push(t.Context(), f, path, j)
	require.Equal(t, fault.CelonisStepFailed, fault.CodeOf(err), "%v", err)
	require.Contains(t, fault.From(err).Message, "took longer than 1m0s")
	require.Len(t, k.started(), 1)

	t.Run("not waited for", func(t *testing.T) {
		no := false
		step := modelStep()
		step.Wait = &no
		k.AddFault(celonissim.Fault{Route: "models.load", JobStuck: true})
		k.deps.PollFor = 20 * time.Second
		_, err := k.push(t.Context(), withSteps(step), path, &journal{})
		require.NoError(t, err)
		require.Len(t, k.started(), 2)
	})
}
