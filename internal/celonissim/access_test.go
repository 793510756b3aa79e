package celonissim_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/celonissim"
)

func TestAuthentication(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, c := range []struct {
		auth, path string
		status     int
		body       string
	}{
		{"AppKey " + appKey, "/api/cloud", 200, `"teamDomain":"acme"`},
		{"appkey " + appKey, "/api/cloud", 200, ""},
		{"bearer " + apiKey, "/api/cloud/team", 200, `"domain":"acme"`},
		{"", "/api/cloud", 401, `{"error":"Unauthorized"}`},
		{"AppKey ", "/api/cloud", 401, `{"error":"Unauthorized"}`},
		{"AppKey wrong", "/api/cloud/permissions", 401, `{"error":"Unauthorized"}`},
		{"Bearer " + appKey, "/api/cloud", 401, `{"error":"Unauthorized"}`},
		{"AppKey " + apiKey, newPath + "/jobs", 401, `{"error":"Unauthorized"}`},
		{"Basic " + appKey, "/api/cloud", 401, "'Bearer ' or 'AppKey '"},
		{appKey, "/api/cloud", 401, "'Bearer ' or 'AppKey '"},
		{"AppKey " + weakKey, newPath + "/jobs", 403, "ADMIN_ACCESS_ERROR"},
		{"AppKey " + weakKey, "/integration/api/pools", 403, `"title":"Access Denied."`},
		{"AppKey " + weakKey, "/intelligence/api/knowledge-models?pageSize=1", 403, "ADMIN_ACCESS_ERROR"},
		{"AppKey " + appKey, strings.Replace(newPath, poolID, otherID, 1) + "/jobs", 403, "ADMIN_ACCESS_ERROR"},
		{"Bearer " + apiKey, strings.Replace(newPath, poolID, otherID, 1) + "/jobs", 200, "[]"},
		{"AppKey " + appKey, strings.Replace(newPath, poolID, "nope", 1) + "/jobs", 404, ""},
		{"AppKey " + appKey, "/nowhere", 404, ""},
	} {
		s.auth = c.auth
		a := s.get(c.path)
		require.Equal(t, c.status, a.status, "%s %s", c.auth, c.path)
		require.Contains(t, a.body, c.body)
		switch {
		case c.body == "":
		case strings.HasPrefix(c.body, "'"):
			require.Contains(t, a.header.Get("Content-Type"), "text/plain")
		case c.status == 403:
			require.Equal(t, "application/problem+json", a.header.Get("Content-Type"))
		default:
			require.Equal(t, "application/json", a.header.Get("Content-Type"))
		}
	}
	for _, e := range s.Journal() {
		b, err := json.Marshal(e)
		require.NoError(t, err)
		for _, k := range []string{appKey, apiKey, weakKey} {
			require.NotContains(t, string(b), k, "the journal holds no key")
		}
	}
	require.True(t, s.RemoveCredential("app"))
	s.auth = "AppKey " + appKey
	require.Equal(t, 401, s.get("/api/cloud").status)
}

func TestDisabledAPI(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *celonissim.Options) {
		o.Teams[0].Disabled = []celonissim.API{celonissim.APIDataPush, celonissim.APIIntelligence}
	})
	for _, path := range []string{newPath + "/jobs", "/intelligence/api/knowledge-models"} {
		a := s.get(path)
		require.Equal(t, http.StatusForbidden, a.status)
		require.Empty(t, a.body)
	}
	require.Equal(t, 200, s.get("/integration/api/pools").status)
}

func TestTeamsByHost(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *celonissim.Options) {
		o.Teams = append(o.Teams, celonissim.Team{Host: "other.eu-1.celonis.cloud", Domain: "other",
			Credentials: []celonissim.Credential{{Name: "x", Kind: celonissim.AppKey, Key: "x"}}})
	})
	r, err := http.NewRequest(http.MethodGet, s.base+"/api/cloud/team", nil)
	require.NoError(t, err)
	r.Host = "other.eu-1.celonis.cloud"
	r.Header.Set("Authorization", "AppKey x")
	res, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, 200, res.StatusCode)
	s.auth = "AppKey x"
	require.Equal(t, 401, s.get("/api/cloud/team").status)
}

func TestTeamObject(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *celonissim.Options) { o.Limits = celonissim.Limits{SubmitsPerHour: 99} })
	team := s.get("/api/team").json(t)
	require.EqualValues(t, 10, team["dataPushJobSubmissionLimitPerSec"])
	require.EqualValues(t, 99, team["dataPushJobSubmissionLimitPerHour"])
	require.Equal(t, false, team["unlimitedDataPushJobSubmissions"])
	require.Contains(t, s.get("/api/cloud/permissions").body, `{"serviceName":"event-collection","permissions":["VIEW_ALL_DATA_POOLS"`)
}

func TestKnowledgeModels(t *testing.T) {
	t.Parallel()
	s := start(t)
	page := s.get("/intelligence/api/knowledge-models?pageSize=1").json(t)
	require.EqualValues(t, 1, page["pageSize"])
	item := page["content"].([]any)[0].(map[string]any)
	require.Equal(t, "pkg.km", item["id"])
	require.Empty(t, s.get("/intelligence/api/knowledge-models?page=1&pageSize=1").json(t)["content"])
	require.Equal(t, 400, s.get("/intelligence/api/knowledge-models?pageSize=0").status)
}

// ticker is a clock that tests move.
type ticker struct{ at atomic.Int64 }

func (c *ticker) now() time.Time          { return time.Unix(0, c.at.Load()).UTC() }
func (c *ticker) advance(d time.Duration) { c.at.Add(int64(d)) }

func TestSubmitLimits(t *testing.T) {
	t.Parallel()
	clock := &ticker{}
	clock.at.Store(time.Date(2025, 1, 2, 10, 59, 0, 0, time.UTC).UnixNano())
	s := start(t, func(o *celonissim.Options) {
		o.Now, o.Limits = clock.now, celonissim.Limits{SubmitsPerSecond: 2, SubmitsPerHour: 3}
	})
	submit := func() answer {
		job := s.create(`"targetName":"T","type":"REPLACE"`)
		a := s.do(http.MethodPost, job, "")
		if a.status == http.StatusTooManyRequests {
			require.Equal(t, "NEW", s.get(job).json(t)["status"], "a refused submit leaves the job as it is")
		}
		return a
	}
	a := submit()
	require.Equal(t, 200, a.status)
	require.Equal(t, "3", a.header.Get("x-ratelimit-limit"))
	require.Equal(t, "2", a.header.Get("x-ratelimit-remaining"))
	require.Empty(t, a.header.Get("x-ratelimit-reset"))
	require.Equal(t, 200, submit().status)

	a = submit()
	require.Equal(t, 429, a.status)
	require.Equal(t, []string{"2", "0", "1"}, []string{a.header.Get("x-ratelimit-limit"), a.header.Get("x-ratelimit-remaining"), a.header.Get("x-ratelimit-reset")})
	require.Equal(t, "application/problem+json", a.header.Get("Content-Type"))
	body := a.json(t)
	require.Equal(t, "LIMIT_RATE_EXCEEDED", body["errorCode"])
	require.Equal(t, "Rate limit exceeded", body["title"])
	require.EqualValues(t, 429, body["status"])

	clock.advance(time.Second)
	require.Equal(t, 200, submit().status)
	clock.advance(time.Second)
	a = submit()
	require.Equal(t, 429, a.status)
	require.Equal(t, "58", a.header.Get("x-ratelimit-reset"))
	clock.advance(58 * time.Second)
	require.Equal(t, 200, submit().status, "the window starts at the full UTC hour")
}

func TestRateHeaderForms(t *testing.T) {
	t.Parallel()
	at := time.Date(2025, 1, 2, 10, 59, 30, 0, time.UTC)
	for form, want := range map[celonissim.RateHeaders][2]string{
		celonissim.RateSeconds:    {"30", ""},
		celonissim.RateDateTime:   {"2025-01-02T11:00:00Z", ""},
		celonissim.RateRetryAfter: {"", "30"},
		celonissim.RateNone:       {"", ""},
	} {
		s := start(t, func(o *celonissim.Options) {
			o.Now = func() time.Time { return at }
			o.Limits, o.Answers.RateHeaders = celonissim.Limits{SubmitsPerHour: 1}, form
		})
		s.submit(s.create(`"targetName":"T","type":"REPLACE"`))
		a := s.do(http.MethodPost, s.create(`"targetName":"T","type":"REPLACE"`), "")
		require.Equal(t, 429, a.status)
		require.Equal(t, want, [2]string{a.header.Get("x-ratelimit-reset"), a.header.Get("Retry-After")}, form)
	}
}

func TestAnswerSwitches(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *celonissim.Options) {
		o.Answers = celonissim.Answers{NotFound: celonissim.BodyValidation, ClosedJobStatus: 409, RawChunkStatus: 400, Checksum: "none"}
	})
	a := s.get(strings.Replace(newPath, poolID, "nope", 1) + "/jobs")
	require.Equal(t, 404, a.status)
	require.Contains(t, a.body, `"errors":[{"attribute":"poolId"`)
	job := s.create(`"targetName":"T","type":"REPLACE"`)
	raw, err := s.try(http.MethodPost, job+"/chunks/upserted", "text/csv", strings.NewReader("a"))
	require.NoError(t, err)
	require.Equal(t, 400, raw.status)
	s.upsert(job, kvs("a", "1"))
	require.Contains(t, s.get(job+"/chunks").body, `"checksum":null`)
	s.submit(job)
	require.Equal(t, 409, s.upload(job, "upserted", kvs("a", "1")).status)
}
