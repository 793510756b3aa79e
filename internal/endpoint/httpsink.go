package endpoint

import (
	"context"
	"net/url"
	"strings"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/httpsink"
	"github.com/celonis-connector/connector/internal/httpsource"
)

// toAPI makes the sink of an import of type http; r is nil for a look at a flow.
func (b *Builder) toAPI(ctx context.Context, f *flows.Flow, r *flows.Run) (engine.Sink, error) {
	target, err := b.Outside.OutsideTarget(ctx, f.Workspace, f.Import.ConnectionID)
	if err != nil {
		return nil, err
	}
	if target.APIType != connections.HTTP {
		return nil, fault.New(fault.ConnectionAPIType, "the connection of the import is of apiType %q, not %q", target.APIType, connections.HTTP)
	}
	calls, err := b.Logins.Client(target)
	if err != nil {
		return nil, err
	}
	base, err := httpsource.NewBase(target.BaseURL)
	if err != nil {
		return nil, err
	}
	to, err := newAPI(f.Import, base)
	if err != nil {
		return nil, err
	}
	sender := httpsink.New(httpsink.Config{
		HTTP: calls, Redact: httpsource.NewRedactor(&target), Log: b.Log, Now: b.Now, Policy: policyOf(target.HTTP),
	})
	return &rowSink{spec: f.Import, fixed: fixedLengths(f.Mapping), to: to, sender: sender, file: b.answersOf(f, r), now: b.Now}, nil
}

func policyOf(h *connections.HTTPSettings) (p httpsink.Policy) {
	if h != nil && h.Retries != nil {
		p.Tries = *h.Retries + 1
	}
	return p
}

// api is a REST API that takes rows.
type api struct {
	spec    flows.Import
	base    *httpsource.Base
	url     []piece
	headers [][]piece
	// aboutRow says that the URL holds columns.
	aboutRow bool
}

// piece is a text and the column whose value stands behind it, "" for none.
type piece struct{ text, column string }

func newAPI(spec flows.Import, base *httpsource.Base) (*api, error) {
	a := &api{spec: spec, base: base}
	cut := func(text string) (out []piece, err error) {
		err = flows.CutColumns(text, func(text, column string) { out = append(out, piece{text, column}) })
		if err != nil {
			err = fault.New(fault.FlowInvalid, "the request of the import cannot be read: %s", err)
		}
		return out, err
	}
	var err error
	if a.url, err = cut(spec.Request.URL); err != nil {
		return nil, err
	}
	a.aboutRow = len(a.url) > 1
	for _, h := range spec.Request.Headers {
		pieces, err := cut(h.Value)
		if err != nil {
			return nil, err
		}
		a.headers = append(a.headers, pieces)
	}
	return a, nil
}

// restarts implements addressee: what a method makes harmless to repeat is so under any id.
func (a *api) restarts() bool {
	plain := a.spec
	plain.IdempotencyHeader = ""
	return plain.Idempotent()
}

// call implements addressee.
func (a *api) call(rows rowRange, id string) (httpsink.Call, error) {
	c := httpsink.Call{
		Method: a.spec.Request.Method, Header: bodyHeader(mediaOf(a.spec)), AboutRow: a.aboutRow, Keyed: a.spec.IdempotencyHeader != "",
	}
	text, err := fill(a.url, rows, escapeInURL)
	if err != nil {
		return c, err
	}
	u, ok := a.base.Resolve(text)
	switch {
	case ok:
		c.URL = u
	case a.aboutRow:
		return c, fault.New(fault.DestinationRow, "the row's values make a URL that does not lie below the connection's base URL")
	default:
		return c, fault.New(fault.FlowInvalid, "the import's URL does not lie below the connection's base URL").
			WithHint("import.request.url is a path below the connection's baseUrl, without dot segments")
	}
	for n, h := range a.spec.Request.Headers {
		value, err := fill(a.headers[n], rows, func(_, v string) (string, bool) { return v, !strings.ContainsFunc(v, isControl) })
		if err != nil {
			return c, err
		}
		c.Header.Set(h.Name, value)
	}
	if a.spec.IdempotencyHeader != "" {
		c.Header.Set(a.spec.IdempotencyHeader, id)
	}
	return c, nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// fill puts the values of the first row into the places of their columns.
func fill(pieces []piece, rows rowRange, escape func(before, value string) (string, bool)) (string, error) {
	var b strings.Builder
	for _, p := range pieces {
		b.WriteString(p.text)
		if p.column == "" {
			continue
		}
		n := rows.Schema.Index(p.column)
		if n < 0 {
			return "", fault.New(fault.FlowInvalid, "the import's request holds the column %q, and the rows have none of that name", p.column)
		}
		value := string(columns.RenderValue(&rows.Columns[n], rows.From, nil))
		escaped, ok := escape(b.String(), value)
		if value == "" || !ok {
			return "", fault.New(fault.DestinationRow, "column %q has no value that can stand in the request", p.column)
		}
		b.WriteString(escaped)
	}
	return b.String(), nil
}

// escapeInURL escapes a value for a URL: in the path as a segment, behind the question mark as a part of the query.
func escapeInURL(before, value string) (string, bool) {
	if strings.Contains(before, "?") {
		return url.QueryEscape(value), true
	}
	return url.PathEscape(value), value != "." && value != ".."
}
