package outside

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
	"golang.org/x/time/rate"
)

func newLimit(h *connections.HTTPSettings) *limit {
	l := &limit{pace: rate.NewLimiter(rate.Inf, 1)}
	if h.RequestsPerSecond != nil {
		l.pace = rate.NewLimiter(rate.Limit(*h.RequestsPerSecond), 1)
		l.settings = fmt.Sprint(*h.RequestsPerSecond)
	}
	if h.Concurrency != nil {
		l.slots = make(chan struct{}, *h.Concurrency)
		l.settings += fmt.Sprintf("/%d", *h.Concurrency)
	}
	return l
}

// limiting keeps to the limits of a connection. A call is under way until its answer's body is closed.
type limiting struct {
	limit *limit
	next  http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *limiting) RoundTrip(r *http.Request) (*http.Response, error) {
	done := func() {}
	if slots := t.limit.slots; slots != nil {
		select {
		case slots <- struct{}{}:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
		done = sync.OnceFunc(func() { <-slots })
	}
	if err := t.limit.pace.Wait(r.Context()); err != nil {
		done()
		return nil, err
	}
	res, err := t.next.RoundTrip(r)
	if err != nil {
		done()
		return nil, err
	}
	res.Body = &closing{res.Body, done}
	return res, nil
}

type closing struct {
	io.ReadCloser
	done func()
}

// Close implements io.Closer.
func (c *closing) Close() error {
	defer c.done()
	return c.ReadCloser.Close()
}

// patient gives up a host that sends nothing for a while. The whole answer may take as long as it takes.
type patient struct {
	quiet time.Duration
	next  http.RoundTripper
}

var errQuiet = errors.New("the host sent nothing for too long")

// RoundTrip implements http.RoundTripper.
func (t *patient) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	timer := time.AfterFunc(t.quiet, func() { cancel(errQuiet) })
	body := &watched{ctx: ctx, host: r.URL.Hostname(), quiet: t.quiet, timer: timer, cancel: cancel}
	res, err := t.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		timer.Stop()
		err = body.explain(err)
		cancel(nil)
		return nil, err
	}
	timer.Reset(t.quiet)
	body.ReadCloser = res.Body
	res.Body = body
	return res, nil
}

type watched struct {
	io.ReadCloser
	ctx    context.Context
	host   string
	quiet  time.Duration
	timer  *time.Timer
	cancel context.CancelCauseFunc
}

// Read implements io.Reader.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		return n, w.explain(err)
	}
	w.timer.Reset(w.quiet)
	return n, err
}

// Close implements io.Closer.
func (w *watched) Close() error {
	w.timer.Stop()
	defer w.cancel(nil)
	return w.ReadCloser.Close()
}

func (w *watched) explain(err error) error {
	if errors.Is(context.Cause(w.ctx), errQuiet) {
		return fault.Wrap(err, fault.EgressTimeout, "the host %q sent nothing for %s", w.host, w.quiet)
	}
	return err
}
