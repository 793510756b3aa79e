package celonis

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/pace"
	"github.com/celonis-connector/connector/internal/scim"
)

const (
	scimPath = "/scim/v2"
	// maxScimAnswer bounds one answer, in bytes: a page, or a group with all its members.
	maxScimAnswer = 64 << 20
)

// SCIM is the SCIM API of a team: users, groups and what the server says about
// itself, which it remembers. It is safe for concurrent use.
//
// Faults beside those of every call: CelonisSCIMOff when the team has it
// switched off, CelonisLicenses when no license is left, CelonisNotUnique when
// a userName or displayName is taken, CelonisMailFixed when an e-mail address
// would change, CelonisStale when somebody else wrote in between, CelonisInDoubt
// when nothing can tell whether a write was done, CelonisRejected with a
// ScimType for what is not valid.
type SCIM struct {
	Users  *SCIMResources[scim.User]
	Groups *SCIMResources[scim.Group]

	c     *Client
	mu    sync.Mutex
	known scimFacts
}

// scimFacts are what was learned of a server.
type scimFacts struct {
	config *scim.ServiceProviderConfig
	place  scim.Place
	// flagText: the server gives sendEmailOnInvitation as a string, and gets it so.
	flagText bool
	// noPatch, noFilter and noSearch: it was asked for and is not there, whatever the server says of itself.
	noPatch, noFilter, noSearch bool
}

// SCIM gives the team's SCIM API. Keep it as long as the client: what it
// learns of the server saves requests.
func (c *Client) SCIM() *SCIM {
	s := &SCIM{c: c}
	s.Users = &SCIMResources[scim.User]{s: s, kind: scim.KindUser, form: userForm()}
	s.Groups = &SCIMResources[scim.Group]{s: s, kind: scim.KindGroup, form: groupForm()}
	return s
}

func (s *SCIM) facts() scimFacts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known
}

func (s *SCIM) learn(change func(*scimFacts)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.known)
}

// Config gives what the server says that it can do. It is asked once; a server
// that says nothing gives the zero value, by which it can do nothing optional.
func (s *SCIM) Config(ctx context.Context) (scim.ServiceProviderConfig, error) {
	if known := s.facts().config; known != nil {
		return *known, nil
	}
	var config scim.ServiceProviderConfig
	err := s.read(ctx, "read what the SCIM API can do", "/ServiceProviderConfig", nil, &config)
	if err != nil && !isUnknownRoute(err) {
		return scim.ServiceProviderConfig{}, err
	}
	s.learn(func(f *scimFacts) { f.config = &config })
	return config, nil
}

// Schemas lists the schemas of the server's resources. Fault CelonisNotFound for a server that tells none.
func (s *SCIM) Schemas(ctx context.Context) ([]scim.Schema, error) {
	return readDocuments[scim.Schema](ctx, s, "list the SCIM schemas", "/Schemas")
}

// Schema gives the schema of a URN. Fault CelonisNotFound.
func (s *SCIM) Schema(ctx context.Context, urn string) (scim.Schema, error) {
	return readDocument[scim.Schema](ctx, s, "read the SCIM schema", "/Schemas/", urn)
}

// ResourceTypes lists the kinds of resources that the server has. Fault CelonisNotFound for a server that tells none.
func (s *SCIM) ResourceTypes(ctx context.Context) ([]scim.ResourceType, error) {
	return readDocuments[scim.ResourceType](ctx, s, "list the SCIM resource types", "/ResourceTypes")
}

// ResourceType gives the resource type of a name, such as "User". Fault CelonisNotFound.
func (s *SCIM) ResourceType(ctx context.Context, name string) (scim.ResourceType, error) {
	return readDocument[scim.ResourceType](ctx, s, "read the SCIM resource type", "/ResourceTypes/", name)
}

// Probe asks for one user, or none, to learn whether the API is there for the key.
func (s *SCIM) Probe(ctx context.Context) error {
	one := 1
	_, err := s.Users.Page(ctx, scim.SearchRequest{Count: &one, Attributes: []string{"userName"}})
	return err
}

// readDocuments reads a list that some servers give as a ListResponse and others as an array.
func readDocuments[T any](ctx context.Context, s *SCIM, what, path string) ([]T, error) {
	var raw json.RawMessage
	if err := s.read(ctx, what, path, nil, &raw); err != nil {
		return nil, err
	}
	var list []T
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("[")) {
		return list, unreadable(json.Unmarshal(raw, &list), what)
	}
	var page struct {
		Resources []T `json:"Resources"`
	}
	err := json.Unmarshal(raw, &page)
	return page.Resources, unreadable(err, what)
}

func readDocument[T any](ctx context.Context, s *SCIM, what, path, id string) (T, error) {
	var out T
	at, err := segment(id)
	if err != nil {
		return out, err
	}
	return out, s.read(ctx, what, path+at, nil, &out)
}

func unreadable(err error, what string) error {
	if err == nil {
		return nil
	}
	return fault.Wrap(err, fault.CelonisAnswer, "the answer to the request to %s is not one of scim", what)
}

func (s *SCIM) read(ctx context.Context, what, path string, query url.Values, out any) error {
	k := s.call(what, http.MethodGet, path)
	k.query, k.repeatable = query, true
	r, err := s.answer(ctx, k)
	if err != nil {
		return err
	}
	k.out = out
	return s.c.decode(k, r)
}

func (s *SCIM) call(what, method, path string) call {
	return call{
		op: operation{areaSCIM, what}, method: method, path: scimPath + path, large: maxScimAnswer,
		header: http.Header{"Accept": {scim.MediaType + ", application/json;q=0.9, */*;q=0.5"}},
	}
}

// answer makes a call, and makes it again when it was refused for the rate and the wait is short; a long one is the
// caller's.
func (s *SCIM) answer(ctx context.Context, k call) (*reply, error) {
	if k.json != nil {
		k.header = k.header.Clone()
		k.header.Set("Content-Type", scim.MediaType)
	}
	for try := uint(1); ; try++ {
		r, err := s.c.answer(ctx, k)
		if statusOf(err) == http.StatusNotFound && (k.path == scimPath+"/Users" || k.path == scimPath+"/Groups") {
			return nil, fault.Wrap(err, fault.CelonisSCIMOff, "celonis has no scim api for the request to %s", k.op.what).
				WithHint("%s", scimHint(fault.CelonisSCIMOff, answer{}))
		}
		if k.repeatable || try >= s.c.retry.Tries || !fault.Has(err, fault.CelonisRateLimited) {
			return r, err
		}
		wait := max(fault.From(err).ResumeAt.Sub(s.c.now()), 0)
		if wait > s.c.retry.MaxWait {
			return nil, err
		}
		if err := pace.Rest(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// listQuery writes a request for a page into an address.
func listQuery(q scim.SearchRequest) url.Values {
	out := url.Values{}
	set := func(name, value string) {
		if value != "" {
			out.Set(name, value)
		}
	}
	set("filter", q.Filter)
	set("sortBy", q.SortBy)
	set("sortOrder", q.SortOrder)
	set("attributes", commaList(q.Attributes))
	set("excludedAttributes", commaList(q.ExcludedAttributes))
	if q.StartIndex > 0 {
		set("startIndex", strconv.Itoa(q.StartIndex))
	}
	if q.Count != nil {
		set("count", strconv.Itoa(*q.Count))
	}
	return out
}
