package httpapi_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/access"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/httpapi"
)

// basic gives the Authorization header for two parts as they are.
func basic(user, password string) string {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.SetBasicAuth(user, password)
	return r.Header.Get("Authorization")
}

func TestToken(t *testing.T) {
	t.Parallel()
	const form = "application/x-www-form-urlencoded"
	good := basic("client%3A1", "s3cret+%25%2B")
	inForm := "&client_id=client%3A1&client_secret=s3cret+%25%2B"
	const grant = "grant_type=client_credentials"
	for _, tt := range []struct {
		name, body, auth, media string
		status                  int
		want                    string
	}{
		{"Basic, form-url-encoded", grant, good, form, 200, "flows:read flows:run"},
		{"form", grant + inForm, "", form, 200, "flows:read flows:run"},
		{"a part of the scopes", grant + "&scope=flows:run", good, form, 200, "flows:run"},
		{"an empty parameter is none", grant + "&scope=&client_secret=", good, form, 200, "flows:read flows:run"},
		{"unknown parameters are ignored", grant + "&audience=x", good, form + "; charset=utf-8", 200, "flows:read flows:run"},
		{"the id twice, the same", grant + "&client_id=client%3A1", good, form, 200, "flows:read flows:run"},
		{"no grant", "scope=flows:run", good, form, 400, "invalid_request"},
		{"another grant", "grant_type=password&username=a&password=b", good, form, 400, "unsupported_grant_type"},
		{"JSON", `{"grant_type":"client_credentials"}`, good, "application/json", 400, "invalid_request"},
		{"no media type", grant, good, "", 400, "invalid_request"},
		{"a broken form", grant + "&a=%zz", good, form, 400, "invalid_request"},
		{"twice", grant + "&" + grant, good, form, 400, "invalid_request"},
		{"too large", grant + "&a=" + strings.Repeat("a", 70_000), good, form, 400, "invalid_request"},
		{"both ways", grant + inForm, good, form, 400, "invalid_request"},
		{"two ids", grant + "&client_id=other", good, form, 400, "invalid_request"},
		{"a scope that the client lacks", grant + "&scope=flows:write", good, form, 400, "invalid_scope"},
		{"a scope that is none", grant + "&scope=flows:fly", good, form, 400, "invalid_scope"},
		{"no client", grant, "", form, 401, "invalid_client"},
		{"no secret", grant + "&client_id=client%3A1", "", form, 401, "invalid_client"},
		{"a wrong secret", grant, basic("client%3A1", "wrong"), form, 401, "invalid_client"},
		{"an unknown client", grant, basic("nobody", "s3cret+%25%2B"), form, 401, "invalid_client"},
		{"not encoded", grant, basic("client:1", "%zz"), form, 401, "invalid_client"},
		{"a token in place of a secret", grant, "Bearer all", form, 401, "invalid_client"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := setup(t)
			res := s.ask("POST /oauth/token", tt.body, "Authorization", tt.auth, "Content-Type", tt.media)
			require.Equal(t, tt.status, res.status, res.body)
			require.Equal(t, "no-store", res.header.Get("Cache-Control"))
			require.Equal(t, "no-cache", res.header.Get("Pragma"))
			m := res.json(t)
			if tt.status == http.StatusOK {
				require.Equal(t, map[string]any{"access_token": "issued", "token_type": "Bearer", "expires_in": 900.0, "scope": tt.want}, m)
				return
			}
			require.Equal(t, tt.want, m["error"])
			require.NotContains(t, res.body, "s3cret")
			if tt.status == http.StatusUnauthorized {
				require.Equal(t, `Basic realm="celonis-connector", charset="UTF-8"`, res.header.Get("WWW-Authenticate"))
			}
		})
	}
}

func TestTokenWithoutADatabase(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.access.verify = func() error { return fault.New(fault.StoreUnavailable, "the database does not answer") }
	s.ask("POST /oauth/token", "grant_type=client_credentials", "Authorization", basic("a", "b"), "Content-Type", "application/x-www-form-urlencoded").
		requireProblem(t, http.StatusServiceUnavailable, "store.unavailable")
	s.ask("GET /v1/me", "").requireProblem(t, http.StatusServiceUnavailable, "store.unavailable")
}

func TestMe(t *testing.T) {
	t.Parallel()
	s := setup(t)
	res := s.ask("GET /v1/me", "", "Authorization", "Bearer flows:read,flows:run")
	require.JSONEq(t, `{"id":"client:1","name":"loader","workspace":"default","scopes":["flows:read","flows:run"]}`, res.body)
	s.ask("GET /v1/me?a=b", "").requireProblem(t, http.StatusUnprocessableEntity, "request.unknown_field")
}

// TestTokensOfTheRealService takes the way of a client: from its secret to an answer.
func TestTokensOfTheRealService(t *testing.T) {
	t.Parallel()
	entry, err := crypto.GenerateEntry()
	require.NoError(t, err)
	keys, err := crypto.ParseKeyring(entry)
	require.NoError(t, err)
	service, err := access.New(access.Deps{Repository: newClients(), Keys: keys, Now: epoch})
	require.NoError(t, err)
	s := setup(t, func(d *httpapi.Deps) { d.Access = service })

	c, secret, err := service.CreateClient(t.Context(), "default", "loader", []string{"flows:read"})
	require.NoError(t, err)
	res := s.ask("POST /oauth/token", "grant_type=client_credentials", "Authorization", basic(c.ID, secret.Reveal()),
		"Content-Type", "application/x-www-form-urlencoded")
	require.Equal(t, http.StatusOK, res.status, res.body)
	token := "Bearer " + res.json(t)["access_token"].(string)
	require.Equal(t, c.ID, s.ask("GET /v1/me", "", "Authorization", token).json(t)["id"])
	require.Equal(t, http.StatusOK, s.ask("GET /v1/flows", "", "Authorization", token).status)
	s.ask("GET /v1/connections", "", "Authorization", token).requireProblem(t, http.StatusForbidden, "access.insufficient_scope")
	s.ask("GET /v1/flows", "", "Authorization", token[:len(token)-3]).requireProblem(t, http.StatusUnauthorized, "access.unauthenticated")
	require.NotContains(t, s.log.String(), token[10:40])
	require.NotContains(t, s.log.String(), secret.Reveal())
}
