// Package httpsource reads records from REST APIs: it asks for page after page
// by an export's request and paging, waits where the API says so, asks again
// where an answer was lost, and hands the records over as they stand in the
// answers.
package httpsource

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/pace"
)

const (
	// MaxPageBytes is the largest page that is read, in bytes after its content encoding is undone.
	MaxPageBytes = 1 << 30
	// maxRedirects bounds the redirects of one request.
	maxRedirects = 5
)

// Config is what a Client needs; Target and HTTP must be given.
type Config struct {
	// Target is what the connection leads to; it holds secrets and lives as long as the Client (I4).
	Target connections.OutsideTarget
	// HTTP makes the calls: it logs in as the connection says, and keeps its limits.
	HTTP *http.Client
	// TempDir takes large pages until they are read, "" is the system's.
	TempDir string
	Log     *slog.Logger
	Now     func() time.Time
	// Wait pauses for d, or until ctx ends, which it then gives as an error; nil waits on a timer.
	Wait func(ctx context.Context, d time.Duration) error
	// Policy says how often and how long a call is tried; zero fields take the defaults.
	Policy Policy
	// MaxPage is MaxPageBytes when 0.
	MaxPage int64
}

// Client reads one connection. It is for one goroutine.
type Client struct {
	Config
	base   *url.URL
	http   http.Client
	redact redactor
}

// New makes a Client; fault ConnectionDomain when the connection's base URL is none.
func New(c Config) (*Client, error) {
	base, err := url.Parse(c.Target.BaseURL)
	if err != nil || base.Host == "" {
		return nil, fault.New(fault.ConnectionDomain, "the connection's base URL cannot be read")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Wait == nil {
		c.Wait = pace.Rest
	}
	if c.MaxPage == 0 {
		c.MaxPage = MaxPageBytes
	}
	c.Policy = c.Policy.withDefaults(c.Target.HTTP)
	client := &Client{Config: c, base: base, redact: redactorOf(&c.Target), http: *c.HTTP}
	client.http.CheckRedirect = client.checkRedirect
	return client, nil
}

// Job is what a run reads.
type Job struct {
	Export flows.Export
	// Window is the run's; nil reads everything.
	Window *flows.Window
	// Start is when the run began.
	Start time.Time
	// Looked, when set, hears of every answer.
	Looked func(Exchange)
}

// Exchange is a request and its answer, for those who look on. It holds no secret.
type Exchange struct {
	Method string
	// URL is as it was asked for, with the values of its query.
	URL string
	// Header is the request's, without what logs in; Sent is the beginning of its body.
	Header http.Header
	Sent   string
	// Status is 0 where no answer came.
	Status      int
	ContentType string
	// Size is that of the answer as far as it was read, without its content encoding.
	Size int64
	Took time.Duration
	// Body is the head of the answer.
	Body []byte
	// Records is how many the page had.
	Records int
}

// Records takes records, each a JSON object; an error of Append ends the reading and comes back as it is.
type Records interface {
	Append(record []byte) error
}

// Result is what a reading has found out.
type Result struct {
	// Watermark is where the next run begins, "" when this one found nothing.
	Watermark string
	Pages     int
	Records   int64
}

// Read hands every record of the job over once, page by page; a page only when
// it was read whole. Faults: Source* by what the API answers, Egress* by what
// keeps it from being reached, SpoolFull; a wait that is too long to be waited
// here has the retry class Wait and its time.
func (c *Client) Read(ctx context.Context, job Job, out Records) (Result, error) {
	r, err := c.newReading(job, out)
	if err != nil {
		return Result{}, err
	}
	for {
		more, err := r.page(ctx)
		if err != nil {
			return r.result, err
		}
		if !more {
			break
		}
		if r.result.Pages >= r.maxPages() {
			return r.result, fault.New(fault.SourceTooManyPages, "the source has more than %d pages", r.maxPages()).
				WithHint("raise export.paging.maxPages, or ask for larger pages")
		}
	}
	r.result.Watermark, err = r.watermark()
	return r.result, err
}

// checkRedirect follows a redirect only below the connection's base URL.
func (c *Client) checkRedirect(r *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return fault.New(fault.SourceRefused, "the source redirects more than %d times", maxRedirects)
	}
	if !c.isBelow(r.URL) {
		return fault.New(fault.SourceNextURL, "the source redirects to %q, which does not lie below the connection's base URL", c.place(r.URL)).
			WithHint("give the connection the base URL that the source redirects to")
	}
	return nil
}

// place names a URL without anything that could be a secret.
func (c *Client) place(u *url.URL) string {
	return c.redact.text(fmt.Sprintf("%s://%s%s", u.Scheme, u.Host, u.EscapedPath()))
}
