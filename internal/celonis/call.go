package celonis

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
)

// call is one request to Celonis.
type call struct {
	op     operation
	method string
	// path is absolute, with every foreign part escaped.
	path  string
	query url.Values
	// Of json and payload at most one is set; with none the body is empty.
	json    any
	payload *payload
	// repeatable: doing it twice does what doing it once does.
	repeatable bool
	// timeout bounds one try; 0 is the policy's.
	timeout time.Duration
	// header holds what the request says beside what every request does; it may set Content-Type.
	header http.Header
	// large bounds the answer in the place of maxAnswer, when not 0.
	large int64
	// most makes the answer one that is read while it comes, up to so many bytes; 0 is an answer that is read whole.
	most int64
	// out takes the JSON of a success; nil when the body does not matter.
	out any
	// progress hears how far the call came, when not nil.
	progress *progress
}

// progress tells how far a call came before it failed.
type progress struct {
	// connected: a connection stood, so that bytes may have left.
	connected atomic.Bool
}

func (p *progress) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { p.connected.Store(true) },
	})
}

// reply is an answer, read whole.
type reply struct {
	method, path, requestID string
	status                  int
	header                  http.Header
	body                    []byte
}

// do makes a call. Its error is a *fault.Error, or the cancellation of ctx.
func (c *Client) do(ctx context.Context, k call) error {
	r, err := c.send(ctx, k)
	if err != nil {
		return err
	}
	if r.status < http.StatusOK || r.status >= http.StatusMultipleChoices {
		return c.statusFault(k.op, r)
	}
	if k.out == nil {
		return nil
	}
	return c.decode(k, r)
}

func (c *Client) decode(k call, r *reply) error {
	err := json.Unmarshal(r.body, k.out)
	if err == nil {
		return nil
	}
	e := c.statusFault(k.op, r)
	e.Code, e.Hint = fault.CelonisAnswer, domainHint
	if len(bytes.TrimSpace(r.body)) == 0 {
		e.Message = "celonis's answer to the request to " + k.op.what + " is empty"
	}
	return e
}

func (c *Client) send(ctx context.Context, k call) (*reply, error) {
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
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, c.transportFault(ctx, err)
	}
	return &reply{
		method: k.method, path: k.path, requestID: res.Request.Header.Get(requestIDHeader),
		status: res.StatusCode, header: res.Header, body: body,
	}, nil
}

func (c *Client) request(ctx context.Context, k call) (*http.Request, error) {
	ctx = withTries(ctx, tries{repeatable: k.repeatable, timeout: k.timeout, most: k.most, large: k.large})
	if k.progress != nil {
		ctx = k.progress.trace(ctx)
	}
	address := c.base.String() + k.path
	if len(k.query) > 0 {
		query := k.query.Encode()
		if k.op.area == areaSCIM {
			// The RFC writes blanks of filters so, and not every server takes a plus for one.
			query = strings.ReplaceAll(query, "+", "%20")
		}
		address += "?" + query
	}
	var body io.Reader
	if k.json != nil {
		text, err := json.Marshal(k.json)
		if err != nil {
			return nil, fault.Wrap(err, fault.Internal, "the request to %s cannot be written as JSON", k.op.what)
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, k.method, address, body)
	if err != nil {
		return nil, fault.Wrap(c.redact.quiet(err), fault.Internal, "the request to %s cannot be made", k.op.what)
	}
	if k.json != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if k.payload != nil {
		k.payload.attach(req)
	}
	for name, values := range k.header {
		req.Header[name] = values
	}
	return req, nil
}
