package httpapi

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/gin-gonic/gin"
)

const (
	// MaxPath and MaxQuery bound the parts of a request's address, in bytes; MaxParameters the parameters of a query.
	MaxPath       = 1024
	MaxQuery      = 8 << 10
	MaxParameters = 64
	// MaxHeaders bounds the header fields of a request; the server bounds their bytes.
	MaxHeaders = 100
	// uploadRetry is when a caller may ask again that found no free slot.
	uploadRetry = 5 * time.Second
)

// The names of the headers as net/http writes them.
const (
	limitHeader     = "Ratelimit-Limit"
	remainingHeader = "Ratelimit-Remaining"
	resetHeader     = "Ratelimit-Reset"
)

// limiting are the limiters of a process.
type limiting struct {
	perClient, records, files, perAddress, wrong *limiter
	uploads                                      *slots
	pace                                         Pace
}

func newLimiting(l Limits) limiting {
	if l.Pace == (Pace{}) {
		l.Pace = DefaultPace()
	}
	return limiting{
		newLimiter(l.PerClient), newLimiter(l.Records), newLimiter(l.Files), newLimiter(l.PerAddress), newLimiter(l.WrongSecrets),
		newSlots(l.ClientUploads, l.AllUploads), l.Pace,
	}
}

// budgetOf is the budget that a route takes from.
type budgetOf int

const (
	ofClient budgetOf = iota
	ofRecords
	ofFiles
	// ofNobody is for routes that must answer whoever asks: those of health, and those that count wrong answers only.
	ofNobody
)

// spend takes a request of a known client from its budget. Fault RequestRateLimited.
func (a *api) spend(r *call) error {
	l := a.limits.perClient
	switch r.route.budget {
	case ofRecords:
		l = a.limits.records
	case ofFiles:
		l = a.limits.files
	}
	return a.charge(r.Context, l, r.who.ClientID)
}

// charge takes a request from a budget and tells the caller what is left of it
// (RateLimit header fields for HTTP, with the three fields apart).
func (a *api) charge(c *gin.Context, l *limiter, key string) error {
	if l == nil {
		return nil
	}
	now := a.Now()
	v := l.take(key, now)
	x := exchangeOf(c)
	x.setHeader(limitHeader, limitValue, l.limit)
	x.setHeader(remainingHeader, remainingValue, strconv.Itoa(v.remaining))
	x.setHeader(resetHeader, resetValue, strconv.Itoa(seconds(v.reset)))
	if v.ok {
		return nil
	}
	return fault.New(fault.RequestRateLimited, "more requests came than the budget of %s holds", l.limit).WithResumeAt(now.Add(v.retry)).
		WithHint("wait as long as Retry-After says; RateLimit-Remaining tells in every answer how many requests are left")
}

// plainly bounds a route that needs no token by the caller's address.
func (a *api) plainly(route Route) gin.HandlerFunc {
	if route.budget == ofNobody {
		return route.plain
	}
	return func(c *gin.Context) {
		if a.limits.perAddress != nil {
			if err := a.charge(c, a.limits.perAddress, addressKey(exchangeOf(c).address)); err != nil {
				a.fail(c, err)
				return
			}
		}
		route.plain(c)
	}
}

// refused counts a secret or token that was refused, and gives the fault of too
// many in place of err. It is asked after the check, so that a flood of wrong
// ones keeps nobody out who has a right one.
func (a *api) refused(c *gin.Context, who string, err error) error {
	if a.limits.wrong == nil {
		return err
	}
	const longestID = 64
	key := addressKey(exchangeOf(c).address) + " " + who[:min(len(who), longestID)]
	if v := a.limits.wrong.take(key, a.Now()); !v.ok {
		return fault.New(fault.RequestRateLimited, "too many refused logins came from this address").WithResumeAt(a.Now().Add(v.retry)).
			WithHint("check the client's id and secret; a right one is accepted at any time")
	}
	return err
}

// bound refuses requests whose address or headers are out of all proportion.
func (a *api) bound(c *gin.Context) {
	u := c.Request.URL
	var f *fault.Error
	switch {
	case len(u.EscapedPath()) > MaxPath:
		f = fault.New(fault.RequestURITooLong, "the path is longer than %d bytes", MaxPath)
	case len(u.RawQuery) > MaxQuery:
		f = fault.New(fault.RequestURITooLong, "the query is longer than %d bytes", MaxQuery)
	case strings.Count(u.RawQuery, "&") >= MaxParameters:
		f = fault.New(fault.RequestURITooLong, "the query has more than %d parameters", MaxParameters)
	case headerFields(c.Request.Header) > MaxHeaders:
		f = fault.New(fault.RequestHeaders, "the request has more than %d header fields", MaxHeaders)
	default:
		return
	}
	a.fail(c, f)
}

func headerFields(h http.Header) (n int) {
	for _, values := range h {
		n += len(values)
	}
	return n
}

// slot takes one of the slots for uploads. Faults: RequestRateLimited for the
// client's own, RequestBusy for those of all.
func (a *api) slot(r *call) (free func(), err error) {
	free, own := a.limits.uploads.take(r.who.ClientID)
	again := a.Now().Add(uploadRetry)
	switch {
	case free != nil:
		return free, nil
	case own:
		return nil, fault.New(fault.RequestRateLimited, "the API client has %d uploads under way", a.limits.uploads.perClient).WithResumeAt(again).
			WithHint("send the next file when one of them has ended")
	}
	return nil, fault.New(fault.RequestBusy, "the service takes %d uploads at once", a.limits.uploads.all).WithResumeAt(again)
}

// pacedBody ends a body that comes too slowly. It moves the connection's
// deadlines, so that a body may take as long as it keeps the pace.
type pacedBody struct {
	io.ReadCloser
	conn *http.ResponseController
	pace Pace
	// began is when the first byte was asked for.
	began time.Time
	read  int64
}

// Read implements io.Reader. Fault RequestTooSlow.
func (b *pacedBody) Read(p []byte) (int, error) {
	now := time.Now()
	if b.began.IsZero() {
		b.began = now
	}
	until := now.Add(b.pace.Idle)
	if b.pace.PerSecond > 0 {
		due := b.began.Add(b.pace.Grace + time.Duration(float64(b.read)/float64(b.pace.PerSecond)*float64(time.Second)))
		if due.Before(now) {
			return 0, b.tooSlow()
		}
		if due.Before(until) {
			until = due
		}
	}
	// A server that cannot move its deadlines keeps those it has. The answer
	// goes out after the last byte has come, so it has until later.
	_ = b.conn.SetReadDeadline(until)
	_ = b.conn.SetWriteDeadline(until.Add(time.Minute))
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return n, b.tooSlow()
	}
	return n, err
}

func (b *pacedBody) tooSlow() error {
	return fault.New(fault.RequestTooSlow, "the body came too slowly").
		WithHint("send at least %d bytes a second, and never nothing for %s", b.pace.PerSecond, b.pace.Idle)
}
