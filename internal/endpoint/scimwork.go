package endpoint

import (
	"context"
	"slices"

	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/provision"
)

// maxReplans bounds how often a row is planned anew because Celonis has another state than its list said.
const maxReplans = 3

// work does a step and gives the row's outcome. An error is of the run: the row
// stays undecided.
func (s *scimSink) work(ctx context.Context, step provision.Step, plan again, out *engine.Outcome) error {
	for replans, room := 0, false; ; {
		done, err := s.try(ctx, step)
		if err == nil {
			step.Action = done
			*out = engine.Outcome{Done: true, Action: s.actionOf(step)}
			return nil
		}
		if fault.Has(err, fault.CelonisLicenses) && !room && s.canMakeRoom() {
			if err := s.makeRoom(ctx); err != nil {
				return err
			}
			room = true
			continue
		}
		now, known, lookErr := s.otherwise(ctx, step, err)
		if lookErr != nil {
			return lookErr
		}
		if replans++; !known || replans > maxReplans {
			return verdictOf(err, out)
		}
		var f *provision.Finding
		if step, f = plan(now); f != nil {
			*out = refused(f)
			return nil
		}
	}
}

// verdictOf tells a refusal of one row, which becomes its outcome, from what is wrong with everything.
func verdictOf(err error, out *engine.Outcome) error {
	switch fault.CodeOf(err) {
	case fault.CelonisRejected, fault.CelonisConflict, fault.CelonisNotUnique, fault.CelonisMailFixed, fault.CelonisNotFound, fault.CelonisTooLarge:
		*out = engine.Outcome{Done: true, Fault: hinted(fault.From(err))}
		return nil
	}
	return err
}

// otherwise finds out what Celonis has when it refuses a step because its list
// is no longer true; known is false when the refusal has another reason.
func (s *scimSink) otherwise(ctx context.Context, step provision.Step, err error) (now *provision.Resource, known bool, lookErr error) {
	switch {
	case fault.Has(err, fault.CelonisNotUnique) && step.Action == provision.Created:
		list, err := s.team.find(ctx, s.kind, s.kind.Naming(), step.Entry[s.kind.Naming()])
		if err != nil || len(list) != 1 {
			return nil, false, err
		}
		id, ours := step.Entry[provision.ExternalID], list[0].Entry[provision.ExternalID]
		byName := slices.Contains(s.rules.MatchBy, s.kind.Naming())
		return &list[0], byName || id != "" && id == ours, nil
	case fault.Has(err, fault.CelonisNotFound) && step.Action != provision.Created:
		return nil, true, nil
	}
	return nil, false, nil
}

// try sends a step and gives what was done. What Celonis has already counts as
// done when it was written since the push began: by an attempt that died, whose
// last requests came behind the list of this one.
func (s *scimSink) try(ctx context.Context, step provision.Step) (provision.Action, error) {
	switch step.Action {
	case provision.Unchanged:
		return step.Action, nil
	case provision.Created:
		_, err := s.team.create(ctx, s.kind, step)
		return step.Action, err
	case provision.Deleted:
		return step.Action, s.team.delete(ctx, s.kind, step.ID())
	}
	now, changed, err := s.team.change(ctx, s.kind, step)
	if err != nil {
		return step.Action, err
	}
	s.learn(step, now)
	if !changed && (s.since.IsZero() || !now.Modified.After(s.since)) {
		return provision.Unchanged, nil
	}
	return step.Action, nil
}

// learn notes the attributes that were written and that Celonis does not show
// afterwards, so that they are not written again for everyone in every run.
func (s *scimSink) learn(step provision.Step, now provision.Resource) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range step.Changes {
		switch c.Attribute {
		case provision.GivenName, provision.FamilyName, provision.FormattedName, provision.Role:
			if c.From == "" && now.Entry[c.Attribute] == "" {
				s.unkept[c.Attribute] = true
			}
		}
	}
}
