package httpapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/httpapi"
)

// watched is a run as a test turns it, with what was told of it.
type watched struct {
	mu       sync.Mutex
	run      flows.Run
	progress *flows.Progress
}

func (w *watched) Run(_ context.Context, _, id string) (*flows.Run, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.run
	return &r, none(fault.RunNotFound, id, w.run.ID)
}

func (w *watched) LastProgress(context.Context, string) (*flows.Progress, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.progress, nil
}

func (w *watched) turn(change func(*watched)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(w)
}

// newWatches follow the fake's run, which has ended.
func newWatches(t *testing.T, _ *fakeFlows) *flows.Watches {
	ended := &watched{run: *aRun()}
	ended.run.State = flows.Succeeded
	return watchesOf(t, ended, flows.DefaultWatchLimits())
}

func watchesOf(t *testing.T, w *watched, limits flows.WatchLimits) *flows.Watches {
	all := flows.NewWatches(flows.WatchDeps{Runs: w, Progress: w, Limits: limits, Log: slog.New(slog.DiscardHandler),
		Pace: flows.WatchPace{Look: time.Millisecond, First: time.Millisecond, Longest: 5 * time.Millisecond}})
	t.Cleanup(all.Stop)
	return all
}

// event is one of a stream; a comment has no name.
type event struct {
	id   int64
	name string
	data string
}

// follow opens a stream on a server of its own and gives its events as they come; the channel closes with the stream.
func follow(t *testing.T, url string, header ...string) <-chan event {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/v1/runs/"+runID+"/events", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer flows:read")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Equal(t, "text/event-stream", res.Header.Get("Content-Type"))
	require.Equal(t, "no", res.Header.Get("X-Accel-Buffering"))
	require.Equal(t, "no-store", res.Header.Get("Cache-Control"))
	events := make(chan event, 1000)
	go func() {
		defer close(events)
		defer res.Body.Close()
		read(res.Body, events)
	}()
	return events
}

func read(body io.Reader, events chan<- event) {
	var e event
	for lines := bufio.NewScanner(body); lines.Scan(); {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "id":
			e.id, _ = strconv.ParseInt(value, 10, 64)
		case "event":
			e.name = value
		case "data":
			e.data = value
		case "":
			if value != "" {
				e.data = value
			}
			if lines.Text() == "" && e != (event{}) {
				events <- e
				e = event{}
			}
		}
	}
}

func next(t *testing.T, events <-chan event, name string) event {
	t.Helper()
	select {
	case e, open := <-events:
		require.True(t, open, "the stream ended before %q", name)
		require.Equal(t, name, e.name, e.data)
		return e
	case <-time.After(20 * time.Second):
		require.Fail(t, "no event came", name)
	}
	return event{}
}

func streaming(t *testing.T, w *watched, change ...func(*httpapi.Deps)) (*flows.Watches, string) {
	t.Helper()
	all := watchesOf(t, w, flows.WatchLimits{PerClient: 2, Total: 3})
	s := setup(t, append(change, func(d *httpapi.Deps) { d.Watches = all; d.Now = time.Now })...)
	server := httptest.NewUnstartedServer(s.handler)
	// Far shorter than the stream lives: its deadlines must be lifted.
	server.Config.ReadTimeout, server.Config.WriteTimeout = 200*time.Millisecond, 200*time.Millisecond
	server.Start()
	t.Cleanup(server.Close)
	t.Cleanup(all.Stop)
	return all, server.URL
}

func TestEventsOfARun(t *testing.T) {
	t.Parallel()
	w := &watched{run: *aRun()}
	all, url := streaming(t, w, func(d *httpapi.Deps) { d.Heartbeat = 300 * time.Millisecond })
	events := follow(t, url)
	first := next(t, events, "state")
	var run map[string]any
	require.NoError(t, json.Unmarshal([]byte(first.data), &run))
	require.Equal(t, "queued", run["state"])
	for range 2 { // longer than the server's timeouts
		require.Equal(t, "alive", next(t, events, "").data)
	}
	w.turn(func(w *watched) {
		w.run.State, w.run.Fence = flows.Running, 1
		w.progress = &flows.Progress{Fence: 1, At: epoch(), Stage: flows.StageReading, Read: 7, InputSize: 100, RowsPerSecond: 3.7}
	})
	second := next(t, events, "state")
	third := next(t, events, "progress")
	require.JSONEq(t, `{"stage":"reading","at":"2026-03-01T08:30:00.123456Z","read":7,"filtered":0,"errored":0,"accepted":0,"chunks":0,
		"bytes":0,"inputBytes":0,"inputSize":100,"rowsPerSecond":3}`, third.data)
	require.Less(t, first.id, second.id)
	require.Less(t, second.id, third.id)

	// Whoever comes back sees the state again, under a higher id.
	again := follow(t, url, "Last-Event-ID", strconv.FormatInt(third.id+int64(time.Hour/time.Microsecond), 10))
	require.Greater(t, next(t, again, "state").id, third.id+int64(time.Hour/time.Microsecond))
	next(t, again, "progress")
	watches, runs := all.Watching()
	require.Equal(t, []int{2, 1}, []int{watches, runs}, "one look serves all")

	w.turn(func(w *watched) { w.run.State = flows.Failed })
	for _, stream := range []<-chan event{events, again} {
		for e := range stream {
			if e.name != "" {
				require.Equal(t, "state", e.name)
				break
			}
		}
		require.JSONEq(t, `{"state":"failed"}`, next(t, stream, "end").data)
		_, open := <-stream
		require.False(t, open)
	}
	require.Eventually(t, func() bool { watches, runs := all.Watching(); return watches == 0 && runs == 0 }, 10*time.Second, time.Millisecond)
}

func TestAStopEndsTheStreams(t *testing.T) {
	t.Parallel()
	all, url := streaming(t, &watched{run: *aRun()})
	events := follow(t, url)
	next(t, events, "state")
	all.Stop()
	require.Contains(t, next(t, events, "").data, "stopping")
	_, open := <-events
	require.False(t, open)
	_, err := all.Watch(t.Context(), flows.WatchRequest{RunID: runID})
	require.True(t, fault.Has(err, fault.Unavailable))
}

func TestWatchersAreBounded(t *testing.T) {
	t.Parallel()
	w := &watched{run: *aRun()}
	all := watchesOf(t, w, flows.WatchLimits{PerClient: 2, Total: 3})
	ask := func(client string) error {
		_, err := all.Watch(t.Context(), flows.WatchRequest{RunID: runID, Client: client})
		return err
	}
	require.NoError(t, ask("a"))
	require.NoError(t, ask("a"))
	require.True(t, fault.Has(ask("a"), fault.RunWatchers))
	require.NoError(t, ask("b"))
	require.True(t, fault.Has(ask("c"), fault.RunWatchers))
	s := setup(t, func(d *httpapi.Deps) { d.Watches = all })
	s.ask("GET /v1/runs/"+runID+"/events", "").requireProblem(t, http.StatusTooManyRequests, "run.too_many_watchers")
}

func TestARunThatHasEndedIsToldAtOnce(t *testing.T) {
	t.Parallel()
	s := setup(t)
	res := s.ask("GET /v1/runs/"+runID+"/events", "")
	require.Equal(t, http.StatusOK, res.status)
	require.Contains(t, res.body, "event: state\ndata: {")
	require.Contains(t, res.body, "event: end\ndata: {\"state\":\"succeeded\"}\n\n")
	s.ask("GET /v1/runs/"+unknownID+"/events", "").requireProblem(t, http.StatusNotFound, "run.not_found")
}
