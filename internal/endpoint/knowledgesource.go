package endpoint

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/budget"
	"github.com/celonis-connector/connector/internal/celonis"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/kmsource"
)

// Quota keeps requests to the Intelligence API within a team's limits; *budget.Requests is one.
type Quota interface {
	Begin(domain, runID string) *budget.Ticket
}

var _ Quota = (*budget.Requests)(nil)

// knowledgeFetcher brings the rows of a knowledge model, by the data calls or its OData feed.
type knowledgeFetcher struct {
	*Builder
	workspace, runID string
	export           flows.Export
	window           *flows.Window
	limit            int64
	looked           func(flows.Exchange)
}

var _ Fetcher = (*knowledgeFetcher)(nil)

// knowledge makes the source of an export of type knowledgeModel or odata.
func (b *Builder) knowledge(f *flows.Flow, r *flows.Run) (engine.Source, error) {
	return b.newCaptured(&knowledgeFetcher{Builder: b, workspace: f.Workspace, runID: r.ID, export: f.Export, window: r.Options.Window}, r), nil
}

// Fetch implements Fetcher. Faults: those of Targets, celonis.Client, budget.Ticket and kmsource.Read.
func (f *knowledgeFetcher) Fetch(ctx context.Context, out *Capture) (err error) {
	target, err := f.Targets.Target(ctx, f.workspace, f.export.ConnectionID)
	if err != nil {
		return err
	}
	if target.APIType != connections.Intelligence {
		return fault.New(fault.ConnectionAPIType, "the connection of the export is of apiType %q, not %q", target.APIType, connections.Intelligence)
	}
	base, err := url.Parse(target.BaseURL)
	if err != nil {
		return fault.Wrap(err, fault.ConnectionDomain, "the connection's base URL is not a URL")
	}
	ticket := f.Quota.Begin(base.Host, cmp.Or(f.runID, uuid.NewString()))
	defer func() { err = errors.Join(err, ticket.End(context.WithoutCancel(ctx))) }()
	client, err := celonis.New(celonis.Config{
		Target: target, Transport: &rationed{ticket, f.Transport}, Logger: f.Log, Now: f.Now, Shared: f.Limits, Tokens: f.Tokens,
	})
	if err != nil {
		return err
	}
	err = f.read(ctx, client, ticket, out)
	if fault.Has(err, fault.CelonisRateLimited) {
		if marked := ticket.Refused(ctx, fault.From(err).ResumeAt); marked != nil {
			return marked
		}
	}
	return err
}

// rationed takes a permit for each try of a request to the Intelligence API.
type rationed struct {
	ticket *budget.Ticket
	next   http.RoundTripper
}

// Rationed is a transport that takes a permit for each try of a request to the Intelligence API.
func Rationed(ticket *budget.Ticket, next http.RoundTripper) http.RoundTripper {
	return &rationed{ticket, next}
}

// RoundTrip implements http.RoundTripper.
func (t *rationed) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasPrefix(r.URL.Path, "/intelligence/") {
		if err := t.ticket.Take(r.Context()); err != nil {
			return nil, err
		}
	}
	return t.next.RoundTrip(r)
}

func (f *knowledgeFetcher) read(ctx context.Context, client *celonis.Client, ticket *budget.Ticket, out *Capture) error {
	m := &knowledgeModel{client: client, export: f.export, types: map[string]string{}, looked: f.looked, now: f.Now}
	fields, err := m.describe(ctx)
	if err != nil {
		return err
	}
	if m.groups, err = groupsOf(f.export, fields); err != nil {
		return err
	}
	m.base = append(slices.Clone(f.export.FilterExpr), f.bounds(m.types)...)
	marks := &marker{delta: f.export.Delta, out: out}
	_, err = kmsource.Read(ctx, kmsource.Plan{
		Model: m, SliceBy: f.export.SliceBy, Keys: f.export.KeyFields, Sort: f.export.RowOrder(), Groups: len(m.groups),
		Size: f.pageSize(), Parallel: budget.RunRequestsAtOnce, Most: f.limit, Part: marks.part, TooLong: celonis.AnswerTooLong,
		Expect: func(ctx context.Context, n kmsource.Forecast) error {
			if f.limit > 0 {
				return nil
			}
			return ticket.Expect(ctx, n.Expect)
		},
	})
	if err != nil {
		return err
	}
	out.SetTypes(m.declared())
	return marks.mark()
}

func (f *knowledgeFetcher) pageSize() int {
	size := cmp.Or(f.export.PageSize, flows.DefaultKnowledgePage)
	if f.limit > 0 {
		size = min(size, int(f.limit))
	}
	return size
}

// bounds are the expressions of the run's window.
func (f *knowledgeFetcher) bounds(types map[string]string) (out []string) {
	if f.window == nil || f.export.Delta == nil || f.export.Delta.Field == "" {
		return nil
	}
	d := f.export.Delta
	for _, b := range []struct{ op, mark string }{{" gt ", f.window.From}, {" le ", f.window.To}} {
		if b.mark == "" {
			continue
		}
		literal := b.mark
		if kind := types[d.Field]; d.Kind() != flows.MarkInteger {
			if kind == "" && d.Kind() == flows.MarkTime {
				kind = "datetime"
			}
			literal = kmsource.Literal(kind, b.mark)
		}
		out = append(out, d.Field+b.op+literal)
	}
	return out
}

// groupsOf shares fields out over requests that Celonis takes; all have the
// keys and the field to slice by. Fault SourceKey when there are too many for
// one request, and no keys to join them by.
func groupsOf(e flows.Export, fields []string) ([][]string, error) {
	var common []string
	for _, id := range append(slices.Clone(e.KeyFields), e.SliceBy) {
		if id != "" && !slices.Contains(common, id) {
			common = append(common, id)
		}
	}
	fits := func(list []string) bool {
		return len(list)+len(e.KPIs) <= celonis.MaxDataFields && len(strings.Join(list, ",")) <= celonis.MaxDataFieldsLength
	}
	whole := slices.Clone(fields)
	for _, id := range common {
		if !slices.Contains(whole, id) {
			whole = append(whole, id)
		}
	}
	if fits(whole) {
		return [][]string{whole}, nil
	}
	if len(e.KeyFields) == 0 || len(e.KPIs) > 0 || e.Distinct {
		return nil, fault.New(fault.SourceKey, "the export's %d fields need several requests, and nothing says by what their rows are joined", len(fields)).
			WithHint("name the fields that tell records apart in export.keyFields, or export fewer fields; KPIs and distinct rows cannot be joined")
	}
	var groups [][]string
	group := slices.Clone(common)
	for _, id := range fields {
		if slices.Contains(common, id) {
			continue
		}
		if !fits(append(slices.Clone(group), id)) {
			groups, group = append(groups, group), slices.Clone(common)
		}
		group = append(group, id)
	}
	return append(groups, group), nil
}

// marker finds the watermark among the rows that are taken.
type marker struct {
	delta *flows.DeltaSpec
	out   *Capture
	mu    sync.Mutex
	found []*flows.Furthest
}

func (m *marker) part() (kmsource.Part, error) {
	part, err := m.out.Part()
	if err != nil || !m.delta.Follows() {
		return part, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.delta.NewFurthest()
	m.found = append(m.found, f)
	return markedPart{part, m.delta.Field, f}, nil
}

func (m *marker) mark() error {
	if !m.delta.Follows() {
		return nil
	}
	furthest := m.delta.NewFurthest()
	for _, f := range m.found {
		furthest.Merge(f)
	}
	mark, err := furthest.Mark(m.out.Records())
	if err != nil {
		return err
	}
	m.out.SetWatermark(mark)
	return nil
}

type markedPart struct {
	*Part
	field    string
	furthest *flows.Furthest
}

// Append implements kmsource.Part.
func (p markedPart) Append(row []byte) error {
	var fields map[string]json.RawMessage
	if json.Unmarshal(row, &fields) == nil {
		value := fields[p.field]
		var text string
		if json.Unmarshal(value, &text) != nil {
			text = string(bytes.TrimSpace(value))
		}
		p.furthest.Observe(text)
	}
	return p.Part.Append(row)
}
