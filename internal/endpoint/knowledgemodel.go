package endpoint

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/celonis"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/kmsource"
)

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
