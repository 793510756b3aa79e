package scimgate_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/scim"
	"github.com/celonis-connector/connector/internal/scimgate"
	"github.com/stretchr/testify/require"
)

// offline is what a client says of a Celonis that does not answer.
func offline() error { return fault.New(fault.CelonisServer, "celonis answered with status 503") }

func TestChangesOfOneGroupTakeTurns(t *testing.T) {
	t.Parallel()
	b := setup(t)
	group := b.create(scim.KindGroup, `{"displayName":"g"}`)
	const many = 40
	var changing sync.WaitGroup
	for i := range many {
		changing.Go(func() {
			p, _ := scim.ParsePatch([]byte(fmt.Sprintf(`{"Operations":[{"op":"add","path":"members","value":[{"value":"u%d"}]}]}`, i)))
			_, err := b.Patch(t.Context(), b.write(scim.KindGroup, group), p)
			if err != nil {
				t.Error(err)
			}
		})
	}
	changing.Wait()
	members, _ := b.team.byID["Group"+group].Get("members").([]any)
	require.Len(t, members, many, "none is lost")
}

// What makes a write wait, and what is told at once.
func TestWhatWaitsAndWhatIsRefused(t *testing.T) {
	t.Parallel()
	for code, want := range map[fault.Code]string{
		fault.EgressUnreachable: "waits", fault.EgressTimeout: "waits", fault.EgressDNS: "waits", fault.CelonisServer: "waits", fault.CelonisDisconnected: "waits",
		fault.CelonisRateLimited: "waits", fault.CelonisInDoubt: "waits",
		fault.CelonisUnauthorized: "celonis.unauthorized", fault.CelonisForbidden: "celonis.forbidden", fault.CelonisSCIMOff: "celonis.scim_off",
		fault.CelonisNotUnique: "scim.uniqueness", fault.CelonisMailFixed: "scim.mutability", fault.CelonisRejected: "scim.invalid_value", fault.CelonisLicenses: "scim.invalid_value",
		fault.CelonisStale: "request.stale", fault.EgressRefused: "egress.refused",
	} {
		b := setup(t)
		id := b.create(scim.KindUser, `{"userName":"ann@example.com"}`)
		b.down(fault.New(code, "why"))
		answer, err := b.patch(scim.KindUser, id, `{"op":"replace","path":"active","value":false}`)
		got := string(fault.CodeOf(err))
		if answer.Queued {
			got = "waits"
		}
		require.Equal(t, want, got, code)
		last := b.store.events[len(b.store.events)-1]
		require.Equal(t, map[bool]audit.Action{true: audit.Queued, false: audit.Refused}[answer.Queued], last.Action, code)
		require.Equal(t, []string{"active"}, last.Fields)
	}
}

func TestOperationsAreSentInOrderAndOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.down(offline())
	id := b.create(scim.KindUser, `{"userName":"ann@example.com","displayName":"a"}`)
	for _, name := range []string{"b", "c"} {
		answer, err := b.patch(scim.KindUser, id, `{"op":"replace","path":"displayName","value":"`+name+`"}`)
		require.NoError(t, err)
		require.Equal(t, name, answer.Resource.Text("displayName"))
	}
	require.Positive(t, b.deliver(), "an attempt that is in vain")
	require.Len(t, b.states(), 2)
	b.up()
	for range 3 {
		b.deliver()
	}
	require.Empty(t, b.states())
	require.Equal(t, 1, b.team.creates)
	got, err := b.Get(t.Context(), b.write(scim.KindUser, "").Place, scim.KindUser, id)
	require.NoError(t, err)
	require.Equal(t, []string{id, "c"}, []string{got.Resource.Text("id"), got.Resource.Text("displayName")})
}

// A create whose answer was lost is looked for before it is made again.
func TestACreateInDoubtIsLookedUp(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.team.fail = func(what string) error {
		if what == "created" {
			return fault.New(fault.CelonisInDoubt, "lost")
		}
		return nil
	}
	id := b.create(scim.KindUser, `{"userName":"ann@example.com"}`)
	b.up()
	b.deliver()
	require.Equal(t, 1, b.team.creates)
	require.Empty(t, b.states())
	require.Equal(t, "celonis-1", b.store.aliases[0].CelonisID)
	require.Equal(t, id, b.store.aliases[0].ID)
}

func TestAGroupWaitsForItsMembers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.team.fail = func(what string) error {
		if what == "find" || what == "create" {
			return offline()
		}
		return nil
	}
	user := b.create(scim.KindUser, `{"userName":"ann@example.com"}`)
	b.up()
	group := b.create(scim.KindGroup, `{"displayName":"g","members":[{"value":"`+user+`"}]}`)
	require.Equal(t, map[string]scimgate.State{user + " create": scimgate.Pending, group + " create": scimgate.Pending}, b.states(), "the group waits although Celonis is there")
	for range 3 {
		b.deliver()
	}
	require.Empty(t, b.states())
	sent := b.team.byID["Groupcelonis-2"]
	require.Equal(t, []any{map[string]any{"value": "celonis-1"}}, sent.Get("members"))
	got, err := b.Get(t.Context(), b.write(scim.KindGroup, "").Place, scim.KindGroup, group)
	require.NoError(t, err)
	require.Equal(t, []any{map[string]any{"value": user}}, got.Resource.Get("members"), "its caller sees the ids that it knows")
}

func TestAMemberThatNeverCameIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.down(offline())
	user := b.create(scim.KindUser, `{"userName":"ann@example.com"}`)
	group := b.create(scim.KindGroup, `{"displayName":"g","members":[{"value":"`+user+`"}]}`)
	require.NoError(t, b.Discard(t.Context(), "w", b.store.list[0].ID))
	b.up()
	b.deliver()
	require.Equal(t, map[string]scimgate.State{group + " create": scimgate.Failed}, b.states())
	problem, err := b.Detail(&b.store.list[0])
	require.NoError(t, err)
	require.Equal(t, fault.ScimValue, problem.Code)
	require.Contains(t, problem.Message, "never created")
}

// What was stored by any version must be read by every later one.
func TestStoredOperationsAreReadForGood(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.create(scim.KindUser, `{"userName":"ann@example.com","displayName":"Ann"}`)
	for i, o := range []scimgate.Operation{
		{Verb: scimgate.Patch, ResourceID: id, Envelope: `{"patch":{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"active","value":false}]},"problem":{"code":"celonis.server_error","message":"m","hint":"h"}}`},
		{Verb: scimgate.Replace, ResourceID: id, Envelope: `{"resource":{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ann@example.com","displayName":"Anna"}}`},
		{Verb: scimgate.Create, ResourceID: "theirs", Envelope: `{"resource":{"id":"theirs","userName":"bob@example.com","meta":{"created":"2026-03-01T08:00:00Z"}}}`},
		{Verb: scimgate.Delete, ResourceID: "theirs", Envelope: `{}`},
	} {
		o.ID, o.Place, o.Kind, o.State = fmt.Sprint("stored-", i), b.write(scim.KindUser, "").Place, scim.KindUser, scimgate.Pending
		b.store.list = append(b.store.list, o)
	}
	b.store.aliases = append(b.store.aliases, scimgate.Alias{ID: "theirs", Kind: scim.KindUser})
	problem, err := b.Detail(&b.store.list[0])
	require.NoError(t, err)
	require.Equal(t, &scimgate.Problem{Code: fault.CelonisServer, Message: "m", Hint: "h"}, problem)
	for range 3 {
		b.deliver()
	}
	require.Empty(t, b.states())
	require.Equal(t, 2, b.team.creates)
	require.Len(t, b.team.byID, 1)
	ann := b.team.byID["User"+id]
	require.Equal(t, []any{"Anna", false}, []any{ann.Get("displayName"), ann.Get("active")})
}

// An attempt that is cut off by the process's end is given back.
func TestStoppingIsNotFailing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.create(scim.KindUser, `{"userName":"ann@example.com"}`)
	b.down(offline())
	_, err := b.patch(scim.KindUser, id, `{"op":"replace","path":"active","value":false}`)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	b.team.fail = func(string) error { stop(); return fault.New(fault.CelonisRejected, "cut off") }
	b.pass(time.Minute)
	_, err = b.Deliver(ctx)
	require.NoError(t, err)
	o := b.store.list[0]
	require.Equal(t, []any{scimgate.Pending, 0, true}, []any{o.State, o.Attempts, o.LeasedUntil.IsZero()})
	b.up()
	b.deliver()
	require.Empty(t, b.states())
}

// What is somebody's to put right at the connection is tried again; what
// Celonis will never take is not, and nothing for longer than a week.
func TestWhenAnOperationFails(t *testing.T) {
	t.Parallel()
	for code, want := range map[fault.Code]scimgate.State{
		fault.CelonisRejected: scimgate.Failed, fault.CelonisMailFixed: scimgate.Failed, fault.CelonisLicenses: scimgate.Failed, fault.CelonisNotFound: scimgate.Failed,
		fault.CelonisUnauthorized: scimgate.Pending, fault.CelonisSCIMOff: scimgate.Pending, fault.SecretUnsealed: scimgate.Pending, fault.CelonisServer: scimgate.Pending,
	} {
		b := setup(t)
		id := b.create(scim.KindUser, `{"userName":"ann@example.com"}`)
		b.down(offline())
		_, err := b.patch(scim.KindUser, id, `{"op":"replace","path":"active","value":false}`)
		require.NoError(t, err)
		b.down(fault.New(code, "why"))
		require.Equal(t, 1, b.deliver())
		require.Equal(t, want, b.states()[id+" patch"], code)
		if want == scimgate.Pending {
			b.pass(7 * 24 * time.Hour)
			b.deliver()
			require.Equal(t, scimgate.Failed, b.states()[id+" patch"], "after a week: %s", code)
		}
	}
}

func TestWhileCelonisIsAway(t *testing.T) {
	t.Parallel()
	b := setup(t)
	at := b.write(scim.KindUser, "").Place
	bob := b.create(scim.KindUser, `{"userName":"bob@example.com","displayName":"Bob"}`)
	b.down(offline())
	ann := b.create(scim.KindUser, `{"userName":"ann@example.com"}`)

	_, err := b.Get(t.Context(), at, scim.KindUser, bob)
	require.True(t, fault.Has(err, fault.CelonisServer))
	_, err = b.List(t.Context(), at, scim.KindUser, scim.SearchRequest{})
	require.True(t, fault.Has(err, fault.CelonisServer))
	_, err = b.List(t.Context(), at, scim.KindUser, scim.SearchRequest{Filter: `userName eq "bob@example.com"`})
	require.True(t, fault.Has(err, fault.CelonisServer), "nobody knows whether there is one")
	page, err := b.List(t.Context(), at, scim.KindUser, scim.SearchRequest{Filter: `userName eq "ANN@example.com"`})
	require.NoError(t, err)
	require.Equal(t, ann, page.Resources[0].Text("id"))
	_, err = b.Create(t.Context(), b.write(scim.KindUser, ""), b.read(`{"userName":"ann@example.com"}`))
	require.True(t, fault.Has(err, fault.ScimUniqueness))

	w := b.write(scim.KindUser, bob)
	w.Tags = []string{`"1"`}
	require.True(t, fault.Has(b.Delete(t.Context(), w), fault.CelonisServer), "what a version guards cannot wait")
	answer, err := b.Replace(t.Context(), b.write(scim.KindUser, bob), b.read(`{"userName":"bob@example.com","displayName":"Robert"}`))
	require.NoError(t, err)
	require.Equal(t, []string{bob, "Robert"}, []string{answer.Resource.Text("id"), answer.Resource.Text("displayName")})
	_, err = b.patch(scim.KindUser, bob, `{"op":"replace","path":"id","value":"x"}`)
	require.True(t, fault.Has(err, fault.ScimMutability), "what is wrong is told although Celonis is away")
	require.NoError(t, b.Delete(t.Context(), b.write(scim.KindUser, ann)))
	_, err = b.Get(t.Context(), at, scim.KindUser, ann)
	require.True(t, fault.Has(err, fault.ScimNotFound))
	b.create(scim.KindUser, `{"userName":"ann@example.com"}`)

	b.up()
	page, err = b.List(t.Context(), at, scim.KindUser, scim.SearchRequest{SortBy: "userName"})
	require.NoError(t, err)
	require.Equal(t, 2, page.TotalResults, "what waits is part of the list")
	require.Equal(t, "Robert", page.Resources[1].Text("displayName"))
}

func TestAReplaceKeepsWhatItIsSilentAbout(t *testing.T) {
	t.Parallel()
	b := setup(t)
	user := b.create(scim.KindUser, `{"userName":"ann@example.com","displayName":"Ann","externalId":"7","active":false,"role":"ADMIN","name":{"givenName":"A"}}`)
	answer, err := b.Replace(t.Context(), b.write(scim.KindUser, user), b.read(`{"userName":"ANN@example.com","displayName":"Anna"}`))
	require.NoError(t, err)
	require.Equal(t, scim.Resource{
		"schemas": []any{scim.URNUser, scim.URNCelonisUser}, "id": user, "userName": "ann@example.com", "displayName": "Anna", "active": false,
		scim.URNCelonisUser: map[string]any{"role": "ADMIN"},
	}, answer.Resource)
	group := b.create(scim.KindGroup, `{"displayName":"g","members":["u1"]}`)
	answer, err = b.Replace(t.Context(), b.write(scim.KindGroup, group), b.read(`{"displayName":"h"}`))
	require.NoError(t, err)
	require.Len(t, answer.Resource.Get("members"), 1)
	answer, err = b.Replace(t.Context(), b.write(scim.KindGroup, group), b.read(`{"displayName":"h","members":[]}`))
	require.NoError(t, err)
	require.Empty(t, answer.Resource.Get("members"))
	events := len(b.store.events)
	_, err = b.Replace(t.Context(), b.write(scim.KindGroup, group), b.read(`{"displayName":"h","members":[]}`))
	require.NoError(t, err)
	require.Len(t, b.store.events, events, "nothing was changed")
}
