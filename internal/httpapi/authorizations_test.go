package httpapi_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

// fakeAuthorizations knows one connection and one state.
type fakeAuthorizations struct {
	finish func(connections.Return) (*connections.Connection, error)
}

func (f *fakeAuthorizations) Start(_ context.Context, _, id string) (connections.Authorization, error) {
	return connections.Authorization{
		URL: crypto.NewSecret("https://acme.eu-1.celonis.cloud/oauth2/authorize?state=st"), ExpiresAt: epoch().Add(10 * time.Minute),
	}, none(fault.ConnectionNotFound, id, connectionID)
}

func (f *fakeAuthorizations) Finish(_ context.Context, r connections.Return) (*connections.Connection, error) {
	if f.finish != nil {
		return f.finish(r)
	}
	if r.State.Reveal() != "st" {
		return nil, fault.New(fault.OAuthState, "no authorization is under way with this state").WithHint("begin anew")
	}
	c := aConnection()
	c.Status = connections.Online
	return c, nil
}

func TestAuthorizeConnection(t *testing.T) {
	t.Parallel()
	s := setup(t)
	res := s.ask("POST /v1/connections/"+connectionID+"/authorize", "")
	require.Equal(t, http.StatusOK, res.status, res.body)
	require.JSONEq(t, `{"authorizationUrl":"https://acme.eu-1.celonis.cloud/oauth2/authorize?state=st","expiresAt":"2026-03-01T08:40:00.123456Z"}`, res.body)
	require.Equal(t, "no-store", res.header.Get("Cache-Control"))
	s.ask("POST /v1/connections/"+connectionID+"/authorize", `{"x":1}`).requireProblem(t, http.StatusUnprocessableEntity, "request.invalid", "/x")
}

func TestCallbackPage(t *testing.T) {
	t.Parallel()
	s := setup(t)
	res := s.ask("GET /oauth/callback?state=st&code=the-code&session_state=x", "", "Authorization", "")
	require.Equal(t, http.StatusOK, res.status, res.body)
	require.Equal(t, "text/html; charset=utf-8", res.header.Get("Content-Type"))
	require.Contains(t, res.body, "The connection Prod pool may now act for you")
	require.Contains(t, res.header.Get("Content-Security-Policy"), "default-src 'none'")
	require.Equal(t, "no-referrer", res.header.Get("Referrer-Policy"))

	var got connections.Return
	s.authorizations.finish = func(r connections.Return) (*connections.Connection, error) {
		got = r
		return nil, fault.New(fault.CelonisOAuthGrant, "celonis did not allow it: %s, %s", r.Error, r.Description).WithHint("authorize again")
	}
	res = s.ask("GET /oauth/callback?state=st&error=%3Cscript%3E&error_description=%3Cb%3Eno", "", "Authorization", "")
	require.Equal(t, http.StatusBadGateway, res.status)
	require.Contains(t, res.body, "&lt;script&gt;, &lt;b&gt;no", "nothing of a foreign address is markup")
	require.Contains(t, res.body, "authorize again")
	require.Equal(t, "st", got.State.Reveal())

	s.authorizations.finish = nil
	res = s.ask("GET /oauth/callback?code=the-secret-code&state=the-secret-state", "", "Authorization", "")
	require.Equal(t, http.StatusBadRequest, res.status)
	require.NotContains(t, res.body+s.log.String(), "the-secret")
	s.authorizations.finish = func(connections.Return) (*connections.Connection, error) { return aConnection(), nil }
	require.Contains(t, s.ask("GET /oauth/callback?state=st&code=c", "", "Authorization", "").body, "its test did not go well")
}
