package picker

import (
	"cmp"
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
)

// fetchTimeout bounds one reading of a list, all its pages included.
const fetchTimeout = 45 * time.Second

// Deps are what a Service needs. Logger, Now, Keep and MaxItems may be left out.
type Deps struct {
	Connections Connections
	Source      Source
	Logger      *slog.Logger
	Now         func() time.Time
	// Keep is how long a list is remembered; DefaultKeep when 0.
	Keep time.Duration
	// MaxItems bounds the items of all remembered lists; DefaultMaxItems when 0.
	MaxItems int
}

// Service answers pickers. It is safe for concurrent use.
type Service struct {
	deps  Deps
	cache *cache
}

// New makes a Service.
func New(d Deps) *Service {
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	s := &Service{deps: d}
	s.cache = newCache(cmp.Or(d.Keep, DefaultKeep), cmp.Or(d.MaxItems, DefaultMaxItems), d.Now, s.fetch)
	return s
}

// Ask is a request for a part of a list.
type Ask struct {
	Workspace string
	// Connection is the connection's id.
	Connection string
	Query
	// Search keeps the items whose value or label holds it, whatever the case.
	Search string
	// Limit is the most items of the answer, at least 1.
	Limit int
	// Cursor is the Next of the part before, "" for the first.
	Cursor string
	// Fresh asks Celonis anew.
	Fresh bool
}

// Page is a part of a list. When Celonis could not be asked or refused, Items
// is empty and Error says why: a form shows it at the field.
type Page struct {
	Items []Option
	// Next is the cursor of the next part, "" at the end.
	Next  string
	Error *fault.Error
}

// Options gives a part of a list. A failure in Celonis or on the way to it is
// in the page; the faults given as error are the caller's or our own:
// ConnectionNotFound, RequestInvalid with a field for each parameter that is
// missing or has no place, RequestCursor, RequestNotFound for an unknown kind,
// and those of connections.Service.Target.
func (s *Service) Options(ctx context.Context, a Ask) (Page, error) {
	c, err := s.deps.Connections.Get(ctx, a.Workspace, a.Connection)
	if err != nil {
		return Page{}, err
	}
	q, err := complete(a.Query, c)
	if err != nil {
		return Page{}, err
	}
	after, err := readCursor(a.Cursor)
	if err != nil {
		return Page{}, err
	}
	items, err := s.cache.get(ctx, key{a.Workspace, c.ID, c.Revision, q}, a.Fresh)
	if upstream, ok := s.upstream(ctx, a, err); ok {
		return Page{Error: upstream}, nil
	}
	if err != nil {
		return Page{}, err
	}
	found, more := part(items, a.Search, after, max(a.Limit, 1))
	page := Page{Items: make([]Option, len(found))}
	for i := range found {
		page.Items[i] = found[i].Option
	}
	if more {
		page.Next = found[len(found)-1].place().write()
	}
	return page, nil
}

// complete trims a query's parameters, puts the connection's pool where none is named, and checks it.
func complete(q Query, c *connections.Connection) (Query, error) {
	must, known := Needs(q.Kind)
	if !known {
		return q, fault.New(fault.RequestNotFound, "there is no list of %q", clip(string(q.Kind))).WithHint("the lists are %s", words(Kinds()))
	}
	for _, p := range parameters {
		value := p.of(&q)
		*value = strings.TrimSpace(*value)
	}
	if q.Pool == "" && len(must) > 0 && must[0] == "pool" {
		q.Pool = c.PoolID
	}
	return q, q.check()
}

// failed marks an error of Source, to tell it from our own.
type failed struct{ error }

func (f failed) Unwrap() error { return f.error }

// fetch reads a list from Celonis. The opened key lives inside this call (I4).
func (s *Service) fetch(ctx context.Context, k key) ([]item, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	target, err := s.deps.Connections.Target(ctx, k.workspace, k.connection)
	if err != nil {
		return nil, err
	}
	options, err := s.deps.Source.Options(ctx, target, k.query)
	if err != nil {
		if ctx.Err() != nil {
			err = fault.Wrap(err, fault.EgressTimeout, "celonis did not give the whole list within %s", fetchTimeout)
		}
		return nil, failed{err}
	}
	return arrange(options), nil
}

// upstream tells whether err is Celonis's, which the caller gets as a part of
// the answer. It is logged here, since the answer does not carry its cause.
func (s *Service) upstream(ctx context.Context, a Ask, err error) (*fault.Error, bool) {
	f, ok := err.(failed)
	if !ok || ctx.Err() != nil {
		return nil, false
	}
	e := fault.From(f.error)
	if e.Code == fault.Internal {
		return nil, false
	}
	s.deps.Logger.InfoContext(ctx, "celonis gave no list", "connection", a.Connection, "kind", a.Kind, "error", f.error)
	return e, true
}

func words(kinds []Kind) string {
	list := make([]string, len(kinds))
	for i, k := range kinds {
		list[i] = string(k)
	}
	return strings.Join(list, ", ")
}

// clip shortens a foreign word for a sentence.
func clip(s string) string {
	const most = 40
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
