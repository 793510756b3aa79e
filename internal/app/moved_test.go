package app_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/app"
	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/store"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// sealedEstate is a service with secrets of each kind.
type sealedEstate struct {
	*service
	sim *apptest.Sim
	// custom, client and user are connections that log in by an App key, an OAuth client and a user's grant.
	custom, client, user string
	// protected is a flow with a protected column.
	protected string
}

func seal(t *testing.T) *sealedEstate {
	t.Helper()
	sim := apptest.NewSim(t)
	e := &sealedEstate{service: start(t, authorizing(t, sim)), sim: sim}
	e.custom = e.Connect("custom", sim)
	e.Connect("custom too", sim)
	e.Call(http.StatusCreated, "POST", "/v1/connections", map[string]any{
		"name": "token", "apiType": "dataPush", "domain": sim.Host, "authType": "token", "apiKey": "an-api-key-0123456789", "poolId": sim.Pool,
	}, nil)
	registration := registered(sim, "")
	client := e.oauthClient("client", sim, registration)
	e.oauthClient("client too", sim, registration)
	e.client = e.connectByOAuth(byOAuth(sim, "by client", client)).ID
	e.user = e.connectByOAuth(byOAuth(sim, "by user", client, byUser)).ID
	_, status := e.allow(e.user)
	require.Equal(t, http.StatusOK, status)
	e.Call(http.StatusOK, "POST", "/v1/connections/"+e.user+"/authorize", nil, nil) // leaves an authorization that is under way
	e.protected = e.fileFlow(e.custom, "HIDDEN", "csv", "MAIL\nada@example.org\n", mapped(
		map[string]any{"to": "MAIL", "from": "MAIL", "protect": map[string]any{"method": "tokenise"}}))
	apptest.RequireWhole(t, e.Do(e.protected), 1)
	e.hookFlow(hookSpec(e.custom, "HOOKED", map[string]any{"auth": map[string]any{"type": "hmac", "preset": "github", "secret": "a-secret-of-a-webhook"}}))
	e.Call(http.StatusCreated, "POST", "/v1/notifications", map[string]any{
		"name": "failures", "type": "webhook", "events": []string{"runFailed"}, "url": sim.URL + "/notices", "secret": "a-secret-of-a-notification",
	}, nil)
	elsewhere := draftOf("custom", sim)
	_, err := e.app.Connections.Create(t.Context(), "elsewhere", elsewhere, connections.CreateOptions{SkipTest: true})
	require.NoError(t, err)
	return e
}

// rows are all sealed rows of the database.
func (e *sealedEstate) rows() []crypto.SealedRow {
	e.t.Helper()
	rows, err := e.app.Store.SealedUnder(e.t.Context(), e.app.Keyring.PrimaryID(), 1000)
	require.NoError(e.t, err)
	return rows
}

// put puts an envelope into a row in place of the one that is there.
func (e *sealedEstate) put(row crypto.SealedRow, envelope string) {
	e.t.Helper()
	n, err := e.app.Store.Reseal(e.t.Context(), []crypto.Resealed{{SealedRow: row, Fresh: envelope}})
	require.NoError(e.t, err)
	require.EqualValues(e.t, 1, n)
}

// TestMovedCiphertextsDoNotOpen: whoever can write to the database and lacks
// the master key gains nothing by moving what is sealed there: between rows,
// fields, kinds and workspaces, each envelope opens in its own place only.
func TestMovedCiphertextsDoNotOpen(t *testing.T) {
	t.Parallel()
	e := seal(t)
	rows := e.rows()
	kinds, workspaces := map[string]int{}, map[string]bool{}
	for _, row := range rows {
		kinds[row.Kind]++
		workspaces[row.Workspace] = true
		_, err := e.app.Keyring.Open(row.Envelope, row.AAD)
		require.NoError(t, err, "%s %s", row.Kind, row.Field)
		for _, other := range rows {
			if other.AAD != row.AAD {
				_, err := e.app.Keyring.Open(other.Envelope, row.AAD)
				require.ErrorIs(t, err, crypto.ErrOpen, "%s of %s in the place of %s of %s", other.Field, other.Kind, row.Field, row.Kind)
			}
		}
		for what, place := range map[string]crypto.AAD{
			"workspace": {Workspace: row.Workspace + "x", Kind: row.Kind, ID: row.ID, Field: row.Field},
			"kind":      {Workspace: row.Workspace, Kind: row.Kind + "x", ID: row.ID, Field: row.Field},
			"id":        {Workspace: row.Workspace, Kind: row.Kind, ID: uuid.NewString(), Field: row.Field},
			"field":     {Workspace: row.Workspace, Kind: row.Kind, ID: row.ID, Field: row.Field + "x"},
			"joined":    {Workspace: row.Workspace + row.Kind, Kind: row.ID, ID: row.Field, Field: "x"},
		} {
			_, err := e.app.Keyring.Open(row.Envelope, place)
			require.ErrorIs(t, err, crypto.ErrOpen, what)
		}
	}
	require.True(t, workspaces[app.Workspace] && workspaces["elsewhere"])
	for _, kind := range []string{connections.SealedKind, connections.SealedOAuthClient, connections.SealedOAuthGrant, connections.SealedOAuthState, store.WorkspaceKeyKind, flows.SealedWebhook, flows.SealedNotification} {
		require.Positive(t, kinds[kind], "nothing of the kind %s is sealed", kind)
	}
}

// TestMovedCiphertextsAreTold: a connection whose stored secret was put in
// place of another's says so, calls nobody with it, and works again once the
// row is as it was.
func TestMovedCiphertextsAreTold(t *testing.T) {
	t.Parallel()
	e := seal(t)
	rows := e.rows()
	find := func(kind, id string) crypto.SealedRow {
		for _, row := range rows {
			if row.Kind == kind && strings.HasPrefix(row.ID, id) && row.Workspace == app.Workspace {
				return row
			}
		}
		t.Fatalf("no sealed row of %s %q", kind, id)
		return crypto.SealedRow{}
	}
	usedBy := func(connection string) func() string {
		return func() string {
			return e.Problem(http.StatusInternalServerError, "POST", "/v1/connections/"+connection+"/test", nil).Code
		}
	}
	flow := e.fileFlow(e.custom, "MOVED", "csv", "ID\n1\n")
	for name, c := range map[string]struct {
		row crypto.SealedRow
		use func() string
	}{
		"a key":            {find(connections.SealedKind, e.custom), usedBy(e.custom)},
		"a key, in a run":  {find(connections.SealedKind, e.custom), func() string { return e.Do(flow).ErrorCode() }},
		"a protecting key": {find(store.WorkspaceKeyKind, ""), func() string { return e.Do(e.protected).ErrorCode() }},
		"the tokens of a user": {find(connections.SealedOAuthGrant, e.user), func() string {
			e.restart() // tokens that are held in memory need no database
			var result apptest.TestResult
			e.Call(http.StatusOK, "POST", "/v1/connections/"+e.user+"/test", nil, &result)
			return result.Last().Code
		}},
		"the secret of an OAuth client": {find(connections.SealedOAuthClient, ""), usedBy(e.client)},
	} {
		for _, other := range rows {
			if other.AAD == c.row.AAD || other.Kind == connections.SealedOAuthState {
				continue
			}
			e.put(c.row, other.Envelope)
			require.Equal(t, "secret.cannot_open", c.use(), "%s: by a %s of workspace %s", name, other.Kind, other.Workspace)
			moved := c.row
			moved.Envelope = other.Envelope
			e.put(moved, c.row.Envelope)
			if strings.HasSuffix(name, "run") {
				break // one run tells
			}
		}
	}
	var result apptest.TestResult
	for _, id := range []string{e.custom, e.client, e.user} {
		e.Call(http.StatusOK, "POST", "/v1/connections/"+id+"/test", nil, &result)
		require.True(t, result.OK, "%+v", result)
	}
	apptest.RequireWhole(t, e.Do(flow), 1)
}
