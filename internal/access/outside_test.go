package access_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/access"
	"github.com/celonis-connector/connector/internal/fault"
)

// house is a small OpenID Connect provider.
type house struct {
	*httptest.Server
	key     *ecdsa.PrivateKey
	keyID   atomic.Value
	fetched atomic.Int64
}

func startHouse(t *testing.T) *house {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	h := &house{key: key}
	h.keyID.Store("first")
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{
			"issuer": h.URL, "jwks_uri": h.URL + "/keys", "authorization_endpoint": h.URL + "/a", "token_endpoint": h.URL + "/t",
			"id_token_signing_alg_values_supported": []string{"ES256", "HS256", "none"},
		})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		h.fetched.Add(1)
		public, err := h.key.PublicKey.Bytes()
		if err != nil {
			panic(err)
		}
		b64 := base64.RawURLEncoding.EncodeToString
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": []any{map[string]any{
			"kty": "EC", "crv": "P-256", "kid": h.keyID.Load(), "use": "sig", "alg": "ES256", "x": b64(public[1:33]), "y": b64(public[33:]),
		}}})
	})
	h.Server = httptest.NewServer(mux)
	t.Cleanup(h.Close)
	return h
}

func (h *house) token(t *testing.T, claims map[string]any) string {
	t.Helper()
	return h.sign(t, jwt.SigningMethodES256, h.key, claims)
}

func (h *house) sign(t *testing.T, method jwt.SigningMethod, key any, claims map[string]any) string {
	t.Helper()
	token := jwt.NewWithClaims(method, jwt.MapClaims(claims))
	token.Header["kid"] = h.keyID.Load()
	raw, err := token.SignedString(key)
	require.NoError(t, err)
	return raw
}

// outside is a service that accepts the house's tokens.
func (b *bundle) outside(t *testing.T, h *house, change func(*access.OutsideConfig)) *access.Service {
	t.Helper()
	c := access.OutsideConfig{
		Issuer: h.URL, Audience: "connector", ScopesClaim: "roles", ScopePrefix: "connector.", Workspace: "acme",
		Transport: h.Client().Transport, Now: b.clock.Now,
	}
	if change != nil {
		change(&c)
	}
	o, err := access.NewOutside(c)
	require.NoError(t, err)
	s, err := access.New(access.Deps{Repository: b.repo, Keys: b.keys, Now: b.clock.Now, Outside: o})
	require.NoError(t, err)
	return s
}

func (b *bundle) claims(h *house, change map[string]any) map[string]any {
	now := b.clock.Now()
	m := map[string]any{
		"iss": h.URL, "aud": []string{"other", "connector"}, "sub": "user@acme", "azp": "portal", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		"roles": []string{"connector.flows:read", "connector.flows:run", "connector.flows:fly", "flows:write", "admin"},
		"scope": "flows:read audit:read", "tenant": "blue",
	}
	maps.Copy(m, change)
	maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
	return m
}

func TestTokensOfAnotherHouse(t *testing.T) {
	t.Parallel()
	b, h := setup(t), startHouse(t)
	s := b.outside(t, h, nil)
	raw := h.token(t, b.claims(h, nil))
	p, err := s.VerifyToken(t.Context(), raw)
	require.NoError(t, err)
	require.Equal(t, []any{"portal", "acme", []access.Scope{access.FlowsRead, access.FlowsRun}}, []any{p.Name, p.Workspace, p.Scopes})
	require.Regexp(t, `^oidc-[0-9a-f]{32}$`, p.ClientID)

	c, secret := b.client(t, "clients:read")
	login, err := s.Authenticate(t.Context(), c.ID, secret)
	require.NoError(t, err)
	fails(t, fault.AccessNotRevocable, s.RevokeToken(t.Context(), login, raw))
	state, err := s.Introspect(t.Context(), p, raw)
	require.NoError(t, err)
	require.Equal(t, []any{true, h.URL, "connector"}, []any{state.Active, state.Issuer, state.Audience})
	_, err = s.VerifyToken(t.Context(), b.issue(t, s, c, secret))
	require.NoError(t, err, "our own tokens are good beside them")
	_, err = b.VerifyToken(t.Context(), raw)
	fails(t, fault.AccessUnauthenticated, err)

	byClaim := b.outside(t, h, func(c *access.OutsideConfig) {
		c.Workspace, c.WorkspaceClaim, c.ScopesClaim, c.ScopePrefix = "", "tenant", "scope", ""
	})
	p, err = byClaim.VerifyToken(t.Context(), raw)
	require.NoError(t, err)
	require.Equal(t, []any{"blue", []access.Scope{access.FlowsRead, access.AuditRead}}, []any{p.Workspace, p.Scopes})
	_, err = byClaim.VerifyToken(t.Context(), h.token(t, b.claims(h, map[string]any{"tenant": nil})))
	fails(t, fault.AccessUnauthenticated, err)
}

func TestBadTokensOfAnotherHouse(t *testing.T) {
	t.Parallel()
	b, h := setup(t), startHouse(t)
	s := b.outside(t, h, nil)
	public, err := h.key.PublicKey.Bytes()
	require.NoError(t, err)
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	now := b.clock.Now()
	good := b.claims(h, nil)
	with := func(name string, value any) string { return h.token(t, b.claims(h, map[string]any{name: value})) }
	for name, raw := range map[string]string{
		"another audience":                 with("aud", "other"),
		"no audience":                      with("aud", nil),
		"no subject":                       with("sub", nil),
		"no end":                           with("exp", nil),
		"an end beyond all time":           with("exp", 1e300),
		"ended":                            with("exp", now.Add(-access.MaxSkew).Unix()),
		"not yet":                          with("nbf", now.Add(access.MaxSkew+time.Second).Unix()),
		"issued in the future":             with("iat", now.Add(access.MaxSkew+time.Second).Unix()),
		"another issuer":                   with("iss", h.URL+"/other"),
		"another's key":                    h.sign(t, jwt.SigningMethodES256, stranger, good),
		"the public key as an HMAC secret": h.sign(t, jwt.SigningMethodHS256, public, good),
		"no signature":                     h.sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, good),
		"half":                             h.token(t, good)[:200],
	} {
		for range 2 {
			_, err := s.VerifyToken(t.Context(), raw)
			require.Equal(t, fault.AccessUnauthenticated, fault.CodeOf(err), "%s: %v", name, err)
		}
	}
	for name, raw := range map[string]string{
		"a clock a little behind":  with("exp", now.Add(-access.MaxSkew+time.Second).Unix()),
		"a clock a little before":  with("nbf", now.Add(access.MaxSkew).Unix()),
		"an audience that is text": with("aud", "connector"),
	} {
		_, err := s.VerifyToken(t.Context(), raw)
		require.NoError(t, err, name)
	}
}

// TestKeysOfAnotherHouseAreKept counts what the house is asked: once at first,
// once when it has a new key, and not for every key that somebody makes up.
func TestKeysOfAnotherHouseAreKept(t *testing.T) {
	t.Parallel()
	b, h := setup(t), startHouse(t)
	s := b.outside(t, h, nil)
	ask := func(sub string) error {
		_, err := s.VerifyToken(t.Context(), h.token(t, b.claims(h, map[string]any{"sub": sub})))
		return err
	}
	for _, sub := range []string{"a", "b", "c"} {
		require.NoError(t, ask(sub))
	}
	require.EqualValues(t, 1, h.fetched.Load())
	h.keyID.Store("second")
	fails(t, fault.AccessUnauthenticated, ask("d"))
	require.EqualValues(t, 1, h.fetched.Load())
	b.clock.add(10 * time.Second)
	require.NoError(t, ask("e"))
	for _, kid := range []string{"x", "y", "z"} {
		h.keyID.Store(kid)
		fails(t, fault.AccessUnauthenticated, ask(kid))
	}
	require.EqualValues(t, 2, h.fetched.Load())
}

type unreachable struct{}

func (unreachable) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("no route")
}

func TestAHouseThatIsNotThere(t *testing.T) {
	t.Parallel()
	b, h := setup(t), startHouse(t)
	s := b.outside(t, h, func(c *access.OutsideConfig) { c.Transport = unreachable{} })
	_, err := s.VerifyToken(t.Context(), h.token(t, b.claims(h, nil)))
	fails(t, fault.Unavailable, err)
}

func TestOutsideIsConfiguredWhole(t *testing.T) {
	t.Parallel()
	good := access.OutsideConfig{Issuer: "https://id.acme.test", Audience: "connector", ScopesClaim: "scope", Workspace: "default"}
	for name, change := range map[string]func(*access.OutsideConfig){
		"no issuer":            func(c *access.OutsideConfig) { c.Issuer = "" },
		"an issuer of no host": func(c *access.OutsideConfig) { c.Issuer = "id.acme.test" },
		"a query":              func(c *access.OutsideConfig) { c.Issuer += "?a=b" },
		"no audience":          func(c *access.OutsideConfig) { c.Audience = "" },
		"no scopes":            func(c *access.OutsideConfig) { c.ScopesClaim = "" },
		"no workspace":         func(c *access.OutsideConfig) { c.Workspace = "" },
		"two workspaces":       func(c *access.OutsideConfig) { c.WorkspaceClaim = "tenant" },
	} {
		c := good
		change(&c)
		_, err := access.NewOutside(c)
		require.Error(t, err, name)
		require.False(t, strings.HasSuffix(err.Error(), "."))
	}
	_, err := access.NewOutside(good)
	require.NoError(t, err)
}
