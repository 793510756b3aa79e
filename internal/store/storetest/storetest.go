// Package storetest is the contract that a store keeps, whatever database is
// under it: every method, every fault, isolation of workspaces, and what must
// hold when many do it at once.
package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/store"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// Exercise runs the contract on the databases that open makes. open must give
// an empty one each time and close it with its test.
func Exercise(t *testing.T, open func(t *testing.T) *store.Store) {
	shared := open(t)
	for _, group := range []struct {
		name string
		// alone is set where rows of other workspaces would be seen.
		alone bool
		tests map[string]func(*bundle)
	}{
		{"Connections", false, connectionTests},
		{"OAuthClients", false, oauthClientTests},
		{"Grants", false, grantTests},
		{"Sealed", true, sealedTests},
		{"Flows", false, flowTests},
		{"Files", false, fileTests},
		{"RunFiles", false, runFileTests},
		{"FileSweep", true, fileSweepTests},
		{"Runs", false, runTests},
		{"Work", false, workTests},
		{"Visible", false, visibleTests},
		{"Watermarks", false, watermarkTests},
		{"RecordErrors", false, recordErrorTests},
		{"ErrorWork", false, errorWorkTests},
		{"ErrorSweep", true, errorSweepTests},
		{"Records", false, recordTests},
		{"Gather", false, gatherTests},
		{"Webhooks", false, webhookTests},
		{"Receipts", false, receiptTests},
		{"WebhookKeys", true, hookKeyringTests},
		{"Budget", false, budgetTests},
		{"Requests", false, requestTests},
		{"Clients", false, clientTests},
		{"Idempotency", false, idempotencyTests},
		{"Isolation", false, isolationTests},
		{"Faults", false, faultTests},
		{"Concurrency", false, concurrencyTests},
		{"Sweep", true, sweepTests},
		{"Audit", false, auditTests},
		{"Keyring", true, keyringTests},
		{"Standing", true, standingTests},
		{"Schedules", true, scheduleTests},
		{"Links", false, linkTests},
		{"Turns", true, turnTests},
		{"Notifications", true, notificationTests},
		{"Subscriptions", true, subscriptionTests},
		{"History", false, historyTests},
		{"Deliveries", true, deliveryTests},
		{"Chat", false, chatTests},
		{"SCIM", false, scimTests},
		{"SCIMWork", true, scimWorkTests},
		{"Answers", false, answerTests},
		{"LongRequests", false, longRequestTests},
	} {
		t.Run(group.name, func(t *testing.T) {
			t.Parallel()
			for name, test := range group.tests {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					s := shared
					if group.alone {
						s = open(t)
					}
					test(setup(t, s))
				})
			}
		})
	}
}

// bundle is one test: a store, two fresh workspaces and a clock that stands.
type bundle struct {
	*testing.T
	s                *store.Store
	ctx              context.Context
	workspace, other string
	now              time.Time
}

func setup(t *testing.T, s *store.Store) *bundle {
	return &bundle{T: t, s: s, ctx: t.Context(), workspace: "ws-" + newID(t), other: "ws-" + newID(t),
		now: time.Date(2026, time.March, 29, 1, 59, 59, 123456000, time.UTC)}
}

func newID(t testing.TB) string {
	id, err := uuid.NewV7()
	require.NoError(t, err)
	return id.String()
}

func (b *bundle) id() string { return newID(b) }

func (b *bundle) fault(code fault.Code, err error) {
	b.Helper()
	require.Error(b, err)
	require.Equal(b, code, fault.CodeOf(err), "%v", err)
}

// draft is a connection with every field set, not stored yet.
func (b *bundle) draft(workspace, name string) *connections.Connection {
	return &connections.Connection{
		ID: b.id(), Workspace: workspace, Revision: 1, Name: name, APIType: connections.DataPush,
		Domain: "acme.eu-1.celonis.cloud", AuthType: connections.Custom, PoolID: "5f2d5a0e-7d1c-4c86-8f0a-0d6c2e6f1a11",
		Secrets: map[connections.SecretField]connections.SealedSecret{
			connections.AppKey: {Envelope: "v1.k1.bm9uY2U.Y2lwaGVy", UpdatedAt: b.now},
		},
		Status: connections.Untested, CreatedAt: b.now, UpdatedAt: b.now.Add(time.Microsecond),
	}
}

func (b *bundle) connection(workspace, name string) *connections.Connection {
	b.Helper()
	c := b.draft(workspace, name)
	require.NoError(b, b.s.CreateConnection(b.ctx, c))
	return c
}

// sketch is a flow with every field set, not stored yet.
func (b *bundle) sketch(c *connections.Connection, name string) *flows.Flow {
	header, fallback := true, flows.Scalar("0")
	return &flows.Flow{
		ID: b.id(), Workspace: c.Workspace, Revision: 1, Enabled: true, CreatedAt: b.now, UpdatedAt: b.now,
		Spec: flows.Spec{
			Name: name,
			Export: flows.Export{Type: flows.ExportFile, FileID: b.id(), Format: flows.CSV,
				CSV: &flows.CSVOptions{Separator: ";", Quote: `"`, Encoding: "windows-1252", Header: &header}},
			Mapping: []flows.Rule{{To: "CASE_ID", From: "case:concept:name", Type: "string", Length: 80, Required: true},
				{To: "AMOUNT", From: "/amount", Type: "float", Default: &fallback}},
			Import: flows.Import{Type: flows.ImportDataPush, ConnectionID: c.ID, Table: "EVENTS", Mode: flows.Delta,
				Keys: []string{"CASE_ID"}, FileType: flows.Parquet},
			MaxErrors: &flows.Threshold{Percent: 5},
		},
	}
}

// flow stores a flow with a connection of its own.
func (b *bundle) flow(workspace, name string) *flows.Flow {
	b.Helper()
	f := b.sketch(b.connection(workspace, "for "+name), name)
	require.NoError(b, b.s.CreateFlow(b.ctx, f))
	return f
}

// sibling stores another flow that differs from f in its name only.
func (b *bundle) sibling(f *flows.Flow) *flows.Flow {
	b.Helper()
	other := *f
	other.ID, other.Revision, other.Name = b.id(), 1, "sibling "+b.id()
	require.NoError(b, b.s.CreateFlow(b.ctx, &other))
	return &other
}

func (b *bundle) queued(f *flows.Flow) *flows.Run {
	return &flows.Run{ID: b.id(), Workspace: f.Workspace, FlowID: f.ID, FlowRevision: f.Revision, Trigger: flows.Manual,
		State: flows.Queued, CreatedAt: b.now, UpdatedAt: b.now}
}

func (b *bundle) run(f *flows.Flow) *flows.Run {
	b.Helper()
	r := b.queued(f)
	require.NoError(b, b.s.InsertRun(b.ctx, r))
	return r
}

func (b *bundle) read(r *flows.Run) *flows.Run {
	b.Helper()
	got, err := b.s.Run(b.ctx, r.Workspace, r.ID)
	require.NoError(b, err)
	return got
}

// lease is a claim at now that ends a minute later.
func lease(now time.Time) flows.Claim {
	return flows.Claim{Worker: "worker-1", Now: now, Until: now.Add(time.Minute)}
}

func (b *bundle) claim(r *flows.Run) *flows.Run {
	b.Helper()
	got, err := b.s.ClaimRun(b.ctx, r.ID, lease(b.now))
	require.NoError(b, err)
	return got
}

// claimed is a new run of the flow that a worker holds.
func (b *bundle) claimed(f *flows.Flow) *flows.Run {
	b.Helper()
	return b.claim(b.run(f))
}

func (b *bundle) settle(r *flows.Run, e flows.Settlement) {
	b.Helper()
	require.NoError(b, b.s.SettleRun(b.ctx, r.Token(), e))
}

// waiting is a run whose attempt ended an hour before it may go on.
func (b *bundle) waiting(f *flows.Flow) *flows.Run {
	b.Helper()
	r := b.claimed(f)
	b.settle(r, flows.Settlement{State: flows.Waiting, ResumeAt: b.now.Add(time.Hour), Now: b.now,
		Error: &flows.RunError{Code: fault.ConnectionOffline, Message: "the connection is offline", Hint: "test it"}})
	return b.read(r)
}

// pages walks a list two items at a time and gives the ids in the order met.
func pages[T any](b *bundle, list func(after string, limit int) ([]T, error), id func(T) string) []string {
	b.Helper()
	const limit = 2
	var ids []string
	after := ""
	for {
		part, err := list(after, limit)
		require.NoError(b, err)
		require.NotNil(b, part)
		for _, v := range part {
			ids = append(ids, id(v))
		}
		if len(part) < limit {
			return ids
		}
		after = ids[len(ids)-1]
	}
}
