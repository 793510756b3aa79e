// Package preview tries a flow on a few records: it takes them through the
// pieces of a run, stage by stage, and shows what each stage made of them.
// Nothing is sent, nothing is stored, no watermark moves and no push is spent.
package preview

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/budget"
	"github.com/celonis-connector/connector/flows/mapping"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/pace"
)

const (
	// MaxTime bounds a preview with all its calls.
	MaxTime = 30 * time.Second
	// MaxBytes is the most that a preview fetches of a file, MaxParquet of a Parquet file, whose end it needs.
	MaxBytes, MaxParquet = 8 << 20, 64 << 20
	// MaxValue bounds a text in the answer, MaxAnswer all records and rows of it together, in bytes.
	MaxValue, MaxAnswer = 4 << 10, 2 << 20
	// DefaultPerMinute is how many previews a client may ask for in a minute.
	DefaultPerMinute = 60
)

// Flows keeps flows; *flows.Service is one.
type Flows interface {
	Get(ctx context.Context, workspace, id string) (*flows.Flow, error)
	// Check gives a spec with its defaults, also where it is refused.
	Check(ctx context.Context, workspace string, spec flows.Spec) (flows.Spec, error)
	// NextOptions gives the options of the run that a flow would begin now, with its window.
	NextOptions(ctx context.Context, f *flows.Flow, window *flows.Window) (flows.RunOptions, error)
	File(ctx context.Context, workspace, id string) (*flows.File, error)
}

// Records keeps posted records.
type Records interface {
	// LatestRecords gives the newest stored batch of a flow, nil when there is none.
	LatestRecords(ctx context.Context, workspace, flowID string) ([]byte, error)
}

// Endpoints builds the ends of a flow.
type Endpoints interface {
	Sample(f *flows.Flow, r *flows.Run, look flows.Look) (engine.Source, error)
	Sink(ctx context.Context, f *flows.Flow) (engine.Sink, error)
	Shape(ctx context.Context, f *flows.Flow, r *flows.Run) (mapping.Shape, error)
}

// Connections tells how connections are; it opens no secret.
type Connections interface {
	Connection(ctx context.Context, workspace, id string) (*connections.Connection, error)
}

// Budgets tells what is left of teams' push submissions.
type Budgets interface {
	Budget(ctx context.Context, workspace, domain string) (*budget.Report, error)
}

// Redactor takes the secrets that are in use out of a text, by value.
type Redactor interface{ String(s string) string }

// Deps are what a Service stands on; PerMinute may be left out.
type Deps struct {
	Flows       Flows
	Records     Records
	Endpoints   Endpoints
	Connections Connections
	Budgets     Budgets
	Engine      *engine.Engine
	Redactor    Redactor
	Now         func() time.Time
	Log         *slog.Logger
	PerMinute   int
}

// Service makes previews.
type Service struct {
	Deps
	callers pace.Keys
}

// New makes a Service.
func New(d Deps) *Service {
	if d.PerMinute == 0 {
		d.PerMinute = DefaultPerMinute
	}
	return &Service{Deps: d}
}

// Caller is who asks.
type Caller struct{ Workspace, Client string }

// Saved previews a stored flow. Faults: FlowNotFound, FlowWindow, RequestInvalid, FlowPreviewLimited, FlowPreviewRecords.
func (s *Service) Saved(ctx context.Context, who Caller, id string, ask flows.PreviewRequest) (json.RawMessage, error) {
	f, err := s.Flows.Get(ctx, who.Workspace, id)
	if err != nil {
		return nil, err
	}
	if len(ask.Records) == 0 && flows.TakesPosts(f.Export.Type) {
		if ask.Records, err = s.latest(ctx, f, ask.Wanted()); err != nil {
			return nil, err
		}
	}
	return s.preview(ctx, who, f, ask, nil)
}

// Draft previews a flow that is not stored. What is wrong with its filter,
// expansion and mapping becomes errors of those stages. Faults: RequestInvalid
// with every other fault of the flow, and those of Saved.
func (s *Service) Draft(ctx context.Context, who Caller, spec flows.Spec, ask flows.PreviewRequest) (json.RawMessage, error) {
	if spec.Name == "" {
		spec.Name = "preview"
	}
	spec, err := s.Flows.Check(ctx, who.Workspace, spec)
	flaws, err := shaping(err)
	if err != nil {
		return nil, err
	}
	f := &flows.Flow{Workspace: who.Workspace, Revision: 1, Enabled: true, Spec: spec, CreatedAt: s.Now()}
	return s.preview(ctx, who, f, ask, flaws)
}

// latest gives the records of the newest stored batch.
func (s *Service) latest(ctx context.Context, f *flows.Flow, limit int) ([]json.RawMessage, error) {
	data, err := s.Records.LatestRecords(ctx, f.Workspace, f.ID)
	if err != nil {
		return nil, err
	}
	var records []json.RawMessage
	for line := range lines(data) {
		if len(records) == limit {
			break
		}
		records = append(records, line)
	}
	return records, nil
}

// preview makes a preview as the JSON that callers see.
func (s *Service) preview(ctx context.Context, who Caller, f *flows.Flow, ask flows.PreviewRequest, flaws []fault.Field) (json.RawMessage, error) {
	if flows.TakesPosts(f.Export.Type) && len(ask.Records) == 0 {
		return nil, fault.New(fault.FlowPreviewRecords, "nothing can be fetched for an export of type %q, and no posted records are stored", f.Export.Type).
			WithHint("give records in the preview's body")
	}
	if err := s.take(who); err != nil {
		return nil, err
	}
	options, err := s.Flows.NextOptions(ctx, f, ask.Window)
	if err != nil {
		return nil, err
	}
	// Secrets in use are looked for until ctx ends, which is after the answer was made.
	ctx, cancel := context.WithTimeoutCause(ctx, MaxTime, fault.New(fault.SourceTimeout, "the preview took longer than %s", MaxTime))
	defer cancel()
	a := &attempt{Service: s, flow: f, flaws: flaws, run: &flows.Run{
		Workspace: f.Workspace, FlowID: f.ID, FlowRevision: f.Revision, Trigger: flows.Manual, Options: options, CreatedAt: s.Now(), StartedAt: s.Now(),
	}}
	a.look = flows.Look{Limit: ask.Wanted(), MaxBytes: MaxBytes, Asked: a.asked}
	if f.Export.Format == flows.ParquetFile {
		a.look.MaxBytes = MaxParquet
	}
	if len(ask.Records) > 0 {
		a.look.Records = ndjson(ask.Records)
	}
	a.out = newPreview(ask.Wanted(), options.Window, s.Now())
	a.make(ctx)
	text, err := json.Marshal(a.out)
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "the preview cannot be written as JSON")
	}
	return redacted(text, s.Redactor), nil
}

func newPreview(limit int, window *flows.Window, now time.Time) *flows.Preview {
	p := &flows.Preview{Limit: limit, Window: window, At: now}
	for _, s := range []*flows.Stage{&p.Request.Stage, &p.Raw.Stage, &p.Parsed.Stage, &p.Filtered.Stage, &p.Mapped.Stage, &p.Table.Stage, &p.Preflight.Stage} {
		s.Errors = []flows.StageFault{}
	}
	p.Request.Exchanges, p.Parsed.Records, p.Filtered.Of = []flows.Exchange{}, []flows.PreviewRecord{}, []flows.PreviewFate{}
	p.Mapped.Rows, p.Preflight.Findings = []flows.PreviewRow{}, []flows.Finding{}
	return p
}

// attempt is one preview under way.
type attempt struct {
	*Service
	flow  *flows.Flow
	run   *flows.Run
	look  flows.Look
	flaws []fault.Field
	out   *flows.Preview
	// sink is nil where the destination cannot be looked at, for sinkErr.
	sink    engine.Sink
	sinkErr error
	fitErr  error
}

// asked notes a request to the source. Only the beginning of the first answer is shown.
func (a *attempt) asked(e flows.Exchange) {
	if len(a.out.Request.Exchanges) == 0 || a.out.Raw.Text == "" {
		a.raw(e.Head)
	}
	if len(a.out.Request.Exchanges) < flows.MaxPreviewExchanges {
		a.out.Request.Exchanges = append(a.out.Request.Exchanges, e)
	}
}

// make goes through the stages. A panic in a source fails the stage that was not reached.
func (a *attempt) make(ctx context.Context) {
	defer func() {
		if p := recover(); p != nil {
			err := fault.Wrap(fmt.Errorf("%v\n%s", p, debug.Stack()), fault.RunPanic, "the preview broke on an unforeseen record or answer")
			a.Log.ErrorContext(ctx, "a preview broke", "flow", a.flow.ID, "error", err)
			a.out.Preflight.Fail(faultOf(err))
		}
		a.out.OK = a.passed()
	}()
	a.sink, a.sinkErr = a.destination(ctx)
	source, err := a.Endpoints.Sample(a.flow, a.run, a.look)
	if err != nil {
		a.out.Request.Fail(faultOf(err))
		a.foresee(ctx, &engine.Looked{})
		return
	}
	if c, ok := source.(io.Closer); ok {
		defer func() { _ = c.Close() }()
	}
	looked := a.read(ctx, source)
	a.nameFile(ctx)
	a.showSource(ctx, looked)
	a.showRows(looked)
	a.declare(ctx, looked)
	a.foresee(ctx, looked)
}

// read looks at the source with the flow's rules, or without them where they are at fault.
func (a *attempt) read(ctx context.Context, source engine.Source) *engine.Looked {
	job := engine.Job{Source: source, Rules: a.flow.Mapping, Policy: a.flow.Policy(), Keys: a.flow.Import.Keys, Progress: new(engine.Progress)}
	if a.sink != nil {
		job.Sink = fitting{a.sink, a}
	}
	shape, err := a.Endpoints.Shape(ctx, a.flow, a.run)
	defer func() {
		if err := shape.Close(); err != nil {
			a.Log.WarnContext(ctx, "the requests that lookups did not use could not be given back", "flow", a.flow.ID, "error", err)
		}
	}()
	if err == nil && len(a.flaws) == 0 {
		job.Shape = shape
		looked := a.Engine.Look(ctx, job, a.look.Limit)
		a.foreseeAsking(shape)
		return looked
	}
	// The earlier stages are shown all the same; rules that take every field show the records whole.
	job.Rules, job.Keys, job.Sink = nil, nil, nil
	looked := a.Engine.Look(ctx, job, a.look.Limit)
	looked.MapErr, looked.Rows, looked.Schema = err, nil, nil
	if err == nil {
		looked.MapErr = fault.New(fault.FlowInvalid, "invalid fields of the flow: %d", len(a.flaws)).WithFields(a.flaws...)
	}
	for i := range looked.Records {
		looked.Records[i].Errors = slices.DeleteFunc(looked.Records[i].Errors, func(flows.RecordError) bool { return looked.Records[i].Data != nil })
	}
	return looked
}

// destination gives the sink of the flow; a connection that is offline is not called.
func (a *attempt) destination(ctx context.Context) (engine.Sink, error) {
	if a.flow.Import.ConnectionID == "" {
		return a.Endpoints.Sink(ctx, a.flow)
	}
	c, err := a.Connections.Connection(ctx, a.flow.Workspace, a.flow.Import.ConnectionID)
	if err != nil {
		return nil, err
	}
	if c.Status == connections.Offline {
		return nil, fault.New(fault.ConnectionOffline, "connection %q is offline, so that the table that stands cannot be looked at", c.Name).
			WithHint("test the connection and mend what the test finds")
	}
	return a.Endpoints.Sink(ctx, a.flow)
}

// fitting is a sink whose table may fail to be read: then the rows are mapped as for a new one.
type fitting struct {
	engine.Sink
	a *attempt
}

var (
	_ engine.Fitter     = fitting{}
	_ engine.Distincter = fitting{}
)

// Fit implements engine.Fitter.
func (f fitting) Fit(ctx context.Context, rules []flows.Rule) ([]flows.Rule, error) {
	fitter, ok := f.Sink.(engine.Fitter)
	if !ok {
		return rules, nil
	}
	fitted, err := fitter.Fit(ctx, rules)
	if err != nil {
		f.a.fitErr = err
		return rules, nil
	}
	return fitted, nil
}

// Distinct implements engine.Distincter.
func (f fitting) Distinct() (keys []string, order string) {
	if d, ok := f.Sink.(engine.Distincter); ok {
		return d.Distinct()
	}
	return nil, ""
}

// nameFile tells the name of an uploaded file.
func (a *attempt) nameFile(ctx context.Context) {
	if a.flow.Export.FileID == "" || len(a.out.Request.Exchanges) == 0 || a.look.Records != nil {
		return
	}
	if f, err := a.Flows.File(ctx, a.flow.Workspace, a.flow.Export.FileID); err == nil {
		a.out.Request.Exchanges[0].Name = f.Name
	}
}

// passed reports whether nothing went wrong.
func (a *attempt) passed() bool {
	p := a.out
	for _, s := range []flows.Stage{p.Request.Stage, p.Raw.Stage, p.Parsed.Stage, p.Filtered.Stage, p.Mapped.Stage, p.Table.Stage, p.Preflight.Stage} {
		if !s.OK {
			return false
		}
	}
	return !slices.ContainsFunc(p.Preflight.Findings, func(f flows.Finding) bool { return f.Severity == flows.FindingError })
}

// timedOut gives the cause where ctx ended, else err.
func timedOut(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && errors.Is(err, ctx.Err()) {
		return cause
	}
	return err
}
