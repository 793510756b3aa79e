package provision_test

import (
	"fmt"
	"testing"

	"github.com/celonis-connector/connector/internal/provision"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// applied gives the directory after a step, as Celonis would have it.
func applied(have map[string]provision.Resource, s provision.Step) {
	switch s.Action {
	case provision.Created:
		id := fmt.Sprintf("id-%d", 100+len(have))
		e := entry{provision.Active: provision.True}
		for a, v := range s.Entry {
			if a != provision.SendInvitation {
				e[a] = v
			}
		}
		have[id] = person(id, e)
	case provision.Deleted:
		delete(have, s.ID())
	default:
		r := have[s.ID()]
		e := entry{}
		for a, v := range r.Entry {
			e[a] = v
		}
		for a, v := range s.Entry {
			e[a] = v
		}
		if s.Writes() {
			have[s.ID()] = person(r.ID, e)
		}
	}
}

func listed(have map[string]provision.Resource) *provision.Directory {
	d := provision.NewDirectory(provision.Users)
	for i := range 1000 {
		if r, ok := have[fmt.Sprintf("id-%d", i)]; ok {
			d.Add(r)
		}
	}
	return d
}

// Whatever a source says and Celonis has: what was planned and done leaves
// nothing to do, no two users get one name, and nobody's name changes.
func TestAPlanThatWasDoneLeavesNothingToDo(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.SampledFrom([]string{"", "1", "2", "3", "4"})
		name := rapid.SampledFrom([]string{"", "a@x.com", "B@x.com", "b@x.com", "c@x.com", "d@x.com"})
		active := rapid.SampledFrom([]string{"", "true", "false"})
		have := map[string]provision.Resource{}
		taken := map[string]bool{}
		for i := range rapid.IntRange(0, 4).Draw(t, "has") {
			n := name.Draw(t, "name")
			if n == "" || taken[provision.Fold(n)] {
				continue
			}
			taken[provision.Fold(n)] = true
			id := fmt.Sprintf("id-%d", i)
			have[id] = person(id, provision.Clean(entry{"userName": n, "externalId": value.Draw(t, "id"), "displayName": value.Draw(t, "display"), "active": active.Draw(t, "active")}))
		}
		var rows []entry
		for range rapid.IntRange(0, 5).Draw(t, "rows") {
			rows = append(rows, provision.Clean(entry{"userName": name.Draw(t, "name"), "externalId": value.Draw(t, "id"), "displayName": value.Draw(t, "display"), "active": active.Draw(t, "active")}))
		}
		rules := userRules()
		rules.Whole = rapid.Bool().Draw(t, "whole")
		scope := provision.Scope{Policy: provision.DeactivateMissing, Everyone: rapid.Bool().Draw(t, "everyone")}
		src := surveyed(rows...)

		names := map[string]string{}
		for id, r := range have {
			names[id] = r.Entry[provision.UserName]
		}
		p := provision.NewPlanner(rules, listed(have), src)
		touched := map[string]bool{}
		for _, row := range rows {
			step, f := p.User(row)
			if f != nil {
				continue
			}
			if step.ID() != "" {
				require.False(t, touched[step.ID()], "two rows are about one user")
				touched[step.ID()] = true
			}
			applied(have, step)
		}
		for _, step := range p.Leavers(scope).Steps {
			require.False(t, touched[step.ID()], "who is in the source stays")
			applied(have, step)
		}
		unique := map[string]bool{}
		for id, r := range have {
			require.False(t, unique[provision.Fold(r.Entry[provision.UserName])])
			unique[provision.Fold(r.Entry[provision.UserName])] = true
			if before, ok := names[id]; ok {
				require.Equal(t, before, r.Entry[provision.UserName])
			}
		}
		again := provision.NewPlanner(rules, listed(have), src)
		for _, row := range rows {
			if step, f := again.User(row); f == nil {
				require.Equal(t, provision.Unchanged, step.Action, "%v of %v", step, row)
			}
		}
		require.Empty(t, again.Leavers(scope).Steps)
	})
}
