package scim

import (
	"encoding/json"
	"strconv"

	"github.com/celonis-connector/connector/internal/fault"
)

// ReadSearch reads the body of POST /.search leniently: numbers may be texts.
// Faults: ScimSyntax, ScimValue.
func ReadSearch(body Resource) (SearchRequest, error) {
	q := SearchRequest{
		Schemas: []string{URNSearchRequest}, Attributes: texts(body.Get("attributes")), ExcludedAttributes: texts(body.Get("excludedAttributes")),
		Filter: body.Text("filter"), SortBy: body.Text("sortBy"), SortOrder: body.Text("sortOrder"),
	}
	for _, urn := range texts(body.Get("schemas")) {
		if urn != URNSearchRequest {
			return q, fault.New(fault.ScimSyntax, "schemas: %q is not %q", quote(urn), URNSearchRequest)
		}
	}
	start, _, err := whole(body, "startIndex")
	if err != nil {
		return q, err
	}
	q.StartIndex = start
	count, given, err := whole(body, "count")
	if given {
		q.Count = &count
	}
	return q, err
}

func whole(body Resource, name string) (n int, given bool, err error) {
	var text string
	switch v := body.Get(name).(type) {
	case nil:
		return 0, false, nil
	case json.Number:
		text = v.String()
	case string:
		text = v
	}
	n, err = strconv.Atoi(text)
	if err != nil {
		return 0, true, fault.New(fault.ScimValue, "%s: must be a whole number", name)
	}
	return max(n, 0), true, nil
}
