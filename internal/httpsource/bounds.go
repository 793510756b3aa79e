package httpsource

import (
	"strings"

	"github.com/celonis-connector/connector/flows"
)

// bounds leaves out records that do not lie in a window. A bound that the
// request itself tells the source is left to the source. Records at a bound,
// and those without a value, are kept: to read one twice is harmless.
type bounds struct {
	kind     flows.MarkType
	from, to string
}

func newBounds(e flows.Export, w *flows.Window) *bounds {
	if w == nil {
		return nil
	}
	b := &bounds{kind: e.Delta.Kind(), from: w.From, to: w.To}
	if asks(e.Request, flows.PlaceWatermark) {
		b.from = ""
	}
	if asks(e.Request, flows.PlaceUntil) {
		b.to = ""
	}
	return b
}

// asks reports whether a request holds a placeholder.
func asks(r *flows.HTTPRequest, name flows.Placeholder) bool {
	if r == nil {
		return false
	}
	texts := []string{r.URL, r.Body}
	for _, q := range r.Query {
		texts = append(texts, q.Value)
	}
	for _, h := range r.Headers {
		texts = append(texts, h.Value)
	}
	t, err := flows.ParseTemplate(strings.Join(texts, "\n"))
	return err == nil && t.Uses(name)
}

// hold reports whether a record with this value belongs to the window.
func (b *bounds) hold(value string) bool {
	if b == nil || value == "" {
		return true
	}
	if b.from != "" {
		if order, err := b.kind.Compare(value, b.from); err == nil && order < 0 {
			return false
		}
	}
	if b.to != "" {
		if order, err := b.kind.Compare(value, b.to); err == nil && order > 0 {
			return false
		}
	}
	return true
}
