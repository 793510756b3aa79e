package httpapi

import (
	"errors"
	"math"
	"strconv"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/httpapi/strictjson"
	"github.com/gin-gonic/gin"
)

// problemType starts the URI of a problem's type; the code ends it.
const problemType = "urn:celonis-connector:problem:"

// problem is a fault in the form of RFC 9457.
type problem struct {
	Type   string        `json:"type"`
	Title  string        `json:"title"`
	Status int           `json:"status"`
	Detail string        `json:"detail"`
	Code   fault.Code    `json:"code"`
	Hint   string        `json:"hint,omitempty"`
	Errors []fault.Field `json:"errors,omitempty"`
	// UsedBy is a list of connections.Usage or connections.ConnectionUse.
	UsedBy    any    `json:"usedBy,omitempty"`
	RequestID string `json:"requestId"`
}

// usedError is a fault of something in use, with the list of those who use it.
type usedError struct {
	error
	users any
}

func (e usedError) Unwrap() error { return e.error }

// fail answers with a fault. It is the only place that turns faults into HTTP:
// what is no fault reads "internal error", and a cause never goes out.
func (a *api) fail(c *gin.Context, err error) {
	f := fault.From(err)
	x := exchangeOf(c)
	x.fault, x.err = f, err
	d := fault.Describe(f.Code)
	p := problem{
		Type: problemType + string(f.Code), Title: d.Title, Status: d.Status,
		Detail: f.Message, Code: f.Code, Hint: f.Hint, Errors: f.Fields[:min(len(f.Fields), strictjson.MaxFaults)], RequestID: x.requestID,
	}
	var used usedError
	if errors.As(err, &used) {
		p.UsedBy = used.users
	}
	a.retryAfter(c, f)
	challenge(c, err, f)
	if speaksSCIM(c.Request.URL.Path) {
		a.failSCIM(c, f)
		return
	}
	body, encodeErr := encode(p)
	if encodeErr != nil { // a struct of strings always has a JSON form
		body = nil
	}
	write(c, p.Status, "application/problem+json", body)
	c.Abort()
}

// retryAfter says when to try again, where that is known.
func (a *api) retryAfter(c *gin.Context, f *fault.Error) {
	switch {
	case !f.ResumeAt.IsZero():
		wait := math.Ceil(f.ResumeAt.Sub(a.Now()).Seconds())
		c.Header("Retry-After", strconv.Itoa(int(max(wait, 1))))
	case f.Code == fault.RequestIdempotencyBusy:
		c.Header("Retry-After", "1")
	}
}

// invalid makes the fault of a request with faults in its body, nil when there are none.
func invalid(fields []fault.Field) error {
	switch len(fields) {
	case 0:
		return nil
	case 1:
		return fault.New(fault.RequestInvalid, "the body has a fault").WithFields(fields...)
	}
	return fault.New(fault.RequestInvalid, "the body has %d faults", len(fields)).WithFields(fields...)
}
