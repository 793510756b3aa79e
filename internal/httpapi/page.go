package httpapi

import (
	"encoding/base64"
	"net/http"
	"strconv"

	"github.com/celonis-connector/connector/internal/fault"
)

const (
	// DefaultLimit is how many items a list gives when the caller does not say.
	DefaultLimit = 50
	// MaxLimit bounds the items of an answer.
	MaxLimit = 200
)

// page is the part of a list that a caller asks for.
type page struct {
	limit int
	after string
}

// limit reads how many items are wanted. Fault RequestFieldInvalid.
func (r *call) limit() (int, error) {
	text := r.query.Get("limit")
	if text == "" {
		return DefaultLimit, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > MaxLimit {
		return 0, fault.New(fault.RequestFieldInvalid, "the query parameter \"limit\" must be a number from 1 to %d", MaxLimit)
	}
	return n, nil
}

// page reads limit and cursor. Faults: RequestFieldInvalid, RequestCursor.
func (r *call) page() (page, error) {
	limit, err := r.limit()
	if err != nil {
		return page{}, err
	}
	p := page{limit: limit}
	if cursor := r.query.Get("cursor"); cursor != "" {
		id, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
		if err != nil || !plausibleID(string(id)) {
			return page{}, fault.New(fault.RequestCursor, "the cursor %q is none of ours", shorten(cursor)).
				WithHint("pass the \"next\" of the answer before, or leave the cursor out to start anew")
		}
		p.after = string(id)
	}
	return p, nil
}

// ask is how many items to ask a service for: one more tells whether there is a next part.
func (p page) ask() int { return p.limit + 1 }

// listing is the form of every list.
type listing[T any] struct {
	Items []T     `json:"items"`
	Next  *string `json:"next"`
}

// listed makes the answer of a list from up to page.ask items.
func listed[D, T any](p page, items []D, idOf func(*D) string, view func(*D) T) (reply, error) {
	out := listing[T]{Items: make([]T, 0, min(len(items), p.limit))}
	if len(items) > p.limit {
		items = items[:p.limit]
		next := base64.RawURLEncoding.EncodeToString([]byte(idOf(&items[p.limit-1])))
		out.Next = &next
	}
	for i := range items {
		out.Items = append(out.Items, view(&items[i]))
	}
	return reply{status: http.StatusOK, body: out}, nil
}
