package scimgate

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/scim"
)

// Create makes a resource. Faults: those of scim.Normalize and scim.Validate,
// ScimUniqueness when there is one of the name, and those of Celonis.
func (s *Service) Create(ctx context.Context, given Write, body scim.Resource) (Answer, error) {
	normal, err := scim.Normalize(given.Kind, body)
	if err == nil {
		err = scim.Validate(given.Kind, normal)
	}
	if err != nil {
		return Answer{}, err
	}
	for _, name := range []string{"id", "meta", "groups"} {
		normal.Delete(name)
	}
	ctx = context.WithoutCancel(ctx)
	w := write{Write: given, verb: Create, body: normal}
	name := normal.Text(w.Kind.NameAttribute())
	defer s.turn(given, "name "+strings.ToLower(name))()
	if err := s.begin(ctx, &w); err != nil {
		return Answer{}, err
	}
	if w.view.ids, err = s.ids(ctx, w.Place); err != nil {
		return Answer{}, err
	}
	if err := s.nameWaits(ctx, &w, name); err != nil {
		return Answer{}, err
	}
	made, err := s.createNow(ctx, &w, name)
	switch {
	case errors.As(err, &waitsError{}):
		return s.createLater(ctx, &w, nil)
	case down(err):
		return s.createLater(ctx, &w, err)
	case err != nil:
		return Answer{}, s.refused(ctx, &w, err)
	}
	w.view.id = made.Text("id")
	return answerOf(made), s.done(ctx, &w, changedNames(nil, normal))
}

// nameWaits refuses a name that a create which waits has taken.
func (s *Service) nameWaits(ctx context.Context, w *write, name string) error {
	waiting, err := s.deps.Store.SCIMOperations(ctx, OperationQuery{Place: w.Place, Kind: w.Kind, State: Pending})
	if err != nil {
		return err
	}
	byID := map[string][]Operation{}
	for _, o := range waiting {
		byID[o.ResourceID] = append(byID[o.ResourceID], o)
	}
	for id, operations := range byID {
		if operations[0].Verb != Create {
			continue
		}
		r, err := s.fold(nil, operations)
		if err != nil {
			return err
		}
		if r != nil && strings.EqualFold(r.Text(w.Kind.NameAttribute()), name) {
			w.view.id = id
			return s.refused(ctx, w, taken(w.Kind))
		}
	}
	return nil
}

func taken(k scim.Kind) error {
	return fault.New(fault.ScimUniqueness, "%s: the team has a %s of this name already", k.NameAttribute(), strings.ToLower(string(k))).
		WithHint("look it up by its %s and change it", k.NameAttribute())
}

func (s *Service) createNow(ctx context.Context, w *write, name string) (scim.Resource, error) {
	if len(s.missingNames(w)) > 0 {
		return nil, waitsError{}
	}
	there, found, err := w.d.Find(ctx, w.Kind, name)
	switch {
	case err != nil:
		return nil, err
	case found:
		w.view.id = w.view.ids.caller(there.Text("id"))
		return nil, taken(w.Kind)
	}
	sent, _ := w.view.ids.sent(w.body)
	made, err := w.d.Create(ctx, w.Kind, sent)
	if err != nil {
		return nil, err
	}
	return w.view.ids.shown(made), nil
}

// waitsError is of a write that waits for another, which counts as no attempt.
type waitsError struct{}

// Error implements error.
func (waitsError) Error() string { return "users that the group names wait to be created" }

// createLater stores a create, with an id of ours that stays good for good.
func (s *Service) createLater(ctx context.Context, w *write, why error) (Answer, error) {
	now := s.deps.Now()
	w.view.id = s.deps.NewID()
	w.body["id"] = w.view.id
	moment := now.UTC().Format(time.RFC3339)
	w.body["meta"] = map[string]any{"resourceType": string(w.Kind), "created": moment, "lastModified": moment}
	alias := Alias{Place: w.Place, ID: w.view.id, Kind: w.Kind, CreatedAt: now}
	answer := answerOf(w.body.Clone())
	answer.Queued = true
	return answer, s.queue(ctx, w, &alias, why)
}
