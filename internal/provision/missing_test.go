package provision_test

import (
	"fmt"
	"testing"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/provision"
	"github.com/stretchr/testify/require"
)

func keys(l provision.Leavers) (out []string) {
	for _, s := range l.Steps {
		out = append(out, s.Key+" "+string(s.Action))
	}
	return out
}

func TestWhoLeaves(t *testing.T) {
	t.Parallel()
	has := directory(provision.Users,
		person("1", entry{"userName": "stays@x.com", "externalId": "E1"}),
		person("2", entry{"userName": "leaves@x.com", "externalId": "E2"}),
		person("3", entry{"userName": "gone@x.com", "externalId": "E3", "active": "false"}),
		person("4", entry{"userName": "boss@x.com", "externalId": "E4", "role": "admin"}),
		person("5", entry{"userName": "hand@x.com"}),
		person("6", entry{"userName": "kept@x.com", "externalId": "E6"}),
		person("7", entry{"userName": "lost@x.com", "externalId": "E7"}),
		person("8", entry{"userName": "named@x.com", "externalId": "E8"}),
	)
	s := surveyed(entry{"externalId": "E1"}, entry{"userName": "NAMED@x.com"})
	s.Lost(entry{"externalId": "E7", "displayName": "what could be read"})
	rules := userRules()
	rules.Kept = []string{"Kept@x.com"}
	p := provision.NewPlanner(rules, has, s)

	l := p.Leavers(provision.Scope{Policy: provision.DeactivateMissing})
	require.Equal(t, []string{"E2 deactivated"}, keys(l))
	require.Equal(t, []int64{4, 2}, []int64{l.Of, l.Spared})
	require.Equal(t, []string{"active"}, l.Steps[0].Fields(provision.Users))
	require.Equal(t, []string{"E2 deactivated", "E4 deactivated", "hand@x.com deactivated"},
		keys(p.Leavers(provision.Scope{Policy: provision.DeactivateMissing, Everyone: true, Admins: true})))
	require.Equal(t, []string{"E2 deleted", "E3 deleted"}, keys(p.Leavers(provision.Scope{Policy: provision.DeleteMissing})), "who is not active can be deleted all the same")
	require.Empty(t, p.Leavers(provision.Scope{Policy: provision.LeaveMissing}).Steps)
}

func TestGroupsThatAreMissing(t *testing.T) {
	t.Parallel()
	has := directory(provision.Groups,
		provision.Resource{ID: "1", Entry: entry{"displayName": "A", "externalId": "G1"}, Members: []string{"u"}},
		provision.Resource{ID: "2", Entry: entry{"displayName": "B", "externalId": "G2"}})
	p := provision.NewPlanner(groupRules(), has, gathered())
	l := p.Leavers(provision.Scope{Policy: provision.EmptyMissing})
	require.Equal(t, []string{"G1 emptied"}, keys(l))
	require.Equal(t, []string{"members"}, l.Steps[0].Fields(provision.Groups))
	require.Empty(t, l.Steps[0].Members)
	require.Equal(t, []string{"G1 deleted", "G2 deleted"}, keys(p.Leavers(provision.Scope{Policy: provision.DeleteMissing})))
}

func TestGuard(t *testing.T) {
	t.Parallel()
	share := provision.Guard{Percent: 10, Floor: 2}
	for _, c := range []struct {
		guard             provision.Guard
		rows, of, missing int
		stops             bool
	}{
		{share, 90, 100, 10, false},
		{share, 89, 100, 11, true},
		{share, 3, 5, 2, false},
		{share, 2, 5, 3, true},
		{share, 0, 0, 0, true},
		{provision.Guard{Percent: 10}, 3, 5, 1, true},
		{provision.Guard{Count: 3}, 1, 1000, 3, false},
		{provision.Guard{Count: 3}, 1, 1000, 4, true},
		{provision.Guard{}, 1, 10, 0, false},
		{provision.Guard{}, 1, 10, 1, true},
		{provision.Guard{Percent: 100, MinSource: 5}, 4, 10, 0, true},
		{provision.Guard{Percent: 100, MinSource: 5}, 5, 10, 10, false},
	} {
		s := provision.NewSurvey(provision.Users)
		for i := range c.rows {
			s.Add(entry{"externalId": fmt.Sprint(i)})
		}
		err := c.guard.Check(provision.Users, s, provision.Leavers{Steps: make([]provision.Step, c.missing), Of: int64(c.of)})
		require.Equal(t, c.stops, fault.Has(err, fault.ScimGuard), "%+v: %v", c, err)
	}
}
