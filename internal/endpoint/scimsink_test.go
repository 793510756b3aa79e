package endpoint_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/celonis-connector/connector/internal/endpoint"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
)

func newTeam(t testing.TB, change ...func(*celonissim.Options)) *kit {
	t.Helper()
	k := newKit(t, append(change, func(o *celonissim.Options) { o.Teams[0].Credentials[0].UserProvisioning = true })...)
	return k
}

// usersFlow is a flow of users in a CSV file.
func usersFlow(t testing.TB, i flows.Import, lines ...string) *flows.Flow {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users.csv")
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	yes := true
	if i.Type == "" {
		i.Type, i.SendInvitation, i.MatchBy, i.OnDisable = flows.ImportSCIMUsers, &yes, []string{"externalId", "userName"}, flows.DisableDeactivate
	}
	return &flows.Flow{ID: "flow", Workspace: "w", Spec: flows.Spec{
		Name: "people", Import: i, Export: flows.Export{Type: flows.ExportFile, Path: path, Format: flows.CSV},
	}}
}

// provision does one attempt of a flow.
func (k *kit) provision(ctx context.Context, f *flows.Flow, j *journal) (flows.Ledger, error) {
	k.t.Helper()
	b := endpoint.NewBuilder(k.deps)
	source, err := b.Source(f, new(flows.Run))
	require.NoError(k.t, err)
	sink, err := b.Sink(ctx, f)
	require.NoError(k.t, err)
	return engine.New(k.options).Run(ctx, engine.Job{
		Source: source, Sink: sink, Journal: j, Rules: f.Mapping, MaxErrors: flows.Threshold{Count: 10}, Checkpoint: j.checkpoint(),
	})
}

// untilDone makes attempts until one succeeds, as a worker would, and gives their number.
func (k *kit) untilDone(f *flows.Flow, j *journal, attempt func(try int) (flows.Ledger, error)) (ledger flows.Ledger, tries int) {
	k.t.Helper()
	for try := 1; try <= 200; try++ {
		ledger, err := attempt(try)
		if err == nil {
			return ledger, try
		}
		require.NotEqual(k.t, fault.Never, fault.RetryOf(err), "%v", err)
	}
	require.Fail(k.t, "no attempt succeeded")
	return
}

func people(from, n int) []string {
	lines := []string{"userName,externalId,displayName"}
	for i := from; i < from+n; i++ {
		lines = append(lines, fmt.Sprintf("p%d@example.com,E%d,Person %d", i, i, i))
	}
	return lines
}

// killer calls kill at the n-th request of SCIM that comes.
type killer struct {
	mu   sync.Mutex
	left int
	kill func()
}

func (k *killer) set(left int, kill func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.left, k.kill = left, kill
}

func (k *killer) pass(r celonissim.Request) {
	if !strings.HasPrefix(r.Route, "scim.") {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.left--; k.left == 0 {
		k.kill()
	}
}

func TestADyingSyncInvitesNobodyTwice(t *testing.T) {
	t.Parallel()
	for _, seed := range []uint64{1, 2, 3, 4, 5, 6} {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, seed))
			var killer killer
			k := newTeam(t, func(o *celonissim.Options) { o.OnRequest = killer.pass })
			for i := range 30 {
				k.AddSCIMUser(map[string]any{"userName": fmt.Sprintf("leaver%d@example.com", i), "externalId": fmt.Sprintf("L%d", i)})
			}
			for i := range 20 {
				k.AddSCIMUser(map[string]any{"userName": fmt.Sprintf("P%d@example.com", i), "displayName": "another"})
			}
			f := usersFlow(t, flows.Import{}, people(0, 300)...)
			f.Import.OnMissing, f.Import.Guard = flows.MissingDeactivate, &flows.SyncGuard{MaxMissing: &flows.Threshold{Percent: 100}}
			j := &journal{}
			ledger, tries := k.untilDone(f, j, func(try int) (flows.Ledger, error) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				if try <= 12 {
					killer.set(1+random.IntN(150), func() { cancel(fault.New(fault.RunReleased, "killed")) })
				}
				return k.provision(ctx, f, j)
			})
			require.Greater(t, tries, 2, "some attempts died")
			require.Equal(t, flows.Ledger{Read: 300, Pushed: 300}, ledger)
			require.Equal(t, map[string]int64{"created": 280, "updated": 20, "deactivated": 30}, j.checkpoint().Actions, "what an attempt did before it died counts, once")
			for name, p := range k.SCIMPersons() {
				require.LessOrEqual(t, p.Invitations, 1, name)
			}
			require.Len(t, k.SCIMUsers(), 330)
		})
	}
}

func TestLostAnswersInviteNobodyTwice(t *testing.T) {
	t.Parallel()
	k := newTeam(t)
	k.AddFault(celonissim.Fault{Route: "scim.users.create", Cut: celonissim.CutBeforeAnswer, Probability: 0.1})
	k.AddFault(celonissim.Fault{Route: "scim.users.create", Status: 500, Probability: 0.02})
	k.AddFault(celonissim.Fault{Route: "scim.users.create", Status: 429, Skip: 20, Times: 1, Wait: time.Millisecond})
	j := &journal{}
	f := usersFlow(t, flows.Import{}, people(0, 150)...)
	ledger, _ := k.untilDone(f, j, func(int) (flows.Ledger, error) { return k.provision(t.Context(), f, j) })
	require.Equal(t, flows.Ledger{Read: 150, Pushed: 150}, ledger)
	require.Equal(t, map[string]int64{"created": 150}, j.checkpoint().Actions)
	for name, p := range k.SCIMPersons() {
		require.Equal(t, 1, p.Invitations, name)
	}
}

func TestACheckpointThatCouldNotBeSavedInvitesNobodyTwice(t *testing.T) {
	t.Parallel()
	k := newTeam(t)
	broken := errors.New("the database is gone")
	saves := 0
	j := &journal{}
	j.fail = func(c flows.Checkpoint) error {
		if saves++; c.Ledger.Pushed > 0 && saves%3 == 0 {
			return broken
		}
		return nil
	}
	f := usersFlow(t, flows.Import{}, people(0, 900)...)
	ledger, tries := k.untilDone(f, j, func(int) (flows.Ledger, error) { return k.provision(t.Context(), f, j) })
	require.Greater(t, tries, 1)
	require.Equal(t, flows.Ledger{Read: 900, Pushed: 900}, ledger)
	require.Equal(t, map[string]int64{"created": 900}, j.checkpoint().Actions)
	require.Equal(t, int64(900), k.SCIMWrites()["POST User"])
}

func TestWaitingForALicenseGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	k := newTeam(t)
	k.SetSCIM(func(o *celonissim.SCIM) { o.Licenses = 20 })
	j := &journal{}
	f := usersFlow(t, flows.Import{}, people(0, 60)...)
	_, err := k.provision(t.Context(), f, j)
	require.Equal(t, fault.Wait, fault.RetryOf(err))
	require.Equal(t, fault.CelonisLicenses, fault.CodeOf(err))
	require.True(t, fault.From(err).ResumeAt.After(time.Now()))
	require.Positive(t, j.checkpoint().Ledger.Pushed)
	k.SetSCIM(func(o *celonissim.SCIM) { o.Licenses = 0 })
	ledger, err := k.provision(t.Context(), f, j)
	require.NoError(t, err)
	require.Equal(t, flows.Ledger{Read: 60, Pushed: 60}, ledger)
	require.Equal(t, map[string]int64{"created": 60}, j.checkpoint().Actions)
	require.Len(t, k.SCIMUsers(), 60)
}

// What Celonis is not documented to do it may do either way.
func TestQuirksOfTheServer(t *testing.T) {
	t.Parallel()
	for name, quirk := range map[string]func(*celonissim.SCIM){
		"as documented":     func(*celonissim.SCIM) {},
		"patch":             func(o *celonissim.SCIM) { o.Patch = true },
		"patch hidden":      func(o *celonissim.SCIM) { o.Patch, o.PatchHidden = true, true },
		"promised":          func(o *celonissim.SCIM) { o.PatchPromised = true },
		"etags":             func(o *celonissim.SCIM) { o.ETags = true },
		"no discovery":      func(o *celonissim.SCIM) { o.NoDiscovery = true },
		"filters ignored":   func(o *celonissim.SCIM) { o.Filter = celonissim.SCIMFilterIgnored },
		"filters refused":   func(o *celonissim.SCIM) { o.Filter = celonissim.SCIMFilterRefused },
		"small pages":       func(o *celonissim.SCIM) { o.PageSize, o.Overlap = 7, 2 },
		"no content":        func(o *celonissim.SCIM) { o.CreateStatus = 204 },
		"nested texts":      func(o *celonissim.SCIM) { o.Nested, o.FlagText, o.ReadsNested = true, true, true },
		"read at the top":   func(o *celonissim.SCIM) { o.ReadsTop = true },
		"duplicates as 400": func(o *celonissim.SCIM) { o.DuplicateStatus = 400 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newTeam(t)
			k.SetSCIM(quirk)
			k.AddSCIMUser(map[string]any{"userName": "ann@example.com", "displayName": "another", "role": "MEMBER"})
			few := usersFlow(t, flows.Import{}, "userName,externalId,role", "ann@example.com,1,ANALYST", "bob@example.com,2,")
			many := usersFlow(t, flows.Import{}, people(0, 30)...)
			for _, f := range []*flows.Flow{few, many} {
				_, err := k.provision(t.Context(), f, &journal{})
				require.NoError(t, err)
			}
			before := k.SCIMWrites()
			for _, f := range []*flows.Flow{few, many} {
				j := &journal{}
				_, err := k.provision(t.Context(), f, j)
				require.NoError(t, err)
				require.Len(t, j.checkpoint().Actions, 1, "%v", j.checkpoint().Actions)
			}
			require.Equal(t, before, k.SCIMWrites())
			require.Len(t, k.SCIMUsers(), 32)
			require.Equal(t, "1", k.SCIMUsers()[0]["externalId"])
		})
	}
}

func TestWhoIsDisabledLaterMakesRoomForWhoComesBefore(t *testing.T) {
	t.Parallel()
	k := newTeam(t)
	k.SetSCIM(func(o *celonissim.SCIM) { o.Licenses = 30 })
	lines := people(0, 30)
	f := usersFlow(t, flows.Import{}, lines...)
	_, err := k.provision(t.Context(), f, &journal{})
	require.NoError(t, err)
	swapped := []string{lines[0] + ",active"}
	for i := range 30 {
		swapped = append(swapped, fmt.Sprintf("new%d@example.com,N%d,New,true", i, i))
	}
	for _, line := range lines[1:] {
		swapped = append(swapped, line+",false")
	}
	j := &journal{}
	ledger, err := k.provision(t.Context(), usersFlow(t, flows.Import{}, swapped...), j)
	require.NoError(t, err)
	require.Equal(t, flows.Ledger{Read: 60, Pushed: 60}, ledger)
	require.Equal(t, map[string]int64{"created": 30, "deactivated": 30}, j.checkpoint().Actions)
}

func TestWhoIsNotLookedForByNameIsNotFoundByName(t *testing.T) {
	t.Parallel()
	k := newTeam(t)
	k.AddSCIMUser(map[string]any{"userName": "p0@example.com", "externalId": "another"})
	f := usersFlow(t, flows.Import{}, people(0, 2)...)
	f.Import.MatchBy = []string{"externalId"}
	ledger, err := k.provision(t.Context(), f, &journal{})
	require.NoError(t, err)
	require.Equal(t, flows.Ledger{Read: 2, Pushed: 1, Errored: 1}, ledger)
	require.Equal(t, "another", k.SCIMUsers()[0]["externalId"])
}
