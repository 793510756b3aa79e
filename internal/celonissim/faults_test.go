package celonissim_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/celonissim"
)

func TestFaultStatuses(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, c := range []struct {
		fault       celonissim.Fault
		contentType string
		body        string
	}{
		{celonissim.Fault{Status: 401}, "application/json", `"error"`},
		{celonissim.Fault{Status: 403}, "application/problem+json", "ADMIN_ACCESS_ERROR"},
		{celonissim.Fault{Status: 403, Body: celonissim.BodyEmpty}, "", ""},
		{celonissim.Fault{Status: 404}, "", ""},
		{celonissim.Fault{Status: 409}, "application/problem+json", "RESOURCE_CONFLICT"},
		{celonissim.Fault{Status: 429}, "application/problem+json", "LIMIT_RATE_EXCEEDED"},
		{celonissim.Fault{Status: 500}, "application/json", "Celonis Support ID: "},
		{celonissim.Fault{Status: 502}, "text/html", "<html>"},
		{celonissim.Fault{Status: 503, Early: true}, "text/html", "Service Unavailable"},
		{celonissim.Fault{Status: 504}, "text/html", "Gateway Timeout"},
		{celonissim.Fault{Status: 400}, "application/json", `"errors":[{"attribute"`},
		{celonissim.Fault{Status: 400, Body: celonissim.BodyFrontend}, "application/json", "frontendErrorKey"},
		{celonissim.Fault{Status: 400, Body: celonissim.BodyText}, "text/plain; charset=utf-8", "Bad Request"},
	} {
		id := s.AddFault(c.fault)
		a := s.do(http.MethodPost, newPath+"/jobs/", `{"targetName":"T","type":"REPLACE"}`)
		require.Equal(t, c.fault.Status, a.status)
		require.Equal(t, c.contentType, a.header.Get("Content-Type"))
		require.Contains(t, a.body, c.body)
		require.True(t, s.RemoveFault(id))
	}
	require.Empty(t, s.list(newPath+"/jobs"), "a status fault does nothing of what was asked for")
}

func TestFault429Forms(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *celonissim.Options) {
		o.Now = func() time.Time { return time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC) }
	})
	for form, want := range map[celonissim.RateHeaders][2]string{
		"": {"7", ""}, celonissim.RateSeconds: {"7", ""}, celonissim.RateDateTime: {"2025-01-01T00:00:07Z", ""},
		celonissim.RateRetryAfter: {"", "7"}, celonissim.RateNone: {"", ""},
	} {
		s.AddFault(celonissim.Fault{Status: 429, Headers: form, Wait: 7 * time.Second})
		a := s.get("/api/cloud")
		require.Equal(t, want, [2]string{a.header.Get("x-ratelimit-reset"), a.header.Get("Retry-After")}, form)
		s.ClearFaults()
	}
}

func TestFaultMatching(t *testing.T) {
	t.Parallel()
	s := start(t)
	job := s.create(`"targetName":"T","type":"REPLACE"`)
	for _, c := range []struct {
		fault celonissim.Fault
		hits  bool
	}{
		{celonissim.Fault{}, true},
		{celonissim.Fault{Method: "get"}, true},
		{celonissim.Fault{Method: "POST"}, false},
		{celonissim.Fault{Path: "/data-push/"}, true},
		{celonissim.Fault{Path: "/data-ingestion/api/v1/data-push/*/jobs/*"}, true},
		{celonissim.Fault{Path: "/data-ingestion/*"}, false},
		{celonissim.Fault{Route: "push.jobs.get"}, true},
		{celonissim.Fault{Route: "push.*"}, true},
		{celonissim.Fault{Route: "cloud.*"}, false},
		{celonissim.Fault{Credential: "app"}, true},
		{celonissim.Fault{Credential: "user"}, false},
		{celonissim.Fault{Table: "T"}, true},
		{celonissim.Fault{Table: "U"}, false},
		{celonissim.Fault{Skip: 1}, false},
	} {
		f := c.fault
		f.Status = 503
		s.AddFault(f)
		want := map[bool]int{true: 503, false: 200}[c.hits]
		require.Equal(t, want, s.get(job).status, "%+v", c.fault)
		s.ClearFaults()
	}

	s.AddFault(celonissim.Fault{ID: "second", Status: 502, Skip: 1, Times: 1})
	var got []int
	for range 4 {
		got = append(got, s.get(job).status)
	}
	require.Equal(t, []int{200, 502, 200, 200}, got)
	require.Equal(t, 4, s.Faults()[0].Matched)
	require.Equal(t, 1, s.Faults()[0].Struck)
}

func TestFaultProbabilityIsReproducible(t *testing.T) {
	t.Parallel()
	run := func() string {
		s := start(t, func(o *celonissim.Options) { o.Seed = 42 })
		s.AddFault(celonissim.Fault{Status: 500, Probability: 0.5})
		var b strings.Builder
		for range 40 {
			fmt.Fprintf(&b, "%d ", s.get("/api/cloud").status)
		}
		return b.String()
	}
	first := run()
	require.Equal(t, first, run())
	require.Contains(t, first, "200")
	require.Contains(t, first, "500")
}

func TestCuts(t *testing.T) {
	t.Parallel()
	for cut, chunks := range map[celonissim.Cut]int{
		celonissim.CutBeforeBody: 0, celonissim.CutMidBody: 0, celonissim.CutBeforeAnswer: 1, celonissim.CutMidAnswer: 1,
	} {
		t.Run(string(cut), func(t *testing.T) {
			t.Parallel()
			s := start(t)
			job := s.create(`"targetName":"T","type":"REPLACE"`)
			s.AddFault(celonissim.Fault{Route: "push.chunks.*", Method: "POST", Cut: cut})
			contentType, body := form("file", kvs("a", "1"))
			_, err := s.try(http.MethodPost, job+"/chunks/upserted", contentType, body)
			require.Error(t, err)
			s.ClearFaults()
			require.Len(t, s.list(job+"/chunks"), chunks)
		})
	}
}

func TestCutInTheMiddleOfAnAnswer(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.AddFault(celonissim.Fault{Path: "/api/cloud", Cut: celonissim.CutMidAnswer})
	a, err := s.try(http.MethodGet, "/api/cloud", "", nil)
	require.Error(t, err)
	require.Equal(t, 200, a.status)
	require.NotEmpty(t, a.body)
}

func TestLostSubmitAnswer(t *testing.T) {
	t.Parallel()
	s := start(t)
	job := s.create(`"targetName":"T","type":"REPLACE"`)
	s.upsert(job, kvs("a", "1"))
	s.AddFault(celonissim.Fault{Route: "push.jobs.submit", Times: 1, Cut: celonissim.CutBeforeAnswer})
	_, err := s.try(http.MethodPost, job, "", nil)
	require.Error(t, err)
	require.Equal(t, http.StatusConflict, s.do(http.MethodPost, job, "").status)
	require.Equal(t, "DONE", s.finish().Status)
}

func TestDuplicates(t *testing.T) {
	t.Parallel()
	s := start(t)
	job := s.create(`"targetName":"T","type":"REPLACE"`)
	s.AddFault(celonissim.Fault{Route: "push.chunks.upsert", Duplicate: true, Times: 1})
	s.upsert(job, kvs("a", "1"))
	s.AddFault(celonissim.Fault{Route: "push.jobs.submit", Duplicate: true, Times: 1})
	require.Equal(t, http.StatusConflict, s.do(http.MethodPost, job, "").status)
	require.Equal(t, "DONE", s.finish().Status)
	require.Equal(t, []string{"a|1|", "a|1|"}, s.rows("T", "K", "V"))
}

func TestSlowness(t *testing.T) {
	t.Parallel()
	const d = 50 * time.Millisecond
	s := start(t)
	for _, f := range []celonissim.Fault{{Delay: d}, {SlowAnswer: d}} {
		s.AddFault(f)
		began := time.Now()
		require.Contains(t, s.get("/api/cloud").body, "acme")
		require.GreaterOrEqual(t, time.Since(began), d)
		s.ClearFaults()
	}
	job := s.create(`"targetName":"T","type":"REPLACE"`)
	s.AddFault(celonissim.Fault{ReadRate: 20_000})
	began := time.Now()
	s.upsert(job, make([]byte, 2000))
	require.GreaterOrEqual(t, time.Since(began), 100*time.Millisecond)
}

func TestJobFaults(t *testing.T) {
	t.Parallel()
	s := start(t)
	job := s.create(`"targetName":"T","type":"REPLACE"`)
	s.upsert(job, kvs("a", "1"))
	s.AddFault(celonissim.Fault{Table: "T", Times: 1, Route: "push.jobs.submit", JobError: "out of luck"})
	e := s.submit(job)
	require.Equal(t, "ERROR", e.Status)
	require.Contains(t, e.Logs[len(e.Logs)-1], "out of luck")

	s.AddFault(celonissim.Fault{Route: "push.jobs.submit", Times: 1, JobStuck: true})
	stuck := s.create(`"targetName":"T","type":"REPLACE"`)
	require.Equal(t, 200, s.do(http.MethodPost, stuck, "").status)
	s.AddFault(celonissim.Fault{Route: "push.jobs.submit", Times: 1, JobDelay: 30 * time.Millisecond})
	began := time.Now()
	s.push(`"targetName":"T","type":"REPLACE"`, kvs("a", "1"))
	require.GreaterOrEqual(t, time.Since(began), 30*time.Millisecond)
	require.Equal(t, "QUEUED", s.get(stuck).json(t)["status"], "a stuck job holds nobody up")
}

func TestHooksAndCounts(t *testing.T) {
	t.Parallel()
	arrived, goOn := make(chan struct{}), make(chan struct{})
	answers := make(chan celonissim.Answer, 100)
	s := start(t, func(o *celonissim.Options) {
		o.OnRequest = func(r celonissim.Request) {
			if r.Route == "push.chunks.upsert" && r.N == 2 {
				close(arrived)
				<-goOn
			}
		}
		o.OnAnswer = func(a celonissim.Answer) { answers <- a }
	})
	job := s.create(`"targetName":"T","type":"REPLACE"`)
	s.upsert(job, kvs("a", "1"))
	done := make(chan int)
	contentType, body := form("file", kvs("b", "2"))
	go func() {
		a, _ := s.try(http.MethodPost, job+"/chunks/upserted", contentType, body)
		done <- a.status
	}()
	<-arrived
	require.Len(t, s.list(job+"/chunks"), 1, "the second upload has begun and is held")
	close(goOn)
	require.Equal(t, 200, <-done)
	require.Len(t, s.list(job+"/chunks"), 2)

	require.Equal(t, "push.jobs.create", (<-answers).Route)
	first := <-answers
	require.Equal(t, "push.chunks.upsert", first.Route)
	require.Equal(t, "T", first.Table)
	require.Equal(t, "app", first.Credential)
	require.Equal(t, "AppKey", first.Auth)
	require.Greater(t, first.RequestBytes, int64(100))
	require.EqualValues(t, 2, s.Counts()["push.chunks.upsert"].Requests)
	require.EqualValues(t, 2, s.Counts()["push.chunks.list"].Statuses[200])
}

func TestJournalIsBounded(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *celonissim.Options) { o.JournalSize = 3 })
	for range 5 {
		s.get("/api/cloud")
	}
	var seqs []int64
	for _, a := range s.Journal() {
		seqs = append(seqs, a.Seq)
	}
	require.Equal(t, []int64{3, 4, 5}, seqs)
}
