package celonis

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/pace"
	"github.com/celonis-connector/connector/internal/scim"
)

// SCIMResources are the users or the groups of a team.
type SCIMResources[T scim.User | scim.Group] struct {
	s    *SCIM
	kind scim.Kind
	form scimForm[T]
}

// scimForm is what the client knows of a type of resource.
type scimForm[T any] struct {
	// noun and plural are words of sentences.
	noun, plural string
	from         func(scim.Resource) T
	resource     func(T, scim.Place) scim.Resource
	// of gives what identifies a resource.
	of func(*T) scimIdentity
}

// scimIdentity is what identifies a resource; id and meta can be written through it.
type scimIdentity struct {
	id             *string
	meta           **scim.Meta
	name, external string
	members        []scim.Member
}

func userForm() scimForm[scim.User] {
	return scimForm[scim.User]{
		noun: "user", plural: "users", from: scim.UserFrom, resource: scim.User.Resource,
		of: func(u *scim.User) scimIdentity {
			return scimIdentity{id: &u.ID, meta: &u.Meta, name: u.UserName, external: u.ExternalID}
		},
	}
}

func groupForm() scimForm[scim.Group] {
	return scimForm[scim.Group]{
		noun: "group", plural: "groups", from: scim.GroupFrom, resource: scim.Group.Resource,
		of: func(g *scim.Group) scimIdentity {
			return scimIdentity{id: &g.ID, meta: &g.Meta, name: g.DisplayName, external: g.ExternalID, members: g.Members}
		},
	}
}

// version gives the entity tag that a resource was read with, "" without one.
func (i scimIdentity) version() string {
	if *i.meta == nil {
		return ""
	}
	return (*i.meta).Version
}

// Get reads a resource; with attributes only these, beside its id. Fault CelonisNotFound.
func (r *SCIMResources[T]) Get(ctx context.Context, id string, attributes ...string) (T, error) {
	var none T
	at, err := r.at(id)
	if err != nil {
		return none, err
	}
	k := r.s.call("read the "+r.form.noun, http.MethodGet, at)
	k.query, k.repeatable = listQuery(scim.SearchRequest{Attributes: attributes}), true
	reply, err := r.s.answer(ctx, k)
	if err != nil {
		return none, err
	}
	return r.decode(k, reply)
}

// Create makes a resource and gives it as it is then. Its id and meta are not
// sent. A lost answer is never followed by a second create: the resource is
// looked up first, so that nobody is invited twice. Fault CelonisInDoubt when
// that does not tell either; looking it up by ByName later does.
func (r *SCIMResources[T]) Create(ctx context.Context, one T) (T, error) {
	var none T
	identity := r.form.of(&one)
	*identity.id, *identity.meta = "", nil
	k := r.s.call("create the "+r.form.noun, http.MethodPost, r.kind.Path())
	for try := uint(1); ; try++ {
		reply, err := r.write(ctx, k, one)
		if err == nil {
			return r.created(ctx, k, reply, identity)
		}
		if !maybeDone(err) {
			return none, err
		}
		found, there, lookErr := r.ByName(ctx, identity.name)
		switch {
		case lookErr != nil:
			return none, r.doubt(err, lookErr)
		case there && r.form.of(&found).external != identity.external:
			return none, fault.Wrap(err, fault.CelonisNotUnique, "celonis has another %s of the name %q", r.form.noun, identity.name).
				WithHint("%s", scimHint(fault.CelonisNotUnique, answer{}))
		case there:
			return found, nil
		case try >= r.s.c.retry.Tries:
			return none, err
		}
		if err := pace.Rest(ctx, r.s.c.retry.Base<<try); err != nil {
			return none, err
		}
	}
}

// doubt is the fault of a write of which nothing tells whether it was done.
func (r *SCIMResources[T]) doubt(lost, look error) error {
	e := fault.Wrap(lost, fault.CelonisInDoubt, "the answer to the request to write the %s was lost, and the %s could not be looked up: %s",
		r.form.noun, r.form.noun, fault.From(look).Message)
	return e.WithResumeAt(fault.From(look).ResumeAt)
}

// created gives the resource that an answer tells of: its body, else the one at its Location, else that of the name.
func (r *SCIMResources[T]) created(ctx context.Context, k call, reply *reply, identity scimIdentity) (T, error) {
	if made, err := r.decode(k, reply); err == nil {
		return made, nil
	}
	if at, err := url.Parse(reply.header.Get("Location")); err == nil && at.Path != "" {
		if made, err := r.Get(ctx, path.Base(at.Path)); err == nil {
			return made, nil
		}
	}
	for try := uint(1); ; try++ {
		made, there, err := r.ByName(ctx, identity.name)
		if err == nil && there {
			return made, nil
		}
		if err == nil {
			err = fault.New(fault.CelonisInDoubt, "celonis says that it has created the %s, and does not show it", r.form.noun)
		}
		if try >= r.s.c.retry.Tries {
			return made, err
		}
		if err := pace.Rest(ctx, r.s.c.retry.Base<<try); err != nil {
			return made, err
		}
	}
}

// Replace writes a resource over the one of its id, and gives what is there
// then. When it was read with a version, CelonisStale tells that it is another
// one by now. Members that are left out are cleared or take their defaults.
func (r *SCIMResources[T]) Replace(ctx context.Context, one T) (T, error) {
	identity := r.form.of(&one)
	at, err := r.at(*identity.id)
	if err != nil {
		return one, err
	}
	k := r.s.call("replace the "+r.form.noun, http.MethodPut, at)
	version := identity.version()
	*identity.meta = nil
	return r.overwrite(ctx, overwriting[T]{
		call: k, version: version, id: *identity.id, body: one, wanted: func(now T) bool { return r.gave(now, one) },
	})
}

// Delete removes a resource. Fault CelonisNotFound when it is not there; a
// repetition after a lost answer does not count as that.
func (r *SCIMResources[T]) Delete(ctx context.Context, id string) error {
	at, err := r.at(id)
	if err != nil {
		return err
	}
	k := r.s.call("delete the "+r.form.noun, http.MethodDelete, at)
	for try := uint(1); ; try++ {
		_, err := r.s.answer(ctx, k)
		switch {
		case try > 1 && fault.Has(err, fault.CelonisNotFound):
			return nil
		case err == nil || !maybeDone(err) || try >= r.s.c.retry.Tries:
			return err
		}
		if err := pace.Rest(ctx, r.s.c.retry.Base<<try); err != nil {
			return err
		}
	}
}

// Patch sends operations as they are. Fault CelonisRejected from a server that
// has no PATCH; Update finds that out by itself.
func (r *SCIMResources[T]) Patch(ctx context.Context, id string, operations []scim.PatchOperation) (T, error) {
	var none T
	at, err := r.at(id)
	if err != nil {
		return none, err
	}
	k := r.s.call("change the "+r.form.noun, http.MethodPatch, at)
	k.json = scim.PatchRequest{Schemas: []string{scim.URNPatchOp}, Operations: operations}
	reply, err := r.s.answer(ctx, k)
	if err != nil {
		return none, err
	}
	return r.written(ctx, k, reply, id)
}

func (r *SCIMResources[T]) at(id string) (string, error) {
	s, err := segment(id)
	return r.kind.Path() + "/" + s, err
}

// written gives the resource of an answer to a write, which may have no body.
func (r *SCIMResources[T]) written(ctx context.Context, k call, reply *reply, id string) (T, error) {
	if made, err := r.decode(k, reply); err == nil {
		return made, nil
	}
	return r.Get(ctx, id)
}

// decode reads a resource. One without an id is none.
func (r *SCIMResources[T]) decode(k call, reply *reply) (T, error) {
	var none T
	raw, err := scim.ParseResource(reply.body)
	if err != nil || raw.Text("id") == "" {
		e := r.s.c.statusFault(k.op, reply)
		e.Code, e.Hint = fault.CelonisAnswer, domainHint
		if len(bytes.TrimSpace(reply.body)) == 0 {
			e.Message = "celonis's answer to the request to " + k.op.what + " is empty"
		}
		return none, e
	}
	one := r.take(raw)
	identity := r.form.of(&one)
	if tag := reply.header.Get("ETag"); tag != "" && identity.version() == "" {
		if *identity.meta == nil {
			*identity.meta = &scim.Meta{}
		}
		(*identity.meta).Version = tag
	}
	return one, nil
}

// take reads a resource and learns how the server writes.
func (r *SCIMResources[T]) take(raw scim.Resource) T {
	if r.kind == scim.KindUser {
		flag := raw.Get("sendEmailOnInvitation")
		if nested := raw.Object(r.kind.Extension()); flag == nil && nested != nil {
			flag = nested.Get("sendEmailOnInvitation")
		}
		if _, isText := flag.(string); isText && !r.s.facts().flagText {
			r.s.learn(func(f *scimFacts) { f.flagText = true })
		}
	}
	return r.form.from(raw)
}

// commaList writes names as a query does.
func commaList(names []string) string { return strings.Join(names, ",") }

// quoted writes a text as a value of a filter.
func quoted(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		return strconv.Quote(text)
	}
	return string(b)
}

// pauseAfter is the wait after so many tries.
func (s *SCIM) pauseAfter(try uint) time.Duration { return s.c.retry.Base << try }
