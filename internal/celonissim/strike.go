package celonissim

import (
	"bytes"
	"io"
	"net/http"
	"time"
)

// injury is what the faults that struck a request come to together.
type injury struct {
	delay, slow time.Duration
	readRate    int64
	status      *Fault
	cut         Cut
	duplicate   bool
}

func (a *Answer) suffer(faults []Fault) injury {
	var in injury
	for i, f := range faults {
		a.Faults = append(a.Faults, f.ID)
		in.delay += f.Delay
		in.slow += f.SlowAnswer
		in.readRate = max(in.readRate, f.ReadRate)
		in.duplicate = in.duplicate || f.Duplicate
		if f.Status != 0 && in.status == nil {
			in.status = &faults[i]
		}
		if in.cut == "" {
			in.cut = f.Cut
		}
		a.job.delay += f.JobDelay
		a.job.stuck = a.job.stuck || f.JobStuck
		if a.job.err == "" {
			a.job.err = f.JobError
		}
	}
	return in
}

// strike serves a request through the faults that match it.
func (s *Server) strike(w http.ResponseWriter, r *http.Request, a *Answer, h http.HandlerFunc) {
	in := a.suffer(s.faults.match(a.Request, s.credentialName(r)))
	if in.delay > 0 {
		pause(r.Context(), in.delay)
	}
	if in.readRate > 0 {
		r.Body = &throttledBody{ReadCloser: r.Body, request: r, rate: in.readRate}
	}
	switch in.cut {
	case CutBeforeBody:
		panic(http.ErrAbortHandler)
	case CutMidBody:
		_, _ = io.CopyN(io.Discard, r.Body, max(1, r.ContentLength/2))
		panic(http.ErrAbortHandler)
	}
	if in.status != nil {
		if !in.status.Early {
			_, _ = io.Copy(io.Discard, r.Body)
		}
		h = func(w http.ResponseWriter, _ *http.Request) { s.answerFault(w, in.status) }
	}
	if in.duplicate {
		h = twice(h)
	}
	s.answerBroken(w, r, in, h)
}

// answerBroken runs the handler and spoils its answer.
func (s *Server) answerBroken(w http.ResponseWriter, r *http.Request, in injury, h http.HandlerFunc) {
	if in.cut == "" && in.slow == 0 {
		h(w, r)
		return
	}
	held := newHeldAnswer()
	h(held, r)
	if in.cut == CutBeforeAnswer {
		panic(http.ErrAbortHandler)
	}
	body := held.body.Bytes()
	held.copyHeader(w)
	if in.cut == CutMidAnswer {
		_, _ = w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	dribble(w, r, body, in.slow)
}

// slowSteps is the number of pieces in which a slow answer comes.
const slowSteps = 10

func dribble(w http.ResponseWriter, r *http.Request, body []byte, over time.Duration) {
	flush := http.NewResponseController(w)
	_ = flush.Flush()
	for i := range slowSteps {
		pause(r.Context(), over/slowSteps)
		_, _ = w.Write(body[len(body)*i/slowSteps : len(body)*(i+1)/slowSteps])
		_ = flush.Flush()
	}
}

// twice runs a handler two times with the same body.
func twice(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		h(newHeldAnswer(), r)
		r.Body = io.NopCloser(bytes.NewReader(body))
		h(w, r)
	}
}

func (s *Server) answerFault(w http.ResponseWriter, f *Fault) {
	family := f.Body
	if family == "" {
		family = familyOf(f.Status)
	}
	if f.Status != http.StatusTooManyRequests {
		writeFamily(w, f.Status, family)
		return
	}
	form := f.Headers
	if form == "" {
		form = s.opts.Answers.RateHeaders
	}
	now := s.now()
	state := rateState{limit: s.opts.Limits.SubmitsPerHour, reset: now.Add(max(f.Wait, time.Second)), name: "per hour"}
	if family == BodyProblem {
		writeRateExceeded(w, form, state, now)
		return
	}
	setRateHeaders(w.Header(), form, state, now)
	writeFamily(w, f.Status, family)
}

func (s *Server) credentialName(r *http.Request) string {
	kind, key := authorization(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.teamOf(r).credential(kind, key); c != nil {
		return c.Name
	}
	return ""
}

// heldAnswer keeps an answer back.
type heldAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func newHeldAnswer() *heldAnswer {
	return &heldAnswer{header: make(http.Header), status: http.StatusOK}
}

func (h *heldAnswer) Header() http.Header         { return h.header }
func (h *heldAnswer) WriteHeader(status int)      { h.status = status }
func (h *heldAnswer) Write(p []byte) (int, error) { return h.body.Write(p) }

func (h *heldAnswer) copyHeader(w http.ResponseWriter) {
	for k, v := range h.header {
		w.Header()[k] = v
	}
	w.WriteHeader(h.status)
}

// throttledBody reads no faster than its rate in bytes a second.
type throttledBody struct {
	io.ReadCloser
	request *http.Request
	rate    int64
}

func (b *throttledBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p[:min(len(p), int(max(1, b.rate/10)))])
	pause(b.request.Context(), time.Duration(n)*time.Second/time.Duration(b.rate))
	return n, err
}
