package celonis_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/celonis"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

// echoes write the Authorization header the way servers and proxies echo it.
var echoes = map[string]func(string) string{
	"raw":        func(h string) string { return h },
	"key only":   func(h string) string { return strings.Fields(h)[1] },
	"base64":     func(h string) string { return base64.StdEncoding.EncodeToString([]byte(h)) },
	"base64 url": func(h string) string { return base64.URLEncoding.EncodeToString([]byte("x" + h)) },
	"base64 key": func(h string) string { return base64.RawStdEncoding.EncodeToString([]byte(strings.Fields(h)[1])) },
	"query":      url.QueryEscape,
	"path":       url.PathEscape,
	"lower hex": func(h string) string {
		return strings.ReplaceAll(strings.ReplaceAll(url.QueryEscape(h), "%3D", "%3d"), "%2B", "%2b")
	},
	"hex": func(h string) string { return hex.EncodeToString([]byte(h)) },
	"decoded": func(h string) string {
		plain, _ := base64.StdEncoding.DecodeString(strings.Fields(h)[1])
		return string(plain)
	},
	"half":  func(h string) string { return strings.Fields(h)[1][:40] + " ..." },
	"twice": func(h string) string { return h + h },
}

// shapes put an echo into the families of error bodies.
var shapes = map[string]func(w http.ResponseWriter, status int, echo string){
	"problem": func(w http.ResponseWriter, status int, echo string) {
		shape(w, status, map[string]any{"title": echo, "detail": echo, "errorCode": echo})
	},
	"auth": func(w http.ResponseWriter, status int, echo string) {
		shape(w, status, map[string]any{"error": echo, "error_description": echo})
	},
	"validation": func(w http.ResponseWriter, status int, echo string) {
		shape(w, status, map[string]any{"errors": []any{map[string]any{"attribute": echo, "error": echo, "errorCode": echo}}})
	},
	"array": func(w http.ResponseWriter, status int, echo string) {
		shape(w, status, []any{map[string]any{"attribute": echo, "error": map[string]any{"x": echo}}})
	},
	"frontend": func(w http.ResponseWriter, status int, echo string) {
		shape(w, status, map[string]any{"frontendErrorKey": echo, "errorInformation": []any{echo}})
	},
	"reference": func(w http.ResponseWriter, status int, echo string) {
		shape(w, status, map[string]any{"reference": echo, "message": echo})
	},
	"scim": func(w http.ResponseWriter, status int, echo string) {
		shape(w, status, map[string]any{"scimType": echo, "detail": echo})
	},
	"other": func(w http.ResponseWriter, status int, echo string) {
		shape(w, status, map[string]any{"headers": map[string]any{"authorization": echo}})
	},
	"text": func(w http.ResponseWriter, status int, echo string) { shapeText(w, status, "text/plain", "no: "+echo) },
	"html": func(w http.ResponseWriter, status int, echo string) {
		shapeText(w, status, "text/html", "<html><title>"+echo+"</title>"+echo)
	},
	"team": func(w http.ResponseWriter, _ int, echo string) {
		shape(w, 200, map[string]any{"domain": echo, "id": echo})
	},
	"headers": func(w http.ResponseWriter, status int, echo string) {
		w.Header().Set("Retry-After", echo)
		w.Header().Set("Location", "/"+echo)
		w.WriteHeader(status)
	},
}

// shape escapes more than it must, as some JSON writers do.
func shape(w http.ResponseWriter, status int, body any) {
	text, _ := json.Marshal(body)
	shapeText(w, status, "application/json", strings.NewReplacer("/", `\/`, "=", `\u003d`).Replace(string(text)))
}

func shapeText(w http.ResponseWriter, status int, contentType, text string) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

// leaks lists the forms of the key that a text holds.
func leaks(text string) []string {
	plain, _ := base64.StdEncoding.DecodeString(appKey)
	forms := map[string]string{
		"raw": appKey, "raw, a part": appKey[:12], "raw, inner part": appKey[30:42], "base64": base64.StdEncoding.EncodeToString([]byte(appKey))[:12],
		"header in base64": base64.StdEncoding.EncodeToString([]byte("AppKey " + appKey))[12:28],
		"query":            url.QueryEscape(appKey), "hex": hex.EncodeToString([]byte(appKey))[:16], "decoded": string(plain), "secret": "canary/secret",
	}
	var found []string
	for name, form := range forms {
		if strings.Contains(text, form) {
			found = append(found, name)
		}
	}
	return found
}

// everything makes every call that a client has and gives all errors, in every form in which one may be written.
func everything(ctx context.Context, c *celonis.Client) string {
	p := c.DataPush(poolID)
	var errs []error
	add := func(err error) { errs = append(errs, err) }
	_, err := c.Team(ctx)
	add(err)
	_, err = c.Pools(ctx)
	add(err)
	_, err = c.Tables(ctx, poolID)
	add(err)
	_, err = c.KnowledgeModels(ctx, 1)
	add(err)
	_, err = c.Fields(ctx, "pkg.km", "R")
	add(err)
	_, err = c.Triggers(ctx, "pkg.km")
	add(err)
	_, err = p.CreateJob(ctx, csvSpec("T"))
	add(err)
	_, err = p.Jobs(ctx)
	add(err)
	_, err = p.Submit(ctx, "j")
	add(err)
	add(p.UploadChunk(ctx, "j", csvChunk(twoRows)))
	add(p.DeleteJob(ctx, "j"))
	return written(errs)
}

func written(errs []error) string {
	var b strings.Builder
	for _, err := range errs {
		if err == nil {
			continue
		}
		f := fault.From(err)
		fmt.Fprintf(&b, "%v\n%+v\n%q\n%s\n%s\n%v\n", err, err, err, f.Message, f.Hint, f.Fields)
		for cause := f.Cause; cause != nil; {
			fmt.Fprintln(&b, cause)
			inner, ok := cause.(interface{ Unwrap() error })
			if !ok {
				break
			}
			cause = inner.Unwrap()
		}
	}
	return b.String()
}

// TestTheKeyComesOutNowhere forces every failure in every shape with every echo.
func TestTheKeyComesOutNowhere(t *testing.T) {
	t.Parallel()
	for echoName, echo := range echoes {
		for shapeName, shape := range shapes {
			for _, status := range []int{302, 400, 401, 403, 404, 409, 429, 500, 503} {
				server := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { shape(w, status, echo(r.Header.Get("Authorization"))) })
				var logs logBuffer
				transport := serve(server)
				c := newClient(t, celonis.Config{Transport: transport, Logger: logs.logger(), Retry: celonis.RetryPolicy{Tries: 2, Base: 1, Cap: 1}})
				text := everything(t.Context(), c)
				tester := celonis.NewTester(celonis.TesterConfig{Transport: transport, Logger: logs.logger(), Retry: celonis.RetryPolicy{Base: 1, Cap: 1}})
				for _, api := range []connections.APIType{connections.DataPush, connections.Intelligence} {
					to := target("https://acme.eu-1.celonis.cloud")
					to.APIType = api
					result, err := json.Marshal(tester.Test(t.Context(), to))
					require.NoError(t, err)
					text += fmt.Sprintf("%s\n%+v\n", result, to)
				}
				text += logs.String()
				require.Empty(t, leaks(text), "%s in %s with %d:\n%s", echoName, shapeName, status, text)
			}
		}
	}
}

// serve makes a transport of a handler, without a network.
func serve(h http.Handler) trip {
	return func(r *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Result(), nil
	}
}

// TestABrokenAnswerDoesNotCarryTheKey: net/http repeats a malformed answer in its own error.
func TestABrokenAnswerDoesNotCarryTheKey(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			r, err := http.ReadRequest(bufio.NewReader(conn))
			if err == nil {
				_, _ = fmt.Fprintf(conn, "%s\r\n\r\n", r.Header.Get("Authorization"))
			}
			_ = conn.Close()
		}
	}()
	transport := &http.Transport{DisableKeepAlives: true}
	direct, _ := http.NewRequest(http.MethodGet, "http://"+listener.Addr().String(), nil)
	direct.Header.Set("Authorization", "AppKey "+appKey)
	_, err = transport.RoundTrip(direct)
	require.NotEmpty(t, leaks(err.Error()), "the test proves nothing: net/http no longer repeats the answer")

	var logs logBuffer
	c := newClient(t, celonis.Config{Target: target("http://" + listener.Addr().String()), Transport: transport, Logger: logs.logger(), Retry: celonis.RetryPolicy{Tries: 2, Base: 1, Cap: 1}})
	text := everything(t.Context(), c) + logs.String()
	require.Contains(t, text, string(fault.CelonisDisconnected))
	require.Contains(t, text, "[redacted]")
	require.Empty(t, leaks(text), text)
}
