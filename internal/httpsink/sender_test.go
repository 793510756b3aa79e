package httpsink_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/httpsink"
	"github.com/celonis-connector/connector/internal/httpsource"
	"github.com/stretchr/testify/require"
)

const takerSecret = "taker-secret-81a0"

var clock = time.Date(2026, time.March, 1, 8, 0, 0, 0, time.UTC)

// destination answers each call by its number, from 1; 0 hangs up.
type destination struct {
	*httptest.Server
	calls atomic.Int64
	waits []time.Duration
}

func newDestination(t *testing.T, answer func(n int64, w http.ResponseWriter, body string) int) *destination {
	d := &destination{}
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		status := answer(d.calls.Add(1), w, string(body))
		if status == 0 {
			c, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_ = c.Close()
			}
			return
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"says":"`+takerSecret+`"}`)
	}))
	t.Cleanup(d.Close)
	return d
}

func (d *destination) sender() *httpsink.Sender {
	target := &connections.OutsideTarget{AuthType: connections.Bearer, Secret: crypto.NewSecret(takerSecret)}
	return httpsink.New(httpsink.Config{
		HTTP: d.Client(), Redact: httpsource.NewRedactor(target), Now: func() time.Time { return clock },
		Wait: func(ctx context.Context, w time.Duration) error {
			d.waits = append(d.waits, w)
			return ctx.Err()
		},
		Policy: httpsink.Policy{Tries: 3, Base: time.Millisecond},
	})
}

func (d *destination) call(repeatable bool) httpsink.Call {
	u, _ := url.Parse(d.URL + "/in?key=value") // the address of a server that listens
	return httpsink.Call{Method: "POST", URL: u, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(`{}`), Repeatable: repeatable}
}

func TestWhatAnswersMean(t *testing.T) {
	t.Parallel()
	type want struct {
		verdict httpsink.Verdict
		code    fault.Code // of the row or of the run
		retry   fault.Retry
		calls   int64
	}
	for name, c := range map[string]struct {
		statuses   []int
		retryAfter string
		repeatable bool
		want       want
	}{
		"taken":                          {[]int{201}, "", false, want{httpsink.Taken, "", 0, 1}},
		"refused":                        {[]int{422}, "", false, want{httpsink.Refused, fault.DestinationRefused, 0, 1}},
		"login":                          {[]int{401}, "", true, want{httpsink.Undecided, fault.DestinationUnauthorized, fault.Never, 1}},
		"not allowed":                    {[]int{403}, "", true, want{httpsink.Undecided, fault.DestinationForbidden, fault.Never, 1}},
		"elsewhere":                      {[]int{307}, "", true, want{httpsink.Undecided, fault.DestinationForbidden, fault.Never, 1}},
		"nothing there":                  {[]int{404}, "", true, want{httpsink.Undecided, fault.DestinationGone, fault.Never, 1}},
		"gone":                           {[]int{410}, "", true, want{httpsink.Undecided, fault.DestinationGone, fault.Never, 1}},
		"asks to wait, then takes":       {[]int{429, 503, 200}, "1", false, want{httpsink.Taken, "", 0, 3}},
		"asks to wait for long":          {[]int{429}, "600", false, want{httpsink.Undecided, fault.DestinationRateLimited, fault.Wait, 1}},
		"asks to wait for ever":          {[]int{429, 429, 429}, "1", false, want{httpsink.Undecided, fault.DestinationRateLimited, fault.Wait, 3}},
		"an error, sent again":           {[]int{500, 502, 200}, "", true, want{httpsink.Taken, "", 0, 3}},
		"errors only":                    {[]int{500, 500, 500}, "", true, want{httpsink.Undecided, fault.DestinationUnavailable, fault.Later, 3}},
		"an error, not sent again":       {[]int{500}, "", false, want{httpsink.InDoubt, fault.DestinationInDoubt, fault.Later, 1}},
		"unavailable without a time":     {[]int{503}, "", false, want{httpsink.InDoubt, fault.DestinationInDoubt, fault.Later, 1}},
		"a lost answer, sent again":      {[]int{0, 200}, "", true, want{httpsink.Taken, "", 0, 2}},
		"a lost answer, not sent again":  {[]int{0}, "", false, want{httpsink.InDoubt, fault.DestinationInDoubt, fault.Later, 1}},
		"a wait, and then a lost answer": {[]int{429, 0}, "1", false, want{httpsink.InDoubt, fault.DestinationInDoubt, fault.Later, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDestination(t, func(n int64, w http.ResponseWriter, _ string) int {
				if c.retryAfter != "" {
					w.Header().Set("Retry-After", c.retryAfter)
				}
				return c.statuses[min(int(n), len(c.statuses))-1]
			})
			res, err := d.sender().Send(t.Context(), d.call(c.repeatable))
			require.Equal(t, c.want.verdict, res.Verdict)
			require.Equal(t, c.want.calls, d.calls.Load())
			require.Len(t, res.Answers, int(c.want.calls))
			code := fault.Code("")
			if res.Fault != nil {
				code = res.Fault.Code
				require.NotContains(t, res.Fault.Message, takerSecret)
			}
			if err != nil {
				require.Equal(t, c.want.retry, fault.RetryOf(err))
				require.NotContains(t, err.Error(), takerSecret)
				require.NotContains(t, err.Error(), "key=value")
				if code == "" {
					code = fault.CodeOf(err)
				}
			}
			require.Equal(t, c.want.code, code)
			if c.want.retry == fault.Wait {
				require.False(t, fault.From(err).ResumeAt.Before(clock))
				require.True(t, res.Unsent)
			}
		})
	}
}

func TestNothingWasSent(t *testing.T) {
	t.Parallel()
	d := newDestination(t, func(int64, http.ResponseWriter, string) int { return 200 })
	call := d.call(false)
	d.Close()
	res, err := d.sender().Send(t.Context(), call)
	require.Equal(t, httpsink.Undecided, res.Verdict, "a row that was never sent is not in doubt")
	require.True(t, res.Unsent)
	require.Equal(t, fault.Later, fault.RetryOf(err))
}

// A run that is being stopped waits a while for the answer to what cannot be sent again.
func TestTheAnswerIsWorthWaitingFor(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	d := newDestination(t, func(int64, http.ResponseWriter, string) int {
		cancel()
		return 200
	})
	res, err := d.sender().Send(ctx, d.call(false))
	require.NoError(t, err)
	require.Equal(t, httpsink.Taken, res.Verdict)
}

func TestWhatAnAnswerSaysOfEachRow(t *testing.T) {
	t.Parallel()
	d := newDestination(t, func(int64, http.ResponseWriter, string) int { return 200 })
	s := d.sender()
	answer := httpsink.Answer{Status: 207, Body: []byte(`{"results":[{"status":201},{"status":"409","why":"` + takerSecret + `"}]}`)}
	got, err := s.Results(answer, []string{"results"}, 2)
	require.NoError(t, err)
	require.Equal(t, []int{201, 409}, []int{got[0].Status, got[1].Status})
	require.NotContains(t, got[1].Text, takerSecret)
	for says, c := range map[string]struct {
		body string
		path []string
	}{
		"no member": {`{"other":[]}`, []string{"results"}}, "no list": {`{"results":{}}`, []string{"results"}},
		"has 1 items": {`[{"status":200}]`, nil}, "no object": {`[1,2]`, nil}, "no HTTP status": {`[{"status":200},{}]`, nil},
	} {
		_, err := s.Results(httpsink.Answer{Status: 200, Body: []byte(c.body)}, c.path, 2)
		require.True(t, fault.Has(err, fault.DestinationAnswer))
		require.Contains(t, err.Error(), says)
	}
	_, err = s.Results(httpsink.Answer{Status: 200, Cut: true, Body: []byte(strings.Repeat("x", 10))}, nil, 2)
	require.True(t, fault.Has(err, fault.DestinationAnswer))
}
