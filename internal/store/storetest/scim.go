package storetest

import (
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/scim"
	"github.com/celonis-connector/connector/internal/scimgate"
)

// operation is a write of a resource that waits, not stored yet.
func (b *bundle) operation(c *connections.Connection, resource string, verb scimgate.Verb) *scimgate.Operation {
	return &scimgate.Operation{
		ID: b.id(), Place: scimgate.Place{Workspace: c.Workspace, ConnectionID: c.ID}, Kind: scim.KindUser, ResourceID: resource, Verb: verb,
		State: scimgate.Pending, Envelope: "v1.k1.bm9uY2U.Y2lwaGVy", Actor: "client", RequestID: "r-1", NextAt: b.now, CreatedAt: b.now, UpdatedAt: b.now,
	}
}

func (b *bundle) queueSCIM(o *scimgate.Operation, a *scimgate.Alias) {
	b.Helper()
	e := audit.Event{Workspace: o.Workspace, Action: audit.Queued, Kind: audit.ScimUser, ObjectID: o.ResourceID, Name: string(o.Verb)}
	require.NoError(b, b.s.QueueSCIM(b.ctx, o, a, e, 100))
}

// takeSCIM gives the resources whose operations are due.
func (b *bundle) takeSCIM(now time.Time) map[string]*scimgate.Operation {
	b.Helper()
	list, err := b.s.TakeSCIM(b.ctx, now, now.Add(time.Minute), 10)
	require.NoError(b, err)
	out := map[string]*scimgate.Operation{}
	for i := range list {
		require.Equal(b, now.Add(time.Minute), list[i].LeasedUntil)
		out[list[i].ResourceID] = &list[i]
	}
	return out
}

func (b *bundle) scimStates(c *connections.Connection) map[string]scimgate.State {
	b.Helper()
	list, err := b.s.SCIMOperations(b.ctx, scimgate.OperationQuery{Place: scimgate.Place{Workspace: c.Workspace, ConnectionID: c.ID}})
	require.NoError(b, err)
	out := map[string]scimgate.State{}
	for _, o := range list {
		out[o.ResourceID+" "+string(o.Verb)] = o.State
	}
	return out
}

var scimTests = map[string]func(*bundle){
	"AnOperationComesBackAsItWas": func(b *bundle) {
		c := b.connection(b.workspace, "c")
		o := b.operation(c, "one", scimgate.Create)
		alias := scimgate.Alias{Place: o.Place, ID: "one", Kind: scim.KindUser, CreatedAt: b.now}
		b.queueSCIM(o, &alias)
		got, err := b.s.SCIMOperation(b.ctx, b.workspace, o.ID)
		require.NoError(b, err)
		require.Equal(b, o, got)
		aliases, err := b.s.SCIMAliases(b.ctx, b.workspace, c.ID)
		require.NoError(b, err)
		require.Equal(b, []scimgate.Alias{alias}, aliases)
		_, err = b.s.SCIMOperation(b.ctx, b.other, o.ID)
		b.fault(fault.ScimOperationNotFound, err)
		events, err := b.s.AuditEvents(b.ctx, audit.Query{Workspace: b.workspace, Action: audit.Queued, Limit: 10})
		require.NoError(b, err)
		require.Len(b, events, 1)
	},
	"ListsAreNarrowed": func(b *bundle) {
		c := b.connection(b.workspace, "c")
		first, second := b.operation(c, "one", scimgate.Patch), b.operation(c, "two", scimgate.Patch)
		second.Kind = scim.KindGroup
		b.queueSCIM(first, nil)
		b.queueSCIM(second, nil)
		at := scimgate.Place{Workspace: b.workspace, ConnectionID: c.ID}
		for want, q := range map[string]scimgate.OperationQuery{
			first.ID:  {Place: at, Kind: scim.KindUser},
			second.ID: {Place: at, ResourceID: "two", State: scimgate.Pending},
		} {
			list, err := b.s.SCIMOperations(b.ctx, q)
			require.NoError(b, err)
			require.Len(b, list, 1)
			require.Equal(b, want, list[0].ID)
		}
		list, err := b.s.SCIMOperations(b.ctx, scimgate.OperationQuery{Place: at, After: first.ID, Limit: 1})
		require.NoError(b, err)
		require.Equal(b, second.ID, list[0].ID)
		list, err = b.s.SCIMOperations(b.ctx, scimgate.OperationQuery{Place: at, State: scimgate.Failed})
		require.NoError(b, err)
		require.Empty(b, list)
		list, err = b.s.SCIMOperations(b.ctx, scimgate.OperationQuery{Place: scimgate.Place{Workspace: b.other, ConnectionID: c.ID}})
		require.NoError(b, err)
		require.Empty(b, list)
	},
	"OnlySoManyWait": func(b *bundle) {
		c := b.connection(b.workspace, "c")
		b.queueSCIM(b.operation(c, "one", scimgate.Patch), nil)
		err := b.s.QueueSCIM(b.ctx, b.operation(c, "two", scimgate.Patch), nil, audit.Event{Workspace: b.workspace}, 1)
		b.fault(fault.ScimQueueFull, err)
		c.ID = b.id()
		err = b.s.QueueSCIM(b.ctx, b.operation(c, "three", scimgate.Patch), nil, audit.Event{Workspace: b.workspace}, 1)
		b.fault(fault.ConnectionNotFound, err)
	},
	"AConnectionWithOperationsStays": func(b *bundle) {
		c := b.connection(b.workspace, "c")
		o := b.operation(c, "one", scimgate.Create)
		b.queueSCIM(o, &scimgate.Alias{Place: o.Place, ID: "one", Kind: scim.KindUser, CreatedAt: b.now})
		err := b.s.DeleteConnection(b.ctx, b.workspace, c.ID, 0)
		b.fault(fault.ConnectionInUse, err)
		require.Contains(b, fault.From(err).Hint, "scim-operations")
		b.fault(fault.ScimOperationNotFound, b.s.DiscardSCIM(b.ctx, b.other, o.ID, b.now))
		require.NoError(b, b.s.DiscardSCIM(b.ctx, b.workspace, o.ID, b.now))
		require.NoError(b, b.s.DeleteConnection(b.ctx, b.workspace, c.ID, 0), "aliases go with it")
	},
}

var scimWorkTests = map[string]func(*bundle){
	"OfAResourceTheOldestIsDue": func(b *bundle) {
		c := b.connection(b.workspace, "c")
		create, patch, other := b.operation(c, "one", scimgate.Create), b.operation(c, "one", scimgate.Patch), b.operation(c, "two", scimgate.Patch)
		later := b.operation(c, "three", scimgate.Delete)
		later.NextAt = b.now.Add(time.Hour)
		for _, o := range []*scimgate.Operation{create, patch, other, later} {
			b.queueSCIM(o, nil)
		}
		due := b.takeSCIM(b.now)
		require.Len(b, due, 2)
		require.Equal(b, scimgate.Create, due["one"].Verb)
		require.Equal(b, 1, due["two"].Attempts)
		require.Empty(b, b.takeSCIM(b.now), "what is leased is nobody else's")
		require.Len(b, b.takeSCIM(b.now.Add(2*time.Minute)), 2, "a lease ends")
	},
	"TheEndOfAnAttempt": func(b *bundle) {
		c := b.connection(b.workspace, "c")
		o := b.operation(c, "one", scimgate.Create)
		later := b.operation(c, "two", scimgate.Patch)
		later.NextAt = b.now.Add(time.Hour)
		b.queueSCIM(o, &scimgate.Alias{Place: o.Place, ID: "one", Kind: scim.KindUser, CreatedAt: b.now})
		b.queueSCIM(later, nil)
		stale := *b.takeSCIM(b.now)["one"]
		taken := b.takeSCIM(b.now.Add(2 * time.Minute))["one"]
		event := audit.Event{Workspace: b.workspace, Action: audit.Created, Kind: audit.ScimUser, ObjectID: "one"}
		require.NoError(b, b.s.EndSCIM(b.ctx, &stale, scimgate.End{Done: true, CelonisID: "wrong", Event: &event, Now: b.now}), "I2: it lost its lease")
		require.Len(b, b.scimStates(c), 2)
		require.NoError(b, b.s.EndSCIM(b.ctx, taken, scimgate.End{Done: true, CelonisID: "at-celonis", Event: &event, Now: b.now}))
		require.Equal(b, map[string]scimgate.State{"two patch": scimgate.Pending}, b.scimStates(c))
		aliases, err := b.s.SCIMAliases(b.ctx, b.workspace, c.ID)
		require.NoError(b, err)
		require.Equal(b, "at-celonis", aliases[0].CelonisID)
		require.Contains(b, b.takeSCIM(b.now), "two", "one that is taken lets the others go on at once")
		events, err := b.s.AuditEvents(b.ctx, audit.Query{Workspace: b.workspace, Action: audit.Created, Kind: audit.ScimUser, Limit: 10})
		require.NoError(b, err)
		require.Len(b, events, 1)
	},
	"AFailedCreateHoldsWhatFollows": func(b *bundle) {
		c := b.connection(b.workspace, "c")
		create, patch := b.operation(c, "one", scimgate.Create), b.operation(c, "one", scimgate.Patch)
		change, again := b.operation(c, "two", scimgate.Patch), b.operation(c, "two", scimgate.Replace)
		for _, o := range []*scimgate.Operation{create, patch, change, again} {
			b.queueSCIM(o, nil)
		}
		for _, o := range b.takeSCIM(b.now) {
			require.NoError(b, b.s.EndSCIM(b.ctx, o, scimgate.End{Failed: true, Code: "scim.invalid_value", Envelope: "v1.k2.a.b", Now: b.now}))
		}
		require.Equal(b, map[string]scimgate.State{"one create": scimgate.Failed, "one patch": scimgate.Pending, "two patch": scimgate.Failed, "two replace": scimgate.Pending}, b.scimStates(c))
		due := b.takeSCIM(b.now)
		require.Len(b, due, 1, "a change that failed holds nothing: somebody may have to be shut out")
		b.fault(fault.ScimOperationState, b.s.DiscardSCIM(b.ctx, b.workspace, due["two"].ID, b.now))
		_, err := b.s.RetrySCIM(b.ctx, b.workspace, due["two"].ID, b.now)
		b.fault(fault.ScimOperationState, err)
		_, err = b.s.RetrySCIM(b.ctx, b.other, create.ID, b.now)
		b.fault(fault.ScimOperationNotFound, err)
		o, err := b.s.RetrySCIM(b.ctx, b.workspace, create.ID, b.now)
		require.NoError(b, err)
		require.Equal(b, scimgate.Pending, o.State)
		require.Equal(b, scimgate.Create, b.takeSCIM(b.now)["one"].Verb)
	},
	"AnAttemptThatIsRepeated": func(b *bundle) {
		c := b.connection(b.workspace, "c")
		b.queueSCIM(b.operation(c, "one", scimgate.Patch), nil)
		o := b.takeSCIM(b.now)["one"]
		b.queueSCIM(b.operation(c, "two", scimgate.Patch), nil) // waits with it
		require.NoError(b, b.s.EndSCIM(b.ctx, o, scimgate.End{Next: b.now.Add(time.Minute), Away: true, Code: "celonis.server_error", Envelope: "v1.k2.a.b", Now: b.now}))
		require.Empty(b, b.takeSCIM(b.now.Add(time.Second)))
		o = b.takeSCIM(b.now.Add(time.Minute))["one"]
		require.Equal(b, []any{2, "celonis.server_error", "v1.k2.a.b"}, []any{o.Attempts, o.Code, o.Envelope})
		require.NoError(b, b.s.EndSCIM(b.ctx, o, scimgate.End{Free: true, Next: b.now, Now: b.now}))
		require.Equal(b, 2, b.takeSCIM(b.now.Add(time.Hour))["one"].Attempts, "waiting for others is no attempt")
	},
	"TwoAtOnceTakeDifferentOnes": func(b *bundle) {
		c := b.connection(b.workspace, "c")
		const many = 12
		for range many {
			b.queueSCIM(b.operation(c, b.id(), scimgate.Patch), nil)
		}
		var mu sync.Mutex
		var takers sync.WaitGroup
		seen := map[string]int{}
		for range 4 {
			takers.Go(func() {
				for {
					list, err := b.s.TakeSCIM(b.ctx, b.now, b.now.Add(time.Minute), 2)
					if err != nil || len(list) == 0 {
						return
					}
					mu.Lock()
					for _, o := range list {
						seen[o.ID]++
					}
					mu.Unlock()
				}
			})
		}
		takers.Wait()
		for range b.takeSCIM(b.now) {
			mu.Lock()
			seen["left"]++
			mu.Unlock()
		}
		for id, n := range seen {
			require.Equal(b, 1, n, id)
		}
	},
}
