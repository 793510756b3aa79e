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
	"time"

	"github.com/google/uuid"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/budget"
	"github.com/celonis-connector/connector/internal/celonis"
	"github.com/celonis-connector/connector/internal/columns"
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

// knowledgeModel is a kmsource.Model.
type knowledgeModel struct {
	client *celonis.Client
	export flows.Export
	groups [][]string
	base   []string
	looked func(flows.Exchange)
	now    func() time.Time

	mu    sync.Mutex
	types map[string]string
}

var _ kmsource.Model = (*knowledgeModel)(nil)

// describe gives the export's fields, every one of the record where it names none, and learns their types.
func (m *knowledgeModel) describe(ctx context.Context) ([]string, error) {
	e := m.export
	fields := e.Columns()
	if e.Record == "" || len(fields) > 0 && e.Type != flows.ExportOData && !e.Delta.Follows() {
		return fields, nil
	}
	known, err := m.client.Fields(ctx, e.KnowledgeModelID, e.Record)
	if err != nil {
		return nil, err
	}
	every := make([]string, 0, len(known))
	for _, f := range known {
		m.types[f.ID] = string(f.Type)
		every = append(every, f.ID)
	}
	if len(fields) > 0 {
		return fields, nil
	}
	return every, nil
}

// Page implements kmsource.Model.
func (m *knowledgeModel) Page(ctx context.Context, a kmsource.Ask) (page *kmsource.Page, err error) {
	began := m.now()
	if m.export.Type == flows.ExportOData {
		page, err = m.feed(ctx, a)
	} else {
		page, err = m.data(ctx, a)
	}
	if m.looked != nil && err == nil {
		m.looked(flows.Exchange{Kind: string(m.export.Type), Records: len(page.Rows), Millis: m.now().Sub(began).Milliseconds()})
	}
	return page, err
}

func (m *knowledgeModel) data(ctx context.Context, a kmsource.Ask) (*kmsource.Page, error) {
	e := m.export
	order := slices.Clone(a.Order)
	if a.Descending {
		order[0] = "-" + order[0]
	}
	q := celonis.DataQuery{
		Model: e.KnowledgeModelID, Record: e.Record, Fields: m.groups[a.Group], KPIs: e.KPIs, Filters: e.Filters,
		Exprs: append(slices.Clone(m.base), a.Bounds...), Sort: order, Distinct: e.Distinct, Page: a.Page, Size: a.Size,
	}
	p, err := m.client.KnowledgeData(ctx, q)
	for _, smaller := range []int{500, 100, 50} {
		if fault.Has(err, fault.SourceField) && strings.Contains(err.Error(), "pageSize") && smaller < a.Size && a.Page == 0 {
			q.Size = smaller
			p, err = m.client.KnowledgeData(ctx, q)
			if err == nil && p.Size == 0 {
				p.Size = smaller
			}
		}
	}
	if err != nil {
		return nil, err
	}
	out := &kmsource.Page{Rows: p.Rows, Size: p.Size, Total: int64(p.Total)}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, h := range p.Headers {
		m.types[h.ID] = string(h.Type)
		out.Columns = append(out.Columns, kmsource.Column{
			ID: h.ID, Type: string(h.Type), Aggregated: bool(h.Aggregation), Filterable: bool(h.Filterable), Sortable: bool(h.Sortable),
		})
	}
	return out, nil
}

// feed asks the OData feed, which says nothing of what can be sorted and filtered by: what cannot is refused.
func (m *knowledgeModel) feed(ctx context.Context, a kmsource.Ask) (*kmsource.Page, error) {
	e := m.export
	q := celonis.ODataQuery{
		Model: e.KnowledgeModelID, Record: e.Record, Select: m.groups[a.Group], FilterID: e.FilterID, Top: a.Size, Skip: a.Page * a.Size,
		Filter: conjunction(e.Filter, append(slices.Clone(m.base), a.Bounds...)),
	}
	for i, id := range a.Order {
		if id, descending := strings.CutPrefix(id, "-"); descending || i == 0 && a.Descending {
			q.OrderBy = append(q.OrderBy, id+" desc")
			continue
		}
		q.OrderBy = append(q.OrderBy, id)
	}
	p, err := m.client.OData(ctx, q)
	if err != nil {
		return nil, err
	}
	out := &kmsource.Page{Rows: p.Rows, Total: int64(p.Total)}
	for _, id := range m.groups[a.Group] {
		out.Columns = append(out.Columns, kmsource.Column{ID: id, Type: m.types[id], Filterable: true, Sortable: true})
	}
	return out, nil
}

// conjunction joins expressions that all must hold.
func conjunction(first string, rest []string) string {
	if first != "" {
		rest = append([]string{first}, rest...)
	}
	if len(rest) == 1 {
		return rest[0]
	}
	parts := make([]string, len(rest))
	for i, e := range rest {
		parts[i] = "(" + e + ")"
	}
	return strings.Join(parts, " and ")
}

// declared are the types of the fields as columns have them.
func (m *knowledgeModel) declared() map[string]columns.Type {
	m.mu.Lock()
	defer m.mu.Unlock()
	kinds := map[string]columns.Type{
		"string": columns.String, "integer": columns.Integer, "float": columns.Float, "number": columns.Float, "boolean": columns.Boolean,
		"date": columns.Date, "datetime": columns.DateTime, "timestamp": columns.DateTime, "time": columns.Time,
	}
	types := map[string]columns.Type{}
	for id, name := range m.types {
		if t, ok := kinds[name]; ok {
			types[id] = t
		}
	}
	return types
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
