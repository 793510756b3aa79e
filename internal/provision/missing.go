package provision

import (
	"fmt"

	"github.com/celonis-connector/connector/internal/fault"
)

// Missing is what becomes of users and groups that the source does not have.
type Missing string

// The ways of Missing; deactivating is for users, emptying for groups.
const (
	LeaveMissing      Missing = "leave"
	DeactivateMissing Missing = "deactivate"
	EmptyMissing      Missing = "empty"
	DeleteMissing     Missing = "delete"
)

// Scope says whom Missing is about.
type Scope struct {
	Policy Missing
	// Everyone takes those too who have no externalId, so that nobody provisioned them.
	Everyone bool
	// Admins takes those too who have the role ADMIN.
	Admins bool
}

// Leavers are the users or groups that the source does not have.
type Leavers struct {
	// Steps take them away, in the directory's order.
	Steps []Step
	// Of counts those whom the policy can take away, whether they are missing or not.
	Of int64
	// Spared counts the missing ones that stay, as they have the role ADMIN or are kept by name.
	Spared int64
}

// Leavers plans what becomes of those whom the source does not have.
func (p *Planner) Leavers(scope Scope) Leavers {
	var out Leavers
	for _, r := range p.dir.order {
		if !scope.Everyone && r.Entry[ExternalID] == "" || !scope.touches(r) {
			continue
		}
		_, kept := p.kept[Fold(r.Entry[p.rules.Kind.Naming()])]
		spared := kept || r.IsAdmin() && !scope.Admins
		switch missing := !p.src.Has(r); {
		case spared && missing:
			out.Spared++
		case spared:
		case missing:
			out.Steps = append(out.Steps, scope.leave(r, p.rules.Kind))
			out.Of++
		default:
			out.Of++
		}
	}
	return out
}

// touches reports whether there is something to take away of a resource.
func (s Scope) touches(r *Resource) bool {
	switch s.Policy {
	case DeactivateMissing:
		return r.IsActive()
	case EmptyMissing:
		return len(r.Members) > 0
	case DeleteMissing:
		return true
	}
	return false
}

func (s Scope) leave(r *Resource, k Kind) Step {
	step := Step{Key: r.Key(k), Now: r}
	switch s.Policy {
	case DeactivateMissing:
		step.Action, step.Entry = Deactivated, Entry{Active: False}
		step.Changes = []Change{{Attribute: Active, From: r.Entry[Active], To: False}}
	case EmptyMissing:
		step.Action, step.SetsMembers, step.Leaving = Emptied, true, r.Members
	default:
		step.Action = Deleted
	}
	return step
}

// Guard bounds what a source may take away, so that one which was cut does not.
type Guard struct {
	// Count or, above zero, Percent of those whom the policy is about may be missing; of few, as many as Floor.
	Count   int64
	Percent float64
	Floor   int64
	// MinSource is the fewest rows that the source must have.
	MinSource int64
}

// limit is how many of n may be missing.
func (g Guard) limit(n int64) int64 {
	if g.Percent <= 0 {
		return g.Count
	}
	return max(g.Floor, int64(g.Percent*float64(n)/100))
}

// Check finds out whether the source may be taken for the truth. Fault ScimGuard with the numbers.
func (g Guard) Check(k Kind, s *Survey, l Leavers) error {
	if least := max(1, g.MinSource); s.Rows() < least {
		return fault.New(fault.ScimGuard, "the source has %d rows, and at least %d are demanded of one that is taken for the truth", s.Rows(), least).
			WithHint("nothing was written; look at the source, or lower import.guard.minSource")
	}
	missing, most := int64(len(l.Steps)), g.limit(l.Of)
	if missing <= most {
		return nil
	}
	return fault.New(fault.ScimGuard, "%d of %d %s are missing from the source, which has %d rows; the guard allows %s", missing, l.Of, k.Many(), s.Rows(), g.words(most)).
		WithHint("nothing was written; look at the source with a dry run, and raise import.guard.maxMissing if they shall go")
}

func (g Guard) words(most int64) string {
	if g.Percent <= 0 {
		return fmt.Sprint(most)
	}
	return fmt.Sprintf("%g %%, that is %d", g.Percent, most)
}
