package celonis

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
)

const (
	// MaxDataFields is how many fields a request for rows names at most, MaxDataFieldsLength how long their list may be.
	MaxDataFields, MaxDataFieldsLength = 200, 2048
	// maxDataQuery is how long the query of a GET may be; longer requests are POSTed.
	maxDataQuery = 1800
	// pageTries is how often a page is asked for whose body is cut.
	pageTries = 3
)

// DataQuery asks for rows of a knowledge model.
type DataQuery struct {
	// Record is a record's id; "" asks the model, by fields of the form record.field.
	Model, Record string
	// Fields and KPIs are ids, Filters those of filters of the model; Exprs are OData expressions, which all must hold.
	Fields, KPIs, Filters, Exprs []string
	// Sort are ids, with a minus before descending ones.
	Sort       []string
	Distinct   bool
	Page, Size int
}

// DataHeader is a column of rows.
type DataHeader struct {
	ID   string `json:"id"`
	Name text   `json:"name"`
	// Type is integer, date, time, datetime, timestamp, float, boolean or string.
	Type        text `json:"type"`
	Aggregation flag `json:"aggregation"`
	Filterable  flag `json:"filterable"`
	Sortable    flag `json:"sortable"`
}

// DataPage is a page of rows.
type DataPage struct {
	// Size is the page's size as Celonis keeps to it, 0 when it does not say; Total is what it calls so, which may be the
	// rows of the page.
	Size, Total int
	Headers     []DataHeader
	// Rows are JSON objects by the ids of the headers.
	Rows []json.RawMessage
}

// flag reads a boolean, bare or in quotes.
type flag bool

// UnmarshalJSON takes any JSON value.
func (f *flag) UnmarshalJSON(data []byte) error {
	*f = flag(strings.EqualFold(strings.Trim(string(data), `"`), "true"))
	return nil
}

// dataEnvelope is the answer to a request for rows.
type dataEnvelope struct {
	Page     number `json:"page"`
	PageSize number `json:"pageSize"`
	Total    number `json:"total"`
	Content  struct {
		Headers []DataHeader    `json:"headers"`
		Data    json.RawMessage `json:"data"`
	} `json:"content"`
}

// KnowledgeData reads a page of rows. Faults: CelonisNotFound for a model or a
// record that is not there, or no longer; SourceField for a field, filter or
// expression that Celonis does not take; CelonisAnswer for what is no page.
func (c *Client) KnowledgeData(ctx context.Context, q DataQuery) (*DataPage, error) {
	k, err := q.call()
	if err != nil {
		return nil, err
	}
	var body dataEnvelope
	k.out = &body
	if err := c.whole(ctx, k); err != nil {
		return nil, q.fault(err)
	}
	if int(body.Page) != q.Page {
		return nil, fault.New(fault.SourceCursorLoop, "celonis answered page %d of the knowledge model %q when asked for page %d", body.Page, q.Model, q.Page)
	}
	rows, err := dataRows(body.Content.Data, 0)
	if err != nil {
		return nil, err
	}
	return &DataPage{Size: int(body.PageSize), Total: int(body.Total), Headers: body.Content.Headers, Rows: rows}, nil
}

// whole does a call that reads, again when the body is cut in the middle.
func (c *Client) whole(ctx context.Context, k call) error {
	for try := 1; ; try++ {
		r, err := c.send(ctx, k)
		if err != nil {
			return err
		}
		if r.status < http.StatusOK || r.status >= http.StatusMultipleChoices {
			return c.statusFault(k.op, r)
		}
		bad := json.Unmarshal(r.body, k.out)
		if bad == nil {
			return nil
		}
		if begins := bytes.TrimSpace(r.body); try == pageTries || len(begins) > 0 && begins[0] != '{' {
			return c.decode(k, r)
		}
	}
}

// AnswerTooLong reports whether an error says that an answer was longer than is read.
func AnswerTooLong(err error) bool { return errors.Is(err, errAnswerTooLong) }

func (q DataQuery) call() (call, error) {
	rest := "/data"
	if q.Record != "" {
		id, err := segment(q.Record)
		if err != nil {
			return call{}, err
		}
		rest = "/records/" + id + "/data"
	}
	path, err := partPath(q.Model, rest)
	k := call{op: operation{areaIntelligence, "read the knowledge model's data"}, method: http.MethodGet, path: path, query: q.values(), repeatable: true}
	if len(k.query.Encode()) > maxDataQuery {
		k.method, k.query, k.json = http.MethodPost, nil, q.body()
	}
	return k, err
}

func (q DataQuery) values() url.Values {
	v := url.Values{"page": {strconv.Itoa(q.Page)}, "pageSize": {strconv.Itoa(q.Size)}}
	for name, list := range map[string][]string{"fields": q.Fields, "kpis": q.KPIs, "filters": q.Filters, "sort": q.Sort} {
		if len(list) > 0 {
			v.Set(name, strings.Join(list, ","))
		}
	}
	if len(q.Exprs) > 0 {
		v["filterExpr"] = q.Exprs
	}
	if q.Distinct {
		v.Set("options", "distinct")
	}
	return v
}

func (q DataQuery) body() any {
	p := map[string]any{
		"fields": strings.Join(q.Fields, ","), "pagination": map[string]any{"pageNumber": q.Page, "pageSize": q.Size},
		"filters": map[string]any{"kmFilterNames": append([]string{}, q.Filters...), "filterExpr": append([]string{}, q.Exprs...)},
	}
	if len(q.Sort) > 0 {
		p["sort"] = strings.Join(q.Sort, ",")
	}
	if q.Distinct {
		p["options"] = []string{"distinct"}
	}
	if len(q.KPIs) > 0 {
		p["kpis"] = q.KPIs
	}
	return map[string]any{"projection": p}
}

// dataRows reads rows, also those that are nested too deep.
func dataRows(data json.RawMessage, depth int) (rows []json.RawMessage, err error) {
	data = bytes.TrimSpace(data)
	if len(data) == 0 || bytes.Equal(data, []byte("null")) {
		return nil, nil
	}
	if data[0] == '{' && depth <= 1 {
		var deeper struct {
			Data json.RawMessage `json:"data"`
		}
		if err := json.Unmarshal(data, &deeper); err == nil && len(deeper.Data) > 0 {
			return dataRows(deeper.Data, depth+1)
		}
	}
	var list []json.RawMessage
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, notRows()
	}
	for _, item := range list {
		switch {
		case item[0] == '{':
			rows = append(rows, item)
		case item[0] == '[' && depth == 0:
			inner, err := dataRows(item, depth+1)
			if err != nil {
				return nil, err
			}
			rows = append(rows, inner...)
		default:
			return nil, notRows()
		}
	}
	return rows, nil
}

func notRows() error {
	return fault.New(fault.CelonisAnswer, "the data of the knowledge model is no list of objects")
}

// fault names what Celonis did not take.
func (q DataQuery) fault(err error) error {
	if fault.Has(err, fault.CelonisNotFound) {
		return modelFault(err, q.Model, q.Record)
	}
	return fieldFault(err)
}

// fieldFault turns the refusal of a parameter into a fault of the export, which repeats what Celonis says.
func fieldFault(err error) error {
	var status *statusError
	if !fault.Has(err, fault.CelonisRejected) || !errors.As(err, &status) {
		return err
	}
	if !strings.HasPrefix(status.code, "GENERAL_") && !strings.HasPrefix(status.code, "SORT_") {
		return err
	}
	return fault.Wrap(err, fault.SourceField, "%s", fault.From(err).Message).
		WithHint("pick the export's fields, KPIs and filters anew: one of them may have been renamed in Celonis Studio")
}
