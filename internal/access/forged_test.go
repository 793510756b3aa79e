package access_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/access"
	"github.com/celonis-connector/connector/internal/fault"
)

// forge signs claims as the service would, so that a test can spoil one thing.
func (b *bundle) forge(t *testing.T, method jwt.SigningMethod, header, claims map[string]any) string {
	t.Helper()
	seed, err := b.keys.Derive(b.keys.PrimaryID(), "access/token-signing", ed25519.SeedSize)
	require.NoError(t, err)
	private := ed25519.NewKeyFromSeed(seed)
	var key any = private
	switch method {
	case jwt.SigningMethodNone:
		key = jwt.UnsafeAllowNoneSignatureType
	case jwt.SigningMethodHS256:
		key = []byte(private.Public().(ed25519.PublicKey))
	}
	token := jwt.NewWithClaims(method, jwt.MapClaims(claims))
	maps.Copy(token.Header, header)
	raw, err := token.SignedString(key)
	require.NoError(t, err)
	return raw
}

func TestForgedTokensAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, genuine := b.token(t, "flows:read")
	good := func(change map[string]any) map[string]any {
		m := map[string]any{
			"iss": "celonis-connector", "aud": "celonis-connector", "sub": c.ID, "ws": "default", "scope": "flows:read", "sid": c.Secrets[0].ID,
			"exp": b.clock.Now().Add(time.Minute).Unix(),
		}
		maps.Copy(m, change)
		maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
		return m
	}
	kid := map[string]any{"kid": b.keys.PrimaryID()}
	_, err := b.VerifyToken(t.Context(), b.forge(t, jwt.SigningMethodEdDSA, kid, good(nil)))
	require.NoError(t, err, "the forger must be able to make a good one")

	parts := strings.Split(genuine, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	require.NoError(t, err)
	var claims map[string]any
	require.NoError(t, json.Unmarshal(payload, &claims))
	claims["scope"] = "flows:read flows:write"
	widened, err := json.Marshal(claims)
	require.NoError(t, err)

	for name, raw := range map[string]string{
		"empty":            "",
		"not a token":      "abc",
		"too long":         genuine + strings.Repeat("A", 5000),
		"cut":              genuine[:len(genuine)-4],
		"scope widened":    parts[0] + "." + base64.RawURLEncoding.EncodeToString(widened) + "." + parts[2],
		"no signature":     parts[0] + "." + parts[1] + ".",
		"alg none":         b.forge(t, jwt.SigningMethodNone, kid, good(nil)),
		"alg HS256":        b.forge(t, jwt.SigningMethodHS256, kid, good(nil)),
		"no kid":           b.forge(t, jwt.SigningMethodEdDSA, nil, good(nil)),
		"unknown kid":      b.forge(t, jwt.SigningMethodEdDSA, map[string]any{"kid": "other"}, good(nil)),
		"kid not a string": b.forge(t, jwt.SigningMethodEdDSA, map[string]any{"kid": 1}, good(nil)),
		"no end":           b.forge(t, jwt.SigningMethodEdDSA, kid, good(map[string]any{"exp": nil})),
		"ended":            b.forge(t, jwt.SigningMethodEdDSA, kid, good(map[string]any{"exp": b.clock.Now().Unix()})),
		"not yet":          b.forge(t, jwt.SigningMethodEdDSA, kid, good(map[string]any{"nbf": b.clock.Now().Add(time.Hour).Unix()})),
		"other issuer":     b.forge(t, jwt.SigningMethodEdDSA, kid, good(map[string]any{"iss": "else"})),
		"other audience":   b.forge(t, jwt.SigningMethodEdDSA, kid, good(map[string]any{"aud": "else"})),
		"no audience":      b.forge(t, jwt.SigningMethodEdDSA, kid, good(map[string]any{"aud": nil})),
		"unknown client":   b.forge(t, jwt.SigningMethodEdDSA, kid, good(map[string]any{"sub": "nobody"})),
		"no secret":        b.forge(t, jwt.SigningMethodEdDSA, kid, good(map[string]any{"sid": nil})),
		"unknown secret":   b.forge(t, jwt.SigningMethodEdDSA, kid, good(map[string]any{"sid": "other"})),
		"other workspace":  b.forge(t, jwt.SigningMethodEdDSA, kid, good(map[string]any{"ws": "other"})),
	} {
		for range 2 { // the second time from whatever is remembered
			_, err := b.VerifyToken(t.Context(), raw)
			require.Equal(t, fault.AccessUnauthenticated, fault.CodeOf(err), name)
		}
	}
}

func FuzzVerifyToken(f *testing.F) {
	f.Add("")
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.")
	f.Add("eyJhbGciOiJFZERTQSIsImtpZCI6ImsxIn0.e30.AAAA")
	f.Fuzz(func(t *testing.T, raw string) {
		b := setup(t)
		b.client(t, "all")
		p, err := b.VerifyToken(t.Context(), raw)
		require.Equal(t, fault.AccessUnauthenticated, fault.CodeOf(err))
		require.Equal(t, access.Principal{}, p)
	})
}
