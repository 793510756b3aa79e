package httpsink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/httpsource"
	"github.com/celonis-connector/connector/internal/outside"
	"github.com/celonis-connector/connector/internal/pace"
)

const (
	// MaxAnswer bounds what is kept of an answer, in bytes; MaxResults what is read of one that speaks of each row.
	MaxAnswer, MaxResults = 64 << 10, 8 << 20
	// maxExcerpt bounds what a fault quotes of an answer.
	maxExcerpt = 300
	// unknownWait is how long a destination is left alone that asks to wait and does not say until when.
	unknownWait = 30 * time.Second
)

// Policy says how often and how long a request is tried.
type Policy struct {
	// Tries is how often a request is sent at most; default 4.
	Tries int
	// Base is the mean of the first pause, which doubles up to Cap; 500 ms and 15 s.
	Base, Cap time.Duration
	// MaxWait is how long a wait that the destination asks for is waited here; 1 minute.
	MaxWait time.Duration
	// Total bounds one request with its answer; 2 minutes. Grace is how long the answer to a request that cannot be sent
	// again is waited for when the run is being stopped; 5 s.
	Total, Grace time.Duration
}

func (p Policy) withDefaults() Policy {
	if p.Tries == 0 {
		p.Tries = 4
	}
	for d, value := range map[*time.Duration]time.Duration{
		&p.Base: 500 * time.Millisecond, &p.Cap: 15 * time.Second, &p.MaxWait: time.Minute, &p.Total: 2 * time.Minute, &p.Grace: 5 * time.Second,
	} {
		if *d == 0 {
			*d = value
		}
	}
	return p
}

// Config is what a Sender needs; HTTP and Redact must be given.
type Config struct {
	// HTTP makes the calls; it logs in where there is a login. Redirects are not followed.
	HTTP   *http.Client
	Redact *httpsource.Redactor
	Log    *slog.Logger
	Now    func() time.Time
	// Wait pauses for d, or until ctx ends, which it then gives as an error; nil waits on a timer.
	Wait   func(ctx context.Context, d time.Duration) error
	Policy Policy
}

// Sender sends requests. It is safe for concurrent use.
type Sender struct {
	Config
	http http.Client
}

// New makes a Sender.
func New(c Config) *Sender {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Wait == nil {
		c.Wait = pace.Rest
	}
	c.Policy = c.Policy.withDefaults()
	s := &Sender{Config: c, http: http.Client{Transport: c.HTTP.Transport}}
	s.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return s
}

// Call is a request with rows.
type Call struct {
	Method string
	URL    *url.URL
	Header http.Header
	Body   []byte
	// Dress, when set, adds what is new in each try, such as a signature.
	Dress func(header http.Header, body []byte)
	// Repeatable says that sending it twice does what once does.
	Repeatable bool
	// Keyed says that the destination tells a repeated request by a key, and may answer 409 while it works on the first.
	Keyed bool
	// AboutRow says that the URL names a row, so that 404 speaks of it.
	AboutRow bool
	// Results says that the answer is read whole, for what it says of each row.
	Results bool
}

// Verdict is what became of a request.
type Verdict uint8

const (
	// Undecided: the request was not taken, and may be sent again.
	Undecided Verdict = iota
	// Taken: the destination has the rows.
	Taken
	// Refused: the destination does not take the rows.
	Refused
	// InDoubt: nobody knows whether the destination has the rows.
	InDoubt
)

// Answer is what a destination said to one try.
type Answer struct {
	// Status is 0 where no answer came.
	Status      int
	ContentType string
	// Body is the beginning of the body, without secrets; Cut says that there was more.
	Body []byte
	Cut  bool
	// Why is why no answer came.
	Why *fault.Error
}

// Result is what became of a request.
type Result struct {
	Verdict Verdict
	// Fault is why the rows were refused or are in doubt.
	Fault *fault.Error
	// Answers are those to every try, in order.
	Answers []Answer
	// Unsent says of an undecided request that nothing of it can have been acted on.
	Unsent bool
}

// Last is the answer to the last try.
func (r *Result) Last() Answer {
	if len(r.Answers) == 0 {
		return Answer{}
	}
	return r.Answers[len(r.Answers)-1]
}

// Send makes the call, and again where that may help and can do no harm. With
// an error the run should stop for now or for good, by its retry class; the
// Result says what became of the call nevertheless. Faults: Destination* by
// what is answered, Egress* by what keeps the destination from being reached.
func (s *Sender) Send(ctx context.Context, call Call) (*Result, error) {
	r := &Result{Unsent: true}
	for try := 1; ; try++ {
		if ctx.Err() != nil {
			return r, context.Cause(ctx)
		}
		answer, sent, err := s.once(ctx, call)
		r.Answers = append(r.Answers, answer)
		m := s.mean(call, answer, meaning{sent: sent, err: err, try: try})
		switch {
		case m.verdict != Undecided:
			r.Verdict, r.Fault = m.verdict, m.fault
			return r, nil
		case m.again == nil:
			return r, m.fault
		}
		r.Unsent = r.Unsent && m.again.sure
		if !m.again.sure && !call.Repeatable {
			return s.doubt(ctx, r, m.fault)
		}
		wait, err := s.verdict(m, try)
		if err != nil {
			return r, err
		}
		s.Log.InfoContext(ctx, "a delivery is sent again", "code", m.fault.Code, "try", try, "wait", wait)
		if s.Wait(ctx, wait) != nil {
			return r, context.Cause(ctx)
		}
	}
}

// doubt ends a call of which nobody knows whether it was acted on. A run that is being stopped says so by its own error.
func (s *Sender) doubt(ctx context.Context, r *Result, why *fault.Error) (*Result, error) {
	r.Unsent = false
	if ctx.Err() != nil {
		return r, context.Cause(ctx)
	}
	r.Verdict, r.Fault = InDoubt, Doubt(why.Message)
	return r, why.WithRetry(fault.Later)
}

// Doubt is the fault of rows of which nobody knows whether they were delivered.
func Doubt(why string) *fault.Error {
	return fault.New(fault.DestinationInDoubt, "it is not known whether the destination has the row: %s", why).
		WithHint("look at the destination: where it has the row, resolve the error; where not, retry it")
}

// verdict says how long to pause before another try, or why there is none.
func (s *Sender) verdict(m meant, try int) (time.Duration, error) {
	wait := time.Duration(0)
	at := m.again.at
	if !at.IsZero() {
		wait = max(at.Sub(s.Now()), 0)
	}
	switch limited := m.fault.Retry() == fault.Wait; {
	case wait > s.Policy.MaxWait:
		return 0, m.fault.WithRetry(fault.Wait).WithResumeAt(at)
	case try >= s.Policy.Tries && limited:
		return 0, m.fault.WithResumeAt(s.Now().Add(max(wait, unknownWait)))
	case try >= s.Policy.Tries:
		return 0, m.fault
	case !at.IsZero():
		return wait + rand.N(s.Policy.Base+1), nil
	}
	return rand.N(min(s.Policy.Base<<min(try-1, 16), s.Policy.Cap)+1) + 1, nil
}

// once makes one try. sent says whether anything of it may have reached the destination.
func (s *Sender) once(ctx context.Context, call Call) (answer Answer, sent bool, err error) {
	ctx, cancel := s.lifetime(ctx, call)
	defer cancel()
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	req, err := http.NewRequestWithContext(ctx, call.Method, call.URL.String(), bytes.NewReader(call.Body))
	if err != nil {
		return Answer{}, false, fault.New(fault.FlowInvalid, "the request makes no URL")
	}
	if len(call.Body) == 0 {
		req.Body, req.GetBody = http.NoBody, nil
	}
	req.Header = call.Header.Clone()
	if call.Dress != nil {
		call.Dress(req.Header, call.Body)
	}
	res, err := s.http.Do(req)
	if err != nil {
		why := s.networkFault(err, call.URL)
		return Answer{Why: why}, connected.Load(), why
	}
	defer func() { _ = res.Body.Close() }()
	// The access token is known only to whoever logged in: what the destination echoes of it must not be told either.
	s.Redact.LearnLogin(res.Request.Header.Get("Authorization"))
	return s.read(res, call), true, nil
}

// lifetime bounds a try. One that cannot be repeated outlives the end of the run for a while: its answer is worth waiting for.
func (s *Sender) lifetime(ctx context.Context, call Call) (context.Context, context.CancelFunc) {
	if call.Repeatable {
		return context.WithTimeout(ctx, s.Policy.Total)
	}
	out, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.Policy.Total)
	stop := context.AfterFunc(ctx, func() {
		if s.Policy.Grace > 0 {
			_ = pace.Rest(out, s.Policy.Grace) // ends with the call
		}
		cancel()
	})
	return out, func() { stop(); cancel() }
}

func (s *Sender) read(res *http.Response, call Call) Answer {
	most := int64(MaxAnswer)
	if call.Results {
		most = MaxResults
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, most+1))
	a := Answer{Status: res.StatusCode, ContentType: res.Header.Get("Content-Type"), Cut: err != nil || int64(len(body)) > most}
	a.Body = []byte(s.Redact.Text(string(body[:min(int64(len(body)), most)])))
	if at := res.Header.Get("Retry-After"); at != "" {
		a.Why = fault.New(fault.DestinationRateLimited, "").WithResumeAt(s.Now().Add(outside.RetryAfter(res.Header, s.Now())))
	}
	return a
}

// networkFault gives the fault of a call that got no answer. The error of
// net/http quotes the URL, which may hold values of rows, so it goes no further.
func (s *Sender) networkFault(err error, u *url.URL) *fault.Error {
	var known *fault.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, context.DeadlineExceeded):
		return fault.New(fault.EgressTimeout, "the destination %q took too long", u.Hostname())
	}
	var broken *url.Error
	if errors.As(err, &broken) {
		err = broken.Err
	}
	return fault.Wrap(err, fault.DestinationUnavailable, "the connection to %q broke off", u.Hostname())
}

// place names what was called, without a query: there may be values of rows in it.
func (s *Sender) place(call Call) string {
	if call.AboutRow {
		return fmt.Sprintf("%s %s", call.Method, call.URL.Hostname())
	}
	return s.Redact.Text(call.Method + " " + call.URL.EscapedPath())
}
