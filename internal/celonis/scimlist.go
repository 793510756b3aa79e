package celonis

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/pace"
	"github.com/celonis-connector/connector/internal/scim"
)

const (
	// scimPage is how many resources a page is asked for where the server does not say how many it gives; mostScimPage bounds it.
	scimPage     = 200
	mostScimPage = 1000
	// maxScimPages bounds one list.
	maxScimPages = 200_000
	// longestQuery is the longest query that goes into an address, in bytes.
	longestQuery = 2000
)

// SCIMPage is a page of users or groups.
type SCIMPage[T any] struct {
	// Total is how many the server says there are, Start the number of the first of this page, from 1.
	Total, Start int
	Resources    []T
}

// Page gives one page. A filter that is too long for an address goes by POST.
func (r *SCIMResources[T]) Page(ctx context.Context, q scim.SearchRequest) (SCIMPage[T], error) {
	query := listQuery(q)
	if len(query.Encode()) > longestQuery && !r.s.facts().noSearch {
		return r.Search(ctx, q)
	}
	k := r.s.call("list the "+r.form.plural, http.MethodGet, r.kind.Path())
	k.query, k.repeatable = query, true
	reply, err := r.s.answer(ctx, k)
	if err != nil {
		return SCIMPage[T]{}, err
	}
	return r.page(k, reply)
}

// Search is Page by POST /.search, where the server has it.
func (r *SCIMResources[T]) Search(ctx context.Context, q scim.SearchRequest) (SCIMPage[T], error) {
	k := r.s.call("search the "+r.form.plural, http.MethodPost, r.kind.Path()+"/.search")
	q.Schemas = []string{scim.URNSearchRequest}
	k.json, k.repeatable = q, true
	reply, err := r.s.answer(ctx, k)
	if isUnknownRoute(err) {
		r.s.learn(func(f *scimFacts) { f.noSearch = true })
		return r.Page(ctx, q)
	}
	if err != nil {
		return SCIMPage[T]{}, err
	}
	return r.page(k, reply)
}

// page reads a page leniently: without schemas, and with numbers that are texts.
func (r *SCIMResources[T]) page(k call, reply *reply) (SCIMPage[T], error) {
	var told struct {
		TotalResults *number         `json:"totalResults"`
		StartIndex   number          `json:"startIndex"`
		Resources    []scim.Resource `json:"Resources"`
	}
	k.out = &told
	if err := r.s.c.decode(k, reply); err != nil {
		return SCIMPage[T]{}, err
	}
	if told.TotalResults == nil && told.Resources == nil {
		return SCIMPage[T]{}, fault.New(fault.CelonisAnswer, "the answer to the request to %s is not a list of scim", k.op.what).WithHint("%s", domainHint)
	}
	p := SCIMPage[T]{Total: -1, Start: int(told.StartIndex)}
	if told.TotalResults != nil {
		p.Total = int(*told.TotalResults)
	}
	for _, raw := range told.Resources {
		p.Resources = append(p.Resources, r.take(raw))
	}
	return p, nil
}

// All goes through every resource that a request means, page by page, each
// once. It ends with the first error. StartIndex and Count of the request are
// not looked at, but for Count as the size of a page.
func (r *SCIMResources[T]) All(ctx context.Context, q scim.SearchRequest) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		_, err := r.Read(ctx, q, func(one T) error {
			if !yield(one, nil) {
				return errStopped
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStopped) {
			var none T
			yield(none, err)
		}
	}
}

// errStopped ends a reading that nobody listens to any more.
var errStopped = errors.New("nobody reads on")

// Read is All, and tells how many the server said that there are. Where Told
// has another Total than Records, or has Moved, the list was written to
// meanwhile or the server counts otherwise. An error of each ends it and comes
// back as it is. Fault SourceCursorLoop for a server that gives the same page
// again and again.
func (r *SCIMResources[T]) Read(ctx context.Context, q scim.SearchRequest, each func(T) error) (Told, error) {
	l := &scimReading[T]{r: r, q: q, size: r.s.pageSize(ctx, q), start: 1, told: Told{Total: -1}, seen: map[string]bool{}}
	for range maxScimPages {
		end, err := l.next(ctx, each)
		if end || err != nil {
			return l.told, err
		}
	}
	return l.told, fault.New(fault.SourceTooManyPages, "the list of %s has more than %d pages", r.form.plural, maxScimPages)
}

// pageSize is how many resources a page is asked for. Where the server does not say what it can do, the list itself tells why.
func (s *SCIM) pageSize(ctx context.Context, q scim.SearchRequest) int {
	if q.Count != nil && *q.Count > 0 {
		return *q.Count
	}
	config, err := s.Config(ctx)
	if most := config.Filter.MaxResults; err == nil && most > 0 {
		return min(most, mostScimPage)
	}
	return scimPage
}

// scimReading is a list on its way.
type scimReading[T scim.User | scim.Group] struct {
	r *SCIMResources[T]
	q scim.SearchRequest
	// size is how many a page is asked for, start the number of the next; largest is the longest page that came.
	size, start, largest int
	told                 Told
	seen                 map[string]bool
	// whole: everything is asked for in one page, as the server does not go on from page to page.
	whole bool
}

// next reads a page. What the server says of the total ends nothing by itself:
// the list ends with a page that brings nothing new, or with one that is
// shorter than others when all that were promised have come.
func (l *scimReading[T]) next(ctx context.Context, each func(T) error) (end bool, err error) {
	q := l.q
	q.StartIndex, q.Count = l.start, &l.size
	p, err := l.page(ctx, q)
	switch {
	case errors.Is(err, errAnswerTooLong) && l.size > 1 && !l.whole:
		l.size /= 2
		return false, nil
	case l.start > 1 && l.told.Records >= l.told.Total && isBeyond(err):
		return true, nil
	case err != nil:
		return false, err
	}
	l.told.hear(int64(p.Total))
	fresh, err := l.take(p.Resources, each)
	if err != nil {
		return false, err
	}
	got := len(p.Resources)
	all := l.told.Total >= 0 && l.told.Records >= l.told.Total
	switch {
	case got == 0, all && got < l.largest:
		return true, nil
	case fresh > 0 && !l.whole:
		l.start += got
		l.largest = max(l.largest, got)
		return false, nil
	case all, l.told.Total < 0:
		return true, nil
	case !l.whole && l.told.Total > int64(l.size):
		l.whole, l.start, l.size = true, 1, int(l.told.Total)
		return false, nil
	}
	return false, fault.New(fault.SourceCursorLoop, "celonis says that there are %d %s, and gives the same %d again and again", l.told.Total, l.r.form.plural, l.told.Records).
		WithHint("the server does not go on to the next page: tell Celonis support")
}

// page is Page in the middle of something long, which waits out a spent rate.
func (l *scimReading[T]) page(ctx context.Context, q scim.SearchRequest) (SCIMPage[T], error) {
	for n := 0; ; n++ {
		p, err := l.r.Page(ctx, q)
		if !fault.Has(err, fault.CelonisRateLimited) || n == maxAdminWaits {
			return p, err
		}
		wait := max(fault.From(err).ResumeAt.Sub(l.r.s.c.now()), 0)
		if wait > longestAdminWait {
			return p, err
		}
		if err := pace.Rest(ctx, wait); err != nil {
			return p, err
		}
	}
}

// take hands over what was not seen yet.
func (l *scimReading[T]) take(page []T, each func(T) error) (fresh int, err error) {
	for _, one := range page {
		id := *l.r.form.of(&one).id
		if id == "" {
			return fresh, fault.New(fault.CelonisAnswer, "a %s in celonis's answer has no id", l.r.form.noun)
		}
		if l.seen[id] {
			continue
		}
		l.seen[id] = true
		fresh++
		if err := each(one); err != nil {
			return fresh, err
		}
		l.told.Records++
	}
	return fresh, nil
}

// ByName gives the user of a userName, or the group of a displayName, whatever
// its case; false when there is none. It is right whether the server filters or not.
func (r *SCIMResources[T]) ByName(ctx context.Context, name string) (T, bool, error) {
	found, err := r.find(ctx, r.kind.NameAttribute(), name, func(i scimIdentity) bool { return strings.EqualFold(i.name, name) })
	if err != nil || len(found) == 0 {
		var none T
		return none, false, err
	}
	return found[0], true, nil
}

// ByExternalID gives those with an externalId, which Celonis does not keep unique.
func (r *SCIMResources[T]) ByExternalID(ctx context.Context, id string) ([]T, error) {
	return r.find(ctx, "externalId", id, func(i scimIdentity) bool { return i.external == id })
}

// find asks for what has a value, and looks for itself where the server does not filter.
func (r *SCIMResources[T]) find(ctx context.Context, attribute, value string, fits func(scimIdentity) bool) ([]T, error) {
	if !r.s.facts().noFilter {
		p, err := r.Page(ctx, scim.SearchRequest{Filter: attribute + " eq " + quoted(value)})
		var found []T
		strange := false
		for _, one := range p.Resources {
			if fits(r.form.of(&one)) {
				found = append(found, one)
			} else {
				strange = true
			}
		}
		switch {
		case err == nil && !strange:
			return found, nil
		case err != nil && !lacks(err):
			return nil, err
		}
		r.s.learn(func(f *scimFacts) { f.noFilter = true })
	}
	var found []T
	_, err := r.Read(ctx, scim.SearchRequest{}, func(one T) error {
		if fits(r.form.of(&one)) {
			found = append(found, one)
		}
		return nil
	})
	return found, err
}
