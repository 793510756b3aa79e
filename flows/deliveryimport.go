package flows

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
)

// The methods of a DeliveryRequest beside MethodPost.
const (
	MethodPut    = "PUT"
	MethodPatch  = "PATCH"
	MethodDelete = "DELETE"
)

const (
	// MaxDeliveryBatch bounds the rows of one request, MaxDeliveryConcurrency the requests that are under way at once.
	MaxDeliveryBatch, MaxDeliveryConcurrency = 1000, 16
	// BodyJSON is one JSON document, BodyNDJSON a JSON object on each line.
	BodyJSON, BodyNDJSON = "json", "ndjson"
)

// DeliveryRequest is how rows are sent to an API. URL and the values of headers
// may hold columns of the row, as in {{CASE_ID}}, where a request has one row.
type DeliveryRequest struct {
	// Method absent is POST.
	Method string `json:"method,omitempty" validate:"omitempty,oneof=POST PUT PATCH DELETE"`
	// URL is a path below the connection's baseUrl, with or without a query; an absolute URL must lie below it too.
	URL     string               `json:"url,omitempty" validate:"max=4096"`
	Headers []connections.Header `json:"headers,omitempty" validate:"max=50,dive"`
}

// httpImportKind is an import whose rows are sent to a REST API.
func httpImportKind() importKind {
	return importKind{
		writes: []connections.APIType{connections.HTTP},
		members: []string{
			"connectionId", "request", "batch", "bodyFormat", "itemsPath", "resultsPath", "omitNulls", "idempotencyHeader", "concurrency", "capture",
		},
		defaults: httpImportDefaults, check: checkHTTPImport,
	}
}

func httpImportDefaults(i Import) Import {
	var r DeliveryRequest
	if i.Request != nil {
		r = *i.Request
	}
	if r.Method == "" {
		r.Method = MethodPost
	}
	i.Request = &r
	if i.Batch == 0 {
		i.Batch = 1
	}
	if i.BodyFormat == "" && r.Method != MethodDelete {
		i.BodyFormat = BodyJSON
	}
	if i.Concurrency == 0 {
		i.Concurrency = 1
	}
	return i
}

// Idempotent reports whether sending a request of the import twice does what
// once does: by its method, or since the API tells repeated requests by a header.
func (i Import) Idempotent() bool {
	if i.Type == ImportWebhook || i.IdempotencyHeader != "" {
		return true
	}
	return i.Request != nil && (i.Request.Method == MethodPut || i.Request.Method == MethodDelete)
}

func checkHTTPImport(i Import) (fields []fault.Field) {
	r := *i.Request
	names, err := ColumnsIn(r.URL)
	if err != nil {
		fields = append(fields, invalid("/import/request/url", err.Error()))
	}
	if strings.ContainsAny(r.URL, "\r\n\t #\\") {
		fields = append(fields, invalid("/import/request/url", "must not hold spaces, backslashes, line breaks or a fragment; a column's name may not either"))
	}
	for n, h := range r.Headers {
		at := fmt.Sprintf("/import/request/headers/%d", n)
		fields = append(fields, checkRequestHeader(at, h)...)
		inValue, err := ColumnsIn(h.Value)
		if err != nil {
			fields = append(fields, invalid(at+"/value", err.Error()))
		}
		names = append(names, inValue...)
		if strings.EqualFold(h.Name, i.IdempotencyHeader) {
			fields = append(fields, invalid(at+"/name", "is the idempotencyHeader already"))
		}
	}
	if i.Batch > 1 && len(names) > 0 {
		fields = append(fields, invalid("/import/batch", "must be 1 where the request holds columns of the row, as in {{"+names[0]+"}}"))
	}
	if i.Concurrency > 1 && !i.Idempotent() {
		fields = append(fields, invalid("/import/concurrency", "needs the method PUT or DELETE, or an idempotencyHeader: of several requests under way nobody could tell which arrived"))
	}
	if i.IdempotencyHeader != "" {
		fields = append(fields, checkOwnHeader("/import/idempotencyHeader", i.IdempotencyHeader)...)
	}
	return append(fields, checkDeliveryBody(i)...)
}

// checkOwnHeader checks the name of a header whose value is the service's own:
// a name with "key" or "signature" in it carries no secret.
func checkOwnHeader(pointer, name string) []fault.Field {
	plain := strings.NewReplacer("key", "k", "signature", "s").Replace(strings.ToLower(name))
	if wrong, _ := connections.CheckHeader(connections.Header{Name: plain, Value: "x"}); wrong != nil {
		return []fault.Field{invalid(pointer, fault.From(wrong).Message)}
	}
	return nil
}

func checkDeliveryBody(i Import) (fields []fault.Field) {
	if i.ItemsPath != "" && i.BodyFormat == BodyNDJSON {
		fields = append(fields, invalid("/import/itemsPath", "belongs to the bodyFormat json only"))
	}
	if i.ResultsPath != nil && i.Batch == 1 {
		fields = append(fields, invalid("/import/resultsPath", "belongs to a batch of more than one row"))
	}
	results := ""
	if i.ResultsPath != nil {
		results = *i.ResultsPath
	}
	return append(fields, checkPointers(pointed{"/import/itemsPath", i.ItemsPath}, pointed{"/import/resultsPath", results})...)
}

// ColumnsIn lists the columns whose values a text of a request holds, as in
// {{CASE_ID}}; an error says what is wrong with the text.
func ColumnsIn(text string) (names []string, err error) {
	err = CutColumns(text, func(_, column string) {
		if column != "" && !slices.Contains(names, column) {
			names = append(names, column)
		}
	})
	return names, err
}

// CutColumns cuts a text of a request at the columns that it holds: part is
// called with each piece of text and the column behind it, "" behind the last.
func CutColumns(text string, part func(text, column string)) error {
	for rest := text; ; {
		before, after, found := strings.Cut(rest, "{{")
		if !found {
			part(before, "")
			return nil
		}
		column, next, closed := strings.Cut(after, "}}")
		switch column = strings.TrimSpace(column); {
		case !closed:
			return fmt.Errorf("the placeholder at byte %d has no }}", len(text)-len(after)-2)
		case column == "":
			return fmt.Errorf("the placeholder at byte %d names no column", len(text)-len(after)-2)
		}
		part(before, column)
		rest = next
	}
}

// checkRowMembers: what a body is built of must be columns of the mapping that do not contradict each other.
func checkRowMembers(s Spec) (fields []fault.Field) {
	if s.Import.Type != ImportHTTP && s.Import.Type != ImportWebhook || len(s.Mapping) == 0 {
		return nil
	}
	columns := make([]string, len(s.Mapping))
	for n, r := range s.Mapping {
		columns[n] = r.To
	}
	for n, problem := range BodyProblems(columns) {
		if problem != "" {
			fields = append(fields, fault.Field{Pointer: fmt.Sprintf("/mapping/%d/to", n), Code: fault.MappingColumns, Detail: problem})
		}
	}
	r := s.Import.Request
	if r == nil {
		return fields
	}
	names, _ := ColumnsIn(r.URL) // its faults are told already
	for _, name := range names {
		if !slices.Contains(columns, name) {
			fields = append(fields, invalid("/import/request/url", fmt.Sprintf("holds %q, which is no column of the mapping", name)))
		}
	}
	return fields
}

// BodyProblems says of each column why it cannot stand in a body beside those
// before it, "" where it can. A column whose name begins with "/" is a JSON
// Pointer to where its value stands; any other name is a member of the body.
func BodyProblems(columns []string) []string {
	out := make([]string, len(columns))
	taken := map[string]bool{} // by the way, in JSON: whether a value stands there
	for n, column := range columns {
		path, ok := BodyPath(column)
		if !ok {
			out[n] = "is no JSON Pointer: ~ must be followed by 0 or 1"
			continue
		}
		for depth := 1; depth <= len(path) && out[n] == ""; depth++ {
			way, _ := json.Marshal(path[:depth]) // texts cannot fail
			isValue, there := taken[string(way)]
			if there && (isValue || depth == len(path)) {
				out[n] = "stands where another column stands, or above or below it"
			}
		}
		if out[n] != "" {
			continue
		}
		for depth := 1; depth <= len(path); depth++ {
			way, _ := json.Marshal(path[:depth])
			taken[string(way)] = depth == len(path)
		}
	}
	return out
}

// BodyPath gives the members on the way to a column's value; ok is false for a name that begins with "/" and is no JSON Pointer.
func BodyPath(column string) (path []string, ok bool) {
	if !strings.HasPrefix(column, "/") {
		return []string{column}, true
	}
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	for part := range strings.SplitSeq(column[1:], "/") {
		if strings.Contains(strings.NewReplacer("~0", "", "~1", "").Replace(part), "~") {
			return nil, false
		}
		path = append(path, unescape.Replace(part))
	}
	return path, true
}
