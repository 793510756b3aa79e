package app_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/celonis-connector/connector/internal/app"
	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

// TestTokensOfAnOutsideProvider configures a provider and calls the API with its token.
func TestTokensOfAnOutsideProvider(t *testing.T) {
	t.Parallel()
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	mux := http.NewServeMux()
	house := httptest.NewServer(mux)
	t.Cleanup(house.Close)
	answer := func(v any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(v) }
	}
	mux.Handle("/.well-known/openid-configuration", answer(map[string]any{"issuer": house.URL, "jwks_uri": house.URL + "/keys"}))
	mux.Handle("/keys", answer(map[string]any{"keys": []any{map[string]any{
		"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": base64.RawURLEncoding.EncodeToString(public),
	}}}))

	cfg := settings(t, house.URL)
	cfg.OIDCIssuer, cfg.OIDCAudience, cfg.OIDCWorkspaceClaim = house.URL, "connector", "tenant"
	s := start(t, cfg, app.API)
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{"iss": house.URL, "aud": "connector", "sub": "someone", "tenant": "acme",
		"scope": "openid flows:read", "exp": time.Now().Add(time.Hour).Unix()})
	token.Header["kid"] = "k"
	caller := *s.Client
	caller.Token, err = token.SignedString(private)
	require.NoError(t, err)
	var me struct {
		Name, Workspace string
		Scopes          []string
	}
	caller.Call(http.StatusOK, "GET", "/v1/me", nil, &me)
	require.Equal(t, []any{"someone", "acme", []string{"flows:read"}}, []any{me.Name, me.Workspace, me.Scopes})
	caller.Call(http.StatusOK, "GET", "/v1/flows", nil, nil)
	require.Equal(t, "access.insufficient_scope", caller.Problem(http.StatusForbidden, "GET", "/v1/connections", nil).Code)

	cfg.OIDCAudience = ""
	require.ErrorContains(t, refusedApp(t, cfg), "audience")
}
