package endpoint_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
)

// broken is a run of a push whose attempt ended: while chunks were uploaded,
// or right after it was put on record that all are in.
func broken(t *testing.T, k *kit, f *flows.Flow, path string, submitted bool) *journal {
	t.Helper()
	j := &journal{}
	j.fail = func(c flows.Checkpoint) error {
		if !submitted && c.Chunks >= 2 || j.last.Submitted {
			return errCrash
		}
		return nil
	}
	if submitted {
		// The submit does not reach Celonis, and the attempt ends.
		id := k.AddFault(celonissim.Fault{Route: "push.jobs.submit", Status: 403})
		defer k.RemoveFault(id)
	}
	_, err := k.push(t.Context(), f, path, j)
	require.Error(t, err)
	j.fail = nil
	require.Equal(t, submitted, j.checkpoint().Submitted)
	require.NotEmpty(t, j.checkpoint().PushJobID)
	return j
}

// TestResumeTable goes through the table of decide, row by row, through the
// sink and against the simulator; what counts is the table in the end.
func TestResumeTable(t *testing.T) {
	t.Parallel()
	const gone = "gone"
	rows := many(bulk)
	cases := []struct {
		status    string
		submitted bool
		mode      flows.Mode
		want      engine.Decision
		// code is the fault in the place of a decision.
		code fault.Code
		// sameJob: the run ends with the push job that it had.
		sameJob bool
	}{
		{status: "NEW", submitted: true, mode: flows.Replace, want: engine.Finish, sameJob: true},
		{status: "NEW", submitted: true, mode: flows.Delta, want: engine.Finish, sameJob: true},
		{status: "NEW", mode: flows.Delta, want: engine.GoOn, sameJob: true},
		{status: "NEW", mode: flows.Delete, want: engine.GoOn, sameJob: true},
		{status: "NEW", mode: flows.Replace, want: engine.StartOver},
		{status: "QUEUED", submitted: true, mode: flows.Replace, want: engine.Finish},
		{status: "RUNNING", submitted: true, mode: flows.Replace, want: engine.Finish},
		{status: "QUEUED", mode: flows.Replace, code: fault.CelonisJobStillBusy},
		{status: "RUNNING", mode: flows.Delta, code: fault.CelonisJobStillBusy},
		{status: "DONE", submitted: true, mode: flows.Replace, want: engine.Finish},
		{status: "DONE", mode: flows.Replace, want: engine.StartOver},
		{status: "DONE", mode: flows.Delta, want: engine.StartOver},
		{status: "ERROR", submitted: true, mode: flows.Replace, code: fault.CelonisJobFailed},
		{status: "ERROR", mode: flows.Delta, code: fault.CelonisJobFailed},
		{status: "CANCELED", submitted: true, mode: flows.Delta, code: fault.CelonisJobFailed},
		{status: "CANCELED", mode: flows.Replace, code: fault.CelonisJobFailed},
		{status: gone, submitted: true, mode: flows.Replace, want: engine.StartOver},
		{status: gone, mode: flows.Replace, want: engine.StartOver},
		{status: gone, mode: flows.Delta, want: engine.StartOver},
		{status: "PONDERING", submitted: true, mode: flows.Replace, code: fault.CelonisJobStillBusy},
		{status: "PONDERING", mode: flows.Delta, code: fault.CelonisJobStillBusy},
	}
	for _, c := range cases {
		name := c.status + " " + string(c.mode)
		if c.submitted {
			name += " submitted"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t)
			spec := flows.Import{Type: flows.ImportDataPush, Table: "T", Mode: c.mode, FileType: flows.Parquet}
			if c.mode != flows.Replace {
				spec.Keys = []string{"ID"}
			}
			f, path := flowOf(spec), k.csv(rows...)
			j := broken(t, k, f, path, c.submitted)
			job := j.checkpoint().PushJobID
			switch c.status {
			case "NEW":
			case gone:
				require.NoError(t, k.sink(f).Abort(t.Context(), job))
			default:
				require.True(t, k.SetJobStatus(job, c.status, "a word from Celonis"))
			}

			decision, err := k.sink(f).Resume(t.Context(), j.checkpoint())
			if c.code != "" {
				require.Equal(t, c.code, fault.CodeOf(err), "%v", err)
				if c.code == fault.CelonisJobFailed {
					require.Contains(t, fault.From(err).Message, "a word from Celonis")
				} else {
					require.True(t, fault.From(err).ResumeAt.After(time.Now()))
				}
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, decision)
			if c.status == "QUEUED" || c.status == "RUNNING" {
				// The job comes to its end while the sink polls.
				k.SetJobStatus(job, "DONE")
			}
			ledger, err := k.push(t.Context(), f, path, j)
			require.NoError(t, err)
			if c.want != engine.Finish {
				require.Equal(t, flows.Ledger{Read: bulk, Pushed: bulk}, ledger)
			}
			require.Equal(t, c.sameJob || c.want == engine.Finish, job == j.checkpoint().PushJobID)
			if c.mode != flows.Delete && (c.want != engine.Finish || c.status == "NEW") {
				require.Equal(t, expected(rows), k.rows(spec))
			}
		})
	}
}

// TestChunkCount: a push job that lost a chunk is never executed.
func TestChunkCount(t *testing.T) {
	t.Parallel()
	rows := many(bulk)
	for _, mode := range []flows.Mode{flows.Replace, flows.Delta} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			k := newKit(t)
			spec := flows.Import{Type: flows.ImportDataPush, Table: "T", Mode: mode, Keys: []string{"ID"}, FileType: flows.Parquet}
			f, path := flowOf(spec), k.csv(rows...)
			j := &journal{}
			var first string
			j.fail = func(c flows.Checkpoint) error {
				if c.Ledger.Pushed == bulk && first == "" {
					// Every chunk is in: Celonis loses the last.
					first = c.PushJobID
					require.Positive(t, k.ForgetChunks(first, 1))
				}
				return nil
			}
			ledger, err := k.push(t.Context(), f, path, j)
			require.NoError(t, err)
			require.Equal(t, flows.Ledger{Read: bulk, Pushed: bulk}, ledger)
			require.NotEqual(t, first, j.checkpoint().PushJobID, "the job was dropped and begun anew")
			require.Equal(t, int64(1), k.Counts()["push.jobs.submit"].Requests)
			require.Equal(t, expected(rows), k.rows(spec))
		})
	}
	t.Run("too few", func(t *testing.T) {
		t.Parallel()
		k := newKit(t)
		f := flowOf(flows.Import{Type: flows.ImportDataPush, Table: "T", Mode: flows.Replace, FileType: flows.Parquet})
		j := broken(t, k, f, k.csv(rows...), true)
		r := k.sink(f).(engine.Reconciler)
		c := j.checkpoint()
		require.NoError(t, r.Reconcile(t.Context(), c.PushJobID, c.Chunks))
		for _, sent := range []int64{c.Chunks - 1, c.Chunks + 1} {
			err := r.Reconcile(t.Context(), c.PushJobID, sent)
			require.Equal(t, fault.CelonisChunkCount, fault.CodeOf(err))
		}
	})
	t.Run("the list is not served", func(t *testing.T) {
		t.Parallel()
		k := newKit(t)
		k.AddFault(celonissim.Fault{Route: "push.chunks.list", Status: 404})
		f := flowOf(flows.Import{Type: flows.ImportDataPush, Table: "T", Mode: flows.Replace, FileType: flows.Parquet})
		require.Equal(t, int64(3), k.mustPush(f, many(3)...).Pushed)
	})
}
