package provision

import (
	"fmt"
	"slices"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
)

// Disabling is what becomes of a user whom a row says not to be active.
type Disabling string

// The ways of Disabling.
const (
	Disable Disabling = "deactivate"
	Remove  Disabling = "delete"
)

// Rules say how a source is brought into Celonis.
type Rules struct {
	Kind Kind
	// MatchBy are the attributes that a row's user or group is looked for by, in their order.
	MatchBy []Attribute
	// Whole says that the source is the truth: who is in it is active unless it says otherwise.
	Whole bool
	// Disabling of users whose rows say so.
	Disabling Disabling
	// Role and Invite stand in for what a row of a new user or group does not say; "" says nothing.
	Role, Invite string
	// Kept are the user names that are neither deactivated nor deleted.
	Kept []string
	// Additive leaves the members in a group that its rows do not name.
	Additive bool
	// SkipUnknown lets a group go on without the members that Celonis does not have.
	SkipUnknown bool
	// MembersBy is the attribute that tells members: ExternalID or UserName.
	MembersBy Attribute
}

// Planner plans what becomes of each row. The directory and the survey do not
// change while it plans, so it may be used by several goroutines.
type Planner struct {
	rules Rules
	dir   *Directory
	src   *Survey
	kept  map[string]struct{}
}

// NewPlanner makes a Planner for rows of the surveyed source.
func NewPlanner(r Rules, d *Directory, s *Survey) *Planner {
	p := &Planner{rules: r, dir: d, src: s, kept: map[string]struct{}{}}
	for _, name := range r.Kept {
		p.kept[Fold(name)] = struct{}{}
	}
	return p
}

// User plans what becomes of a user's row, in clean form. Codes ScimValue,
// ValueTooLong, ValueRequired, ScimDuplicate, ScimAmbiguous, ScimEmailChange, ScimProtected.
func (p *Planner) User(e Entry) (Step, *Finding) {
	if f := p.fit(e); f != nil {
		return Step{}, f
	}
	now, by, err := p.dir.match(e, p.rules.MatchBy)
	if err != nil {
		return Step{}, &Finding{by, err}
	}
	return p.Towards(e, now)
}

// fit finds what is wrong with an entry whatever Celonis has.
func (p *Planner) fit(e Entry) *Finding {
	if f := Check(p.rules.Kind, e); f != nil {
		return f
	}
	naming := p.rules.Kind.Naming()
	if e.Key(p.rules.Kind) == "" {
		return required(naming)
	}
	return p.src.twice(e)
}

func required(a Attribute) *Finding {
	return &Finding{a, fault.New(fault.ValueRequired, "the required value is missing")}
}

// Towards plans the way of a user from what Celonis has, nil for nothing, to
// the entry; it is for a caller who found the user otherwise than in the directory.
func (p *Planner) Towards(e Entry, now *Resource) (Step, *Finding) {
	if now == nil {
		return p.create(e)
	}
	if f := p.claimed(e, now); f != nil {
		return Step{}, f
	}
	if name := e[UserName]; name != "" && Fold(name) != Fold(now.Entry[UserName]) {
		return Step{}, &Finding{UserName, fault.New(fault.ScimEmailChange, "the user is %q in Celonis, and its user name cannot be changed to %q", now.Entry[UserName], name).
			WithHint("Celonis forbids to change an e-mail address: have it changed there, or give the person's new address another externalId, which makes a new user")}
	}
	s := Step{Key: keyOf(e, now, Users), Now: now, Action: Updated}
	active, told := e[Active]
	if told && active == False {
		return p.disable(e, s)
	}
	want := e
	if !told && p.rules.Whole {
		want = with(e, Active, True)
	}
	s.change(want, []Attribute{ExternalID, DisplayName, Active, GivenName, FamilyName, FormattedName, Role})
	switch {
	case len(s.Changes) == 0:
		s.Action = Unchanged
	case s.Entry[Active] == True:
		s.Action = Reactivated
	}
	return s, nil
}

// create plans a new user. One who shall not be active is not made: there is nothing to take away.
func (p *Planner) create(e Entry) (Step, *Finding) {
	naming := p.rules.Kind.Naming()
	if p.rules.Kind == Users && e[Active] == False {
		return Step{Key: e.Key(p.rules.Kind), Action: Unchanged}, nil
	}
	if e[naming] == "" {
		return Step{}, required(naming)
	}
	entry := with(e, naming, e[naming])
	if p.rules.Role != "" && entry[Role] == "" {
		entry[Role] = p.rules.Role
	}
	if p.rules.Kind == Users && p.rules.Invite != "" && entry[SendInvitation] == "" {
		entry[SendInvitation] = p.rules.Invite
	}
	return Step{Key: e.Key(p.rules.Kind), Action: Created, Entry: entry}, nil
}

// claimed: two rows must not be about one user or group. The one that has its external id is.
func (p *Planner) claimed(e Entry, now *Resource) *Finding {
	theirs := now.Entry[ExternalID]
	if theirs == "" || e[ExternalID] == theirs || p.src.external[theirs] == 0 || !slices.Contains(p.rules.MatchBy, ExternalID) {
		return nil
	}
	naming := p.rules.Kind.Naming()
	return &Finding{naming, fault.New(fault.ScimAmbiguous, "celonis has the %s %q as the one with the externalId %q, of which another row speaks",
		naming, e[naming], theirs).WithHint("two rows are about one %s of Celonis: mend the source", p.rules.Kind.One())}
}

// disable plans for a user whose row says not to be active.
func (p *Planner) disable(e Entry, s Step) (Step, *Finding) {
	if _, ok := p.kept[Fold(s.Now.Entry[UserName])]; ok {
		return Step{}, &Finding{Active, fault.New(fault.ScimProtected, "the user is one of import.keep, and stays as it is")}
	}
	if p.rules.Disabling == Remove {
		s.Action = Deleted
		return s, nil
	}
	s.change(e, []Attribute{ExternalID, DisplayName, Active, GivenName, FamilyName, FormattedName, Role})
	switch {
	case len(s.Changes) == 0:
		s.Action = Unchanged
	case s.Entry[Active] == False:
		s.Action = Deactivated
	}
	return s, nil
}

// change notes the attributes in which an entry differs from what Celonis has.
func (s *Step) change(e Entry, attributes []Attribute) {
	for _, a := range attributes {
		want, ok := e[a]
		if !ok || same(a, want, s.Now) {
			continue
		}
		if s.Entry == nil {
			s.Entry = Entry{}
		}
		s.Entry[a] = want
		s.Changes = append(s.Changes, Change{Attribute: a, From: s.Now.Entry[a], To: want})
	}
}

func same(a Attribute, want string, now *Resource) bool {
	have := now.Entry[a]
	switch a {
	case Active:
		return (want == True) == now.IsActive()
	case Role:
		return strings.EqualFold(have, want)
	}
	return have == want
}

// keyOf gives what a step is known by: as the source says, else as Celonis does.
func keyOf(e Entry, now *Resource, k Kind) string {
	if key := e.Key(k); key != "" {
		return key
	}
	return now.Key(k)
}

func with(e Entry, a Attribute, v string) Entry {
	out := make(Entry, len(e)+1)
	for name, value := range e {
		out[name] = value
	}
	out[a] = v
	return out
}

// Without gives the step without the attributes that Celonis does not keep, so
// that they are not written over and over.
func (s Step) Without(lost func(Attribute) bool) Step {
	if s.Action != Updated {
		return s
	}
	kept := slices.DeleteFunc(slices.Clone(s.Changes), func(c Change) bool { return lost(c.Attribute) })
	if len(kept) == 0 && !s.SetsMembers {
		s.Action, s.Entry, s.Changes = Unchanged, nil, nil
	}
	return s
}

// String tells the step without a value, for logs.
func (s Step) String() string {
	return fmt.Sprintf("%s, %d attributes, %d joining, %d leaving", s.Action, len(s.Entry), len(s.Joining), len(s.Leaving))
}
