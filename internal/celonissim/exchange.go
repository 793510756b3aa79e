package celonissim

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"
)

// Request is what is known of a request when its header has been read.
type Request struct {
	// Seq counts all requests, N those of the route, from 1 since the start or Reset.
	Seq int64 `json:"seq"`
	N   int64 `json:"n"`
	// Route is the route's name, such as "push.chunks.upsert"; "unknown" for none.
	Route  string    `json:"route"`
	Method string    `json:"method"`
	Path   string    `json:"path"`
	Time   time.Time `json:"time"`
	// Auth is the kind of Authorization header: none, AppKey, Bearer or other.
	Auth string `json:"auth"`
	// Table is the target of the push job that the path names, if it exists.
	Table string `json:"table,omitempty"`
}

// Answer is a request with what became of it. It never holds a key.
type Answer struct {
	Request
	// Credential is the name of the key that was accepted, or "".
	Credential string `json:"credential,omitempty"`
	// Status is 0 where the connection was cut without an answer.
	Status        int           `json:"status"`
	RequestBytes  int64         `json:"requestBytes"`
	ResponseBytes int64         `json:"responseBytes"`
	Duration      time.Duration `json:"durationNs"`
	// Faults are the ids of the faults that struck.
	Faults []string `json:"faults,omitempty"`

	job jobFault
}

type noteKey struct{}

// note is the record of the exchange that a request belongs to.
func note(r *http.Request) *Answer {
	if a, ok := r.Context().Value(noteKey{}).(*Answer); ok {
		return a
	}
	return &Answer{}
}

// exchange wraps a route's handler with what every request goes through:
// numbering, hooks, configured delay, faults and the journal.
func (s *Server) exchange(route string, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a := &Answer{Request: s.request(route, r)}
		r = r.WithContext(context.WithValue(r.Context(), noteKey{}, a))
		body := &countedBody{ReadCloser: r.Body}
		r.Body = body
		rec := &countedWriter{ResponseWriter: w}
		defer func() {
			a.Status, a.ResponseBytes, a.RequestBytes = rec.status, rec.n, body.n
			a.Duration = time.Since(a.Time)
			s.journal.add(*a)
			s.log.Debug("request", "method", a.Method, "path", a.Path, "status", a.Status, "bytes", a.RequestBytes)
			if s.opts.OnAnswer != nil {
				s.opts.OnAnswer(*a)
			}
		}()
		if s.opts.OnRequest != nil {
			s.opts.OnRequest(a.Request)
		}
		if d := s.delayOf(route); d > 0 {
			pause(r.Context(), d)
		}
		s.strike(rec, r, a, h)
		if rec.status == 0 {
			rec.WriteHeader(http.StatusOK)
		}
	}
}

func (s *Server) request(route string, r *http.Request) Request {
	kind, _ := authorization(r)
	q := Request{Route: route, Method: r.Method, Path: r.URL.Path, Time: time.Now(), Auth: kind}
	if id := r.PathValue("job"); id != "" {
		s.mu.Lock()
		if p := s.findPool(r.PathValue("pool")); p != nil {
			if j := p.job(id); j != nil {
				q.Table = j.target
			}
		}
		s.mu.Unlock()
	}
	q.Seq, q.N = s.journal.number(route)
	return q
}

func (s *Server) delayOf(route string) time.Duration {
	if route == routeUpsert || route == routeDelete {
		return s.opts.ChunkDelay
	}
	return s.opts.ControlDelay
}

// pause waits, but not longer than the client does.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

type countedBody struct {
	io.ReadCloser
	n int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n += int64(n)
	return n, err
}

type countedWriter struct {
	http.ResponseWriter
	status int
	n      int64
}

func (w *countedWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *countedWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.n += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (w *countedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// defaultJournalSize is how many requests are remembered unless Options say otherwise.
const defaultJournalSize = 10_000

// journal remembers the last requests and counts all of them by route.
type journal struct {
	mu     sync.Mutex
	size   int
	seq    int64
	last   []Answer
	next   int
	counts map[string]*RouteCount
}

// RouteCount is how often a route was asked for, and how often each status was answered.
type RouteCount struct {
	Requests int64         `json:"requests"`
	Statuses map[int]int64 `json:"statuses"`
	Bytes    int64         `json:"requestBytes"`
}

func newJournal(size int) *journal {
	if size <= 0 {
		size = defaultJournalSize
	}
	j := &journal{size: size}
	j.clear()
	return j
}

func (j *journal) clear() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.seq, j.last, j.next, j.counts = 0, nil, 0, make(map[string]*RouteCount)
}

func (j *journal) count(route string) *RouteCount {
	c := j.counts[route]
	if c == nil {
		c = &RouteCount{Statuses: make(map[int]int64)}
		j.counts[route] = c
	}
	return c
}

func (j *journal) number(route string) (seq, n int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.seq++
	c := j.count(route)
	c.Requests++
	return j.seq, c.Requests
}

func (j *journal) add(a Answer) {
	j.mu.Lock()
	defer j.mu.Unlock()
	c := j.count(a.Route)
	c.Statuses[a.Status]++
	c.Bytes += a.RequestBytes
	if len(j.last) < j.size {
		j.last = append(j.last, a)
		return
	}
	j.last[j.next] = a
	j.next = (j.next + 1) % j.size
}

// Journal gives the last requests that were dealt with, oldest first.
func (s *Server) Journal() []Answer {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	j := s.journal
	return append(append([]Answer(nil), j.last[j.next:]...), j.last[:j.next]...)
}

// Counts gives the number of requests by route name since the start or Reset.
func (s *Server) Counts() map[string]RouteCount {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	out := make(map[string]RouteCount, len(s.journal.counts))
	for name, c := range s.journal.counts {
		statuses := make(map[int]int64, len(c.Statuses))
		for k, v := range c.Statuses {
			statuses[k] = v
		}
		out[name] = RouteCount{Requests: c.Requests, Statuses: statuses, Bytes: c.Bytes}
	}
	return out
}
