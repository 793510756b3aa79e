package celonis

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/scim"
)

// maxScimRounds bounds how often a change is made anew because somebody else wrote in between.
const maxScimRounds = 5

// Update changes a resource: it is read, apply changes it, and only what is
// other then is written, by PATCH where the server has it, else as a whole;
// nothing when nothing is other. When somebody else wrote in between, it begins
// anew, at most maxScimRounds times: then CelonisStale. sendEmailOnInvitation
// is of a create only and counts as no change.
func (r *SCIMResources[T]) Update(ctx context.Context, id string, apply func(*T) error) (now T, changed bool, err error) {
	have, err := r.Get(ctx, id)
	if err != nil {
		return have, false, err
	}
	return r.update(ctx, have, true, apply)
}

// UpdateFrom is Update for a resource that was read before, such as in a list.
// It is not read again when PATCH or a version makes that needless.
func (r *SCIMResources[T]) UpdateFrom(ctx context.Context, have T, apply func(*T) error) (now T, changed bool, err error) {
	return r.update(ctx, have, false, apply)
}

func (r *SCIMResources[T]) update(ctx context.Context, have T, fresh bool, apply func(*T) error) (T, bool, error) {
	whole := !r.s.patches(ctx)
	for round := 1; ; round++ {
		want := r.form.from(r.form.resource(have, scim.Both).Clone())
		if err := apply(&want); err != nil {
			return have, false, err
		}
		operations := r.differences(have, want)
		if len(operations) == 0 {
			return have, false, nil
		}
		id := *r.form.of(&have).id
		if !whole || fresh || r.form.of(&have).version() != "" {
			now, err := r.change(ctx, have, want, operations, whole)
			switch {
			case err == nil:
				return now, true, nil
			case !whole && r.s.patchRefused(err):
				// A PATCH does all of its operations or none.
				whole = true
			case !fault.Has(err, fault.CelonisStale) || round == maxScimRounds:
				return have, false, err
			}
		}
		now, err := r.Get(ctx, id)
		if err != nil {
			return have, false, err
		}
		have, fresh = now, true
	}
}

// patches reports whether the server says that it has PATCH, and none was refused as if it had not.
func (s *SCIM) patches(ctx context.Context) bool {
	config, err := s.Config(ctx)
	return err == nil && config.Patch.Supported && !s.facts().noPatch
}

// patchRefused reports whether an error speaks of PATCH itself or of a path in
// it, so that writing the resource as a whole may do. A server without PATCH is
// remembered as such.
func (s *SCIM) patchRefused(err error) bool {
	switch statusOf(err) {
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		s.learn(func(f *scimFacts) { f.noPatch = true })
		return true
	case http.StatusNotFound:
		return true
	}
	return slices.Contains([]string{"invalidPath", "invalidSyntax", "noTarget"}, ScimType(err))
}

// change writes what is other, or all of it.
func (r *SCIMResources[T]) change(ctx context.Context, have, want T, operations []scim.PatchOperation, whole bool) (T, error) {
	id := *r.form.of(&have).id
	*r.form.of(&want).id = id
	at, err := r.at(id)
	if err != nil {
		return have, err
	}
	o := overwriting[T]{id: id, version: r.form.of(&have).version(), body: want, wanted: func(now T) bool { return r.gave(now, want) }}
	if !whole {
		o.call = r.s.call("change the "+r.form.noun, http.MethodPatch, at)
		o.call.json = scim.PatchRequest{Schemas: []string{scim.URNPatchOp}, Operations: operations}
	} else {
		o.call = r.s.call("replace the "+r.form.noun, http.MethodPut, at)
	}
	return r.overwrite(ctx, o)
}

// gave reports whether a resource has all that was wanted; what is not told may be anything.
func (r *SCIMResources[T]) gave(now, want T) bool {
	return !slices.ContainsFunc(r.differences(now, want), func(op scim.PatchOperation) bool { return op.Op != "remove" || strings.Contains(op.Path, "[") })
}

// differences gives the operations that make one resource of another: those of
// single attributes, and of each member of a group that comes or goes.
func (r *SCIMResources[T]) differences(have, want T) []scim.PatchOperation {
	before, after := r.comparable(have), r.comparable(want)
	var out []scim.PatchOperation
	for _, name := range namesOfBoth(before, after) {
		value, there := after[name]
		switch {
		case name == "members":
		case reflect.DeepEqual(before[name], value):
		case !there:
			out = append(out, scim.PatchOperation{Op: "remove", Path: r.pathOf(name)})
		case strings.HasPrefix(name, "urn:"):
			// A path to a schema as a whole is no path.
			out = append(out, scim.PatchOperation{Op: "replace", Value: map[string]any{name: value}})
		default:
			out = append(out, scim.PatchOperation{Op: "replace", Path: r.pathOf(name), Value: value})
		}
	}
	if after := r.form.of(&want).members; after != nil {
		out = append(out, memberOperations(r.form.of(&have).members, after)...)
	}
	return out
}

// comparable is what a resource says, in the forms of JSON, without what the server tells by itself.
func (r *SCIMResources[T]) comparable(one T) map[string]any {
	raw := r.form.resource(one, scim.TopLevel)
	for _, name := range []string{"schemas", "id", "meta", "groups", "sendEmailOnInvitation"} {
		raw.Delete(name)
	}
	if r.kind == scim.KindUser && raw.Get("active") == nil {
		raw.Set("active", true)
	}
	out := map[string]any{}
	text, err := json.Marshal(map[string]any(raw))
	if err != nil || json.Unmarshal(text, &out) != nil {
		return raw
	}
	return out
}

// pathOf is where an operation finds an attribute: those that Celonis adds under their URN.
func (r *SCIMResources[T]) pathOf(name string) string {
	if name == "role" && r.s.facts().place != scim.TopLevel {
		return r.kind.Extension() + ":" + name
	}
	return name
}

func namesOfBoth(a, b map[string]any) []string {
	var out []string
	for name := range a {
		out = append(out, name)
	}
	for name := range b {
		if _, both := a[name]; !both {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// memberOperations gives those of the members that come and go. Where it is not
// told who is in the group, all are put in the place of whoever is.
func memberOperations(have, want []scim.Member) (out []scim.PatchOperation) {
	if have == nil && len(want) > 0 {
		all := make([]any, 0, len(want))
		for _, m := range want {
			all = append(all, map[string]any{"value": m.Value})
		}
		return []scim.PatchOperation{{Op: "replace", Path: "members", Value: all}}
	}
	values := func(list []scim.Member) map[string]bool {
		set := make(map[string]bool, len(list))
		for _, m := range list {
			set[m.Value] = true
		}
		return set
	}
	before, after := values(have), values(want)
	var come []any
	for _, m := range want {
		if !before[m.Value] {
			before[m.Value] = true
			come = append(come, map[string]any{"value": m.Value})
		}
	}
	if len(come) > 0 {
		out = append(out, scim.PatchOperation{Op: "add", Path: "members", Value: come})
	}
	for _, m := range have {
		if !after[m.Value] {
			after[m.Value] = true
			out = append(out, scim.PatchOperation{Op: "remove", Path: "members[value eq " + quoted(m.Value) + "]"})
		}
	}
	return out
}
