package celonis

import (
	"context"
	"net/http"
	"regexp"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/pace"
	"github.com/celonis-connector/connector/internal/scim"
)

// write sends a resource. What Celonis adds to it stands in both places, so
// that whichever the server reads it finds; a server that refuses attributes
// that it does not know gets them in one place only, from then on.
func (r *SCIMResources[T]) write(ctx context.Context, k call, one T) (*reply, error) {
	place := r.s.facts().place
	places := []scim.Place{place}
	if place == scim.Both {
		places = append(places, scim.UnderURN, scim.TopLevel)
	}
	var first error
	for _, place := range places {
		k.json = r.body(one, place)
		reply, err := r.s.answer(ctx, k)
		if err == nil || !refusesAttribute(err) {
			if err == nil && place != places[0] {
				r.s.learn(func(f *scimFacts) { f.place = place })
			}
			return reply, err
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// unknownWords are those of a refusal for an attribute that the server does not know.
var unknownWords = regexp.MustCompile(`(unknown|unrecogni[sz]ed|undefined|unexpected|unsupported|additional|extra)[a-z ]*(attribute|property|properties|field|member|schema)` +
	`|(attribute|property|field|member|schema).*(not (defined|known|supported|allowed|recogni[sz]ed|declared)|unknown|undefined)`)

func refusesAttribute(err error) bool {
	switch statusOf(err) {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return unknownWords.MatchString(strings.ToLower(fault.From(err).Message))
	}
	return false
}

// body is a resource as it is sent. Meta is the server's to tell.
func (r *SCIMResources[T]) body(one T, place scim.Place) scim.Resource {
	out := r.form.resource(one, place)
	out.Delete("meta")
	if !r.s.facts().flagText {
		return out
	}
	for _, holder := range []scim.Resource{out, out.Object(r.kind.Extension())} {
		if flag, ok := holder.Get("sendEmailOnInvitation").(bool); ok {
			holder.Set("sendEmailOnInvitation", map[bool]string{true: "true", false: "false"}[flag])
		}
	}
	return out
}

// overwriting is a write of something that exists.
type overwriting[T any] struct {
	call call
	id   string
	// version is what the server must still have, "" for whatever it has.
	version string
	// body is what is sent, unless the call has its own.
	body T
	// wanted reports whether the resource is already as the write would make it.
	wanted func(now T) bool
}

// overwrite writes until it is known what became of it. Doing the same again
// does no harm; with a version it would be refused, so the resource is read.
func (r *SCIMResources[T]) overwrite(ctx context.Context, o overwriting[T]) (T, error) {
	var none T
	k := o.call
	if o.version != "" {
		k.header = k.header.Clone()
		k.header.Set("If-Match", o.version)
	}
	for try := uint(1); ; try++ {
		reply, err := r.overwriteOnce(ctx, k, o.body)
		switch {
		case err == nil:
			return r.written(ctx, k, reply, o.id)
		case !maybeDone(err) || try >= r.s.c.retry.Tries:
			return none, err
		}
		if err := pace.Rest(ctx, r.s.pauseAfter(try)); err != nil {
			return none, err
		}
		if o.version == "" {
			continue
		}
		now, lookErr := r.Get(ctx, o.id)
		switch {
		case lookErr != nil:
			return none, r.doubt(err, lookErr)
		case o.wanted(now):
			return now, nil
		case r.form.of(&now).version() != o.version:
			return none, fault.Wrap(err, fault.CelonisStale, "the %s was changed by somebody else while it was written", r.form.noun)
		}
	}
}

func (r *SCIMResources[T]) overwriteOnce(ctx context.Context, k call, body T) (*reply, error) {
	if k.json != nil {
		return r.s.answer(ctx, k)
	}
	return r.write(ctx, k, body)
}
