package celonis

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/pace"
)

const (
	// streamTries bounds the tries of an answer that is read while it comes, until its first byte is handed over.
	streamTries = 4
	// streamTimeout bounds one such answer.
	streamTimeout = 30 * time.Minute
)

// stream makes a call whose answer may be larger than memory should hold, and
// hands it over while it comes. An error of read comes back as it is, unless
// the answer broke: that is a fault. Nothing is asked again once read was called.
func (c *Client) stream(ctx context.Context, k call, most int64, read func(io.Reader) error) error {
	k.most = most
	ctx, cancel := context.WithTimeout(ctx, streamTimeout)
	defer cancel()
	for try := 1; ; try++ {
		res, err := c.open(ctx, k)
		if err == nil {
			body := &heardReader{from: res.Body}
			err := read(body)
			_ = res.Body.Close()
			if body.err != nil {
				return c.transportFault(ctx, body.err)
			}
			return err
		}
		wait, again := c.tryAgain(err, try)
		if !again {
			return err
		}
		if err := pace.Rest(ctx, wait); err != nil {
			return err
		}
	}
}

// open gives the answer of a success, whose body is not read yet.
func (c *Client) open(ctx context.Context, k call) (*http.Response, error) {
	req, err := c.request(ctx, k)
	if err != nil {
		return nil, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return nil, c.transportFault(ctx, err)
	}
	if res.StatusCode >= http.StatusOK && res.StatusCode < http.StatusMultipleChoices {
		return res, nil
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxRead))
	if err != nil {
		return nil, c.transportFault(ctx, err)
	}
	return nil, c.statusFault(k.op, &reply{
		method: k.method, path: k.path, requestID: res.Request.Header.Get(requestIDHeader), status: res.StatusCode, header: res.Header, body: body,
	})
}

// tryAgain says how long to wait before an answer is asked for again.
func (c *Client) tryAgain(err error, try int) (wait time.Duration, again bool) {
	f := fault.From(err)
	if fault.Has(err, fault.CelonisRateLimited) {
		wait = max(f.ResumeAt.Sub(c.now()), 0)
		return wait, try < maxAdminWaits && wait <= longestAdminWait
	}
	switch statusOf(err) {
	case 0, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
	default:
		return 0, false
	}
	return c.retry.Base << try, f.Retry() == fault.Later && try < streamTries && !errors.Is(err, context.Canceled)
}

// heardReader keeps the error that a body broke with.
type heardReader struct {
	from io.Reader
	err  error
}

// Read implements io.Reader.
func (r *heardReader) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}
