package endpoint_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
)

// way is one of the ways into Celonis.
type way struct {
	name   string
	spec   flows.Import
	upload string
	// visibleAtOnce: accepted chunks stay, however the run ends.
	visibleAtOnce bool
	// lame gives the target a key that Celonis does not know.
	lame func(k *kit)
}

func ways() []way {
	spoilKey := func(k *kit) { k.target.Key = crypto.NewSecret("another-key-of-the-tests") }
	return []way{
		{name: "dataPush replace", upload: "push.chunks.upsert", lame: spoilKey,
			spec: flows.Import{Type: flows.ImportDataPush, Table: "T", Mode: flows.Replace, FileType: flows.Parquet}},
		{name: "dataPush delta", upload: "push.chunks.upsert", lame: spoilKey,
			spec: flows.Import{Type: flows.ImportDataPush, Table: "T", Mode: flows.Delta, Keys: []string{"ID"}, FileType: flows.CSVChunks}},
		{name: "continuousPush", upload: "continuous.items", visibleAtOnce: true, lame: spoilKey,
			spec: flows.Import{Type: flows.ImportContinuousPush, Table: "T", Keys: []string{"ID"}, OrderBy: "N", DataConnectionID: sourceID}},
		{name: "dataIngestion", upload: "ingestion.put", visibleAtOnce: true,
			lame: func(k *kit) { k.target.Ingestion.SecretAccessKey = crypto.NewSecret("another-secret-of-the-tests") },
			spec: flows.Import{Type: flows.ImportDataIngestion, Table: "T", Keys: []string{"ID"}, AgeColumn: "N", DataConnectionID: sourceID}},
	}
}

func (w way) kit(t testing.TB, change ...func(*celonissim.Options)) *kit {
	k := newKit(t, change...)
	if w.spec.Type == flows.ImportDataIngestion {
		k.SetIngestionTable(poolID, celonissim.IngestionTable{Connection: sourceID, Table: "T", Keys: []string{"ID"}, AgeColumn: "N"})
	}
	return k
}

// bulk is rows of several blocks, so that there are several chunks.
const bulk = 20_000

// TestSinks is the contract of engine.Sink, on every way into Celonis.
func TestSinks(t *testing.T) {
	t.Parallel()
	contract := map[string]func(t *testing.T, w way){
		"every row arrives once":               whole,
		"a broken attempt is continued":        continued,
		"a chunk in doubt":                     inDoubt,
		"a limit in the middle":                limited,
		"a refused chunk ends the run":         refused,
		"a key that is not accepted":           unknownKey,
		"a canceled attempt":                   canceled,
		"abort twice":                          aborted,
		"a second push replaces rows of a key": repeated,
		"errors hold no secret":                discreet,
	}
	for _, w := range ways() {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			for name, check := range contract {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					check(t, w)
				})
			}
		})
	}
}

func whole(t *testing.T, w way) {
	k := w.kit(t)
	rows := many(bulk)
	ledger := k.mustPush(flowOf(w.spec), rows...)
	require.Equal(t, flows.Ledger{Read: bulk, Pushed: bulk}, ledger)
	require.Equal(t, expected(rows), k.rows(w.spec))
	require.Greater(t, k.Counts()[w.upload].Requests, int64(1), "there must be several chunks")
	require.Empty(t, k.IngestionAlerts(poolID))
}

var errCrash = errors.New("crash")

func continued(t *testing.T, w way) {
	k := w.kit(t)
	rows := many(bulk)
	path := k.csv(rows...)
	j := &journal{}
	j.fail = func(c flows.Checkpoint) error {
		if c.Chunks >= 2 {
			return errCrash
		}
		return nil
	}
	_, err := k.push(t.Context(), flowOf(w.spec), path, j)
	require.ErrorIs(t, err, errCrash)
	require.Less(t, j.checkpoint().Chunks, int64(2))
	require.Equal(t, w.visibleAtOnce, j.checkpoint().Visible)
	j.fail = nil
	ledger, err := k.push(t.Context(), flowOf(w.spec), path, j)
	require.NoError(t, err)
	require.Equal(t, flows.Ledger{Read: bulk, Pushed: bulk}, ledger)
	require.Equal(t, expected(rows), k.rows(w.spec))

	// Once more with the last checkpoint, as when the settlement was lost.
	_, err = k.push(t.Context(), flowOf(w.spec), path, j)
	require.NoError(t, err)
	require.Equal(t, expected(rows), k.rows(w.spec))
}

func inDoubt(t *testing.T, w way) {
	k := w.kit(t)
	k.AddFault(celonissim.Fault{Route: w.upload, Skip: 1, Times: 1, Cut: celonissim.CutBeforeAnswer})
	k.AddFault(celonissim.Fault{Route: w.upload, Skip: 4, Times: 1, Cut: celonissim.CutMidBody})
	k.AddFault(celonissim.Fault{Route: w.upload, Skip: 6, Times: 1, Status: 502})
	rows := many(bulk)
	require.Equal(t, int64(bulk), k.mustPush(flowOf(w.spec), rows...).Pushed)
	require.Equal(t, expected(rows), k.rows(w.spec))
}

func limited(t *testing.T, w way) {
	k := w.kit(t)
	k.AddFault(celonissim.Fault{Route: w.upload, Skip: 1, Times: 1, Status: 429, Headers: celonissim.RateSeconds})
	f := flowOf(w.spec)
	rows := many(bulk)
	if w.spec.Type == flows.ImportDataIngestion {
		// S3 names no time, and the guess is longer than a worker waits with a chunk in hand.
		_, err := k.push(t.Context(), f, k.csv(rows...), &journal{})
		require.Equal(t, fault.CelonisRateLimited, fault.CodeOf(err))
		require.Equal(t, fault.Wait, fault.RetryOf(err))
		return
	}
	k.mustPush(f, rows...)
	require.Equal(t, expected(rows), k.rows(w.spec))
}

func refused(t *testing.T, w way) {
	k := w.kit(t)
	k.AddFault(celonissim.Fault{Route: w.upload, Status: 400, Body: celonissim.BodyText})
	_, err := k.push(t.Context(), flowOf(w.spec), k.csv(many(10)...), &journal{})
	require.Equal(t, fault.CelonisRejected, fault.CodeOf(err), "%v", err)
	require.Equal(t, fault.Never, fault.RetryOf(err))
	require.Empty(t, k.rows(w.spec))
}

func unknownKey(t *testing.T, w way) {
	k := w.kit(t)
	w.lame(k)
	_, err := k.push(t.Context(), flowOf(w.spec), k.csv(many(10)...), &journal{})
	require.Equal(t, fault.CelonisUnauthorized, fault.CodeOf(err), "%v", err)
	require.NotEmpty(t, fault.From(err).Hint)
}

func canceled(t *testing.T, w way) {
	came := make(chan struct{}, 100)
	k := w.kit(t, func(o *celonissim.Options) {
		o.OnRequest = func(r celonissim.Request) {
			if r.Route == w.upload {
				came <- struct{}{}
			}
		}
	})
	k.AddFault(celonissim.Fault{Route: w.upload, Delay: 1 << 40})
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-came
		cancel(fault.New(fault.RunCanceled, "the run was canceled"))
	}()
	_, err := k.push(ctx, flowOf(w.spec), k.csv(many(10)...), &journal{})
	require.Equal(t, fault.RunCanceled, fault.CodeOf(err), "%v", err)
	require.Empty(t, k.rows(w.spec))
}

func aborted(t *testing.T, w way) {
	k := w.kit(t)
	j := &journal{fail: func(c flows.Checkpoint) error {
		if c.Chunks > 0 {
			return errCrash
		}
		return nil
	}}
	_, err := k.push(t.Context(), flowOf(w.spec), k.csv(many(10)...), j)
	require.ErrorIs(t, err, errCrash)
	sink := k.sink(flowOf(w.spec))
	require.NoError(t, sink.Abort(t.Context(), j.checkpoint().PushJobID))
	require.NoError(t, sink.Abort(t.Context(), j.checkpoint().PushJobID))
	require.Equal(t, w.visibleAtOnce, len(k.rows(w.spec)) > 0)
	_, immediate := sink.(engine.Immediate)
	require.Equal(t, w.visibleAtOnce, immediate)
}

func repeated(t *testing.T, w way) {
	k := w.kit(t)
	k.mustPush(flowOf(w.spec), "1,a,1", "2,b,1")
	<-k.Settled(poolID, w.spec.DataConnectionID, "T")
	k.mustPush(flowOf(w.spec), "2,c,2", "3,d,2")
	want := []string{"1,a,1", "2,c,2", "3,d,2"}
	if w.spec.Mode == flows.Replace {
		want = want[1:]
	}
	require.Equal(t, expected(want), k.rows(w.spec))
}

// discreet: a server that echoes what it was sent gets no key into an error.
func discreet(t *testing.T, w way) {
	k := w.kit(t)
	k.AddFault(celonissim.Fault{Route: w.upload, Status: 403})
	_, err := k.push(t.Context(), flowOf(w.spec), k.csv(many(10)...), &journal{})
	require.Error(t, err)
	for _, text := range []string{err.Error(), fault.From(err).Message, fault.From(err).Hint} {
		for _, hidden := range []string{appKey, keyID, secret} {
			require.NotContains(t, text, hidden)
		}
	}
}
