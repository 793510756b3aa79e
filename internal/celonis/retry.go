package celonis

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/cenkalti/backoff/v5"
)

// tries is what the retrying transport must know of a call. It travels in the
// request's context, because only the client method knows whether its call may
// be repeated; the HTTP method does not tell.
type tries struct {
	repeatable bool
	timeout    time.Duration
	// most is the bound of an answer that is read while it comes, in bytes; 0 is an answer that is read whole.
	most int64
	// large bounds an answer that is read whole, in the place of maxAnswer when not 0.
	large int64
}

type triesKey struct{}

func withTries(ctx context.Context, t tries) context.Context {
	return context.WithValue(ctx, triesKey{}, t)
}

// errTryAgain stands for an answer that asks for another try without a time.
var errTryAgain = errors.New("celonis asks to try again")

type retrying struct {
	policy RetryPolicy
	logger *slog.Logger
	now    func() time.Time
	next   http.RoundTripper
}

func (t *retrying) RoundTrip(r *http.Request) (*http.Response, error) {
	info, _ := r.Context().Value(triesKey{}).(tries)
	if info.most > 0 {
		return t.next.RoundTrip(r) // whoever reads the answer tries again
	}
	if info.timeout == 0 {
		info.timeout = t.policy.Timeout
	}
	if !info.repeatable {
		return t.try(r, info.timeout)
	}
	// A randomisation of 1 draws each wait from 0 to twice the mean: full jitter.
	waits := &backoff.ExponentialBackOff{InitialInterval: t.policy.Base, RandomizationFactor: 1, Multiplier: 2, MaxInterval: t.policy.Cap}
	var last *http.Response
	_, err := backoff.Retry(r.Context(), func() (*http.Response, error) {
		var err error
		last, err = t.try(r, info.timeout)
		return last, t.verdict(last, err)
	}, backoff.WithBackOff(waits), backoff.WithMaxTries(t.policy.Tries), backoff.WithMaxElapsedTime(0), backoff.WithNotify(t.note(r)))
	switch {
	case err == nil:
		return last, nil
	case r.Context().Err() != nil:
		return nil, r.Context().Err()
	case last != nil:
		return last, nil
	}
	return nil, err
}

// try makes one try and reads its answer whole, so that a broken read is an
// error of the try.
func (t *retrying) try(r *http.Request, timeout time.Duration) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	r = r.Clone(ctx)
	if r.GetBody != nil {
		body, err := r.GetBody()
		if err != nil {
			return nil, err
		}
		r.Body = body
	}
	res, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	whole := *res
	whole.Body = io.NopCloser(bytes.NewReader(body))
	return &whole, nil
}

// verdict gives nil when there is nothing to try again.
func (t *retrying) verdict(res *http.Response, err error) error {
	if err != nil {
		if !passing(err) {
			return backoff.Permanent(err)
		}
		return err
	}
	switch res.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
	default:
		return nil
	}
	at, known := resumeAt(res.Header, t.now())
	if !known {
		return errTryAgain
	}
	wait := max(at.Sub(t.now()), 0)
	if wait > t.policy.MaxWait {
		// A spent quota is given back with its time, not sat out here.
		return backoff.Permanent(errTryAgain)
	}
	return &backoff.RetryAfterError{Duration: wait + rand.N(t.policy.Base)}
}

// passing tells whether a transport error may be gone at the next try.
func passing(err error) bool {
	var f *fault.Error
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, errAnswerTooLong):
		return false
	case errors.As(err, &f):
		return f.Retry() == fault.Later
	}
	return true
}

// note logs a try that is done again; the error itself may repeat foreign text
// and stays out.
func (t *retrying) note(r *http.Request) backoff.Notify {
	return func(err error, wait time.Duration) {
		t.logger.InfoContext(r.Context(), "celonis call is tried again",
			"method", r.Method, "path", r.URL.Path, "wait", wait, "reason", reason(err), "celonisRequestId", r.Header.Get(requestIDHeader))
	}
}

func reason(err error) string {
	var after *backoff.RetryAfterError
	if errors.Is(err, errTryAgain) || errors.As(err, &after) {
		return "asked to"
	}
	code, _ := classify(err)
	return string(code)
}
