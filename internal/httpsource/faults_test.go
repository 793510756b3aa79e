package httpsource_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// answering always gives one answer.
func answering(status int, media, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", media)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	})
}

func TestAnswersThatAreNoPages(t *testing.T) {
	t.Parallel()
	const html = "<!DOCTYPE html><html><head><title>Sign &amp; in</title></head></html>"
	items := flows.Export{Request: &flows.HTTPRequest{URL: "v1/list", Query: []flows.Param{{Name: "q", Value: "hidden-value"}}}, ItemsPath: "/data/items"}
	for name, c := range map[string]struct {
		status      int
		media, body string
		code        fault.Code
		retry       fault.Retry
		says        []string
	}{
		"a web page":            {200, "text/html", html, fault.SourceHTML, fault.Never, []string{`/v1/list`, "200", `"Sign & in"`}},
		"a page that says JSON": {200, "application/json", html, fault.SourceHTML, fault.Never, []string{"Sign & in"}},
		"a refused login":       {401, "application/json", `{"error":"` + key + ` is no key"}`, fault.SourceUnauthorized, fault.Never, []string{"401", "[redacted] is no key"}},
		"a web page with 403":   {403, "text/html", html, fault.SourceForbidden, fault.Never, []string{"403", "Sign & in"}},
		"nothing there":         {404, "application/json", `{}`, fault.SourceNotFound, fault.Never, []string{"404", "/v1/list"}},
		"a refused request":     {400, "application/json", `{"message":"unknown field"}`, fault.SourceRefused, fault.Never, []string{"unknown field"}},
		"a fault of the source": {500, "text/plain", "oops", fault.SourceUnavailable, fault.Later, []string{"500", "oops"}},
		"too often":             {429, "text/plain", "", fault.SourceRateLimited, fault.Wait, []string{"429"}},
		"no JSON":               {200, "application/json", "{\"data\":{\"items\":[{\"a\":1},\n{\"a\":x}]}}", fault.SourceFormat, fault.Never, []string{"page 1", "byte 32"}},
		"cut JSON":              {200, "application/json", `{"data":{"items":[{"a":1},`, fault.SourceTruncated, fault.Later, []string{"page 1"}},
		"two values":            {200, "application/json", `{"data":{"items":[]}} {}`, fault.SourceFormat, fault.Never, []string{"ndjson"}},
		"no items":              {200, "application/json", `{"data":{"rows":[],"meta":1}}`, fault.SourceItemsPath, fault.Never, []string{`"/data/items"`, `"/data" is an object with the members "rows", "meta"`}},
		"items elsewhere":       {200, "application/json", `{"results":[]}`, fault.SourceItemsPath, fault.Never, []string{`the answer is an object with the members "results"`}},
		"data is a list":        {200, "application/json", `{"data":[1,2]}`, fault.SourceItemsPath, fault.Never, []string{`"/data" is an array of 2`}},
		"items are a text":      {200, "application/json", `{"data":{"items":"none"}}`, fault.SourceItemsPath, fault.Never, []string{"a text"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, _, err := against(t, answering(c.status, c.media, c.body), items).read()
			require.Equal(t, c.code, fault.CodeOf(err), "%v", err)
			require.Equal(t, c.retry, fault.RetryOf(err))
			require.Empty(t, got, "nothing of a page that cannot be read")
			f := fault.From(err)
			for _, text := range c.says {
				require.Contains(t, f.Message+f.Hint, text)
			}
			require.NotContains(t, err.Error(), "hidden-value")
		})
	}
}

func TestBodies(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		media, body string
		export      flows.Export
		want        []string
	}{
		"an array":           {"application/json", `[{"a":1.10,"a":"x"},  {"b":1e400}]`, flows.Export{}, []string{`{"a":1.10,"a":"x"}`, `{"b":1e400}`}},
		"one object":         {"application/json", "\xef\xbb\xbf{\"a\":1}", flows.Export{}, []string{`{"a":1}`}},
		"no object":          {"application/json", `{"v":[1,"x",null,[2]]}`, flows.Export{ItemsPath: "/v"}, []string{`{"value":1}`, `{"value":"x"}`, `{"value":null}`, `{"value":[2]}`}},
		"null":               {"application/json", `{"v":null}`, flows.Export{ItemsPath: "/v"}, nil},
		"a name to escape":   {"application/json", `{"a/b":{"~":[{"x":1}]}}`, flows.Export{ItemsPath: "/a~1b/~0"}, []string{`{"x":1}`}},
		"an item of a list":  {"application/json", `[[], [{"x":1}]]`, flows.Export{ItemsPath: "/1"}, []string{`{"x":1}`}},
		"lines":              {"application/x-ndjson", "{\"a\":1}\n{\"a\":2}\n", flows.Export{}, []string{`{"a":1}`, `{"a":2}`}},
		"lines, as said":     {"text/plain", "{\"a\":1}\n{\"a\":2}", flows.Export{Format: flows.NDJSON}, []string{`{"a":1}`, `{"a":2}`}},
		"a table":            {"text/csv; charset=utf-8", "id;name\n1;\"a\"\"b\"\n2;\n", flows.Export{}, []string{`{"id":"1","name":"a\"b"}`, `{"id":"2","name":null}`}},
		"nothing of a table": {"text/csv", "", flows.Export{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, against(t, answering(200, c.media, c.body), c.export).mustRead())
		})
	}
}

func TestContentEncodings(t *testing.T) {
	t.Parallel()
	const doc = `[{"a":1}]`
	packed := map[string]func() []byte{
		"gzip": func() []byte {
			var b bytes.Buffer
			w := gzip.NewWriter(&b)
			_, _ = w.Write([]byte(doc))
			_ = w.Close()
			return b.Bytes()
		},
		"deflate": func() []byte {
			var b bytes.Buffer
			w := zlib.NewWriter(&b)
			_, _ = w.Write([]byte(doc))
			_ = w.Close()
			return b.Bytes()
		},
		"zstd": func() []byte {
			w, _ := zstd.NewWriter(nil)
			return w.EncodeAll([]byte(doc), nil)
		},
	}
	for name, pack := range packed {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				require.Contains(t, r.Header.Get("Accept-Encoding"), name)
				w.Header().Set("Content-Encoding", name)
				_, _ = w.Write(pack())
			})
			require.Equal(t, []string{`{"a":1}`}, against(t, h, flows.Export{}).mustRead())
		})
	}
	t.Run("unknown", func(t *testing.T) {
		t.Parallel()
		h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "br")
			fmt.Fprint(w, "x")
		})
		_, _, err := against(t, h, flows.Export{}).read()
		require.True(t, fault.Has(err, fault.SourceFormat), "%v", err)
	})
}

func TestLargePages(t *testing.T) {
	t.Parallel()
	filler := strings.Repeat("x", 1<<20)
	var doc strings.Builder
	doc.WriteString(`{"before":"` + filler + `","items":[`)
	for i := range 10 {
		fmt.Fprintf(&doc, `%s{"id":%d,"text":"%s"}`, strings.Repeat(",", min(i, 1)), i, filler)
	}
	doc.WriteString(`]}`)
	r := against(t, answering(200, "application/json", doc.String()), flows.Export{ItemsPath: "/items"})
	require.Len(t, r.mustRead(), 10, "through a file")
	r.config.MaxPage = 1 << 20
	_, _, err := r.read()
	require.True(t, fault.Has(err, fault.SourceTooLarge), "%v", err)
}

func TestRateLimits(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, time.May, 1, 12, 0, 7, 0, time.UTC)
	for name, set := range map[string]func(http.Header){
		"seconds":          func(h http.Header) { h.Set("Retry-After", "7") },
		"a date":           func(h http.Header) { h.Set("Retry-After", at.Format(http.TimeFormat)) },
		"RateLimit-Reset":  func(h http.Header) { h.Set("RateLimit-Reset", "7") },
		"a unix time":      func(h http.Header) { h.Set("X-RateLimit-Reset", fmt.Sprint(at.Unix())) },
		"in milliseconds":  func(h http.Header) { h.Set("X-RateLimit-Reset", fmt.Sprint(at.UnixMilli())) },
		"a span":           func(h http.Header) { h.Set("X-RateLimit-Reset", "7") },
		"RateLimit":        func(h http.Header) { h.Set("RateLimit", `limit=10, remaining=0, reset=7`) },
		"RateLimit, newer": func(h http.Header) { h.Set("RateLimit", `"default";r=0;t=7`) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := &api{n: 2, size: 5}
			server.before = func(call int, w http.ResponseWriter, _ *http.Request) bool {
				if call > 1 {
					return false
				}
				set(w.Header())
				w.WriteHeader(http.StatusTooManyRequests)
				return true
			}
			r := against(t, server, ways()["token"])
			require.Len(t, r.mustRead(), 2)
			require.Len(t, r.waits, 1)
			require.GreaterOrEqual(t, r.waits[0], 7*time.Second)
			require.Less(t, r.waits[0], 9*time.Second)
		})
	}
}

// TestALongWaitIsGivenBack: a wait that is too long for a worker becomes the run's.
func TestALongWaitIsGivenBack(t *testing.T) {
	t.Parallel()
	server := &api{n: 20, size: 5}
	limited := 1
	server.before = func(call int, w http.ResponseWriter, _ *http.Request) bool {
		if call != limited {
			return false
		}
		w.Header().Set("Retry-After", "600")
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	r := against(t, server, ways()["token"])
	_, _, err := r.read()
	require.Equal(t, fault.Wait, fault.RetryOf(err), "%v", err)
	require.Equal(t, r.now.Add(10*time.Minute), fault.From(err).ResumeAt)
	limited = 4
	require.Len(t, r.mustRead(), 20, "in the middle it is waited, as the pages would be lost")
}

func TestPostIsNotRepeatedUnlessItOnlyReads(t *testing.T) {
	t.Parallel()
	for _, safe := range []bool{false, true} {
		t.Run(fmt.Sprint(safe), func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int32
			h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if calls.Add(1) == 1 {
					panic(http.ErrAbortHandler)
				}
				fmt.Fprint(w, `[{"a":1}]`)
			})
			_, _, err := against(t, h, flows.Export{Request: &flows.HTTPRequest{Method: "POST", Body: "{}", RetryPost: safe}}).read()
			if safe {
				require.NoError(t, err)
				return
			}
			require.Equal(t, fault.Never, fault.RetryOf(err), "%v", err)
			require.EqualValues(t, 1, calls.Load())
		})
	}
}

// TestAnEndedTokenIsReplacedOnce: an access token that is no longer taken in the middle of the pages costs nothing.
func TestAnEndedTokenIsReplacedOnce(t *testing.T) {
	t.Parallel()
	var tokens atomic.Int32
	server := &api{n: 20, size: 5}
	mux := http.NewServeMux()
	mux.HandleFunc("/oauth/token", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":"token-number-%d","token_type":"Bearer","expires_in":3600}`, tokens.Add(1))
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		server.mu.Lock()
		ended := len(server.calls) == 2 && r.Header.Get("Authorization") == "Bearer token-number-1"
		server.mu.Unlock()
		if ended {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		server.ServeHTTP(w, r)
	})
	r := against(t, mux, ways()["token"])
	target := r.config.Target
	target.AuthType, target.Secret = connections.OAuth2, crypto.Secret{}
	target.TokenURL = target.BaseURL + "/oauth/token"
	target.OAuth = &connections.OutsideOAuth{
		Client: "client", ClientID: "id", ClientSecret: crypto.NewSecret(key), AuthMethod: connections.ClientSecretBasic,
		TokenURL: target.TokenURL, ValidDomains: []string{strings.TrimPrefix(target.BaseURL, "http://")},
	}
	r.as(target)
	require.Equal(t, wanted(20), r.mustRead())
	require.EqualValues(t, 2, tokens.Load())
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(answering(200, "application/json", `[{"a":1}]`))
	t.Cleanup(elsewhere.Close)
	mux := http.NewServeMux()
	mux.HandleFunc("/here", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/there", http.StatusFound) })
	mux.HandleFunc("/there", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `[{"a":1}]`) })
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) })
	require.Len(t, against(t, mux, flows.Export{Request: &flows.HTTPRequest{URL: "here"}}).mustRead(), 1)
	_, _, err := against(t, mux, flows.Export{Request: &flows.HTTPRequest{URL: "away"}}).read()
	require.True(t, fault.Has(err, fault.SourceNextURL), "%v", err)
}
