package celonis

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
)

// ODataQuery asks for rows of a record by the OData feed of its knowledge model.
type ODataQuery struct {
	Model, Record string
	Select        []string
	// Filter is one expression, FilterID a filter of the model.
	Filter, FilterID string
	// OrderBy are fields, with " desc" behind descending ones.
	OrderBy   []string
	Top, Skip int
}

// ODataPage is a part of a feed. Total is what the feed counts, 0 when it does not.
type ODataPage struct {
	Rows  []json.RawMessage
	Total int
}

// OData reads a part of a feed. Faults as those of KnowledgeData.
func (c *Client) OData(ctx context.Context, q ODataQuery) (*ODataPage, error) {
	model, err := segment(q.Model)
	if err != nil {
		return nil, err
	}
	record, err := segment(q.Record)
	if err != nil {
		return nil, err
	}
	v := url.Values{"$format": {"json"}, "$top": {strconv.Itoa(q.Top)}, "$skip": {strconv.Itoa(q.Skip)}, "$count": {"true"}}
	for name, value := range map[string]string{
		"$select": strings.Join(q.Select, ","), "$filter": q.Filter, "filterid": q.FilterID, "$orderby": strings.Join(q.OrderBy, ","),
	} {
		if value != "" {
			v.Set(name, value)
		}
	}
	var body struct {
		Value json.RawMessage `json:"value"`
		Count number          `json:"@odata.count"`
	}
	err = c.whole(ctx, call{
		op: operation{areaIntelligence, "read the OData feed"}, method: http.MethodGet, path: "/intelligence/api/odata/" + model + ".svc/" + record + "_entries",
		query: v, repeatable: true, out: &body,
	})
	if err != nil {
		if fault.Has(err, fault.CelonisNotFound) {
			return nil, modelFault(err, q.Model, q.Record)
		}
		return nil, fieldFault(err)
	}
	rows, err := dataRows(body.Value, 0)
	return &ODataPage{Rows: rows, Total: int(body.Count)}, err
}
