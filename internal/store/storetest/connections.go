package storetest

import (
	"strings"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

// someHTTP is the HTTP view of a connection with every member set.
func someHTTP() *connections.HTTPSettings {
	seconds, calls, none, rate := 30, 2, 0, 0.5
	return &connections.HTTPSettings{
		Headers:        []connections.Header{{Name: "X-Route", Value: "eu"}, {Name: "x-Trace", Value: "on"}},
		TimeoutSeconds: &seconds, Concurrency: &calls, RequestsPerSecond: &rate, Retries: &none,
	}
}

var connectionTests = map[string]func(*bundle){
	"RoundTrip": func(b *bundle) {
		c := b.draft(b.workspace, "Prod pool")
		c.LastTest = &connections.TestResult{OK: false, LatencyMs: 12, At: b.now,
			Steps: []connections.Step{{Step: "dns", OK: true}, {Step: "auth", Code: fault.CelonisUnauthorized, Detail: "no", Hint: "key"}}}
		c.Secrets[connections.APIKey] = connections.SealedSecret{Envelope: "v1.k2.bm9uY2U.YXBp", Ref: "env:NAME", UpdatedAt: b.now.Add(time.Hour)}
		c.HTTP = someHTTP()
		require.NoError(b, b.s.CreateConnection(b.ctx, c))
		got, err := b.s.Connection(b.ctx, b.workspace, c.ID)
		require.NoError(b, err)
		require.Equal(b, c, got)
		require.Equal(b, time.UTC, got.CreatedAt.Location())
	},
	"OutsideRoundTrip": func(b *bundle) {
		c := b.draft(b.workspace, "database")
		c.APIType, c.Domain, c.AuthType, c.PoolID = connections.SQL, "", "", ""
		c.Outside = &connections.Outside{Dialect: connections.PostgreSQL, Host: "db.example.com:5432", Database: "sales", Username: "reader", TLS: connections.TLSVerify}
		c.Secrets = map[connections.SecretField]connections.SealedSecret{connections.Password: {Envelope: "v1.k1.a.b", UpdatedAt: b.now}}
		require.NoError(b, b.s.CreateConnection(b.ctx, c))
		got, err := b.s.Connection(b.ctx, b.workspace, c.ID)
		require.NoError(b, err)
		require.Equal(b, c, got)
		c.Revision, c.Outside = 2, &connections.Outside{Dialect: connections.SQLite, Database: "sales.db"}
		c.Secrets = nil
		require.NoError(b, b.s.UpdateConnection(b.ctx, c))
		got, err = b.s.Connection(b.ctx, b.workspace, c.ID)
		require.NoError(b, err)
		require.Equal(b, c, got)
	},
	"LocalTimesComeBackInUTC": func(b *bundle) {
		zone := time.FixedZone("UTC+2", 2*60*60)
		c := b.draft(b.workspace, "zone")
		c.CreatedAt = b.now.In(zone).Add(999 * time.Nanosecond)
		c.UpdatedAt = time.Time{}
		c.LastTest = &connections.TestResult{At: b.now.In(zone)}
		require.NoError(b, b.s.CreateConnection(b.ctx, c))
		got, err := b.s.Connection(b.ctx, b.workspace, c.ID)
		require.NoError(b, err)
		require.Equal(b, b.now, got.CreatedAt)
		require.True(b, got.UpdatedAt.IsZero())
		require.Equal(b, b.now, got.LastTest.At)
	},
	"NameIsUniqueCaseInsensitively": func(b *bundle) {
		b.connection(b.workspace, "Größe ÄÖ 東京")
		err := b.s.CreateConnection(b.ctx, b.draft(b.workspace, "gRÖßE äö 東京"))
		b.fault(fault.ConnectionNameTaken, err)
		decomposed := strings.ReplaceAll("größe äö 東京", "ö", "o\u0308")
		b.fault(fault.ConnectionNameTaken, b.s.CreateConnection(b.ctx, b.draft(b.workspace, decomposed)))
		b.connection(b.other, "Größe ÄÖ 東京")
	},
	"ByName": func(b *bundle) {
		c := b.connection(b.workspace, "Éclair")
		got, err := b.s.ConnectionByName(b.ctx, b.workspace, "éCLAIR")
		require.NoError(b, err)
		require.Equal(b, c, got)
		_, err = b.s.ConnectionByName(b.ctx, b.workspace, "eclair")
		b.fault(fault.ConnectionNotFound, err)
	},
	"ListsByPages": func(b *bundle) {
		var want []string
		for _, name := range []string{"e", "d", "c", "b", "a"} {
			c := b.draft(b.workspace, name)
			c.Secrets[connections.APIKey] = connections.SealedSecret{Envelope: "v1.k1.a.b", UpdatedAt: b.now}
			require.NoError(b, b.s.CreateConnection(b.ctx, c))
			want = append(want, c.ID)
		}
		b.connection(b.other, "e")
		got := pages(b, func(after string, limit int) ([]connections.Connection, error) {
			return b.s.Connections(b.ctx, b.workspace, connections.Page{Limit: limit, After: after})
		}, func(c connections.Connection) string {
			require.Len(b, c.Secrets, 2)
			return c.ID
		})
		require.Equal(b, want, got)
	},
	"ListOfNoneIsEmpty": func(b *bundle) {
		got, err := b.s.Connections(b.ctx, b.workspace, connections.Page{})
		require.NoError(b, err)
		require.Equal(b, []connections.Connection{}, got)
	},
	"UpdateStoresEveryField": func(b *bundle) {
		c := b.connection(b.workspace, "before")
		c.Revision, c.Name, c.APIType, c.Domain = 2, "after", connections.Intelligence, "other.eu-2.celonis.cloud"
		c.AuthType, c.PoolID, c.Status, c.UpdatedAt = connections.Token, "", connections.Online, b.now.Add(time.Hour)
		c.LastTest = &connections.TestResult{OK: true, Steps: []connections.Step{}, At: b.now}
		c.HTTP = someHTTP()
		c.Secrets = map[connections.SecretField]connections.SealedSecret{
			connections.APIKey: {Envelope: "v1.k2.bm9uY2U.YXBp", UpdatedAt: b.now.Add(time.Hour)}}
		require.NoError(b, b.s.UpdateConnection(b.ctx, c))
		got, err := b.s.Connection(b.ctx, b.workspace, c.ID)
		require.NoError(b, err)
		require.Equal(b, c, got)
	},
	"UpdateKeepsItsOwnName": func(b *bundle) {
		c := b.connection(b.workspace, "Name")
		c.Revision, c.Name = 2, "NAME"
		require.NoError(b, b.s.UpdateConnection(b.ctx, c))
	},
	"UpdateFaults": func(b *bundle) {
		b.connection(b.workspace, "taken")
		c := b.connection(b.workspace, "mine")
		c.Revision = 3
		b.fault(fault.RequestStale, b.s.UpdateConnection(b.ctx, c))
		c.Revision = 1
		b.fault(fault.RequestStale, b.s.UpdateConnection(b.ctx, c))
		c.Revision, c.Name = 2, "TAKEN"
		b.fault(fault.ConnectionNameTaken, b.s.UpdateConnection(b.ctx, c))
		b.fault(fault.ConnectionNotFound, b.s.UpdateConnection(b.ctx, b.draft(b.workspace, "unknown")))
	},
	"Delete": func(b *bundle) {
		c := b.connection(b.workspace, "gone")
		b.fault(fault.RequestStale, b.s.DeleteConnection(b.ctx, b.workspace, c.ID, 2))
		b.fault(fault.RequestStale, b.s.DeleteConnection(b.ctx, b.workspace, c.ID, 1<<40))
		require.NoError(b, b.s.DeleteConnection(b.ctx, b.workspace, c.ID, 1))
		b.fault(fault.ConnectionNotFound, b.s.DeleteConnection(b.ctx, b.workspace, c.ID, 0))
		b.connection(b.workspace, "gone")
	},
	"DeleteRefusesWhileAFlowUsesIt": func(b *bundle) {
		c := b.connection(b.workspace, "used")
		second, first := b.sketch(c, "b"), b.sketch(c, "a")
		require.NoError(b, b.s.CreateFlow(b.ctx, second))
		require.NoError(b, b.s.CreateFlow(b.ctx, first))
		b.fault(fault.ConnectionInUse, b.s.DeleteConnection(b.ctx, b.workspace, c.ID, 0))
		users, err := b.s.ConnectionUsers(b.ctx, b.workspace, c.ID)
		require.NoError(b, err)
		require.Equal(b, []connections.Usage{{FlowID: second.ID, Name: "b"}, {FlowID: first.ID, Name: "a"}}, users)

		got, err := b.s.Connection(b.ctx, b.workspace, c.ID)
		require.NoError(b, err)
		require.Equal(b, c.Secrets, got.Secrets, "a refused deletion changes nothing")

		elsewhere := b.connection(b.workspace, "elsewhere")
		second.Revision, second.Import.ConnectionID = 2, elsewhere.ID
		require.NoError(b, b.s.UpdateFlow(b.ctx, second))
		require.NoError(b, b.s.DeleteFlow(b.ctx, b.workspace, first.ID, 0))
		require.NoError(b, b.s.DeleteConnection(b.ctx, b.workspace, c.ID, 0))
	},
	"SaveTest": func(b *bundle) {
		c := b.connection(b.workspace, "tested")
		tested := *c
		tested.Name, tested.Status = "not stored", connections.Offline
		tested.LastTest = &connections.TestResult{Steps: []connections.Step{{Step: "tls"}}, LatencyMs: 7, At: b.now}
		require.NoError(b, b.saveTest(&tested))
		got, err := b.s.Connection(b.ctx, b.workspace, c.ID)
		require.NoError(b, err)
		c.Status, c.LastTest = tested.Status, tested.LastTest
		require.Equal(b, c, got, "status and result, nothing else, and the same revision")

		c.Revision = 2
		require.NoError(b, b.s.UpdateConnection(b.ctx, c))
		tested.Status = connections.Online
		require.NoError(b, b.saveTest(&tested), "a result of an older revision")
		got, err = b.s.Connection(b.ctx, b.workspace, c.ID)
		require.NoError(b, err)
		require.Equal(b, connections.Offline, got.Status)
		b.fault(fault.ConnectionNotFound, b.saveTest(b.draft(b.workspace, "unknown")))
	},
}
