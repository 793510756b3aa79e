package httpsource_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/httpsource"
	"github.com/stretchr/testify/require"
)

// TestPlaceholdersAreEscaped: a value cannot change what is asked for.
func TestPlaceholdersAreEscaped(t *testing.T) {
	t.Parallel()
	const mark = `a/b?c=1&d "e" <é>`
	var uri, body, header, media string
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		uri, body, header, media = r.RequestURI, string(b), r.Header.Get("X-Since"), r.Header.Get("Content-Type")
		fmt.Fprint(w, `[]`)
	})
	for name, c := range map[string]struct {
		request flows.HTTPRequest
		uri     string
		body    string
	}{
		"path":          {flows.HTTPRequest{URL: "x/{{watermark}}/y?z={{watermark}}"}, "/x/a%2Fb%3Fc=1&d%20%22e%22%20%3C%C3%A9%3E/y?z=a%2Fb%3Fc%3D1%26d+%22e%22+%3C%C3%A9%3E", ""},
		"query":         {flows.HTTPRequest{URL: "x?a=1", Query: []flows.Param{{Name: "s", Value: ">{{watermark}}"}, {Name: "p", Value: "{{token}}"}}}, "/x?a=1&s=%3Ea%2Fb%3Fc%3D1%26d+%22e%22+%3C%C3%A9%3E", ""},
		"JSON":          {flows.HTTPRequest{Method: "POST", Body: `{"s":"> {{watermark}}","t":{{token}},"w":{{watermark}}}`}, "/", `{"s":"> a/b?c=1\u0026d \"e\" \u003cé\u003e","t":null,"w":"a/b?c=1\u0026d \"e\" \u003cé\u003e"}`},
		"form":          {flows.HTTPRequest{Method: "POST", Headers: []connections.Header{{Name: "Content-Type", Value: "application/x-www-form-urlencoded"}}, Body: `s={{watermark}}`}, "/", `s=a%2Fb%3Fc%3D1%26d+%22e%22+%3C%C3%A9%3E`},
		"XML":           {flows.HTTPRequest{Method: "POST", Headers: []connections.Header{{Name: "Content-Type", Value: "text/xml"}}, Body: `<s>{{watermark}}</s>`}, "/", `<s>a/b?c=1&amp;d &#34;e&#34; &lt;é&gt;</s>`},
		"the run start": {flows.HTTPRequest{URL: "x", Query: []flows.Param{{Name: "u", Value: "{{until}}"}, {Name: "r", Value: "{{runStart}}"}}}, "/x?r=2026-05-01T12%3A00%3A00Z&u=2026-05-01T12%3A00%3A00Z", ""},
	} {
		r := against(t, h, flows.Export{Request: &c.request})
		r.job.Window = &flows.Window{From: mark}
		_, _, err := r.read()
		require.NoError(t, err, name)
		require.Equal(t, c.uri, uri, name)
		require.Equal(t, c.body, body, name)
		require.Equal(t, c.body == "", media == "", name)
	}
	r := against(t, h, flows.Export{Request: &flows.HTTPRequest{Headers: []connections.Header{{Name: "X-Since", Value: "{{watermark}}"}}}})
	r.job.Window = &flows.Window{From: "2026-01-01"}
	r.mustRead()
	require.Equal(t, "2026-01-01", header)
	r.job.Window.From = "a\r\nX-Evil: 1"
	_, _, err := r.read()
	require.True(t, fault.Has(err, fault.SourceFormat), "%v", err)
}

func TestWatermarks(t *testing.T) {
	t.Parallel()
	const body = `[{"id":7,"at":"2026-03-01T10:00:00Z"},{"id":12,"at":"2026-03-01T12:00:00+02:00"},{"id":9,"at":"2026-03-01T09:59:59Z"},{"id":10,"at":null}]`
	asks := &flows.HTTPRequest{Query: []flows.Param{{Name: "since", Value: "{{watermark}}"}}}
	for name, c := range map[string]struct {
		delta   flows.DeltaSpec
		request *flows.HTTPRequest
		window  *flows.Window
		body    string
		want    string
		records int
		code    fault.Code
	}{
		"the latest time":    {flows.DeltaSpec{Mode: "delta", Field: "at"}, nil, &flows.Window{}, body, "2026-03-01T10:00:00Z", 4, ""},
		"the highest number": {flows.DeltaSpec{Mode: "delta", Field: "id", Type: "integer"}, nil, &flows.Window{}, body, "12", 4, ""},
		"the highest text":   {flows.DeltaSpec{Mode: "delta", Field: "/id", Type: "text"}, nil, &flows.Window{}, body, "9", 4, ""},
		"the run's start":    {flows.DeltaSpec{Mode: "delta"}, asks, &flows.Window{From: "2026-01-01"}, body, "2026-05-01T12:00:00Z", 4, ""},
		"the window's end":   {flows.DeltaSpec{Mode: "delta"}, asks, &flows.Window{To: "2026-04-01"}, body, "2026-04-01", 4, ""},
		"bounds of its own":  {flows.DeltaSpec{Mode: "delta", Field: "id", Type: "integer"}, nil, &flows.Window{From: "9", To: "10"}, body, "10", 2, ""},
		"a bound it asks":    {flows.DeltaSpec{Mode: "delta", Field: "id", Type: "integer"}, asks, &flows.Window{From: "9", To: "10"}, body, "10", 3, ""},
		"nothing new":        {flows.DeltaSpec{Mode: "delta", Field: "id", Type: "integer"}, nil, &flows.Window{From: "99"}, body, "", 0, ""},
		"no such field":      {flows.DeltaSpec{Mode: "delta", Field: "nope"}, nil, &flows.Window{}, body, "", 4, fault.SourceWatermark},
		"not of the type":    {flows.DeltaSpec{Mode: "delta", Field: "at", Type: "integer"}, nil, &flows.Window{}, body, "", 4, fault.SourceWatermark},
		"everything":         {flows.DeltaSpec{Mode: "all", Field: "at"}, nil, nil, body, "", 4, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := against(t, answering(200, "application/json", c.body), flows.Export{Request: c.request, Delta: &c.delta})
			r.job.Window = c.window
			records, result, err := r.read()
			require.Equal(t, c.code, fault.CodeOf(err), "%v", err)
			require.Equal(t, c.want, result.Watermark)
			require.Len(t, records, c.records)
		})
	}
}

// TestLooking: whoever looks on sees request and answer without the login.
func TestLooking(t *testing.T) {
	t.Parallel()
	r := against(t, answering(200, "application/json", `[{"echo":"`+key+`"}]`), flows.Export{Request: &flows.HTTPRequest{URL: "list?a=1"}})
	var seen []httpsource.Exchange
	r.job.Looked = func(e httpsource.Exchange) { seen = append(seen, e) }
	r.mustRead()
	require.Len(t, seen, 1)
	require.Equal(t, []any{"GET", r.config.Target.BaseURL + "/list?a=1", 200, 1}, []any{seen[0].Method, seen[0].URL, seen[0].Status, seen[0].Records})
	require.Equal(t, `[{"echo":"[redacted]"}]`, string(seen[0].Body))
}

func TestLimitsOfTheConnectionHold(t *testing.T) {
	t.Parallel()
	r := against(t, &api{n: 10, size: 5}, ways()["token"])
	target := r.config.Target
	two := 2
	target.HTTP = &connections.HTTPSettings{Retries: &two, Headers: []connections.Header{{Name: "X-Team", Value: "orders"}}}
	calls := 0
	r = against(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		calls++
		require.Equal(t, "orders", q.Header.Get("X-Team"))
		w.WriteHeader(http.StatusBadGateway)
	}), ways()["token"])
	target.BaseURL = r.config.Target.BaseURL
	r.as(target)
	start := time.Now()
	_, _, err := r.read()
	require.True(t, fault.Has(err, fault.SourceUnavailable), "%v", err)
	require.Equal(t, 3, calls)
	require.Less(t, time.Since(start), time.Minute)
}
