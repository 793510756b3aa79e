package endpoint

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/httpsink"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

const (
	// groupRows and groupRequests bound what is delivered between two checkpoints where it may be delivered again.
	groupRows, groupRequests = 1000, 64
	mediaJSON, mediaNDJSON   = "application/json", "application/x-ndjson"
)

// addressee makes the requests of a kind of destination.
type addressee interface {
	// call makes the request without its body. id is the same however often the rows are sent. Fault DestinationRow for
	// rows that make no request.
	call(rows rowRange, id string) (httpsink.Call, error)
	// restarts reports whether rows may be delivered under another id.
	restarts() bool
}

// rowRange is rows of a batch, To not among them.
type rowRange struct {
	*columns.Batch
	From, To int
}

// rowSink sends rows in requests of JSON.
type rowSink struct {
	spec   flows.Import
	fixed  []string
	to     addressee
	sender *httpsink.Sender
	// file keeps the answers; nil where nobody wants them.
	file *RunFile
	now  func() time.Time

	mu     sync.Mutex
	schema columns.Schema
	body   *httpsink.Body
}

var (
	_ engine.Deliverer = (*rowSink)(nil)
	_ engine.Restarter = (*rowSink)(nil)
	_ engine.Fitter    = (*rowSink)(nil)
)

// Group implements engine.Deliverer: where a request cannot be sent again, there is a checkpoint after each.
func (s *rowSink) Group() int {
	if !s.Repeatable() {
		return s.spec.Batch
	}
	return s.spec.Batch * max(s.spec.Concurrency, min(groupRequests, groupRows/s.spec.Batch), 1)
}

// Repeatable implements engine.Deliverer.
func (s *rowSink) Repeatable() bool { return s.spec.Idempotent() }

// Restarts implements engine.Restarter.
func (s *rowSink) Restarts() bool { return s.to.restarts() }

// Fit implements engine.Fitter: a body declares no lengths.
func (s *rowSink) Fit(_ context.Context, rules []flows.Rule) ([]flows.Rule, error) {
	return withoutLengths(rules, s.fixed), nil
}

// withoutLengths lets texts be as long as they can be unless the mapping says else.
func withoutLengths(rules []flows.Rule, fixed []string) []flows.Rule {
	rules = slices.Clone(rules)
	for i := range rules {
		if r := &rules[i]; (r.Type == "" || r.Type == columns.String.String()) && !slices.Contains(fixed, r.To) {
			r.Length = columns.MaxStringBytes
		}
	}
	return rules
}

// Resume implements engine.Sink.
func (s *rowSink) Resume(_ context.Context, c flows.Checkpoint) (engine.Decision, error) {
	if c.Submitted {
		return engine.Finish, nil
	}
	return engine.GoOn, nil
}

// Begin implements engine.Sink. The id names every request, and the file of answers.
func (s *rowSink) Begin(_ context.Context, schema columns.Schema) (string, error) {
	if _, err := s.bodyOf(schema); err != nil {
		return "", err
	}
	id, err := uuid.NewV7()
	return id.String(), err
}

// Encoder implements engine.Sink; rows are delivered.
func (s *rowSink) Encoder(columns.Schema) (columns.ChunkEncoder, error) { return nil, errNotEncoded() }

// Put implements engine.Sink; rows are delivered.
func (s *rowSink) Put(context.Context, string, engine.Chunk) error { return errNotEncoded() }

func errNotEncoded() error {
	return fault.New(fault.Internal, "the destination takes rows, not files of rows")
}

// Commit implements engine.Sink: all there is to do is to show the answers.
func (s *rowSink) Commit(ctx context.Context, jobID string) error {
	if s.file == nil {
		return nil
	}
	return s.file.Commit(ctx, jobID, math.MaxInt64)
}

// Abort implements engine.Sink: nothing can be taken back, and the answers are worth a look.
func (s *rowSink) Abort(ctx context.Context, jobID string) error { return s.Commit(ctx, jobID) }

// bodyOf gives the writer of bodies; the schema changes when the rows' types widen.
func (s *rowSink) bodyOf(schema columns.Schema) (*httpsink.Body, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.body != nil && slices.Equal(s.schema, schema) {
		return s.body, nil
	}
	body, err := httpsink.NewBody(schema, httpsink.Form{
		Lines: s.spec.BodyFormat == flows.BodyNDJSON, List: s.spec.Batch > 1, At: s.spec.ItemsPath, OmitNulls: s.spec.OmitNulls,
	})
	if err != nil {
		return nil, err
	}
	s.schema, s.body = slices.Clone(schema), body
	return body, nil
}

// Deliver implements engine.Deliverer.
func (s *rowSink) Deliver(ctx context.Context, jobID string, d engine.Delivery) ([]engine.Outcome, error) {
	out := make([]engine.Outcome, d.To-d.From)
	if d.Doubtful && !s.Repeatable() {
		decideAll(out, httpsink.Doubt("an attempt of the run ended while it was sent"))
		return out, nil
	}
	body, err := s.bodyOf(d.Rows.Schema)
	if err != nil {
		return out, err
	}
	var g errgroup.Group
	g.SetLimit(max(s.spec.Concurrency, 1))
	var stopped atomic.Bool
	for from := d.From; from < d.To; from += s.spec.Batch {
		to := min(from+s.spec.Batch, d.To)
		p := parcel{
			rowRange: rowRange{d.Rows, from, to}, jobID: jobID, first: d.First + int64(from-d.From), body: body, dry: d.Dry,
			out: out[from-d.From : to-d.From],
		}
		g.Go(func() error {
			if stopped.Load() {
				return nil
			}
			err := s.send(ctx, p)
			if err != nil {
				stopped.Store(true)
			}
			return err
		})
	}
	return out, g.Wait()
}

// parcel is the rows of one request.
type parcel struct {
	rowRange
	jobID string
	// first counts the push's rows before these.
	first int64
	body  *httpsink.Body
	dry   bool
	out   []engine.Outcome
}

// id names the parcel, the same in every attempt.
func (p parcel) id() string { return fmt.Sprintf("%s-%d", p.jobID, p.first) }

// decideAll gives every row the same outcome.
func decideAll(out []engine.Outcome, f *fault.Error) {
	for i := range out {
		out[i] = engine.Outcome{Done: true, Fault: f}
	}
}

// decide gives the parcel's rows the same outcome; a fault says which rows shared the request.
func (p parcel) decide(f *fault.Error) {
	if f != nil && len(p.out) > 1 {
		named := *f
		named.Message = fmt.Sprintf("rows %d to %d of the push were sent together: %s", p.first+1, p.first+int64(len(p.out)), f.Message)
		f = &named
	}
	decideAll(p.out, f)
}

// send delivers a parcel. An error stops the run, for now or for good.
func (s *rowSink) send(ctx context.Context, p parcel) error {
	call, err := s.to.call(p.rowRange, p.id())
	if err == nil && call.Header.Get("Content-Type") != "" {
		call.Body, err = p.body.Append(nil, p.Batch, p.From, p.To)
	}
	if fault.Has(err, fault.DestinationRow) {
		p.decide(fault.From(err))
		return nil
	}
	if err != nil {
		return err
	}
	if p.dry {
		decideAll(p.out, nil)
		return nil
	}
	call.Repeatable, call.Results = s.Repeatable(), s.spec.ResultsPath != nil
	res, err := s.sender.Send(ctx, call)
	switch res.Verdict {
	case httpsink.Taken:
		s.taken(p, res)
	case httpsink.Refused, httpsink.InDoubt:
		p.decide(res.Fault)
	}
	if keepErr := s.keep(p, res); err == nil {
		err = keepErr
	}
	if err != nil && res.Unsent {
		return engine.Unsent{Err: err}
	}
	return err
}

// taken settles the rows of a request that was taken, as far as its answer speaks of all of them.
func (s *rowSink) taken(p parcel, res *httpsink.Result) {
	if s.spec.ResultsPath == nil {
		decideAll(p.out, nil)
		return
	}
	path, _ := flows.BodyPath(*s.spec.ResultsPath) // checked with the flow
	if *s.spec.ResultsPath == "" {
		path = nil
	}
	results, err := s.sender.Results(res.Last(), path, len(p.out))
	if err != nil {
		p.decide(fault.From(err))
		return
	}
	for i, r := range results {
		p.out[i] = engine.Outcome{Done: true}
		if r.Status < 200 || r.Status > 299 {
			p.out[i].Fault = fault.New(fault.DestinationRefused, "the destination refuses the row with status %d: %q", r.Status, r.Text)
		}
	}
}

// keep puts the answers into the file of the run, one a line.
func (s *rowSink) keep(p parcel, res *httpsink.Result) error {
	if s.file == nil || len(res.Answers) == 0 {
		return nil
	}
	var lines []byte
	for try, a := range res.Answers {
		line := toldAnswer{Row: p.first + 1, Rows: len(p.out), Delivery: p.id(), Try: try + 1, At: s.now().UTC(), Status: a.Status, ContentType: a.ContentType}
		body := a.Body[:min(len(a.Body), httpsink.MaxAnswer)]
		line.Body, line.Cut = string(body), a.Cut || len(body) < len(a.Body)
		if a.Status == 0 && a.Why != nil {
			line.Error = a.Why.Code
		}
		text, err := json.Marshal(line)
		if err != nil {
			return fault.Wrap(err, fault.Internal, "an answer cannot be kept")
		}
		lines = append(append(lines, text...), '\n')
	}
	err := s.file.Put(p.jobID, p.first, int64(len(res.Answers)), lines)
	if fault.Has(err, fault.FileTooLarge) {
		// The rows go before what was said to them.
		return nil
	}
	return err
}

// toldAnswer is a line of the file of answers.
type toldAnswer struct {
	// Row is the number in the push of the request's first row, from 1, Rows how many it had.
	Row  int64 `json:"row"`
	Rows int   `json:"rows"`
	// Delivery is the request's id, Try counts how often it was sent.
	Delivery string    `json:"delivery"`
	Try      int       `json:"try"`
	At       time.Time `json:"at"`
	// Status is 0 where no answer came, and Error then says why.
	Status      int        `json:"status"`
	Error       fault.Code `json:"error,omitempty"`
	ContentType string     `json:"contentType,omitempty"`
	Body        string     `json:"body,omitempty"`
	Cut         bool       `json:"cut,omitempty"`
}

// answersOf makes the file of a run's answers; nil where nobody wants them.
func (b *Builder) answersOf(f *flows.Flow, r *flows.Run) *RunFile {
	if !f.Import.Capture || r == nil || r.Options.DryRun {
		return nil
	}
	return b.NewRunFile(r, RunFileSpec{Name: flows.SafeFileName(f.Name+"-answers-"+r.ID, ".ndjson"), Format: flows.NDJSON})
}

// mediaOf is the type of a request's body, "" for one without.
func mediaOf(i flows.Import) string {
	switch i.BodyFormat {
	case flows.BodyNDJSON:
		return mediaNDJSON
	case flows.BodyJSON:
		return mediaJSON
	}
	return ""
}

// bodyHeader begins the header of a request.
func bodyHeader(media string) http.Header {
	h := http.Header{"Accept": {mediaJSON + ", */*;q=0.5"}, "Accept-Encoding": {"identity"}}
	if media != "" {
		h.Set("Content-Type", media)
	}
	return h
}
