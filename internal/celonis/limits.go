package celonis

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"

	"golang.org/x/time/rate"
)

// Limits bounds the calls of one or more clients.
type Limits struct {
	slots chan struct{}
	rate  *rate.Limiter
}

// NewLimits allows so many calls at once and, in the mean, so many a second;
// a second's worth may go out in one burst.
func NewLimits(concurrent int, perSecond float64) *Limits {
	return newLimits(concurrent, perSecond, 1)
}

// newLimits is NewLimits with at least so many calls in one burst.
func newLimits(concurrent int, perSecond float64, burst int) *Limits {
	return &Limits{
		slots: make(chan struct{}, max(concurrent, 1)),
		rate:  rate.NewLimiter(rate.Limit(perSecond), max(int(perSecond), burst)),
	}
}

type limiting struct {
	limits *Limits
	next   http.RoundTripper
}

func (t *limiting) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	if err := t.limits.rate.Wait(ctx); err != nil {
		// Without a done context this says that the deadline would be met waiting.
		return nil, notSent{cmp.Or(ctx.Err(), context.DeadlineExceeded)}
	}
	select {
	case t.limits.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, notSent{ctx.Err()}
	}
	release := sync.OnceFunc(func() { <-t.limits.slots })
	res, err := t.next.RoundTrip(r)
	if err != nil {
		release()
		return nil, err
	}
	res.Body = &releasingBody{res.Body, release}
	return res, nil
}

// releasingBody gives the slot back when the answer is closed.
type releasingBody struct {
	io.ReadCloser
	release func()
}

func (b *releasingBody) Close() error {
	defer b.release()
	return b.ReadCloser.Close()
}

// notSent marks an error of before anything left the process.
type notSent struct{ err error }

func (e notSent) Error() string { return e.err.Error() }
func (e notSent) Unwrap() error { return e.err }

func isNotSent(err error) bool {
	var n notSent
	return errors.As(err, &n)
}
