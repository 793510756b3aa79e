package httpapi_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
)

// Clone knows the connection that the fake knows.
func (f *fakeConnections) Clone(_ context.Context, _, id, name string) (*connections.Connection, error) {
	c := aConnection()
	c.Name = name
	return c, none(fault.ConnectionNotFound, id, connectionID)
}

// fakeAudit gives the same events to every query and notes the last.
type fakeAudit struct{ asked audit.Query }

func (f *fakeAudit) AuditEvents(_ context.Context, q audit.Query) ([]audit.Event, error) {
	f.asked = q
	events := []audit.Event{
		{Seq: 7, ID: unknownID, Workspace: "default", At: epoch(), Actor: "client:1", From: "192.0.2.1", RequestID: "r-1", Action: audit.Updated, Kind: audit.Connection,
			ObjectID: connectionID, Name: "Prod pool", Fields: []string{"appKey", "name"},
			Before: "aa", After: "bb", PrevHash: "cc", Hash: "dd"},
		{ID: flowID, Workspace: "default", At: epoch(), Actor: audit.Probe, Action: audit.Tested, Kind: audit.Connection, Name: "unsaved"},
	}
	return events[:min(q.Limit, len(events))], nil
}

func TestAuditEvents(t *testing.T) {
	t.Parallel()
	s := setup(t)
	res := s.ask("GET /v1/audit", "")
	require.Equal(t, http.StatusOK, res.status, res.body)
	require.JSONEq(t, `{"items":[
		{"seq":7,"id":"`+unknownID+`","at":"2026-03-01T08:30:00.123456Z","actor":"client:1","from":"192.0.2.1","requestId":"r-1","runId":null,"worker":null,
			"action":"updated","kind":"connection","objectId":"`+connectionID+`","name":"Prod pool","fields":["appKey","name"],
			"before":"aa","after":"bb","prevHash":"cc","hash":"dd"},
		{"seq":0,"id":"`+flowID+`","at":"2026-03-01T08:30:00.123456Z","actor":"probe","from":null,"requestId":null,"runId":null,"worker":null,
			"action":"tested","kind":"connection","objectId":null,"name":"unsaved","fields":[],"before":null,"after":null,"prevHash":null,"hash":null}],"next":null}`, res.body)

	next := s.ask("GET /v1/audit?limit=1", "").json(t)["next"].(string)
	s.ask("GET /v1/audit?limit=1&kind=connection&id="+connectionID+"&actor=probe&action=secret.used&requestId=r-1&from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z&cursor="+next, "")
	require.Equal(t, audit.Query{Workspace: "default", Action: audit.SecretUsed, Kind: audit.Connection, ObjectID: connectionID, Actor: "probe", RequestID: "r-1",
		From: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC), After: unknownID, Limit: 2}, s.audit.asked)
	for _, bad := range []string{"kind=cabbage", "id=%00", "actor=a%20b", "limit=0", "action=x", "from=yesterday", "requestId=%20"} {
		s.ask("GET /v1/audit?"+bad, "").requireProblem(t, http.StatusUnprocessableEntity, "request.field_invalid")
	}
	s.ask("GET /v1/audit?cursor=!", "").requireProblem(t, http.StatusBadRequest, "request.bad_cursor")
}

func TestAuditExport(t *testing.T) {
	t.Parallel()
	s := setup(t)
	res := s.ask("GET /v1/audit/export?kind=connection", "")
	require.Equal(t, http.StatusOK, res.status, res.body)
	require.Equal(t, "application/x-ndjson", res.header.Get("Content-Type"))
	require.Equal(t, 2, strings.Count(res.body, "\n"))
	require.Contains(t, res.body, `"hash":"dd"`)
	require.Equal(t, audit.Connection, s.audit.asked.Kind)
}

func TestCloneConnection(t *testing.T) {
	t.Parallel()
	s := setup(t)
	res := s.ask("POST /v1/connections/"+connectionID+"/clone", `{"name":"Copy"}`, "Idempotency-Key", "k")
	require.Equal(t, http.StatusCreated, res.status, res.body)
	require.Equal(t, "/v1/connections/"+connectionID, res.header.Get("Location"))
	require.Equal(t, "Copy", res.json(t)["name"])
	again := s.ask("POST /v1/connections/"+connectionID+"/clone", `{"name":"Copy"}`, "Idempotency-Key", "k")
	require.Equal(t, "true", again.header.Get("Idempotency-Replayed"))
	s.ask("POST /v1/connections/"+connectionID+"/clone", `{"name":"","domain":"evil"}`).
		requireProblem(t, http.StatusUnprocessableEntity, "request.invalid", "/domain", "/name")
}

// What a handler does is put down to the caller, and to the request.
func TestTheActorReachesTheServices(t *testing.T) {
	t.Parallel()
	s := setup(t)
	var who audit.Actor
	s.connections.during = func(ctx context.Context) { who = audit.By(ctx) }
	s.ask("POST /v1/connections", draft, "X-Request-Id", "r-7")
	require.Equal(t, audit.Actor{ID: "client:1", RequestID: "r-7", From: who.From}, who)
}
