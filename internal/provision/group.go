package provision

import (
	"fmt"
	"slices"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
)

// Group plans what becomes of a group that its rows have told together. users
// are those of the team. What is found wrong with one row of it stands against
// that row alone, see Row. Codes as of User, and ScimUnknownMember.
func (p *Planner) Group(g *Gathered, users *Directory) (Step, *Finding) {
	if g.At != "" {
		return Step{}, &Finding{g.At, fault.New(fault.ScimDuplicate, "the rows of the group contradict each other in %s", g.At).
			WithHint("rows with the same %s are one group: mend the source", ExternalID)}
	}
	if f := p.fit(g.Entry); f != nil {
		return Step{}, f
	}
	members, unknown := p.resolve(g.Members, users)
	if len(unknown) > 0 && !p.rules.SkipUnknown {
		return Step{}, p.unknown(unknown)
	}
	now, by, err := p.dir.match(g.Entry, p.rules.MatchBy)
	if err != nil {
		return Step{}, &Finding{by, err}
	}
	return p.groupTowards(g, now, members)
}

// GroupTowards is Group for a group that was found otherwise than in the directory.
func (p *Planner) GroupTowards(g *Gathered, users *Directory, now *Resource) (Step, *Finding) {
	members, _ := p.resolve(g.Members, users)
	return p.groupTowards(g, now, members)
}

func (p *Planner) groupTowards(g *Gathered, now *Resource, members []string) (Step, *Finding) {
	if now == nil {
		s, f := p.create(g.Entry)
		if f == nil && len(members) > 0 {
			s.Members, s.Joining, s.SetsMembers = members, members, true
		}
		return s, f
	}
	if f := p.claimed(g.Entry, now); f != nil {
		return Step{}, f
	}
	s := Step{Key: keyOf(g.Entry, now, Groups), Now: now, Action: Updated}
	s.change(g.Entry, []Attribute{ExternalID, DisplayName, Role})
	if g.Told {
		s.regroup(members, p.rules.Additive || g.Unread)
	}
	if len(s.Changes) == 0 && !s.SetsMembers {
		s.Action = Unchanged
	}
	return s, nil
}

// Row finds what is wrong with one row's members, so that it alone is an error
// while its group goes on without them.
func (p *Planner) Row(members []string, users *Directory) *Finding {
	if _, unknown := p.resolve(members, users); len(unknown) > 0 {
		return p.unknown(unknown)
	}
	return nil
}

// resolve gives the Celonis ids of members, each once, and the members that Celonis does not have.
func (p *Planner) resolve(values []string, users *Directory) (ids, unknown []string) {
	seen := make(map[string]struct{}, len(values))
	for _, v := range values {
		id := users.Resolve(p.rules.MembersBy, v)
		if id == "" {
			unknown = append(unknown, v)
			continue
		}
		if _, ok := seen[id]; !ok {
			seen[id] = struct{}{}
			ids = append(ids, id)
		}
	}
	return ids, unknown
}

// shownMembers is how many unknown members a fault names.
const shownMembers = 5

func (p *Planner) unknown(values []string) *Finding {
	names := make([]string, 0, shownMembers+1)
	for _, v := range values[:min(len(values), shownMembers)] {
		names = append(names, fmt.Sprintf("%q", v))
	}
	if more := len(values) - shownMembers; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return &Finding{Members, fault.New(fault.ScimUnknownMember, "celonis has no user whose %s is %s", p.rules.MembersBy, strings.Join(names, ", ")).
		WithHint("provision the users before the groups; members are named by their %s, which import.memberBy says", p.rules.MembersBy)}
}

// regroup notes how a group's members change; with additive none leaves.
func (s *Step) regroup(want []string, additive bool) {
	have, wanted := set(s.Now.Members), set(want)
	for _, id := range want {
		if _, ok := have[id]; !ok {
			s.Joining = append(s.Joining, id)
		}
	}
	for _, id := range s.Now.Members {
		if _, ok := wanted[id]; !ok && !additive {
			s.Leaving = append(s.Leaving, id)
		}
	}
	if s.SetsMembers = len(s.Joining)+len(s.Leaving) > 0; !s.SetsMembers {
		return
	}
	s.Members = want
	if additive {
		s.Members = append(slices.Clone(s.Now.Members), s.Joining...)
	}
}

func set(ids []string) map[string]struct{} {
	out := make(map[string]struct{}, len(ids))
	for _, id := range ids {
		out[id] = struct{}{}
	}
	return out
}

// ParseMembers reads the members of one row: a JSON array of texts, or values
// between separators. Blank ones are left out. Fault ScimValue.
func ParseMembers(text, separator string) ([]string, *fault.Error) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "[") {
		return parseList(text)
	}
	var out []string
	for v := range strings.SplitSeq(text, separator) {
		if v = strings.TrimSpace(v); v != "" {
			out = append(out, v)
		}
	}
	return out, nil
}
