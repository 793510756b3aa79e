package celonissim_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/stretchr/testify/require"
)

const (
	oauthID     = "oauth-client"
	oauthSecret = "s3cret %+&="
	pushScope   = "integration.data-pools:data_push"
	modelScope  = "intelligence.knowledge-models:read"
	redirectURI = "https://connector.test/oauth/callback"
)

func withOAuth(o *celonissim.Options) {
	o.Teams[0].OAuthClients = []celonissim.OAuthClient{{
		Name: "oauth", ID: oauthID, Secret: oauthSecret, Scopes: []string{pushScope, modelScope}, RedirectURIs: []string{redirectURI},
		Permissions: celonissim.Credential{PushPools: []string{poolID}, ListPools: true, Intelligence: true},
	}}
}

// token asks for a token with the client by HTTP Basic.
func (s *sim) token(query string, form url.Values, basic ...string) answer {
	s.t.Helper()
	r, err := http.NewRequest(http.MethodPost, s.base+"/oauth2/token"+query, strings.NewReader(form.Encode()))
	require.NoError(s.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if len(basic) == 2 {
		r.SetBasicAuth(url.QueryEscape(basic[0]), url.QueryEscape(basic[1]))
	}
	res, err := http.DefaultClient.Do(r)
	require.NoError(s.t, err)
	defer res.Body.Close()
	var body map[string]any
	require.NoError(s.t, json.NewDecoder(res.Body).Decode(&body))
	text, err := json.Marshal(body)
	require.NoError(s.t, err)
	return answer{res.StatusCode, res.Header, string(text)}
}

func clientCredentials(scope string) url.Values {
	return url.Values{"grant_type": {"client_credentials"}, "scope": {scope}}
}

func TestClientCredentials(t *testing.T) {
	t.Parallel()
	s := start(t, withOAuth)
	posted := clientCredentials(pushScope)
	posted.Set("client_id", oauthID)
	posted.Set("client_secret", oauthSecret)
	for name, a := range map[string]answer{
		"basic":       s.token("", clientCredentials(pushScope), oauthID, oauthSecret),
		"post":        s.token("", posted),
		"query scope": s.token("?scope="+url.QueryEscape(pushScope), url.Values{"grant_type": {"client_credentials"}}, oauthID, oauthSecret),
	} {
		require.Equal(t, http.StatusOK, a.status, "%s: %s", name, a.body)
		m := a.json(t)
		require.Equal(t, "Bearer", m["token_type"], name)
		require.EqualValues(t, 899, m["expires_in"], name)
		require.Equal(t, pushScope, m["scope"], name)
		require.NotContains(t, m, "refresh_token", name)
		s.auth = "Bearer " + m["access_token"].(string)
		require.Equal(t, http.StatusOK, s.get(newPath+"/jobs/").status, name)
		require.Equal(t, http.StatusForbidden, s.get("/intelligence/api/knowledge-models").status, "a token does what its scopes say")
		require.Equal(t, http.StatusForbidden, s.get("/integration/api/pools").status)
	}
	require.Equal(t, pushScope+" "+modelScope, s.token("", url.Values{"grant_type": {"client_credentials"}}, oauthID, oauthSecret).json(t)["scope"])
	s.auth = "AppKey " + strings.TrimPrefix(s.auth, "Bearer ")
	require.Equal(t, http.StatusUnauthorized, s.get(newPath+"/jobs/").status)
}

func TestTokenRefusals(t *testing.T) {
	t.Parallel()
	s := start(t, withOAuth)
	wrong := s.token("", clientCredentials(pushScope), oauthID, "wrong")
	require.Equal(t, http.StatusUnauthorized, wrong.status)
	require.Equal(t, "invalid_client", wrong.json(t)["error"])
	require.Equal(t, `Basic realm="oauth2"`, wrong.header.Get("WWW-Authenticate"))
	require.Equal(t, "invalid_client", s.token("", clientCredentials(pushScope), "nobody", oauthSecret).json(t)["error"])
	require.Equal(t, "invalid_client", s.token("", clientCredentials(pushScope)).json(t)["error"])
	scope := s.token("", clientCredentials(pushScope+" studio"), oauthID, oauthSecret)
	require.Equal(t, http.StatusBadRequest, scope.status)
	require.Equal(t, "invalid_scope", scope.json(t)["error"], "one scope too many fails the whole grant")
	require.Equal(t, "unsupported_grant_type", s.token("", url.Values{"grant_type": {"password"}}, oauthID, oauthSecret).json(t)["error"])
	s.ChangeOAuthClient(oauthID, func(c *celonissim.OAuthClient) {
		c.Method, c.Grants = celonissim.MethodPost, []string{celonissim.GrantAuthorizationCode}
	})
	require.Equal(t, "invalid_client", s.token("", clientCredentials(pushScope), oauthID, oauthSecret).json(t)["error"])
	s.ChangeOAuthClient(oauthID, func(c *celonissim.OAuthClient) { c.Method = celonissim.MethodBasic })
	require.Equal(t, "unauthorized_client", s.token("", clientCredentials(pushScope), oauthID, oauthSecret).json(t)["error"])
}

func TestTokensEnd(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := start(t, withOAuth, func(o *celonissim.Options) {
		o.Now = func() time.Time { return now }
		o.OAuth.TokenLifetime = time.Minute
	})
	fresh := func() {
		s.auth = "Bearer " + s.token("", clientCredentials(pushScope), oauthID, oauthSecret).json(t)["access_token"].(string)
	}
	fresh()
	now = now.Add(59 * time.Second)
	require.Equal(t, http.StatusOK, s.get(newPath+"/jobs/").status)
	now = now.Add(time.Second)
	require.Equal(t, http.StatusUnauthorized, s.get(newPath+"/jobs/").status)
	fresh()
	require.Equal(t, 2, s.RevokeTokens(oauthID))
	require.Equal(t, http.StatusUnauthorized, s.get(newPath+"/jobs/").status)
	require.Len(t, s.GivenTokens(), 2)
	s.SetOAuth(func(o *celonissim.OAuth) { o.NoExpiresIn, o.NoScope, o.Withheld = true, true, []string{modelScope} })
	m := s.token("", url.Values{"grant_type": {"client_credentials"}}, oauthID, oauthSecret).json(t)
	require.NotContains(t, m, "expires_in")
	require.NotContains(t, m, "scope")
}

func TestSimulatedDiscovery(t *testing.T) {
	t.Parallel()
	s := start(t, withOAuth)
	const path = "/.well-known/openid-configuration"
	m := s.get(path).json(t)
	require.Equal(t, s.base+"/oauth2/token", m["token_endpoint"])
	require.Equal(t, s.base+"/oauth2/authorize", m["authorization_endpoint"])
	s.SetOAuth(func(o *celonissim.OAuth) { o.Discovery = celonissim.DiscoveryHTML })
	require.Contains(t, s.get(path).body, "<html>")
	s.SetOAuth(func(o *celonissim.OAuth) { o.Discovery = celonissim.DiscoveryOff })
	require.Equal(t, http.StatusNotFound, s.get(path).status)
}

// authorize plays a user's browser and gives the query that comes back.
func (s *sim) authorize(change ...func(url.Values)) (url.Values, int) {
	s.t.Helper()
	sum := sha256.Sum256([]byte("the-verifier"))
	q := url.Values{"response_type": {"code"}, "client_id": {oauthID}, "redirect_uri": {redirectURI}, "scope": {pushScope}, "state": {"st"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}}
	for _, c := range change {
		c(q)
	}
	browser := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := browser.Get(s.base + "/oauth2/authorize?" + q.Encode())
	require.NoError(s.t, err)
	defer res.Body.Close()
	back, err := url.Parse(res.Header.Get("Location"))
	require.NoError(s.t, err)
	return back.Query(), res.StatusCode
}

func TestAuthorizationCodeAndRefresh(t *testing.T) {
	t.Parallel()
	s := start(t, withOAuth)
	back, status := s.authorize()
	require.Equal(t, http.StatusFound, status)
	require.Equal(t, "st", back.Get("state"))
	redeem := func(code, verifier string) answer {
		return s.token("", url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectURI}, "code_verifier": {verifier}}, oauthID, oauthSecret)
	}
	require.Equal(t, "invalid_grant", redeem(back.Get("code"), "another").json(t)["error"])
	require.Equal(t, "invalid_grant", redeem(back.Get("code"), "the-verifier").json(t)["error"], "a code is good once")
	back, _ = s.authorize()
	m := redeem(back.Get("code"), "the-verifier").json(t)
	s.auth = "Bearer " + m["access_token"].(string)
	require.Equal(t, http.StatusOK, s.get(newPath+"/jobs/").status)

	refresh := func(token any) answer {
		return s.token("", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token.(string)}}, oauthID, oauthSecret)
	}
	second := refresh(m["refresh_token"]).json(t)
	require.NotEqual(t, m["refresh_token"], second["refresh_token"])
	require.Equal(t, "invalid_grant", refresh(m["refresh_token"]).json(t)["error"], "used twice: the family ends")
	require.Equal(t, "invalid_grant", refresh(second["refresh_token"]).json(t)["error"])
	require.Equal(t, http.StatusUnauthorized, s.get(newPath+"/jobs/").status)

	_, status = s.authorize(func(q url.Values) { q.Set("redirect_uri", "https://evil.test/") })
	require.Equal(t, http.StatusBadRequest, status)
	back, _ = s.authorize(func(q url.Values) { q.Set("scope", "studio") })
	require.Equal(t, "invalid_scope", back.Get("error"))
	back, _ = s.authorize(func(q url.Values) { q.Set("code_challenge_method", "plain") })
	require.Equal(t, "invalid_request", back.Get("error"))
	s.SetOAuth(func(o *celonissim.OAuth) { o.Denies = true })
	back, _ = s.authorize()
	require.Equal(t, "access_denied", back.Get("error"))
}

func TestRefreshTokensMayStay(t *testing.T) {
	t.Parallel()
	s := start(t, withOAuth)
	s.SetOAuth(func(o *celonissim.OAuth) { o.RefreshStays = true })
	back, _ := s.authorize()
	m := s.token("", url.Values{"grant_type": {"authorization_code"}, "code": {back.Get("code")}, "redirect_uri": {redirectURI}, "code_verifier": {"the-verifier"}}, oauthID, oauthSecret).json(t)
	for range 2 {
		again := s.token("", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {m["refresh_token"].(string)}}, oauthID, oauthSecret).json(t)
		require.NotContains(t, again, "refresh_token")
		require.NotEmpty(t, again["access_token"])
	}
	require.Equal(t, 1, s.RevokeGrants(oauthID))
}

func TestAdminOAuthClients(t *testing.T) {
	t.Parallel()
	s := start(t, withOAuth)
	a := s.do(http.MethodPost, "/_sim/oauth-clients", `{"name":"added","scopes":["`+pushScope+`"],"permissions":{"pushPools":["*"]}}`)
	require.Equal(t, http.StatusCreated, a.status, a.body)
	m := a.json(t)
	token := s.token("", clientCredentials(pushScope), m["clientId"].(string), m["clientSecret"].(string))
	require.Equal(t, http.StatusOK, token.status, token.body)
	ended := s.do(http.MethodDelete, "/_sim/oauth-clients/"+m["clientId"].(string)+"/tokens?grants=true", "")
	require.JSONEq(t, `{"ended":1}`, ended.body)
}
