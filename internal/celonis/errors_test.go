package celonis_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/celonis-connector/connector/internal/celonis"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

// bodies are the families of error bodies, each with a word of its own.
var bodies = map[string]struct{ contentType, body, word string }{
	"A problem":       {"application/problem+json", `{"title":"Bad","status":1,"detail":"word-a","errorCode":"SOME_CODE"}`, "word-a"},
	"A2 rfc problem":  {"application/problem+json", `{"type":"about:blank","title":"Bad","status":1,"detail":"word-a2","instance":"/x"}`, "word-a2"},
	"B auth":          {"application/json", `{"error":"word-b"}`, "word-b"},
	"C validation":    {"application/json", `{"errors":[{"attribute":"name","error":"word-c","errorCode":"name.unique","additionalInfo":null},{"attribute":"x","error":"word-c2"}]}`, "name: word-c; x: word-c2"},
	"C2 array":        {"application/json", `[{"attribute":"q","error":"word-c3","errorCode":"e","additionalInfo":{"a":1}}]`, "q: word-c3"},
	"D frontend":      {"application/json", `{"frontendErrorKey":"key.d","errorInformation":{"why":"word-d"}}`, "word-d"},
	"E reference":     {"application/json", `{"reference":"ref-1","message":"word-e Celonis Support ID: ref-1","shortMessage":"Celonis Support ID: ref-1"}`, "word-e Celonis Support ID: ref-1"},
	"E short":         {"text/plain", `{"reference":"ref-1","shortMessage":"short word-e"}`, "short word-e, reference ref-1"},
	"F text":          {"text/plain", "word-f: use 'Bearer '", "word-f"},
	"G empty":         {"", "", ""},
	"H scim":          {"application/scim+json", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"400","scimType":"uniqueness","detail":"word-h"}`, "word-h"},
	"I oauth":         {"application/json", `{"error":"invalid_scope","error_description":"word-i"}`, "invalid_scope: word-i"},
	"html":            {"text/html; charset=utf-8", "\n<!DOCTYPE html><html><head><title>Word &amp; HTML</title></head><body><p>inner</p></body></html>", "Word & HTML"},
	"html, no type":   {"", "<html><body>inner</body></html>", ""},
	"unknown json":    {"application/json", `{"answer":"word-j"}`, "word-j"},
	"truncated json":  {"application/json", `{"title":"word-t`, "word-t"},
	"wrong types":     {"application/json", `{"title":17,"detail":["word-w"],"errors":"nope"}`, ""},
	"null":            {"application/json", "null", "null"},
	"with a mark":     {"application/json", "\xef\xbb\xbf" + `{"error":"word-m"}`, "word-m"},
	"no utf-8, lines": {"text/plain", "word-n\r\n\x00\xff\tend", "word-n ?"},
}

func expected(status int, family string) fault.Code {
	html := strings.HasPrefix(family, "html")
	switch {
	case status == 401:
		return fault.CelonisUnauthorized
	case status == 403:
		return fault.CelonisForbidden
	case status == 429:
		return fault.CelonisRateLimited
	case status >= 500:
		return fault.CelonisServer
	case status < 400 || html:
		return fault.CelonisAnswer
	}
	switch status {
	case 404, 410:
		return fault.CelonisNotFound
	case 409:
		return fault.CelonisConflict
	case 413:
		return fault.CelonisTooLarge
	case 408, 425:
		return fault.CelonisServer
	}
	return fault.CelonisRejected
}

func TestEveryStatusInEveryFamily(t *testing.T) {
	t.Parallel()
	now := time.Date(2024, 5, 1, 12, 34, 56, 0, time.UTC)
	for status := 300; status < 600; status++ {
		if status == 304 {
			continue
		}
		for family, b := range bodies {
			c := newClient(t, celonis.Config{
				Now: func() time.Time { return now }, Retry: celonis.RetryPolicy{Tries: 1},
				Transport: trip(func(r *http.Request) (*http.Response, error) { return answer(r, status, b.contentType, b.body), nil }),
			})
			_, err := c.Pools(t.Context())
			name := fmt.Sprintf("%d %s: %v", status, family, err)
			var e *fault.Error
			require.ErrorAs(t, err, &e, name)
			require.Equal(t, expected(status, family), e.Code, name)
			require.Contains(t, e.Message, "list the data pools", name)
			if b.word != "" {
				require.Contains(t, e.Message, b.word, name)
			}
			require.NotContains(t, e.Message, "inner", name)
			require.NotContains(t, e.Message, "\n", name)
			switch e.Code {
			case fault.CelonisUnauthorized, fault.CelonisForbidden, fault.CelonisAnswer:
				require.NotEmpty(t, e.Hint, name)
			case fault.CelonisRateLimited:
				require.Equal(t, now.Add(time.Minute), e.ResumeAt, name)
			}
			if strings.HasPrefix(family, "html") {
				require.NotEmpty(t, e.Hint+string(e.Code), name)
			}
			wantNever := status == 501 || status == 505
			if wantNever {
				require.Equal(t, fault.Never, e.Retry(), name)
			}
			require.ErrorContains(t, err, fmt.Sprintf("answered %d", status), "the log is told the status")
		}
	}
}

func TestErrorCodesThatOutrankTheStatus(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status     int
		body, path string
		want       fault.Code
	}{
		{400, `{"title":"Rate limit exceeded","errorCode":"LIMIT_RATE_EXCEEDED"}`, "", fault.CelonisRateLimited},
		{404, `{"title":"x","errorCode":"LIMIT_SIZE_NOTFOUND"}`, "", fault.CelonisAPIDisabled},
		{403, "", "", fault.CelonisAPIDisabled},
		{403, `{"title":"Access Denied.","status":403,"detail":"no","errorCode":"ADMIN_ACCESS_ERROR"}`, "", fault.CelonisForbidden},
	} {
		cl := newClient(t, celonis.Config{Retry: celonis.RetryPolicy{Tries: 1}, Transport: trip(func(r *http.Request) (*http.Response, error) {
			return answer(r, c.status, "application/json", c.body), nil
		})})
		_, err := cl.KnowledgeModels(t.Context(), 1)
		require.True(t, fault.Has(err, c.want), "%d %s: %v", c.status, c.body, err)
	}
}

func TestSuccessThatIsNoAnswer(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"html": "<!doctype html><title>Sign in</title>", "empty": "", "text": "OK", "other json": `{"a":1}`, "broken": `[{"id":`,
	} {
		c := newClient(t, celonis.Config{Transport: trip(func(r *http.Request) (*http.Response, error) {
			return answer(r, http.StatusOK, "text/html", body), nil
		})})
		_, err := c.Pools(t.Context())
		require.True(t, fault.Has(err, fault.CelonisAnswer), "%s: %v", name, err)
		require.Contains(t, fault.From(err).Hint, "domain")
		_, err = c.Team(t.Context())
		require.True(t, fault.Has(err, fault.CelonisAnswer), "%s: %v", name, err)
	}
}

func TestTheClockTimeOfARefusalIsRead(t *testing.T) {
	t.Parallel()
	now := time.Date(2024, 5, 1, 23, 30, 0, 0, time.UTC)
	for detail, want := range map[string]time.Time{
		"INTELLIGENCE_API_RATE_LIMIT reached, come back at 23:45 UTC": time.Date(2024, 5, 1, 23, 45, 0, 0, time.UTC),
		"come back at 00:00:05 UTC":                                   time.Date(2024, 5, 2, 0, 0, 5, 0, time.UTC),
		"come back later":                                             now.Add(time.Minute),
	} {
		c := newClient(t, celonis.Config{
			Now: func() time.Time { return now }, Retry: celonis.RetryPolicy{Tries: 1},
			Transport: trip(func(r *http.Request) (*http.Response, error) {
				return answer(r, 429, "application/problem+json", `{"title":"Rate limit exceeded","detail":"`+detail+`"}`), nil
			}),
		})
		_, err := c.Pools(t.Context())
		require.Equal(t, want, fault.From(err).ResumeAt, detail)
	}
}

// FuzzErrorReader: whatever a server answers, a fault comes out: bounded, on
// one line, without the key.
func FuzzErrorReader(f *testing.F) {
	for _, b := range bodies {
		f.Add(400, b.contentType, b.body)
	}
	f.Add(500, "application/json", `{"errors":[{}],"message":"AppKey `+appKey+`"}`)
	f.Add(200, "text/html", appKey)
	f.Add(429, "", `{"errorCode":{"a":["LIMIT_RATE_EXCEEDED"]}}`)
	f.Fuzz(func(t *testing.T, status int, contentType, body string) {
		if status < 200 || status > 599 {
			status = 200 + (status&0x7fffffff)%400
		}
		c := newClient(t, celonis.Config{Retry: celonis.RetryPolicy{Tries: 1}, Transport: trip(func(r *http.Request) (*http.Response, error) {
			return answer(r, status, contentType, body), nil
		})})
		_, err := c.Pools(t.Context())
		if err == nil {
			require.Less(t, status, 300)
			return
		}
		var e *fault.Error
		require.ErrorAs(t, err, &e)
		require.NotEmpty(t, e.Message)
		require.Less(t, len([]rune(e.Message)), 2000)
		require.NotContains(t, err.Error(), appKey)
		require.NotContains(t, err.Error(), "\n")
	})
}
