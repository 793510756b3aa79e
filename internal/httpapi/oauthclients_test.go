package httpapi_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

const oauthClientID = "0199f3a0-0005-7b54-9a3e-2f6c1d0b8e11"

func anOAuthClient() *connections.OAuthClient {
	return &connections.OAuthClient{
		ID: oauthClientID, Workspace: "default", Revision: 2, Name: "Acme", ClientID: "client-at-celonis", AuthMethod: connections.ClientSecretBasic,
		ValidDomains: []string{"acme.eu-1.celonis.cloud"}, AllowedScopes: []string{"integration.data-pools:data_push"},
		Secret:    connections.SealedSecret{Envelope: "v1.k.sealed-envelope", UpdatedAt: epoch()},
		CreatedAt: epoch(), UpdatedAt: epoch(),
	}
}

// fakeOAuthClients knows one OAuth client.
type fakeOAuthClients struct {
	create func(connections.OAuthClientDraft) (*connections.OAuthClient, error)
	update func(connections.OAuthClientDraft, int64) (*connections.OAuthClient, error)
	delete func(revision int64) error
	users  []connections.ConnectionUse
}

func (f *fakeOAuthClients) Create(_ context.Context, _ string, d connections.OAuthClientDraft) (*connections.OAuthClient, error) {
	if f.create != nil {
		return f.create(d)
	}
	return anOAuthClient(), nil
}

func (f *fakeOAuthClients) Get(_ context.Context, _, id string) (*connections.OAuthClient, error) {
	return anOAuthClient(), none(fault.OAuthClientNotFound, id, oauthClientID)
}

func (f *fakeOAuthClients) List(context.Context, string, connections.Page) ([]connections.OAuthClient, error) {
	return []connections.OAuthClient{*anOAuthClient()}, nil
}

func (f *fakeOAuthClients) Update(_ context.Context, _, id string, d connections.OAuthClientDraft, revision int64) (*connections.OAuthClient, error) {
	if f.update != nil {
		return f.update(d, revision)
	}
	return anOAuthClient(), none(fault.OAuthClientNotFound, id, oauthClientID)
}

func (f *fakeOAuthClients) Delete(_ context.Context, _, id string, revision int64) error {
	if f.delete != nil {
		return f.delete(revision)
	}
	return none(fault.OAuthClientNotFound, id, oauthClientID)
}

func (f *fakeOAuthClients) UsedBy(_ context.Context, _, id string) ([]connections.ConnectionUse, error) {
	return f.users, none(fault.OAuthClientNotFound, id, oauthClientID)
}

const oauthClientBody = `{"name":"Acme","clientId":"client-at-celonis","clientSecret":"s3cret","validDomains":["acme.eu-1.celonis.cloud"],"allowedScopes":["all"]}`

func TestCreateOAuthClient(t *testing.T) {
	t.Parallel()
	s := setup(t)
	var got connections.OAuthClientDraft
	s.oauthClients.create = func(d connections.OAuthClientDraft) (*connections.OAuthClient, error) {
		got = d
		return anOAuthClient(), nil
	}
	res := s.ask("POST /v1/oauth-clients", oauthClientBody)
	require.Equal(t, http.StatusCreated, res.status, res.body)
	require.Equal(t, "/v1/oauth-clients/"+oauthClientID, res.header.Get("Location"))
	require.Equal(t, `"2"`, res.header.Get("Etag"))
	require.JSONEq(t, `{"id":"`+oauthClientID+`","name":"Acme","clientId":"client-at-celonis","authMethod":"clientSecretBasic",
		"validDomains":["acme.eu-1.celonis.cloud"],"allowedScopes":["integration.data-pools:data_push"],
		"secrets":{"clientSecret":{"set":true,"updatedAt":"2026-03-01T08:30:00.123456Z"}},
		"createdAt":"2026-03-01T08:30:00.123456Z","updatedAt":"2026-03-01T08:30:00.123456Z","revision":2}`, res.body)
	require.True(t, got.ClientSecret.Equal(crypto.NewSecret("s3cret")))
	require.Equal(t, []string{"all"}, got.AllowedScopes)

	res = s.ask("POST /v1/oauth-clients", `{"name":7,"clientSecret":"s3cret","secret":"x","validDomains":"acme.eu-1.celonis.cloud"}`)
	res.requireProblem(t, http.StatusUnprocessableEntity, "request.invalid", "/name", "/secret", "/validDomains", "/clientId", "/allowedScopes")
}

func TestReadAndChangeOAuthClients(t *testing.T) {
	t.Parallel()
	s := setup(t)
	list := s.ask("GET /v1/oauth-clients", "")
	require.Equal(t, http.StatusOK, list.status, list.body)
	require.NotContains(t, list.body, "envelope")
	require.Equal(t, http.StatusOK, s.ask("GET /v1/oauth-clients/"+oauthClientID, "").status)

	var got connections.OAuthClientDraft
	var expected int64
	s.oauthClients.update = func(d connections.OAuthClientDraft, revision int64) (*connections.OAuthClient, error) {
		got, expected = d, revision
		return anOAuthClient(), nil
	}
	res := s.ask("PATCH /v1/oauth-clients/"+oauthClientID, `{"clientSecret":"newer","authMethod":"clientSecretPost"}`, "If-Match", `"2"`)
	require.Equal(t, http.StatusOK, res.status, res.body)
	require.EqualValues(t, 2, expected)
	require.Equal(t, connections.ClientSecretPost, got.AuthMethod)
	require.Equal(t, "client-at-celonis", got.ClientID)
	require.Equal(t, []string{"acme.eu-1.celonis.cloud"}, got.ValidDomains)
	require.True(t, got.ClientSecret.Equal(crypto.NewSecret("newer")))
	s.ask("PATCH /v1/oauth-clients/"+oauthClientID, `{"name":"x"}`, "If-Match", `"1"`).requireProblem(t, http.StatusPreconditionFailed, "request.stale")
}

func TestAUsedOAuthClientStays(t *testing.T) {
	t.Parallel()
	s := setup(t)
	require.Equal(t, http.StatusNoContent, s.ask("DELETE /v1/oauth-clients/"+oauthClientID, "").status)
	s.oauthClients.users = []connections.ConnectionUse{{ConnectionID: connectionID, Name: "Prod pool"}}
	s.oauthClients.delete = func(int64) error { return fault.New(fault.OAuthClientInUse, "in use") }
	res := s.ask("DELETE /v1/oauth-clients/"+oauthClientID, "")
	res.requireProblem(t, http.StatusConflict, "oauth_client.in_use")
	require.Contains(t, res.body, `"usedBy":[{"connectionId":"`+connectionID+`","name":"Prod pool"}]`)
	res = s.ask("GET /v1/oauth-clients/"+oauthClientID+"/used-by", "")
	require.JSONEq(t, `{"items":[{"connectionId":"`+connectionID+`","name":"Prod pool"}],"next":null}`, res.body)
}

func TestConnectionsWithOAuth(t *testing.T) {
	t.Parallel()
	s := setup(t)
	var got connections.Draft
	s.connections.create = func(d connections.Draft, _ connections.CreateOptions) (*connections.Connection, error) {
		got = d
		c := aConnection()
		c.AuthType, c.Secrets, c.OAuthClientID, c.Scopes, c.Grant = connections.OAuth2, nil, d.OAuthClientID, d.Scopes, connections.ClientCredentials
		return c, nil
	}
	res := s.ask("POST /v1/connections", `{"name":"By OAuth","apiType":"dataPush","domain":"acme.eu-1.celonis.cloud","authType":"oauth2",
		"oauthClientId":"`+oauthClientID+`","scopes":["integration.data-pools:data_push"],"poolId":"3e4f5a6b-7c8d-4e9f-8a0b-1c2d3e4f5a6b"}`)
	require.Equal(t, http.StatusCreated, res.status, res.body)
	require.Equal(t, oauthClientID, got.OAuthClientID)
	m := res.json(t)
	require.Equal(t, "oauth2", m["authType"])
	require.Equal(t, oauthClientID, m["oauthClientId"])
	require.Equal(t, "clientCredentials", m["grant"])
	require.Equal(t, []any{"integration.data-pools:data_push"}, m["scopes"])
	require.NotContains(t, m, "authorizedAt")
}

func TestCelonisScopes(t *testing.T) {
	t.Parallel()
	s := setup(t)
	res := s.ask("GET /v1/celonis-scopes", "")
	require.Equal(t, http.StatusOK, res.status, res.body)
	require.Equal(t, 36, strings.Count(res.body, `"grants":`))
	require.Contains(t, res.body, `{"group":"Integration","scope":"integration.data-pools:data_push","grants":"push rows into data pools","api":"Data Push API","operations":["push rows into a data pool"]}`)
	require.Contains(t, res.body, `"operations":[]`)
}
