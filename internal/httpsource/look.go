package httpsource

import (
	"io"
	"net/http"
	"net/url"
	"strings"
)

// maxSent is how much of a request's body is shown, in bytes.
const maxSent = 4 << 10

// answered is how much an answer holds.
type answered struct {
	size    int64
	records int
}

// look shows an answer to whoever looks on.
func (r *reading) look(res *http.Response, head []byte, got answered) {
	if r.job.Looked == nil {
		return
	}
	redact := r.client.redact
	r.show(Exchange{
		Status: res.StatusCode, ContentType: redact.text(res.Header.Get("Content-Type")), Size: got.size,
		Body: []byte(redact.text(string(head))), Records: got.records,
	}, res.Request)
}

// show tells of a request, with what is known of its answer.
func (r *reading) show(e Exchange, req *http.Request) {
	if r.job.Looked == nil {
		return
	}
	c := r.client
	e.Method, e.URL, e.Header = req.Method, c.redact.text(shownURL(req.URL)), c.shown(req.Header)
	e.Took = c.Now().Sub(r.began)
	if req.GetBody != nil {
		if body, err := req.GetBody(); err == nil {
			text, _ := io.ReadAll(io.LimitReader(body, maxSent)) // what is there helps
			e.Sent = c.redact.text(strings.ToValidUTF8(string(text), ""))
		}
	}
	r.job.Looked(e)
}

// shownURL gives an address without the values of parameters that log in.
func shownURL(u *url.URL) string {
	query := u.Query()
	hidden := false
	for name := range query {
		switch strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(name)) {
		case "key", "apikey", "accesskey", "subscriptionkey", "token", "accesstoken", "authtoken", "secret", "clientsecret", "password", "passwd", "pwd", "sig", "signature", "code":
			query.Set(name, "[redacted]")
			hidden = true
		}
	}
	if !hidden {
		return u.String()
	}
	shown := *u
	shown.RawQuery = strings.ReplaceAll(query.Encode(), url.QueryEscape("[redacted]"), "[redacted]")
	return shown.String()
}

// shown gives headers without what logs in: by value, and by the names that it goes by.
func (c *Client) shown(h http.Header) http.Header {
	out := make(http.Header, len(h))
	for name, values := range h {
		for _, v := range values {
			if logsIn(name) {
				v = "[redacted]"
			}
			out.Add(name, c.redact.text(v))
		}
	}
	return out
}

// logsIn reports whether a header of this name may hold a secret.
func logsIn(name string) bool {
	name = strings.ToLower(name)
	for _, word := range []string{"authorization", "cookie", "token", "secret", "key", "password", "credential", "signature"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}
