package scimgate

import (
	"context"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/scim"
)

// listing is a request for a page on its way.
type listing struct {
	Place
	kind   scim.Kind
	ask    scim.SearchRequest
	filter *scim.Filter
	// start counts from 1; count may be 0.
	start, count int
	ids          ids
	// waiting are the operations by resource, order the resources in the order of their first.
	waiting map[string][]Operation
	order   []string
}

// List gives a page. Celonis's own filter is used where it can be trusted: each
// resource is held against the filter here too, and the whole list is looked
// through where Celonis filters otherwise, or is asked to sort. What waits is
// part of it. Faults: ScimFilter, ScimPath, ScimTooMany, and those of Celonis.
func (s *Service) List(ctx context.Context, at Place, k scim.Kind, ask scim.SearchRequest) (scim.ListResponse, error) {
	l := listing{Place: at, kind: k, ask: ask, start: max(ask.StartIndex, 1), count: DefaultCount}
	if ask.Count != nil {
		l.count = min(max(*ask.Count, 0), MaxResults)
	}
	if err := l.readFilter(); err != nil {
		return scim.ListResponse{}, err
	}
	d, err := s.deps.Directories.Directory(ctx, at.Workspace, at.ConnectionID)
	if err != nil {
		return scim.ListResponse{}, err
	}
	if l.ids, err = s.ids(ctx, at); err != nil {
		return scim.ListResponse{}, err
	}
	if err := s.collectWaiting(ctx, &l); err != nil {
		return scim.ListResponse{}, err
	}
	total, page, err := s.page(ctx, d, &l)
	if down(err) {
		if found, known := s.lookedUp(&l); known {
			total, page, err = 1, []scim.Resource{found}, nil
		}
	}
	if err != nil {
		return scim.ListResponse{}, err
	}
	return scim.ListResponse{
		Schemas: []string{scim.URNListResponse}, TotalResults: total, StartIndex: l.start, ItemsPerPage: len(page), Resources: page,
	}, nil
}

func (l *listing) readFilter() (err error) {
	if strings.TrimSpace(l.ask.Filter) != "" {
		if l.filter, err = scim.ParseFilter(l.ask.Filter); err != nil {
			return err
		}
	}
	if l.ask.SortBy != "" {
		err = scim.Sort(nil, l.ask.SortBy, false)
	}
	return err
}

func (s *Service) collectWaiting(ctx context.Context, l *listing) error {
	waiting, err := s.deps.Store.SCIMOperations(ctx, OperationQuery{Place: l.Place, Kind: l.kind, State: Pending})
	l.waiting = map[string][]Operation{}
	for _, o := range waiting {
		if l.waiting[o.ResourceID] == nil {
			l.order = append(l.order, o.ResourceID)
		}
		l.waiting[o.ResourceID] = append(l.waiting[o.ResourceID], o)
	}
	return err
}

// page gives the page of the request, from Celonis's own where that is right.
func (s *Service) page(ctx context.Context, d Directory, l *listing) (total int, page []scim.Resource, err error) {
	if l.ask.SortBy == "" && len(l.waiting) == 0 {
		total, page, right, err := l.celonisPage(ctx, d)
		if right || (err != nil && !unfiltered(err)) {
			return total, page, err
		}
	}
	all, err := s.scan(ctx, d, l)
	if err != nil {
		return 0, nil, err
	}
	if l.ask.SortBy != "" {
		if err := scim.Sort(all, l.ask.SortBy, strings.EqualFold(l.ask.SortOrder, "descending")); err != nil {
			return 0, nil, err
		}
	}
	from := min(l.start-1, len(all))
	return len(all), all[from:min(from+l.count, len(all))], nil
}

// unfiltered reports whether Celonis says that it takes no such filter.
func unfiltered(err error) bool { return fault.Has(err, fault.CelonisRejected) }

// celonisPage asks Celonis for the page; right is false when what comes is not what the filter says, or more than was asked for.
func (l *listing) celonisPage(ctx context.Context, d Directory) (total int, page []scim.Resource, right bool, err error) {
	ask := scim.SearchRequest{StartIndex: l.start, Count: &l.count, ExcludedAttributes: l.spared()}
	if l.filter != nil {
		ask.Filter = l.celonisFilter()
	}
	total, list, err := d.Page(ctx, l.kind, ask)
	if err != nil {
		return 0, nil, false, err
	}
	right = total >= 0 && len(list) <= l.count
	for _, r := range list {
		r = l.ids.shown(r)
		right = right && l.fits(r)
		page = append(page, r)
	}
	// A page that is not full before the end is the server's own bound, which the caller reads on from.
	return total, page, right && (len(page) > 0 || l.count == 0 || total < l.start), nil
}

// spared are the members of groups where the caller does not want them and the filter does not need them: they are most of a listing.
func (l *listing) spared() []string {
	for _, name := range l.ask.ExcludedAttributes {
		if strings.EqualFold(name, "members") && !strings.Contains(strings.ToLower(l.ask.Filter), "members") {
			return []string{"members"}
		}
	}
	return nil
}

// celonisFilter is the filter with Celonis's ids.
func (l *listing) celonisFilter() string {
	text := l.ask.Filter
	for alias, id := range l.ids.toCelonis {
		if id != "" {
			text = strings.ReplaceAll(text, alias, id)
		}
	}
	return text
}

func (l *listing) fits(r scim.Resource) bool { return l.filter == nil || l.filter.Matches(r) }

// scan looks through everything, with what waits.
func (s *Service) scan(ctx context.Context, d Directory, l *listing) ([]scim.Resource, error) {
	all, seen, count := []scim.Resource{}, map[string]bool{}, 0
	take := func(r scim.Resource) error {
		if count++; count > MaxScanned {
			return fault.New(fault.ScimTooMany, "the filter means looking through more than %d resources", MaxScanned).
				WithHint("ask for one by its %s", l.kind.NameAttribute())
		}
		r = l.ids.shown(r)
		id := r.Text("id")
		seen[id] = true
		r, err := s.fold(r, l.waiting[id])
		if err == nil && r != nil && l.fits(r) {
			all = append(all, r)
		}
		return err
	}
	ask := scim.SearchRequest{ExcludedAttributes: l.spared()}
	if attribute, _, ok := l.lookup(); ok && strings.EqualFold(attribute, l.kind.NameAttribute()) {
		// The look by name is right whether Celonis filters or not.
		_, name, _ := l.lookup()
		r, found, err := d.Find(ctx, l.kind, name)
		if err == nil && found {
			err = take(r)
		}
		if err != nil {
			return nil, err
		}
	} else if err := d.Each(ctx, l.kind, ask, take); err != nil {
		return nil, err
	}
	for _, id := range l.order {
		if seen[id] || l.waiting[id][0].Verb != Create {
			continue
		}
		r, err := s.fold(nil, l.waiting[id])
		if err != nil {
			return nil, err
		}
		if r != nil && l.fits(r) {
			all = append(all, r)
		}
	}
	return all, nil
}

func (l *listing) lookup() (attribute, text string, ok bool) {
	if l.filter == nil {
		return "", "", false
	}
	return l.filter.Lookup()
}

// lookedUp finds the one that waits and is named by the filter, while Celonis is down.
func (s *Service) lookedUp(l *listing) (scim.Resource, bool) {
	attribute, _, ok := l.lookup()
	if !ok || (!strings.EqualFold(attribute, l.kind.NameAttribute()) && !strings.EqualFold(attribute, "id")) || l.start > 1 {
		return nil, false
	}
	for _, id := range l.order {
		r, err := s.fold(nil, l.waiting[id])
		if err == nil && r != nil && l.fits(r) {
			return r, true
		}
	}
	return nil, false
}
