package app_test

import (
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/app"
	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/audit"
)

// event is an event as the API shows it.
type event struct {
	Seq                                                   int64
	ID, Actor, From, RunID, Worker, Action, Kind, Purpose string
	ObjectID, Name, Before, After, PrevHash, Hash         string
	Fields                                                []string
}

// events lists the events that a query selects, the oldest first.
func (s *service) events(query string) []event {
	s.t.Helper()
	var page struct{ Items []event }
	s.Call(http.StatusOK, "GET", "/v1/audit?limit=200&"+query, nil, &page)
	slices.Reverse(page.Items)
	return page.Items
}

// verified demands a whole record.
func (s *service) verified() audit.Report {
	s.t.Helper()
	report, err := audit.Verify(s.t.Context(), s.app.Store, app.Workspace, nil)
	require.NoError(s.t, err)
	require.Nil(s.t, report.Broken)
	return report
}

// TestEveryUseOfASecretIsOnRecord: a run, a test call, a picker and a login
// leave one event each for the secrets they opened.
func TestEveryUseOfASecretIsOnRecord(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	connection := s.Connect("pool", sim)
	run := s.Do(s.fileFlow(connection, "USED", "csv", "A\n1\n"))
	for range 3 {
		s.Call(http.StatusOK, "POST", "/v1/connections/"+connection+"/test", nil, nil)
		s.Call(http.StatusOK, "GET", "/v1/connections/"+connection+"/options/pools", nil, nil)
	}
	told := map[string]int{}
	for _, e := range s.events("action=secret.used&kind=connection&id=" + url.QueryEscape(connection)) {
		told[e.Purpose+" by "+e.Actor]++
		if e.Purpose == "run" {
			require.Equal(t, run.ID, e.RunID)
			require.NotEmpty(t, e.Worker)
		}
	}
	require.Equal(t, map[string]int{"test by " + s.id: 1, "picker by " + s.id: 1, "run by run": 1}, told)
	logins := s.events("action=secret.used&kind=client")
	require.Len(t, logins, 1)
	require.Equal(t, []string{s.id, "token", "127.0.0.1"}, []string{logins[0].ObjectID, logins[0].Purpose, logins[0].From})
	s.verified()
}

// The digest of a connection changes with its secret, and comes back with it, however often it is sealed anew.
func TestDigestsTellSecretsApart(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	id := s.Connect("pool", sim)
	for _, key := range []string{"another-app-key-0123456789", sim.AppKey} {
		s.Call(http.StatusOK, "PATCH", "/v1/connections/"+id, map[string]any{"appKey": key}, nil)
	}
	changes := s.events("action=updated&id=" + id)
	require.Len(t, changes, 2)
	require.NotEqual(t, changes[0].Before, changes[0].After)
	require.Equal(t, changes[0].Before, changes[1].After)
}

// simDraft is a connection to the simulator's pool that works.
func simDraft(sim *apptest.Sim, name string) map[string]any {
	return map[string]any{"name": name, "apiType": "dataPush", "domain": sim.Host, "authType": "custom", "appKey": sim.AppKey, "poolId": sim.Pool}
}
