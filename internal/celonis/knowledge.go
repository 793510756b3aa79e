package celonis

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/celonis-connector/connector/internal/fault"
)

// Described is what every part of a knowledge model has.
type Described struct {
	ID string `json:"id"`
	// Name may be empty; then ID is all there is.
	Name        text `json:"name"`
	Description text `json:"description"`
}

// Record is a record of a knowledge model, without its fields.
type Record struct{ Described }

// RecordField is an attribute, augmented attribute or flag of a record.
type RecordField struct {
	Described
	// Type is string, date, integer, boolean, number, datetime, timestamp or float.
	Type   text `json:"type"`
	Format text `json:"format"`
	Unit   text `json:"unit"`
}

// Filter is a predefined filter of a knowledge model.
type Filter struct{ Described }

// KPI is a key figure of a knowledge model.
type KPI struct {
	Described
	Format text `json:"format"`
	Unit   text `json:"unit"`
}

// Trigger is an event of a knowledge model that can be subscribed to.
type Trigger struct {
	ID   string `json:"id"`
	Name text   `json:"name"`
	// Record is the id of the record that it watches.
	Record text `json:"record"`
}

const modelsPath = "/intelligence/api/knowledge-models"

// AllKnowledgeModels lists every knowledge model that the key may read. Faults:
// CelonisAPIDisabled when the team lacks the Intelligence API, CelonisForbidden
// when the key may not use it.
func (c *Client) AllKnowledgeModels(ctx context.Context) ([]KnowledgeModel, error) {
	return readList(ctx, c, "list knowledge models", modelsPath, func(m KnowledgeModel) string { return m.ID })
}

// Records lists the records of a knowledge model; fault CelonisNotFound for a
// model that Celonis does not know or show.
func (c *Client) Records(ctx context.Context, model string) ([]Record, error) {
	return readPart(ctx, c, model, "list the knowledge model's records", "/records", func(r Record) string { return r.ID })
}

// Filters lists the predefined filters of a knowledge model; fault CelonisNotFound.
func (c *Client) Filters(ctx context.Context, model string) ([]Filter, error) {
	return readPart(ctx, c, model, "list the knowledge model's filters", "/filters", func(f Filter) string { return f.ID })
}

// KPIs lists the key figures of a knowledge model; fault CelonisNotFound.
func (c *Client) KPIs(ctx context.Context, model string) ([]KPI, error) {
	return readPart(ctx, c, model, "list the knowledge model's KPIs", "/kpis", func(k KPI) string { return k.ID })
}

// Triggers lists the triggers of a knowledge model; fault CelonisNotFound.
func (c *Client) Triggers(ctx context.Context, model string) ([]Trigger, error) {
	return readPart(ctx, c, model, "list the knowledge model's triggers", "/triggers", func(t Trigger) string { return t.ID })
}

// Fields lists the fields of a record; fault CelonisNotFound for a model or a
// record that Celonis does not know or show.
func (c *Client) Fields(ctx context.Context, model, record string) ([]RecordField, error) {
	path, err := partPath(model, "/records/")
	if err != nil {
		return nil, err
	}
	id, err := segment(record)
	if err != nil {
		return nil, err
	}
	var details struct {
		Fields []RecordField `json:"fields"`
	}
	err = c.do(ctx, call{
		op: operation{areaIntelligence, "read the record's fields"}, method: http.MethodGet, path: path + id, repeatable: true, out: &details,
	})
	return details.Fields, modelFault(err, model, record)
}

func partPath(model, rest string) (string, error) {
	id, err := segment(model)
	return modelsPath + "/" + id + rest, err
}

func readPart[T any](ctx context.Context, c *Client, model, what, rest string, id func(T) string) ([]T, error) {
	path, err := partPath(model, rest)
	if err != nil {
		return nil, err
	}
	list, err := readList(ctx, c, what, path, id)
	return list, modelFault(err, model, "")
}

const (
	// listPage is the size of a list's pages: what the smallest license allows,
	// since larger ones may be refused.
	listPage = 50
	// maxListPages bounds a list.
	maxListPages = 400
)

// page is the envelope of a list.
type page[T any] struct {
	PageSize number `json:"pageSize"`
	Content  []T    `json:"content"`
}

// readList reads a list to its end, which is a page shorter than it could be:
// Celonis's "total" tells of the page and not of the list. A server that takes
// no notice of the page asked for gives the first one again, which ends it too.
func readList[T any](ctx context.Context, c *Client, what, path string, id func(T) string) ([]T, error) {
	var all []T
	for n := range maxListPages {
		var p page[T]
		err := c.do(ctx, call{
			op: operation{areaIntelligence, what}, method: http.MethodGet, path: path,
			query: url.Values{"page": {strconv.Itoa(n)}, "pageSize": {strconv.Itoa(listPage)}}, repeatable: true, out: &p,
		})
		if err != nil {
			return nil, err
		}
		if n > 0 && len(p.Content) > 0 && id(p.Content[0]) == id(all[0]) {
			return all, nil
		}
		all = append(all, p.Content...)
		size := listPage
		if p.PageSize > 0 && p.PageSize < listPage {
			size = int(p.PageSize)
		}
		if len(p.Content) < size {
			return all, nil
		}
	}
	return nil, fault.New(fault.CelonisAnswer, "the answer to the request to %s has more than %d pages", what, maxListPages)
}

// The codes of a 404 that say what was not found.
const codeRecordUnknown = "KM_RECORD_NOTFOUND"

// modelFault names what was not found.
func modelFault(err error, model, record string) error {
	if !fault.Has(err, fault.CelonisNotFound) {
		return err
	}
	var status *statusError
	if record != "" && errors.As(err, &status) && status.code == codeRecordUnknown {
		return fault.Wrap(err, fault.CelonisNotFound, "celonis knows no record %q in the knowledge model %q", record, model).
			WithHint("pick the record anew: it may have been renamed in Celonis Studio")
	}
	return fault.Wrap(err, fault.CelonisNotFound, "celonis knows no knowledge model %q, or the key may not see it", model).
		WithHint("the id is <package key>.<knowledge model key>; in Celonis Studio open the package: a model must be published to be found")
}

// text reads decoration that Celonis's services write as a string, a number,
// a boolean or null; anything else is no decoration and reads as "".
type text string

// UnmarshalJSON takes any JSON value.
func (t *text) UnmarshalJSON(data []byte) error {
	var s string
	switch {
	case json.Unmarshal(data, &s) == nil:
		*t = text(s)
	case len(data) > 0 && data[0] != '{' && data[0] != '[':
		*t = text(data)
	default:
		*t = ""
	}
	return nil
}

// number reads a whole number, bare or in quotes; anything else reads as 0.
type number int

// UnmarshalJSON takes any JSON value.
func (n *number) UnmarshalJSON(data []byte) error {
	var t text
	if err := t.UnmarshalJSON(data); err != nil {
		return err
	}
	value, err := strconv.Atoi(string(t))
	if err != nil {
		value = 0
	}
	*n = number(value)
	return nil
}
