package httpsource

import (
	"net/url"
	"strings"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

// refuseRepeat ends a reading that goes in a circle: the records of the page
// before, or of the first one, have come again. After all records that the
// source says it has, that is its way to say that there are no more.
func (r *reading) refuseRepeat(got *page) (end bool, err error) {
	if got.records == 0 || r.paging == nil {
		return false, nil
	}
	now := contents{got.sum, got.records}
	if now == r.last || now == r.first {
		if r.complete {
			return true, nil
		}
		return false, fault.New(fault.SourceCursorLoop, "page %d has the same %d records as a page before it", r.result.Pages, got.records).
			WithHint("the source does not understand how it is asked for the next page; look at export.paging and at the source's documentation")
	}
	if r.first.records == 0 {
		r.first = now
	}
	r.last = now
	return false, nil
}

// advance moves on to the next page and tells whether there is one.
func (r *reading) advance(got *page) (more bool, err error) {
	r.pageNumber++
	r.offset += int64(got.records)
	r.asked[got.url.String()] = true
	p := r.paging
	probing := r.probing
	r.probing, r.complete = false, false
	if more, told := got.hasMore(p.HasMorePath); told && !more {
		return false, nil
	}
	switch {
	case p.Type == flows.PagingLink:
		return r.follow(got, got.link)
	case p.Type == flows.PagingNextURL:
		return r.follow(got, scalarText(got.next))
	case p.TokenPath != "":
		return r.followToken(got)
	}
	return r.count(got, probing)
}

// count decides for sources whose pages are counted.
func (r *reading) count(got *page, probing bool) (more bool, err error) {
	p := r.paging
	if got.records == 0 {
		return false, nil
	}
	if more, told := got.hasMore(p.HasMorePath); told && more {
		return true, nil
	}
	total, known := got.total(p.TotalPath)
	switch {
	case known && r.offset == total:
		// What calls itself a total may be the size of a page: behind a full page the next one tells.
		r.probing, r.complete = true, true
		return p.PageSize == 0 || got.records >= p.PageSize, nil
	case known && r.offset < total:
		return true, nil
	}
	if p.PageSize == 0 || got.records >= p.PageSize {
		return true, nil
	}
	// A short first page may be the last one, or the source gives shorter pages than it is asked for: then the next
	// page tells.
	if r.result.Pages == 1 && !probing && (p.SizeParam != "" || r.prepared.body.Uses(flows.PlacePageSize)) {
		r.probing = true
		return true, nil
	}
	return r.result.Pages > 1 && got.records >= r.first.records, nil
}

func (r *reading) followToken(got *page) (bool, error) {
	token := scalarText(got.token)
	if token == "" {
		return false, r.mustEnd(got, "token")
	}
	if r.asked[token] || token == r.token {
		return false, fault.New(fault.SourceCursorLoop, "page %d gives a token that was asked with before", r.result.Pages).
			WithHint("look at export.paging.tokenPath, and at how the request hands the token over")
	}
	r.asked[token], r.token = true, token
	return true, nil
}

// mustEnd is a fault where the source says that there is more and not how to get it.
func (r *reading) mustEnd(got *page, what string) error {
	if more, told := got.hasMore(r.paging.HasMorePath); told && more {
		return fault.New(fault.SourceFormat, "page %d says that there are more records and gives no %s to get them with", r.result.Pages, what).
			WithHint("look at export.paging: its paths must lead to where the answer has them")
	}
	return nil
}

// follow goes on with a URL that the source gave.
func (r *reading) follow(got *page, text string) (bool, error) {
	if text == "" {
		return false, r.mustEnd(got, "URL")
	}
	next, err := url.Parse(strings.TrimSpace(text))
	if err != nil {
		return false, fault.New(fault.SourceNextURL, "the URL of the page after page %d cannot be read", r.result.Pages)
	}
	next = got.url.ResolveReference(next)
	next.Fragment = ""
	if !r.client.isBelow(next) {
		return false, fault.New(fault.SourceNextURL, "the page after page %d lies at %q, not below the connection's base URL", r.result.Pages, r.client.place(next)).
			WithHint("the login of the connection is sent nowhere else; give the connection the base URL of all pages")
	}
	key := next.String()
	if r.asked[key] {
		return false, fault.New(fault.SourceCursorLoop, "page %d gives a URL that was asked for before", r.result.Pages)
	}
	r.asked[key], r.nextURL = true, next
	return true, nil
}
