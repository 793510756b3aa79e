package httpsource

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

// prepared is an export's request, ready to be filled for each page.
type prepared struct {
	spec    flows.HTTPRequest
	url     flows.Template
	query   []flows.Template
	headers []flows.Template
	body    flows.Template
	escape  func(before, value string) string
	media   string
}

func prepare(spec *flows.HTTPRequest) (*prepared, error) {
	if spec == nil {
		spec = &flows.HTTPRequest{}
	}
	p := &prepared{spec: *spec}
	if p.spec.Method == "" {
		p.spec.Method = flows.MethodGet
	}
	var failed error
	parse := func(text string) flows.Template {
		t, err := flows.ParseTemplate(text)
		if err != nil && failed == nil {
			failed = fault.Wrap(err, fault.FlowInvalid, "the request of the export cannot be read: %v", err)
		}
		return t
	}
	p.url, p.body = parse(spec.URL), parse(spec.Body)
	for _, q := range spec.Query {
		p.query = append(p.query, parse(q.Value))
	}
	for _, h := range spec.Headers {
		p.headers = append(p.headers, parse(h.Value))
		if strings.EqualFold(h.Name, "content-type") {
			p.media = h.Value
		}
	}
	if p.media == "" {
		p.media = mediaOf(spec.Body)
	}
	p.escape = escapeFor(p.media)
	return p, failed
}

// mediaOf guesses what a body without a Content-Type is.
func mediaOf(body string) string {
	text := strings.TrimSpace(body)
	if strings.HasPrefix(text, "[") || strings.HasPrefix(text, "{") && !strings.HasPrefix(text, "{{") {
		return "application/json"
	}
	return "text/plain; charset=utf-8"
}

func escapeFor(media string) func(before, value string) string {
	media = strings.ToLower(media)
	switch {
	case strings.Contains(media, "json"):
		return escapeJSON
	case strings.Contains(media, "x-www-form-urlencoded"):
		return func(_, value string) string { return url.QueryEscape(value) }
	case strings.Contains(media, "xml"):
		return func(_, value string) string {
			var b strings.Builder
			_ = xml.EscapeText(&b, []byte(value)) // a Builder takes everything
			return b.String()
		}
	}
	return verbatim
}

func verbatim(_, value string) string { return value }

// escapeJSON escapes a value inside of a JSON string; outside of one it becomes
// a number where it is one, null where it is empty, else a string.
func escapeJSON(before, value string) string {
	quoted, _ := json.Marshal(value) // a string cannot fail
	if endsInString(before) {
		return string(quoted[1 : len(quoted)-1])
	}
	if value == "" {
		return "null"
	}
	if value[0] != '"' && value[0] != '{' && value[0] != '[' && json.Valid([]byte(value)) {
		return value
	}
	return string(quoted)
}

// endsInString reports whether a beginning of a JSON document ends within a string.
func endsInString(text string) bool {
	in := false
	for i := 0; i < len(text); i++ {
		switch {
		case in && text[i] == '\\':
			i++
		case text[i] == '"':
			in = !in
		}
	}
	return in
}

// escapeURL escapes a value for a URL: in the path as a segment, behind the
// question mark as a part of the query.
func escapeURL(before, value string) string {
	if strings.Contains(before, "?") {
		return url.QueryEscape(value)
	}
	return url.PathEscape(value)
}

// request makes the request of a page. next, when set, is the whole URL of it.
func (c *Client) request(ctx context.Context, r *reading, next *url.URL) (*http.Request, error) {
	values := r.values()
	target := next
	if target == nil {
		var err error
		if target, err = c.resolve(r.prepared.url.Fill(values, escapeURL)); err != nil {
			return nil, err
		}
		addQuery(target, r, values)
	}
	var body io.Reader
	if r.prepared.spec.Method == flows.MethodPost {
		body = strings.NewReader(r.prepared.body.Fill(values, r.prepared.escape))
	}
	req, err := http.NewRequestWithContext(ctx, r.prepared.spec.Method, target.String(), body)
	if err != nil {
		return nil, fault.New(fault.FlowInvalid, "the request of the export makes no URL")
	}
	return req, setHeaders(req, r, values)
}

func setHeaders(req *http.Request, r *reading, values map[flows.Placeholder]string) error {
	req.Header.Set("Accept", "application/json, application/x-ndjson;q=0.9, text/csv;q=0.8, */*;q=0.5")
	req.Header.Set("Accept-Encoding", acceptEncoding)
	if req.Body != nil {
		req.Header.Set("Content-Type", r.prepared.media)
	}
	for i, h := range r.prepared.spec.Headers {
		value := r.prepared.headers[i].Fill(values, verbatim)
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return fault.New(fault.SourceFormat, "the value for the header %q holds control characters", h.Name)
		}
		req.Header.Set(h.Name, value)
	}
	return nil
}

// addQuery adds the parameters of the request and of its paging.
func addQuery(u *url.URL, r *reading, values map[flows.Placeholder]string) {
	paging := r.pagingParams(values)
	if len(r.prepared.spec.Query) == 0 && len(paging) == 0 {
		return
	}
	query := u.Query()
	for i, p := range r.prepared.spec.Query {
		t := r.prepared.query[i]
		if name := t.Alone(); name != "" && values[name] == "" {
			continue
		}
		query.Add(p.Name, t.Fill(values, verbatim))
	}
	for name, value := range paging {
		query.Set(name, value)
	}
	u.RawQuery = query.Encode()
}

// resolve makes an absolute URL of a path below the base, or of a URL that lies
// there. Fault SourceNextURL for any other.
func (c *Client) resolve(text string) (*url.URL, error) {
	base := *c.base
	if strings.HasPrefix(text, "http://") || strings.HasPrefix(text, "https://") {
		u, err := url.Parse(text)
		if err != nil || !c.isBelow(u) {
			return nil, fault.New(fault.SourceNextURL, "the export's URL does not lie below the connection's base URL")
		}
		return u, nil
	}
	if text != "" && !strings.HasPrefix(text, "?") {
		text = "/" + strings.TrimLeft(text, "/")
	}
	u, err := url.Parse(strings.TrimRight(base.String(), "/") + text)
	if err != nil || !c.isBelow(u) {
		return nil, fault.New(fault.SourceNextURL, "the export's URL does not lie below the connection's base URL").
			WithHint("export.request.url is a path below the connection's baseUrl, without dot segments")
	}
	return u, nil
}

// isBelow reports whether a URL lies below the connection's base URL: the same
// scheme, host and port, a path under that of the base, no user.
func (c *Client) isBelow(u *url.URL) bool {
	if u.Scheme != c.base.Scheme || !strings.EqualFold(hostPort(u), hostPort(c.base)) || u.User != nil || u.Opaque != "" {
		return false
	}
	for segment := range strings.SplitSeq(strings.ReplaceAll(u.Path, `\`, "/"), "/") {
		if segment == ".." || segment == "." {
			return false
		}
	}
	root := strings.TrimRight(c.base.Path, "/")
	at := path.Clean("/" + u.Path)
	return root == "" || at == root || strings.HasPrefix(at, root+"/")
}

func hostPort(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	if u.Scheme == "http" {
		return u.Host + ":80"
	}
	return u.Host + ":443"
}

// pagingParams gives the query parameters that the paging adds.
func (r *reading) pagingParams(values map[flows.Placeholder]string) map[string]string {
	params := map[string]string{}
	p := r.paging
	if p == nil {
		return params
	}
	for _, m := range []struct{ name, value string }{
		{p.PageParam, values[flows.PlacePage]}, {p.OffsetParam, values[flows.PlaceOffset]}, {p.TokenParam, values[flows.PlaceToken]},
	} {
		if m.name != "" && m.value != "" {
			params[m.name] = m.value
		}
	}
	if p.SizeParam != "" && p.PageSize > 0 {
		params[p.SizeParam] = strconv.Itoa(p.PageSize)
	}
	return params
}
