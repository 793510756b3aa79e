package httpsource

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

// Policy says how often and how long a call is tried.
type Policy struct {
	// Tries is how often a call is made at most; default 5, or what the connection sets.
	Tries int
	// Base is the mean of the first pause, which doubles up to Cap; 1 s and 30 s.
	Base, Cap time.Duration
	// MaxWait is how long a wait that the API asks for is waited here, MaxWaitInside is that after the first page, whose
	// reading would be lost; 1 and 15 minutes.
	MaxWait, MaxWaitInside time.Duration
	// Total bounds one call with its answer; 30 minutes.
	Total time.Duration
}

func (p Policy) withDefaults(h *connections.HTTPSettings) Policy {
	if h != nil && h.Retries != nil && p.Tries == 0 {
		p.Tries = *h.Retries + 1
	}
	if p.Tries == 0 {
		p.Tries = 5
	}
	for d, value := range map[*time.Duration]time.Duration{
		&p.Base: time.Second, &p.Cap: 30 * time.Second, &p.MaxWait: time.Minute, &p.MaxWaitInside: 15 * time.Minute,
		&p.Total: 30 * time.Minute,
	} {
		if *d == 0 {
			*d = value
		}
	}
	return p
}

// pause grows with the tries, with full jitter.
func (p Policy) pause(try int) time.Duration {
	return rand.N(min(p.Base<<min(try, 16), p.Cap) + 1)
}

// again is an error of a call that may go well when it is made again.
type again struct {
	fault *fault.Error
	// at is when the API wants to be asked, zero when it does not say.
	at time.Time
	// sure says that the API has not done the call.
	sure bool
}

func (e *again) Error() string { return e.fault.Error() }
func (e *again) Unwrap() error { return e.fault }

// fetch reads the page that a reading is at, and tries again while that may help.
func (c *Client) fetch(ctx context.Context, r *reading) (*page, error) {
	for try := 1; ; try++ {
		got, err := c.try(ctx, r)
		if err == nil {
			return got, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		var e *again
		if !errors.As(err, &e) {
			return nil, err
		}
		pause, err := c.verdict(r, e, try)
		if err != nil {
			return nil, err
		}
		c.Log.InfoContext(ctx, "a call to a source is made again", "connection", c.Target.ID, "page", r.result.Pages+1, "code", e.fault.Code, "wait", pause)
		if err := c.Wait(ctx, pause); err != nil {
			return nil, context.Cause(ctx)
		}
	}
}

// verdict says how long to pause before another try, or why there is none.
func (c *Client) verdict(r *reading, e *again, try int) (time.Duration, error) {
	if !e.sure && r.prepared.spec.Method == flows.MethodPost && !r.prepared.spec.RetryPost {
		return 0, e.fault.WithRetry(fault.Never).
			WithHint("the POST is not sent again, as the source may have acted on it; if it only reads, set export.request.retryPost")
	}
	limit := c.Policy.MaxWait
	if r.result.Pages > 0 {
		limit = c.Policy.MaxWaitInside
	}
	wait := time.Duration(0)
	if !e.at.IsZero() {
		wait = max(e.at.Sub(c.Now()), 0)
	}
	if wait > limit {
		return 0, e.fault.WithRetry(fault.Wait).WithResumeAt(e.at)
	}
	if try >= c.Policy.Tries {
		if e.fault.Retry() == fault.Wait {
			return 0, e.fault.WithResumeAt(c.Now().Add(max(wait, c.Policy.Cap)))
		}
		return 0, e.fault
	}
	if !e.at.IsZero() {
		// The jitter keeps runs that wait for the same moment apart.
		return wait + rand.N(c.Policy.Base+1), nil
	}
	return c.Policy.pause(try - 1), nil
}

// try makes one call and reads its answer whole.
func (c *Client) try(ctx context.Context, r *reading) (*page, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Policy.Total)
	defer cancel()
	req, err := c.request(ctx, r, r.nextURL)
	if err != nil {
		return nil, err
	}
	r.began = c.Now()
	res, err := c.http.Do(req)
	if err != nil {
		r.show(Exchange{}, req)
		return nil, c.networkFault(err)
	}
	defer func() { _ = res.Body.Close() }()
	// The access token is known only to whoever logged in: what the source echoes of it must not be told either.
	c.redact.learnLogin(res.Request.Header.Get("Authorization"))
	return c.read(res, r)
}

// statusFault says what an answer without records means.
func (c *Client) statusFault(res *http.Response, snippet string) error {
	where := c.redact.text(res.Request.Method + " " + res.Request.URL.EscapedPath())
	at, known := resumeAt(res.Header, c.Now())
	if !known {
		at = time.Time{}
	}
	say := func(code fault.Code, format string) *fault.Error {
		e := fault.New(code, format+", status %d%s", where, res.StatusCode, snippet)
		return e
	}
	switch s := res.StatusCode; {
	case isLimited(res):
		return &again{say(fault.SourceRateLimited, "the source is asked too often at %q"), at, true}
	case s == http.StatusUnauthorized:
		return say(fault.SourceUnauthorized, "the source does not accept the connection's login at %q").
			WithHint("look at the connection's user name, password, token or OAuth client")
	case s == http.StatusForbidden:
		return say(fault.SourceForbidden, "the connection's login may not read %q").
			WithHint("give the login the right to read it, or look at the path")
	case s == http.StatusNotFound || s == http.StatusGone:
		return say(fault.SourceNotFound, "the source has nothing at %q").
			WithHint("look at export.request.url, and at the connection's baseUrl, to which it is added")
	case s == http.StatusRequestTimeout || s == http.StatusTooEarly || s == http.StatusServiceUnavailable:
		return &again{say(fault.SourceUnavailable, "the source does not answer %q now"), at, true}
	case s >= 500 && s != http.StatusNotImplemented && s != http.StatusHTTPVersionNotSupported:
		return &again{say(fault.SourceUnavailable, "the source has an error at %q"), at, false}
	}
	return say(fault.SourceRefused, "the source refuses %q")
}
