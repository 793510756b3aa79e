package app_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/app"
	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/config"
	"github.com/celonis-connector/connector/internal/testservers"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// streamed is an event of a run; a comment has no name.
type streamed struct {
	id   int64
	name string
	data map[string]any
	text string
}

// stream is a run that is followed.
type stream struct {
	t      testing.TB
	events chan streamed
	cancel context.CancelFunc
}

// follow opens the events of a run; last "" has seen none.
func (s *service) follow(runID, last string) *stream {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.app.URL()+"/v1/runs/"+runID+"/events", nil)
	require.NoError(s.t, err)
	req.Header.Set("Authorization", "Bearer "+s.Token)
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	transport := &http.Transport{}
	res, err := transport.RoundTrip(req)
	require.NoError(s.t, err)
	require.Equal(s.t, http.StatusOK, res.StatusCode)
	f := &stream{t: s.t, events: make(chan streamed, 10_000), cancel: cancel}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(f.events)
		defer res.Body.Close()
		var e streamed
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			field, value, _ := strings.Cut(lines.Text(), ": ")
			switch {
			case field == "id":
				e.id, _ = strconv.ParseInt(value, 10, 64)
			case field == "event":
				e.name = value
			case field == "data":
				_ = json.Unmarshal([]byte(value), &e.data)
			case field == "" && value != "":
				e.text = value
			case lines.Text() == "":
				if e.name != "" || e.text != "" {
					f.events <- e
				}
				e = streamed{}
			}
		}
	}()
	s.t.Cleanup(func() { cancel(); <-ended; transport.CloseIdleConnections() })
	return f
}

// until reads events until one fits and gives it; their ids grow.
func (f *stream) until(what string, fits func(streamed) bool) (last streamed) {
	f.t.Helper()
	end := time.After(apptest.Patience)
	for {
		select {
		case e, open := <-f.events:
			require.True(f.t, open, "the stream ended before %s", what)
			if e.name != "" {
				require.Greater(f.t, e.id, last.id)
				last = e
			}
			if fits(e) {
				return e
			}
		case <-end:
			require.FailNow(f.t, "it did not come: "+what)
		}
	}
}

func (f *stream) untilState(state string) streamed {
	f.t.Helper()
	return f.until("the state "+state, func(e streamed) bool { return e.name == "state" && e.data["state"] == state })
}

// requireEnd demands that the stream says that the run has ended, and is over.
func (f *stream) requireEnd(state string) {
	f.t.Helper()
	e := f.until("the end", func(e streamed) bool { return e.name == "end" })
	require.Equal(f.t, state, e.data["state"])
	_, open := <-f.events
	require.False(f.t, open)
}

func TestARunIsFollowedWhicheverProcessDoesIt(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	cfg := settings(t, sim.URL)
	redisURL := testservers.Redis(t)
	cfg.DatabaseURL, cfg.RedisURL = crypto.NewSecret(testservers.PostgreSQL(t)), crypto.NewSecret(redisURL)
	api := start(t, cfg, app.API)
	work := &service{t: t, cfg: cfg, log: &logBuffer{}, roles: []app.Role{app.Work, app.Schedule}}
	work.open()
	t.Cleanup(work.stop)

	flow := api.fileFlow(api.Connect("pool", sim), "FOLLOWED", "csv", "ID\n1\n2\n3\n")
	trap := sim.Trap(apptest.Upload, "FOLLOWED", 1)
	run := api.Start(flow)
	first := api.follow(run.ID, "")
	first.until("the first state", func(e streamed) bool { return e.name == "state" })
	apptest.Receive(t, trap.Came(), "the upload")
	running := first.until("progress", func(e streamed) bool { return e.name == "progress" && e.data["read"] == float64(3) })
	require.Equal(t, "reading", running.data["stage"])
	var shown struct {
		Progress struct{ Read int64 }
	}
	api.Call(http.StatusOK, "GET", "/v1/runs/"+run.ID, nil, &shown)
	require.EqualValues(t, 3, shown.Progress.Read)

	// Redis loses everything; whoever comes back sees the state again, under a higher id.
	options, err := redis.ParseURL(redisURL)
	require.NoError(t, err)
	client := redis.NewClient(options)
	defer client.Close()
	require.NoError(t, client.FlushAll(t.Context()).Err())
	first.cancel()
	again := api.follow(run.ID, strconv.FormatInt(running.id, 10))
	require.Greater(t, again.untilState("running").id, running.id)
	other := api.follow(run.ID, "")
	trap.Release()
	for _, f := range []*stream{again, other} {
		e := f.untilState("succeeded")
		require.Equal(t, map[string]any{"read": 3.0, "filtered": 0.0, "pushed": 3.0, "errored": 0.0}, e.data["ledger"])
		f.requireEnd("succeeded")
	}
	apptest.Eventually(t, func() bool { watches, runs := api.app.Watches.Watching(); return watches == 0 && runs == 0 },
		func() string { return "watches stay" })
	api.follow(run.ID, "").requireEnd("succeeded")
}

func TestStatesAreSeenWithoutRedis(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	flow := s.fileFlow(s.Connect("pool", sim), "T", "csv", "ID\n1\n")
	s.Call(http.StatusOK, "POST", "/v1/flows/"+flow+"/pause", nil, nil) // so that no worker tells of it
	run := s.Start(flow)
	f := s.follow(run.ID, "")
	f.untilState("queued")
	s.Call(http.StatusAccepted, "POST", "/v1/runs/"+run.ID+"/cancel", nil, nil)
	f.requireEnd("canceled")
}

func TestAGracefulStopEndsTheStreams(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	flow := s.fileFlow(s.Connect("pool", sim), "STOPPED", "csv", "ID\n1\n")
	trap := sim.Trap(apptest.Upload, "STOPPED", 1)
	run := s.Start(flow)
	f := s.follow(run.ID, "")
	apptest.Receive(t, trap.Came(), "the upload")
	f.untilState("running")
	begun := time.Now()
	go trap.Release()
	s.stop()
	require.Less(t, time.Since(begun), s.cfg.StopTimeout)
	f.until("the last comment", func(e streamed) bool { return strings.Contains(e.text, "stopping") })
	_, open := <-f.events
	require.False(t, open)
}

func TestHistoryAndStatistics(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, func(t *testing.T, on func(config.Config) config.Config) {
		sim := apptest.NewSim(t)
		s := start(t, on(settings(t, sim.URL)))
		connection := s.Connect("pool", sim)
		good := s.fileFlow(connection, "GOOD", "csv", "ID\n1\n2\n")
		bad := s.fileFlow(connection, "BAD", "csv", "ID\n1\nx\n", mapped(map[string]any{"to": "ID", "from": "ID", "type": "integer"}), set("", map[string]any{"maxErrors": 5}))
		for range 3 {
			require.Equal(t, "succeeded", s.Do(good).State)
		}
		require.True(t, s.Do(bad).HasErrors)
		type list struct {
			Items []apptest.Run
			Next  *string
		}
		read := func(path string) (l list) {
			s.Call(http.StatusOK, "GET", path, nil, &l)
			return l
		}
		require.Len(t, read("/v1/runs").Items, 4)
		require.Len(t, read("/v1/runs?hasErrors=true").Items, 1)
		require.Len(t, read("/v1/runs?flowId="+good).Items, 3)
		require.Empty(t, read("/v1/flows/"+good+"/runs?state=failed").Items)
		require.Empty(t, read("/v1/runs?to=2020-01-01T00:00:00Z").Items)
		first := read("/v1/flows/" + good + "/runs?limit=2&trigger=manual&from=2020-01-01T00:00:00Z")
		require.Len(t, first.Items, 2)
		rest := read("/v1/flows/" + good + "/runs?limit=2&trigger=manual&from=2020-01-01T00:00:00Z&cursor=" + *first.Next)
		require.Len(t, rest.Items, 1)
		require.Nil(t, rest.Next)
		require.Equal(t, "request.bad_cursor", s.Problem(http.StatusBadRequest, "GET", "/v1/runs?cursor=YWJj", nil).Code)

		var st struct {
			Days []struct {
				Runs     map[string]int64
				Ledger   struct{ Read, Pushed int64 }
				MedianMs *int64
			}
			LastSuccessAt *time.Time
			LastFailureAt *time.Time
			Streak        struct {
				State string
				Runs  int64
			}
		}
		s.Call(http.StatusOK, "GET", "/v1/flows/"+good+"/statistics?days=2", nil, &st)
		require.Len(t, st.Days, 2)
		require.EqualValues(t, 3, st.Days[0].Runs["succeeded"]+st.Days[1].Runs["succeeded"])
		require.EqualValues(t, 6, st.Days[0].Ledger.Pushed+st.Days[1].Ledger.Pushed)
		require.NotNil(t, st.LastSuccessAt)
		require.Nil(t, st.LastFailureAt)
		require.Equal(t, "succeeded", st.Streak.State)
		require.EqualValues(t, 3, st.Streak.Runs)
	})
}
