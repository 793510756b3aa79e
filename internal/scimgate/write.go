package scimgate

import (
	"context"
	"slices"

	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/scim"
)

// Write is a request that changes a resource.
type Write struct {
	Place
	Kind scim.Kind
	// ID is that of the resource; "" for a create.
	ID string
	// Tags are those of If-Match; nil takes the resource as it is.
	Tags []string
}

// write is a Write on its way.
type write struct {
	Write
	verb Verb
	// body is the normalized resource of a create or a replace, patch what a patch does.
	body  scim.Resource
	patch *scim.PatchRequest
	d     Directory
	view  view
}

// turn keeps other writes of the same resource out.
func (s *Service) turn(w Write, name string) func() {
	return s.turns.take(w.Workspace + "/" + w.ConnectionID + "/" + string(w.Kind) + "/" + name)
}

// begin opens the team and finds the resource's operations.
func (s *Service) begin(ctx context.Context, w *write) (err error) {
	if w.d, err = s.deps.Directories.Directory(ctx, w.Workspace, w.ConnectionID); err != nil || w.ID == "" {
		return err
	}
	w.view, err = s.lookUp(ctx, w.Place, w.Kind, w.ID)
	if err == nil && w.view.celonisID == "" && (len(w.view.waiting) == 0 || w.view.waiting[0].Verb != Create) {
		err = notFound(w.Kind, w.ID)
	}
	return err
}

// Replace puts a whole resource in the place of another. What the body does not
// tell of goes, but for whether a user is active, the members of a group and
// what Celonis adds. Faults: those of scim.Normalize and scim.Validate,
// ScimMutability, ScimNotFound, RequestStale, and those of Celonis.
func (s *Service) Replace(ctx context.Context, w Write, body scim.Resource) (Answer, error) {
	normal, err := scim.Normalize(w.Kind, body)
	if err == nil {
		err = scim.Validate(w.Kind, normal)
	}
	if err != nil {
		return Answer{}, err
	}
	return s.change(ctx, write{Write: w, verb: Replace, body: normal})
}

// Patch changes a resource. Faults: those of scim.Apply and scim.Validate,
// ScimMutability, ScimNotFound, RequestStale, and those of Celonis.
func (s *Service) Patch(ctx context.Context, w Write, p scim.PatchRequest) (Answer, error) {
	return s.change(ctx, write{Write: w, verb: Patch, patch: &p})
}

func (s *Service) change(ctx context.Context, w write) (Answer, error) {
	ctx = context.WithoutCancel(ctx) // a caller that hangs up must not leave a write without its event
	defer s.turn(w.Write, w.ID)()
	if err := s.begin(ctx, &w); err != nil {
		return Answer{}, err
	}
	if given := w.body.Text("id"); given != "" && w.view.ids.caller(given) != w.view.id {
		return Answer{}, fault.New(fault.ScimMutability, "id: the id of a resource cannot be changed")
	}
	w.body.Delete("id")
	if len(w.view.waiting) > 0 || len(s.missingNames(&w)) > 0 {
		return s.changeLater(ctx, &w, nil)
	}
	was, now, err := s.changeNow(ctx, &w)
	switch {
	case down(err):
		return s.changeLater(ctx, &w, err)
	case err != nil:
		return Answer{}, s.refused(ctx, &w, err)
	case was == nil:
		return answerOf(now), nil
	}
	return answerOf(now), s.done(ctx, &w, changedNames(was, now))
}

// missingNames lists the users that a write names and Celonis does not have yet.
func (s *Service) missingNames(w *write) (missing []string) {
	if w.Kind != scim.KindGroup || w.verb == Delete {
		return nil
	}
	for alias, id := range w.view.ids.toCelonis {
		if id == "" && w.mentions(alias) {
			missing = append(missing, alias)
		}
	}
	return missing
}

// mentions reports whether an id stands in what is to be written.
func (w *write) mentions(id string) bool {
	found := false
	eachElement(w.body, "members", func(e scim.Resource) { found = found || e.Text("value") == id })
	return found || (w.patch != nil && w.patch.Mentions(id))
}

// changeNow changes the resource in Celonis; was is nil when there was nothing to change.
func (s *Service) changeNow(ctx context.Context, w *write) (was, now scim.Resource, err error) {
	var own error
	now, changed, err := w.d.Update(ctx, w.Kind, w.view.celonisID, func(current scim.Resource) (scim.Resource, error) {
		was = w.view.ids.shown(current)
		var want scim.Resource
		if want, own = w.want(was); own != nil {
			return nil, own
		}
		sent, _ := w.view.ids.sent(want)
		return sent, nil
	})
	switch {
	case own != nil:
		return nil, nil, own
	case err != nil:
		return nil, nil, err
	}
	now = w.view.ids.shown(now)
	if !changed {
		return nil, now, nil
	}
	return was, now, nil
}

// want gives what a write makes of the resource as its caller knows it.
func (w *write) want(was scim.Resource) (want scim.Resource, err error) {
	if err := conditional(was, w.Tags); err != nil {
		return nil, err
	}
	switch w.verb {
	case Replace:
		want = replaced(w.Kind, was, w.body)
	case Patch:
		if want, err = scim.Apply(w.Kind, was, *w.patch); err != nil {
			return nil, err
		}
		if err := scim.Validate(w.Kind, want); err != nil {
			return nil, err
		}
	}
	if err := scim.CheckMutability(w.Kind, was, want); err != nil {
		return nil, err
	}
	if w.Kind == scim.KindUser {
		want.Set("userName", was.Text("userName")) // letters in another case are no change
	}
	return want, nil
}

// changeLater stores a change that Celonis cannot take now, because it is down
// or because others wait before it.
func (s *Service) changeLater(ctx context.Context, w *write, why error) (Answer, error) {
	current, err := s.look(ctx, w.d, w.Place, w.Kind, w.view.id, why)
	if err != nil {
		return Answer{}, err
	}
	w.view = current
	answer := Answer{Queued: true}
	switch {
	case current.unknown == nil:
		want, err := w.want(current.now)
		if err != nil {
			return Answer{}, s.refused(ctx, w, err)
		}
		answer = answerOf(want)
		answer.Queued = true
	case len(w.Tags) > 0:
		return Answer{}, current.unknown // what must be held against the version cannot wait
	case w.verb == Replace:
		answer.Resource = w.body.Clone()
		answer.Resource["id"] = w.view.id
		answer.Version = scim.VersionOf(answer.Resource)
	default:
		if err := w.patch.Check(w.Kind); err != nil {
			return Answer{}, s.refused(ctx, w, err)
		}
	}
	return answer, s.queue(ctx, w, nil, why)
}

// Delete removes a resource. Faults ScimNotFound, RequestStale, and those of Celonis.
func (s *Service) Delete(ctx context.Context, given Write) error {
	ctx = context.WithoutCancel(ctx)
	w := write{Write: given, verb: Delete}
	defer s.turn(given, given.ID)()
	if err := s.begin(ctx, &w); err != nil {
		return err
	}
	if len(given.Tags) > 0 || len(w.view.waiting) > 0 {
		current, err := s.look(ctx, w.d, w.Place, w.Kind, w.view.id, nil)
		switch {
		case err != nil:
			return err
		case current.unknown != nil && len(given.Tags) > 0:
			return current.unknown
		case current.unknown == nil:
			if err := conditional(current.now, given.Tags); err != nil {
				return err
			}
		}
		w.view = current
	}
	if len(w.view.waiting) > 0 {
		return s.queue(ctx, &w, nil, nil)
	}
	err := w.d.Delete(ctx, w.Kind, w.view.celonisID)
	switch {
	case down(err):
		return s.queue(ctx, &w, nil, err)
	case err != nil:
		return s.refused(ctx, &w, err)
	}
	return s.done(ctx, &w, nil)
}

// event is what stands on record of a write.
func (w *write) event(action audit.Action, fields []string) audit.Event {
	return audit.Event{
		Workspace: w.Workspace, Action: action, Kind: kindOf(w.Kind), ObjectID: w.view.id,
		Name: string(w.verb) + " " + w.ConnectionID, Fields: fields,
	}
}

// done puts a write on record that Celonis took.
func (s *Service) done(ctx context.Context, w *write, fields []string) error {
	return s.deps.Store.NoteEvent(ctx, w.event(w.verb.action(), fields))
}

// refused puts a write on record that is not taken, and gives why in the words of SCIM.
func (s *Service) refused(ctx context.Context, w *write, why error) error {
	if err := s.deps.Store.NoteEvent(ctx, w.event(audit.Refused, w.names())); err != nil {
		return err
	}
	return refusal(why, w.Kind, w.view.id)
}

// names are the attributes that a write speaks of.
func (w *write) names() []string {
	if w.patch != nil {
		return w.patch.Names()
	}
	return changedNames(nil, w.body)
}

// changedNames gives the attributes that differ, those of extensions by their own name.
func changedNames(was, now scim.Resource) []string {
	var names []string
	for _, name := range scim.Differences(was, now) {
		if name != "meta" && name != "schemas" && name != "id" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
