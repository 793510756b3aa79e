package app_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/app"
	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/celonis-connector/connector/internal/config"
	"github.com/celonis-connector/connector/internal/testservers"
	"github.com/stretchr/testify/require"
)

const (
	pushScope  = "integration.data-pools:data_push"
	modelScope = "intelligence.knowledge-models:read"
	publicURL  = "https://connector.test"
)

// registered gives the simulator's OAuth client.
func registered(sim *apptest.Sim, method string) celonissim.OAuthClient {
	return sim.AddOAuthClient(celonissim.OAuthClient{
		Name: "tests", Method: method, Scopes: []string{pushScope, modelScope, "audit.log:read"},
		Permissions: celonissim.Credential{PushPools: []string{"*"}, Intelligence: true},
	})
}

// oauthClient stores an OAuth client for the simulator's.
func (s *service) oauthClient(name string, sim *apptest.Sim, c celonissim.OAuthClient, change ...map[string]any) (id string) {
	s.t.Helper()
	d := map[string]any{"name": name, "clientId": c.ID, "clientSecret": c.Secret, "validDomains": []string{sim.Host}, "allowedScopes": c.Scopes}
	if c.Method == celonissim.MethodPost {
		d["authMethod"] = "clientSecretPost"
	}
	for _, more := range change {
		d = changed(d, more)
	}
	var made struct {
		ID string `json:"id"`
	}
	s.Call(http.StatusCreated, "POST", "/v1/oauth-clients", d, &made)
	return made.ID
}

// byOAuth is the body of a connection by the OAuth client.
func byOAuth(sim *apptest.Sim, name, client string, change ...map[string]any) map[string]any {
	d := map[string]any{"name": name, "apiType": "dataPush", "domain": sim.Host, "authType": "oauth2", "oauthClientId": client,
		"scopes": []string{pushScope}, "poolId": sim.Pool}
	for _, more := range change {
		d = changed(d, more)
	}
	return d
}

// oauthConnection is a connection by OAuth as the API shows it.
type oauthConnection struct {
	apptest.Connection
	OAuthClientID string     `json:"oauthClientId"`
	Scopes        []string   `json:"scopes"`
	Grant         string     `json:"grant"`
	AuthorizedAt  *time.Time `json:"authorizedAt"`
}

func (s *service) connectByOAuth(d map[string]any) (c oauthConnection) {
	s.t.Helper()
	s.Call(http.StatusCreated, "POST", "/v1/connections", d, &c)
	return c
}

func (s *service) byOAuthNow(id string) (c oauthConnection) {
	s.t.Helper()
	s.Call(http.StatusOK, "GET", "/v1/connections/"+id, nil, &c)
	return c
}

func TestLifeByOAuth(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, func(t *testing.T, on func(config.Config) config.Config) {
		sim := apptest.NewSim(t)
		s := start(t, on(settings(t, sim.URL)))
		for _, method := range []string{celonissim.MethodBasic, celonissim.MethodPost} {
			at := registered(sim, method)
			client := s.oauthClient("client "+method, sim, at)
			push := s.connectByOAuth(byOAuth(sim, "push "+method, client))
			require.Equal(t, "online", push.Status, "%+v", push.LastTest)
			require.Empty(t, push.Secrets)
			require.Equal(t, "clientCredentials", push.Grant)
			models := s.connectByOAuth(byOAuth(sim, "models "+method, client, map[string]any{"apiType": "intelligence", "poolId": nil, "scopes": []string{"all"}}))
			require.Equal(t, "online", models.Status, "%+v", models.LastTest)
			require.Equal(t, at.Scopes[2], models.Scopes[0], "in the catalog's order")

			r := s.Do(s.fileFlow(push.ID, "BY_"+strings.ToUpper(method), "csv", "ID\n1\n2\n3\n"))
			apptest.RequireWhole(t, r, 3)

			p := s.Problem(http.StatusConflict, "DELETE", "/v1/oauth-clients/"+client, nil)
			require.Equal(t, "oauth_client.in_use", p.Code)
			require.Contains(t, string(s.Send("GET", "/v1/oauth-clients/"+client+"/used-by", nil).Body), push.ID)

			// A new secret is used at once, although the old one's tokens still live.
			sim.ChangeOAuthClient(at.ID, func(c *celonissim.OAuthClient) { c.Secret = "a-newer-secret-of-the-client" })
			var result apptest.TestResult
			s.Call(http.StatusOK, "POST", "/v1/connections/"+push.ID+"/test", nil, &result)
			require.Equal(t, "celonis.oauth_client_refused", result.Last().Code)
			require.Contains(t, result.Last().Hint, "Admin & Settings > Applications > the OAuth client")
			s.Call(http.StatusOK, "PATCH", "/v1/oauth-clients/"+client, map[string]any{"clientSecret": "a-newer-secret-of-the-client"}, nil)
			s.Call(http.StatusOK, "POST", "/v1/connections/"+push.ID+"/test", nil, &result)
			require.True(t, result.OK, "%+v", result)

			var switched oauthConnection
			s.Call(http.StatusOK, "PATCH", "/v1/connections/"+push.ID, map[string]any{"authType": "custom", "appKey": sim.AppKey}, &switched)
			require.Equal(t, "online", switched.Status)
			require.Empty(t, switched.OAuthClientID)
			require.Equal(t, http.StatusNoContent, s.Send("DELETE", "/v1/connections/"+models.ID, nil).Status)
			require.Equal(t, http.StatusNoContent, s.Send("DELETE", "/v1/oauth-clients/"+client, nil).Status)
		}
	})
}

func TestOAuthThatIsRefused(t *testing.T) {
	t.Parallel()
	sim, other := apptest.NewSim(t), apptest.NewSim(t)
	s := begin(t, sim, other)
	at := registered(sim, "")
	client := s.oauthClient("client", sim, at)
	for name, c := range map[string]struct {
		path          string
		body          map[string]any
		pointer, code string
	}{
		"domain outside of the valid ones": {"/v1/connections", byOAuth(other, "x", client), "/domain", "oauth_client.domain_not_valid"},
		"scope that the client lacks":      {"/v1/connections", byOAuth(sim, "x", client, map[string]any{"scopes": []string{"studio"}}), "/scopes/0", "oauth.scope_not_allowed"},
		"older spelling":                   {"/v1/connections", byOAuth(sim, "x", client, map[string]any{"scopes": []string{"audit.log"}}), "/scopes/0", "oauth.scope_unknown"},
		"unknown client":                   {"/v1/connections/test", byOAuth(sim, "x", "nobody"), "/oauthClientId", "oauth_client.not_found"},
		"app key too":                      {"/v1/connections", byOAuth(sim, "x", client, map[string]any{"appKey": "k"}), "/appKey", "request.field_invalid"},
		"client id with a blank": {"/v1/oauth-clients", map[string]any{"name": "x", "clientId": "a b", "clientSecret": "secret-of-it",
			"validDomains": []string{sim.Host}, "allowedScopes": []string{"all"}}, "/clientId", "request.field_invalid"},
		"mask as the secret": {"/v1/oauth-clients", map[string]any{"name": "x", "clientId": "a", "clientSecret": "********",
			"validDomains": []string{sim.Host}, "allowedScopes": []string{"all"}}, "/clientSecret", "secret.mask"},
		"look-alike as a valid domain": {"/v1/oauth-clients", map[string]any{"name": "x", "clientId": "a", "clientSecret": "secret-of-it",
			"validDomains": []string{sim.Host, "acme.evilcelonis.cloud"}, "allowedScopes": []string{"all"}}, "/validDomains/1", "connection.domain_invalid"},
	} {
		p := s.Problem(http.StatusUnprocessableEntity, "POST", c.path, c.body)
		require.Len(t, p.Errors, 1, name)
		require.Equal(t, []string{c.pointer, c.code}, []string{p.Errors[0].Pointer, p.Errors[0].Code}, name)
	}
	p := s.Problem(http.StatusUnprocessableEntity, "PATCH", "/v1/oauth-clients/"+client, map[string]any{"validDomains": []string{sim.Host, other.Host}})
	require.Equal(t, "connection.secret_required", p.Errors[0].Code)
	require.Zero(t, other.Counts()["oauth.token"].Requests)
}

func TestTokensEndInTheMiddleOfARun(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	at := registered(sim, "")
	c := s.connectByOAuth(byOAuth(sim, "push", s.oauthClient("client", sim, at)))
	flow := s.fileFlow(c.ID, "ENDING", "csv", "ID\n1\n2\n")
	upload, submit := sim.Trap(apptest.Upload, "ENDING", 1), sim.Trap(apptest.Submit, "ENDING", 1)
	run := s.Start(flow)
	for _, trap := range []*apptest.Trap{upload, submit} {
		apptest.Receive(t, trap.Came(), "the run got there")
		sim.RevokeTokens(at.ID)
		trap.Release()
	}
	r := s.AwaitEnd(run.ID)
	apptest.RequireWhole(t, r, 2)
	require.Equal(t, 1, r.Attempt, "a token that ended costs no attempt")
	require.Equal(t, 2, sim.MustTable("ENDING").Rows())
}

// allow plays the user: it opens the address, allows, and brings the browser back to the service.
func (s *service) allow(id string) (page string, status int) {
	s.t.Helper()
	var begun struct {
		AuthorizationURL string    `json:"authorizationUrl"`
		ExpiresAt        time.Time `json:"expiresAt"`
	}
	s.Call(http.StatusOK, "POST", "/v1/connections/"+id+"/authorize", nil, &begun)
	require.WithinDuration(s.t, time.Now().Add(10*time.Minute), begun.ExpiresAt, time.Minute)
	return s.comeBack(s.browse(begun.AuthorizationURL))
}

// browse opens an address of Celonis and gives where it sends the browser.
func (s *service) browse(address string) *url.URL {
	s.t.Helper()
	browser := http.Client{Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := browser.Get(address)
	require.NoError(s.t, err)
	defer res.Body.Close()
	require.Equal(s.t, http.StatusFound, res.StatusCode)
	back, err := url.Parse(res.Header.Get("Location"))
	require.NoError(s.t, err)
	require.Equal(s.t, publicURL+"/oauth/callback", back.Scheme+"://"+back.Host+back.Path)
	return back
}

func (s *service) comeBack(to *url.URL) (page string, status int) {
	s.t.Helper()
	anybody := *s.Client
	anybody.Token = ""
	a := anybody.Send("GET", to.Path+"?"+to.RawQuery, nil)
	require.Contains(s.t, a.Header.Get("Content-Type"), "text/html")
	for _, secret := range []string{to.Query().Get("code"), to.Query().Get("state")} {
		require.True(s.t, secret == "" || !strings.Contains(string(a.Body), secret))
	}
	return string(a.Body), a.Status
}

func authorizing(t testing.TB, sims ...*apptest.Sim) config.Config {
	cfg := settings(t)
	for _, sim := range sims {
		cfg.AllowedHosts = append(cfg.AllowedHosts, sim.URL)
	}
	cfg.PublicURL = publicURL + "/"
	return cfg
}

var byUser = map[string]any{"grant": "authorizationCode"}

func TestAUserAuthorizesAConnection(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, func(t *testing.T, on func(config.Config) config.Config) {
		sim := apptest.NewSim(t)
		s := start(t, on(authorizing(t, sim)))
		at := registered(sim, "")
		client := s.oauthClient("client", sim, at)
		c := s.connectByOAuth(byOAuth(sim, "push", client, byUser))
		require.Equal(t, "offline", c.Status)
		require.Equal(t, "connection.not_authorized", c.LastTest.Last().Code)
		require.Nil(t, c.AuthorizedAt)

		page, status := s.allow(c.ID)
		require.Equal(t, http.StatusOK, status, page)
		require.Contains(t, page, "The connection push may now act for you")
		c = s.byOAuthNow(c.ID)
		require.Equal(t, "online", c.Status, "%+v", c.LastTest)
		require.NotNil(t, c.AuthorizedAt)
		flow := s.fileFlow(c.ID, "BY_USER", "csv", "ID\n1\n2\n")
		apptest.RequireWhole(t, s.Do(flow), 2)

		// The tokens outlive the process.
		s.restart()
		sim.RevokeTokens(at.ID)
		apptest.RequireWhole(t, s.Do(flow), 2)

		// What the user or Celonis ends takes the connection offline, until it is authorized again.
		require.Positive(t, sim.RevokeGrants(at.ID))
		sim.RevokeTokens(at.ID)
		run := s.Start(flow)
		s.awaitOffline(run.ID)
		c = s.byOAuthNow(c.ID)
		require.Equal(t, "offline", c.Status)
		require.Nil(t, c.AuthorizedAt)
		require.Contains(t, c.LastTest.Last().Hint, "/authorize")
		_, status = s.allow(c.ID)
		require.Equal(t, http.StatusOK, status)
		apptest.RequireWhole(t, s.AwaitEnd(run.ID), 2)

		// A change of what was allowed ends it.
		var changed oauthConnection
		s.Call(http.StatusOK, "PATCH", "/v1/connections/"+c.ID, map[string]any{"scopes": []string{"all"}}, &changed)
		require.Nil(t, changed.AuthorizedAt)
		require.Equal(t, "connection.not_authorized", changed.LastTest.Last().Code)
	})
}

func TestAuthorizationsThatAreRefused(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := start(t, authorizing(t, sim))
	at := registered(sim, "")
	client := s.oauthClient("client", sim, at)
	byItself := s.connectByOAuth(byOAuth(sim, "by itself", client))
	require.Equal(t, "oauth.grant_without_user", s.Problem(http.StatusConflict, "POST", "/v1/connections/"+byItself.ID+"/authorize", nil).Code)
	c := s.connectByOAuth(byOAuth(sim, "by a user", client, byUser))

	begin := func() *url.URL {
		var begun struct {
			AuthorizationURL string `json:"authorizationUrl"`
		}
		s.Call(http.StatusOK, "POST", "/v1/connections/"+c.ID+"/authorize", nil, &begun)
		return s.browse(begun.AuthorizationURL)
	}
	back := begin()
	_, status := s.comeBack(back)
	require.Equal(t, http.StatusOK, status)
	page, status := s.comeBack(back)
	require.Equal(t, http.StatusBadRequest, status, "a state is good once")
	require.Contains(t, page, "begin anew")

	forged := *back
	forged.RawQuery = "state=st_forged&code=x"
	_, status = s.comeBack(&forged)
	require.Equal(t, http.StatusBadRequest, status)
	forged.RawQuery = ""
	_, status = s.comeBack(&forged)
	require.Equal(t, http.StatusBadRequest, status)

	back = begin()
	s.Call(http.StatusOK, "PATCH", "/v1/connections/"+c.ID, map[string]any{"name": "changed meanwhile"}, nil)
	page, status = s.comeBack(back)
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, page, "has changed since")

	sim.SetOAuth(func(o *celonissim.OAuth) { o.Denies = true })
	page, status = s.comeBack(begin())
	require.Equal(t, http.StatusBadGateway, status)
	require.Contains(t, page, "access_denied, the user refused")
	sim.SetOAuth(func(o *celonissim.OAuth) { o.Denies = false })

	back = begin()
	wrong := *back
	q := wrong.Query()
	q.Set("code", "another-code")
	wrong.RawQuery = q.Encode()
	page, status = s.comeBack(&wrong)
	require.Equal(t, http.StatusBadGateway, status)
	require.Contains(t, page, "authorize the connection again")

	homeless := start(t, settings(t, sim.URL))
	id := homeless.connectByOAuth(byOAuth(sim, "push", homeless.oauthClient("client", sim, at), byUser)).ID
	p := homeless.Problem(http.StatusConflict, "POST", "/v1/connections/"+id+"/authorize", nil)
	require.Equal(t, "oauth.public_url_missing", p.Code)
	require.Contains(t, p.Hint, "CONNECTOR_PUBLIC_URL")
}

// Two processes whose tokens end at once exchange the refresh token in turn:
// one that was used twice would end the whole grant.
func TestTwoProcessesNeverLoseTheRefreshToken(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, func(t *testing.T, on func(config.Config) config.Config) {
		sim := apptest.NewSim(t, func(o *celonissim.Options) { o.OAuth.TokenLifetime = 11 * time.Second })
		cfg := on(authorizing(t, sim))
		cfg.RedisURL = crypto.NewSecret(testservers.Redis(t))
		one := start(t, cfg)
		at := registered(sim, "")
		c := one.connectByOAuth(byOAuth(sim, "push", one.oauthClient("client", sim, at), byUser))
		_, status := one.allow(c.ID)
		require.Equal(t, http.StatusOK, status)
		two := &service{t: t, cfg: cfg, log: &logBuffer{}, roles: []app.Role{app.API}}
		two.open()
		t.Cleanup(two.stop)

		const rounds, callers = 8, 4
		for range rounds {
			// Every token in the wild ends: all of them need a new one at the same time.
			sim.RevokeTokens(at.ID)
			var all sync.WaitGroup
			for _, service := range []*service{one, two} {
				for range callers {
					all.Go(func() {
						result, err := service.app.Connections.Test(t.Context(), app.Workspace, c.ID)
						if err != nil || !result.OK {
							t.Errorf("a test failed: %v %+v", err, result.Steps)
						}
					})
				}
			}
			all.Wait()
		}
		require.Zero(t, sim.Counts()["oauth.token"].Statuses[http.StatusBadRequest], "no refresh token was used twice")
		require.Equal(t, "online", one.byOAuthNow(c.ID).Status)
		require.NotNil(t, one.byOAuthNow(c.ID).AuthorizedAt)
	})
}

// The secrets of OAuth go through create, test, run, refusal, renewal and
// authorization, and are found nowhere after it.
func TestOAuthSecretsAreFoundNowhere(t *testing.T) {
	t.Parallel()
	const markedSecret = "canary/oauth+secret==WwVvUu03&<mark>"
	sim := apptest.NewSim(t)
	celonis := &echo{sim: sim}
	server := httptest.NewServer(celonis)
	defer server.Close()
	front := &apptest.Sim{Host: strings.TrimPrefix(server.URL, "http://"), Pool: sim.Pool}
	at := registered(sim, "")
	sim.ChangeOAuthClient(at.ID, func(c *celonissim.OAuthClient) { c.Secret = markedSecret })
	at.Secret = markedSecret

	redisURL := testservers.Redis(t)
	cfg := settings(t, server.URL)
	cfg.RedisURL, cfg.PublicURL = crypto.NewSecret(redisURL), publicURL
	s := start(t, cfg)
	var answers said
	s.Seen = answers.add
	var hidden []string
	for _, method := range []string{"clientSecretBasic", "clientSecretPost"} {
		client := s.oauthClient("name-that-is-looked-for "+method, front, at, map[string]any{"authMethod": method})
		for _, grant := range []string{"clientCredentials", "authorizationCode"} {
			d := byOAuth(front, method+" "+grant, client, map[string]any{"grant": grant})
			c := s.connectByOAuth(d)
			if grant == "authorizationCode" {
				hidden = append(hidden, s.allowUnseen(c.ID)...)
			}
			flow := s.fileFlow(c.ID, "OAUTH_"+method+grant, "csv", "id\n1\n")
			apptest.RequireWhole(t, s.Do(flow), 1)
			for _, code := range []int{400, 401, 503} {
				celonis.status.Store(int64(code))
				sim.RevokeTokens(at.ID)
				s.Call(http.StatusOK, "POST", "/v1/connections/"+c.ID+"/test", nil, nil)
				s.Call(http.StatusOK, "POST", "/v1/connections/test", d, nil)
				celonis.status.Store(0)
			}
			for _, path := range []string{"/v1/connections", "/v1/connections/" + c.ID, "/v1/connections/" + c.ID + "/options/pools", "/v1/oauth-clients", "/v1/oauth-clients/" + client, "/metrics"} {
				s.Send("GET", path, nil)
			}
		}
		s.Send("POST", "/v1/oauth-clients", map[string]any{"name": "x", "clientId": "x", "clientSecret": markedSecret + " ", "validDomains": []string{"nowhere"}})
	}
	require.NotZero(t, celonis.told.Load())

	everything := haystack{"answers": answers.text.Bytes()}
	for place, data := range redisContent(t, redisURL) {
		everything["redis "+place] = data
	}
	s.addFiles(everything)
	s.stop()
	everything["log"] = []byte(s.log.String())
	s.addFiles(everything)
	require.Contains(t, strings.Join(everything.find("name-that-is-looked-for"), " "), "connector.db")
	require.Contains(t, string(everything["log"]), "/oauth2/token")
	given := sim.GivenTokens()
	require.Greater(t, len(given), 8)
	for _, secret := range append(append(given, hidden...), markedSecret) {
		require.Empty(t, everything.find(secret), "a secret was found")
	}
}

// allowUnseen is allow without noting the answer that must hold the state; it
// gives what the browser carried.
func (s *service) allowUnseen(id string) (carried []string) {
	s.t.Helper()
	unseen := *s.Client
	unseen.Seen = nil
	a := unseen.Send("POST", "/v1/connections/"+id+"/authorize", nil)
	require.Equal(s.t, http.StatusOK, a.Status, "%s", a.Body)
	var begun struct {
		AuthorizationURL string `json:"authorizationUrl"`
	}
	require.NoError(s.t, json.Unmarshal(a.Body, &begun))
	back := s.browse(begun.AuthorizationURL)
	_, status := s.comeBack(back)
	require.Equal(s.t, http.StatusOK, status)
	return []string{back.Query().Get("state"), back.Query().Get("code")}
}
