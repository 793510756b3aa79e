package flows

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
)

// ExportHTTP reads a REST API through a connection of type http.
const ExportHTTP ExportType = "http"

// The methods of an HTTPRequest.
const (
	MethodGet  = "GET"
	MethodPost = "POST"
)

// HTTPRequest is what is asked of an API. URL, query, headers and body may hold
// placeholders such as {{watermark}}, see Placeholders.
type HTTPRequest struct {
	// Method absent is GET.
	Method string `json:"method,omitempty" validate:"omitempty,oneof=GET POST"`
	// URL is a path below the connection's baseUrl, with or without a query; an absolute URL must lie below it too.
	URL string `json:"url,omitempty" validate:"max=4096"`
	// Query are parameters that are added to URL; one that is nothing but a placeholder without a value is left out.
	Query   []Param              `json:"query,omitempty" validate:"max=100,dive"`
	Headers []connections.Header `json:"headers,omitempty" validate:"max=50,dive"`
	// Body belongs to POST: JSON, or any other text with the header Content-Type.
	Body string `json:"body,omitempty" validate:"max=262144"`
	// RetryPost says that a POST may be sent again when its answer was lost, because it only reads.
	RetryPost bool `json:"retryPost,omitempty"`
}

// Param is a parameter of a query.
type Param struct {
	Name  string `json:"name" validate:"required,max=256"`
	Value string `json:"value,omitempty" validate:"max=4096"`
}

// PagingType says how an API is asked for the next page.
type PagingType string

// The types of paging.
const (
	// PagingPage counts pages, PagingOffset records.
	PagingPage   PagingType = "page"
	PagingOffset PagingType = "offset"
	// PagingToken hands a token of each answer to the next request.
	PagingToken PagingType = "token"
	// PagingLink follows the header "Link" with rel="next" (RFC 8288).
	PagingLink PagingType = "link"
	// PagingNextURL follows a URL in the answer.
	PagingNextURL PagingType = "nextUrl"
	// PagingBody is any of the first three, by placeholders in the request's body.
	PagingBody PagingType = "body"
)

const (
	// DefaultMaxPages and MaxPages bound the pages of one run; to reach the bound is a fault.
	DefaultMaxPages = 100_000
	MaxPages        = 1_000_000
)

// Paging says how a run gets from page to page, and when it ends: at an empty
// page, at a page shorter than PageSize, where HasMorePath is false, where there
// is no token or URL for another page, or where TotalPath is reached.
type Paging struct {
	Type PagingType `json:"type" validate:"required,oneof=page offset token link nextUrl body"`
	// PageParam, OffsetParam and TokenParam are the query parameters that carry what their placeholders stand for; absent,
	// the request itself holds the placeholder.
	PageParam   string `json:"pageParam,omitempty" validate:"max=256"`
	OffsetParam string `json:"offsetParam,omitempty" validate:"max=256"`
	TokenParam  string `json:"tokenParam,omitempty" validate:"max=256"`
	// FirstPage is the number of the first page; absent is 1.
	FirstPage *int `json:"firstPage,omitempty" validate:"omitempty,min=0,max=1000000"`
	// PageSize is how many records a full page has; SizeParam the query parameter that asks for so many.
	PageSize  int    `json:"pageSize,omitempty" validate:"min=0,max=1000000"`
	SizeParam string `json:"sizeParam,omitempty" validate:"max=256"`
	// TokenPath, NextURLPath, HasMorePath and TotalPath are JSON Pointers into the answer. In TokenPath the word "-" behind
	// the items path stands for the page's last record.
	TokenPath   string `json:"tokenPath,omitempty" validate:"max=1024"`
	NextURLPath string `json:"nextUrlPath,omitempty" validate:"max=1024"`
	HasMorePath string `json:"hasMorePath,omitempty" validate:"max=1024"`
	TotalPath   string `json:"totalPath,omitempty" validate:"max=1024"`
	// MaxPages absent is DefaultMaxPages.
	MaxPages int `json:"maxPages,omitempty" validate:"min=0,max=1000000"`
}

// First is the number of the first page.
func (p *Paging) First() int {
	if p.FirstPage == nil {
		return 1
	}
	return *p.FirstPage
}

// httpDefaults fills what a caller left out.
func httpDefaults(e Export) Export {
	if e.Type != ExportHTTP {
		return e
	}
	if e.Request == nil {
		e.Request = &HTTPRequest{}
	}
	request := *e.Request
	if request.Method == "" {
		request.Method = MethodGet
	}
	e.Request = &request
	if e.Paging != nil && e.Paging.MaxPages == 0 {
		paging := *e.Paging
		paging.MaxPages = DefaultMaxPages
		e.Paging = &paging
	}
	return e
}

func checkHTTPExport(e Export) (fields []fault.Field) {
	if e.ConnectionID == "" {
		fields = append(fields, missing("/export/connectionId", "must name a connection of type http"))
	}
	if e.Format == ParquetFile {
		fields = append(fields, invalid("/export/format", "must be one of csv, ndjson, json"))
	}
	if e.CSV != nil && e.Format != CSV {
		fields = append(fields, invalid("/export/csv", "belongs to the format csv only"))
	}
	if (e.Format == CSV || e.Format == NDJSON) && e.ItemsPath != "" {
		fields = append(fields, invalid("/export/itemsPath", "belongs to answers in JSON only"))
	}
	fields = append(fields, checkPointers(pointed{"/export/itemsPath", e.ItemsPath})...)
	r := e.Request
	if r == nil {
		r = &HTTPRequest{}
	}
	used, wrong := checkRequest(*r)
	fields = append(fields, wrong...)
	fields = append(fields, checkPaging(e.Paging, used)...)
	return append(fields, checkHTTPDelta(e, used)...)
}

// usage tells where a request holds which placeholder.
type usage struct {
	all, body map[Placeholder]bool
	// bare holds those that stand outside of the query, where they cannot be left out.
	bare map[Placeholder]bool
}

func checkRequest(r HTTPRequest) (usage, []fault.Field) {
	u := usage{map[Placeholder]bool{}, map[Placeholder]bool{}, map[Placeholder]bool{}}
	var fields []fault.Field
	read := func(pointer, text string, into ...map[Placeholder]bool) {
		t, err := ParseTemplate(text)
		if err != nil {
			fields = append(fields, invalid(pointer, err.Error()))
		}
		for _, p := range Placeholders() {
			for _, m := range append(into, u.all) {
				m[p] = m[p] || t.Uses(p)
			}
		}
	}
	read("/export/request/url", r.URL, u.bare)
	if strings.ContainsAny(r.URL, "\r\n\t #\\") {
		fields = append(fields, invalid("/export/request/url", "must not hold spaces, backslashes, line breaks or a fragment"))
	}
	for i, p := range r.Query {
		read(fmt.Sprintf("/export/request/query/%d/value", i), p.Value)
		if word := secretWord(p.Name); word != "" && len(p.Value) > 0 && !strings.Contains(p.Value, "{{") {
			fields = append(fields, invalid(fmt.Sprintf("/export/request/query/%d/name", i), "looks as if it carried a secret: its name holds "+word+"; a secret belongs into the connection"))
		}
	}
	for i, h := range r.Headers {
		read(fmt.Sprintf("/export/request/headers/%d/value", i), h.Value, u.bare)
		fields = append(fields, checkRequestHeader(fmt.Sprintf("/export/request/headers/%d", i), h)...)
	}
	read("/export/request/body", r.Body, u.bare, u.body)
	if r.Body != "" && r.Method != MethodPost {
		fields = append(fields, invalid("/export/request/body", "belongs to the method POST only"))
	}
	if r.RetryPost && r.Method != MethodPost {
		fields = append(fields, invalid("/export/request/retryPost", "belongs to the method POST only"))
	}
	return u, append(fields, checkBody(r)...)
}

// checkBody: what looks like JSON must be JSON, whatever stands in for a placeholder.
func checkBody(r HTTPRequest) []fault.Field {
	text := strings.TrimSpace(r.Body)
	if !strings.HasPrefix(text, "{") && !strings.HasPrefix(text, "[") || strings.HasPrefix(text, "{{") {
		return nil
	}
	for _, h := range r.Headers {
		if strings.EqualFold(h.Name, "content-type") && !strings.Contains(strings.ToLower(h.Value), "json") {
			return nil
		}
	}
	t, err := ParseTemplate(r.Body)
	if err != nil {
		return nil
	}
	if !json.Valid([]byte(t.Fill(nil, func(string, string) string { return "0" }))) {
		return []fault.Field{invalid("/export/request/body", "begins as JSON and is none; for another text, set the header Content-Type")}
	}
	return nil
}

// secretWord gives what makes the name of a query parameter look like that of a secret.
func secretWord(name string) string {
	lower := strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(name))
	for _, word := range []string{"apikey", "accesstoken", "passw", "secret", "clientsecret", "authtoken"} {
		if strings.Contains(lower, word) {
			return word
		}
	}
	return ""
}

// checkRequestHeader: a request may say what it sends and takes; for the rest a connection's rules hold.
func checkRequestHeader(at string, h connections.Header) (fields []fault.Field) {
	name, value := connections.CheckHeader(h)
	if strings.EqualFold(h.Name, "accept") || strings.EqualFold(h.Name, "content-type") {
		name = nil
	}
	if name != nil {
		fields = append(fields, invalid(at+"/name", fault.From(name).Message))
	}
	if value != nil {
		fields = append(fields, invalid(at+"/value", fault.From(value).Message))
	}
	return fields
}

// pointed is a member of a spec that holds a JSON Pointer.
type pointed struct{ pointer, text string }

func checkPointers(members ...pointed) (fields []fault.Field) {
	for _, m := range members {
		if m.text == "" {
			continue
		}
		if !strings.HasPrefix(m.text, "/") || strings.Contains(strings.NewReplacer("~0", "", "~1", "").Replace(m.text), "~") {
			fields = append(fields, invalid(m.pointer, "must be a JSON Pointer: a slash before every name, as in /data/items"))
		}
	}
	return fields
}
