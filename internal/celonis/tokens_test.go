package celonis_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/celonis"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

const (
	clientID     = "5f0c2a7e-client"
	clientSecret = "s3cret/canary+of=the&client?oauth"
	pushScope    = "integration.data-pools:data_push"
	modelScope   = "intelligence.knowledge-models:read"
)

// clock is a time that a test moves.
type clock struct{ atomic.Pointer[time.Time] }

func newClock() *clock {
	c := &clock{}
	now := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	c.Store(&now)
	return c
}

func (c *clock) now() time.Time { return *c.Load() }

func (c *clock) advance(d time.Duration) {
	next := c.now().Add(d)
	c.Store(&next)
}

// oauthSim is a simulator with an OAuth client that may push, and tokens that
// live by the test's clock.
type oauthSim struct {
	*sim
	clock  *clock
	tokens *celonis.Tokens
}

func startOAuth(t testing.TB, change ...func(*celonissim.Options)) *oauthSim {
	t.Helper()
	c := newClock()
	s := startSim(t, append([]func(*celonissim.Options){func(o *celonissim.Options) {
		o.Now = c.now
		o.Teams[0].OAuthClients = []celonissim.OAuthClient{{
			Name: "oauth", ID: clientID, Secret: clientSecret, Scopes: []string{pushScope, modelScope, "audit.log:read"},
			Permissions: celonissim.Credential{PushPools: []string{poolID}, ListPools: true, Intelligence: true},
		}}
	}}, change...)...)
	return &oauthSim{s, c, celonis.NewTokens(celonis.TokensConfig{Transport: s.transport, Now: c.now, Retry: quick})}
}

func (s *oauthSim) target(change ...func(*connections.OAuthTarget)) connections.Target {
	o := &connections.OAuthTarget{
		Workspace: "ws", Client: "row", Revision: 1, ClientID: clientID, ClientSecret: crypto.NewSecret(clientSecret),
		AuthMethod: connections.ClientSecretBasic, Grant: connections.ClientCredentials, Scopes: []string{pushScope}, ValidOrigins: []string{s.base},
	}
	for _, c := range change {
		c(o)
	}
	return connections.Target{BaseURL: s.base, APIType: connections.DataPush, AuthType: connections.OAuth2, PoolID: poolID, OAuth: o}
}

func (s *oauthSim) oauthClient(change ...func(*connections.OAuthTarget)) *celonis.Client {
	s.t.Helper()
	return newClient(s.t, celonis.Config{Target: s.target(change...), Transport: s.transport, Now: s.clock.now, Tokens: s.tokens})
}

func (s *oauthSim) asked(route string) int64 { return s.Counts()[route].Requests }

func (s *oauthSim) jobs(c *celonis.Client) error {
	_, err := c.DataPush(poolID).Jobs(s.t.Context())
	return err
}

func TestATokenServesManyCallsAndClients(t *testing.T) {
	t.Parallel()
	for _, method := range []connections.AuthMethod{connections.ClientSecretBasic, connections.ClientSecretPost} {
		s := startOAuth(t, func(o *celonissim.Options) {
			o.Teams[0].OAuthClients[0].Method = map[connections.AuthMethod]string{
				connections.ClientSecretBasic: celonissim.MethodBasic, connections.ClientSecretPost: celonissim.MethodPost}[method]
		})
		use := func(o *connections.OAuthTarget) { o.AuthMethod = method }
		for range 3 {
			require.NoError(t, s.jobs(s.oauthClient(use)))
		}
		require.EqualValues(t, 1, s.asked("oauth.token"), method)
		require.EqualValues(t, 1, s.asked("oauth.discovery"), method)

		require.NoError(t, s.jobs(s.oauthClient(use, func(o *connections.OAuthTarget) { o.Revision = 2 })))
		require.NoError(t, s.jobs(s.oauthClient(use, func(o *connections.OAuthTarget) { o.Scopes = []string{pushScope, modelScope} })))
		require.NoError(t, s.jobs(s.oauthClient(use, func(o *connections.OAuthTarget) { o.Workspace = "other" })))
		require.EqualValues(t, 4, s.asked("oauth.token"), "another state, other scopes, another workspace: another token")
	}
}

func TestTokensAreRenewedEarly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		life, kept, renewed time.Duration
		silent              bool
	}{
		{life: 899 * time.Second, kept: 838 * time.Second, renewed: 840 * time.Second},
		{life: 60 * time.Second, kept: 49 * time.Second, renewed: 50 * time.Second},
		{life: 899 * time.Second, silent: true, kept: 59 * time.Second, renewed: 60 * time.Second},
	} {
		s := startOAuth(t, func(o *celonissim.Options) { o.OAuth.TokenLifetime, o.OAuth.NoExpiresIn = c.life, c.silent })
		client := s.oauthClient()
		require.NoError(t, s.jobs(client))
		s.clock.advance(c.kept)
		require.NoError(t, s.jobs(client))
		require.EqualValues(t, 1, s.asked("oauth.token"), "%+v", c)
		s.clock.advance(c.renewed - c.kept)
		require.NoError(t, s.jobs(client))
		require.EqualValues(t, 2, s.asked("oauth.token"), "%+v", c)
		require.Zero(t, s.Counts()["push.jobs.list"].Statuses[401], "%+v", c)
	}
	// A token that is nearly over when it comes serves the call that asked for it.
	s := startOAuth(t, func(o *celonissim.Options) { o.OAuth.TokenLifetime = 3 * time.Second })
	require.NoError(t, s.jobs(s.oauthClient()))
	require.NoError(t, s.jobs(s.oauthClient()))
	require.EqualValues(t, 2, s.asked("oauth.token"))
}

func TestARefusedTokenIsReplacedOnce(t *testing.T) {
	t.Parallel()
	s := startOAuth(t)
	client := s.oauthClient()
	push := client.DataPush(poolID)
	job, err := push.CreateJob(t.Context(), csvSpec("T"))
	require.NoError(t, err)
	require.Equal(t, 1, s.RevokeTokens(clientID))
	require.NoError(t, push.UploadChunk(t.Context(), job.ID, csvChunk(twoRows)), "an upload that was answered 401 did nothing and goes out again")
	require.EqualValues(t, 2, s.asked("oauth.token"))
	require.EqualValues(t, map[int]int64{401: 1, 200: 1}, s.Counts()["push.chunks.upsert"].Statuses)
	s.RevokeTokens(clientID)
	_, err = push.Submit(t.Context(), job.ID)
	require.NoError(t, err)
	require.Equal(t, "DONE", s.ends("DONE").Status)
	table, ok := s.Table(poolID, "T")
	require.True(t, ok)
	require.Equal(t, 2, table.Rows())

	s.AddFault(celonissim.Fault{Route: "push.jobs.list", Status: 401})
	before := s.asked("oauth.token")
	err = s.jobs(client)
	require.True(t, fault.Has(err, fault.CelonisUnauthorized), err)
	require.Contains(t, fault.From(err).Hint, "Admin & Settings > Applications")
	require.EqualValues(t, before+1, s.asked("oauth.token"), "one fresh token, no more")
}

func TestManyCallersShareOneExchange(t *testing.T) {
	t.Parallel()
	s := startOAuth(t)
	came, free := make(chan struct{}), make(chan struct{})
	var once sync.Once
	transport := trip(func(r *http.Request) (*http.Response, error) {
		if r.URL.Path == "/oauth2/token" {
			once.Do(func() { close(came) })
			<-free
		}
		return s.transport.RoundTrip(r)
	})
	s.tokens = celonis.NewTokens(celonis.TokensConfig{Transport: transport, Now: s.clock.now})
	left, cancel := context.WithCancel(t.Context())
	impatient := make(chan error, 1)
	go func() {
		_, err := s.oauthClient().DataPush(poolID).Jobs(left)
		impatient <- err
	}()
	<-came
	done := make(chan error, 20)
	for range cap(done) {
		go func() { done <- s.jobs(s.oauthClient()) }()
	}
	cancel()
	require.ErrorIs(t, <-impatient, context.Canceled, "a caller may leave; the exchange goes on for the others")
	close(free)
	for range cap(done) {
		require.NoError(t, <-done)
	}
	require.EqualValues(t, 1, s.asked("oauth.token"))
}

func TestDiscovery(t *testing.T) {
	t.Parallel()
	other := startOAuth(t)
	for name, c := range map[string]struct {
		change func(*celonissim.OAuth)
		valid  []string
		token  string
		want   string
	}{
		"document":   {want: "found by discovery"},
		"none":       {change: func(o *celonissim.OAuth) { o.Discovery = celonissim.DiscoveryOff }, want: "the usual place"},
		"html":       {change: func(o *celonissim.OAuth) { o.Discovery = celonissim.DiscoveryHTML }, want: "the usual place"},
		"nonsense":   {change: func(o *celonissim.OAuth) { o.Discovery = celonissim.DiscoveryNonsense }, want: "the usual place"},
		"foreign":    {change: func(o *celonissim.OAuth) { o.TokenEndpoint = "https://evil.test/oauth2/token" }, want: "the usual place; the token endpoint that the host names is not on a valid domain"},
		"look-alike": {change: func(o *celonissim.OAuth) { o.TokenEndpoint = "https://acme.eu-1.celonis.cloud.evil.test/t" }, valid: []string{"https://acme.eu-1.celonis.cloud"}, want: "the usual place"},
		"user-info":  {change: func(o *celonissim.OAuth) { o.TokenEndpoint = "http://" + clientID + "@evil.test/t" }, want: "the usual place"},
		"plain":      {change: func(o *celonissim.OAuth) { o.TokenEndpoint = "http://acme.eu-1.celonis.cloud/t" }, valid: []string{"https://acme.eu-1.celonis.cloud"}, want: "the usual place"},
		"another":    {change: func(o *celonissim.OAuth) { o.TokenEndpoint = other.base + "/oauth2/token" }, valid: []string{other.base}, token: other.base, want: "found by discovery"},
	} {
		s := startOAuth(t)
		if c.change != nil {
			s.SetOAuth(c.change)
		}
		r := s.test(func(o *connections.OAuthTarget) { o.ValidOrigins = append(o.ValidOrigins, c.valid...) })
		auth := step(r, "auth")
		require.Contains(t, auth.Detail, c.want, "%s: %+v", name, r.Steps)
		if c.token == "" {
			c.token = s.base
			require.True(t, r.OK, "%s: %+v", name, r.Steps)
		}
		require.Contains(t, auth.Detail, c.token+"/oauth2/token", name)
	}
	require.Positive(t, other.asked("oauth.token"))
}

// test makes a test call with the target.
func (s *oauthSim) test(change ...func(*connections.OAuthTarget)) connections.TestResult {
	return s.testTarget(s.target(change...))
}

func (s *oauthSim) testTarget(target connections.Target) connections.TestResult {
	s.t.Helper()
	tester := celonis.NewTester(celonis.TesterConfig{Transport: s.transport, Tokens: s.tokens, Now: s.clock.now, Retry: quick})
	return tester.Test(s.t.Context(), target)
}

func step(r connections.TestResult, name string) connections.Step {
	for _, s := range r.Steps {
		if s.Step == name {
			return s
		}
	}
	return connections.Step{}
}

func TestTheSecretFollowsNoRedirectElsewhere(t *testing.T) {
	t.Parallel()
	var seen []string
	foreign := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		seen = append(seen, r.URL.Path, r.Header.Get("Authorization"), r.Form.Encode())
	}))
	defer foreign.Close()
	valid := startOAuth(t)
	for _, method := range []connections.AuthMethod{connections.ClientSecretBasic, connections.ClientSecretPost} {
		s := startOAuth(t)
		s.SetOAuth(func(o *celonissim.OAuth) { o.Redirect = foreign.URL + "/token" })
		r := s.test(func(o *connections.OAuthTarget) { o.AuthMethod = method })
		require.Equal(t, "dns tls auth!", outline(r), "%+v", r.Steps)
		require.Equal(t, fault.OAuthClientDomain, last(r).Code)
		require.Contains(t, last(r).Hint, "validDomains")
		require.Empty(t, seen)

		s.SetOAuth(func(o *celonissim.OAuth) { o.Redirect = valid.base + "/oauth2/token" })
		r = s.test(func(o *connections.OAuthTarget) {
			o.AuthMethod, o.ValidOrigins = method, append(o.ValidOrigins, valid.base)
		})
		require.True(t, step(r, "auth").OK, "a redirect to another valid domain is followed: %+v", r.Steps)
	}
	s := startOAuth(t)
	s.SetOAuth(func(o *celonissim.OAuth) { o.Redirect = "/oauth2/token" })
	require.Equal(t, fault.CelonisAnswer, last(s.test()).Code, "a redirect in a circle ends")
}

func TestStepsOfAnOAuthTest(t *testing.T) {
	t.Parallel()
	intelligence := func(o *connections.OAuthTarget) { o.Scopes = []string{modelScope} }
	for name, c := range map[string]struct {
		sim    func(*celonissim.OAuthClient)
		oauth  func(*celonissim.OAuth)
		fault  celonissim.Fault
		change func(*connections.OAuthTarget)
		api    connections.APIType
		want   string
		code   fault.Code
		hint   string
	}{
		"data push":    {want: "dns tls auth scope pool permission"},
		"intelligence": {change: intelligence, api: connections.Intelligence, want: "dns tls auth scope permission"},
		"intelligence without knowledge models": {change: func(o *connections.OAuthTarget) { o.Scopes = []string{"audit.log:read"} },
			api: connections.Intelligence, want: "dns tls auth scope permission"},
		"wrong secret": {change: func(o *connections.OAuthTarget) { o.ClientSecret = crypto.NewSecret("wrong-and-useless") },
			want: "dns tls auth!", code: fault.CelonisOAuthClient, hint: "Admin & Settings > Applications > the OAuth client"},
		"expired secret": {sim: func(c *celonissim.OAuthClient) { c.Secret = "a-newer-one" },
			want: "dns tls auth!", code: fault.CelonisOAuthClient, hint: "a secret may have expired"},
		"unknown client": {change: func(o *connections.OAuthTarget) { o.ClientID = "nobody" },
			want: "dns tls auth!", code: fault.CelonisOAuthClient, hint: "client id"},
		"post instead of basic": {sim: func(c *celonissim.OAuthClient) { c.Method = celonissim.MethodPost },
			want: "dns tls auth!", code: fault.CelonisOAuthMethod, hint: `"clientSecretPost"`},
		"basic instead of post": {sim: func(c *celonissim.OAuthClient) { c.Method = celonissim.MethodBasic },
			change: func(o *connections.OAuthTarget) { o.AuthMethod = connections.ClientSecretPost },
			want:   "dns tls auth!", code: fault.CelonisOAuthMethod, hint: `"clientSecretBasic"`},
		"scope not held": {change: func(o *connections.OAuthTarget) { o.Scopes = []string{pushScope, "studio"} },
			want: "dns tls auth!", code: fault.CelonisOAuthScope, hint: "Define scopes"},
		"grant not allowed": {sim: func(c *celonissim.OAuthClient) { c.Grants = []string{celonissim.GrantAuthorizationCode} },
			want: "dns tls auth!", code: fault.CelonisOAuthGrant, hint: "client credentials"},
		"scope withheld": {change: func(o *connections.OAuthTarget) { o.Scopes = []string{"audit.log:read", pushScope} }, oauth: func(o *celonissim.OAuth) { o.Withheld = []string{pushScope} },
			want: "dns tls auth scope!", code: fault.CelonisScopeMissing, hint: pushScope + " or integration.data-pools"},
		"scope of the other side": {change: intelligence, want: "dns tls auth scope!", code: fault.CelonisScopeMissing, hint: pushScope},
		"another scope withheld": {change: func(o *connections.OAuthTarget) { o.Scopes = []string{pushScope, modelScope} },
			oauth: func(o *celonissim.OAuth) { o.Withheld = []string{modelScope} }, want: "dns tls auth scope pool permission"},
		"no scope in the answer": {oauth: func(o *celonissim.OAuth) { o.NoScope = true }, want: "dns tls auth scope pool permission"},
		"no permission": {sim: func(c *celonissim.OAuthClient) { c.Permissions.PushPools = nil },
			want: "dns tls auth scope pool permission!", code: fault.CelonisForbidden, hint: `the permission "Data Push API"`},
		"html at the token endpoint": {fault: celonissim.Fault{Route: "oauth.token", Status: 200, Body: celonissim.BodyHTML},
			want: "dns tls auth!", code: fault.CelonisAnswer, hint: "domain"},
		"no token endpoint": {fault: celonissim.Fault{Route: "oauth.token", Status: 404, Body: celonissim.BodyHTML},
			want: "dns tls auth!", code: fault.CelonisAnswer, hint: "domain"},
		"celonis broken": {fault: celonissim.Fault{Route: "oauth.token", Status: 503},
			want: "dns tls auth!", code: fault.CelonisServer},
		"rate limited": {fault: celonissim.Fault{Route: "oauth.token", Status: 429, Headers: celonissim.RateRetryAfter, Wait: time.Hour},
			want: "dns tls auth!", code: fault.CelonisRateLimited},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startOAuth(t)
			if c.sim != nil {
				require.True(t, s.ChangeOAuthClient(clientID, c.sim))
			}
			if c.oauth != nil {
				s.SetOAuth(c.oauth)
			}
			if c.fault.Route != "" {
				s.AddFault(c.fault)
			}
			target := s.target()
			if c.change != nil {
				target = s.target(c.change)
			}
			if c.api != "" {
				target.APIType, target.PoolID = c.api, ""
			}
			r := s.testTarget(target)
			require.Equal(t, c.want, outline(r), "%+v", r.Steps)
			require.Equal(t, c.code, last(r).Code, "%+v", r.Steps)
			require.Equal(t, c.code == "", r.OK)
			require.Contains(t, last(r).Hint, c.hint)
			require.NotEmpty(t, last(r).Detail)
		})
	}
}

func TestATestWithOAuthGetsANewToken(t *testing.T) {
	t.Parallel()
	s := startOAuth(t)
	require.True(t, s.test().OK)
	s.ChangeOAuthClient(clientID, func(c *celonissim.OAuthClient) { c.Secret = "another" })
	require.Equal(t, fault.CelonisOAuthClient, last(s.test()).Code, "a kept token would hide that the secret is no longer good")
	detail := step(s.test(), "auth").Detail
	require.NotContains(t, detail, clientSecret)
}

func TestAnOAuthTestBeforeAnAnswer(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	s := startOAuth(t)
	for base, want := range map[string]string{closed.URL: "dns tls auth!", strings.Replace(closed.URL, "http:", "https:", 1): "dns tls!"} {
		target := s.target(func(o *connections.OAuthTarget) { o.ValidOrigins = []string{base} })
		target.BaseURL = base
		r := s.testTarget(target)
		require.Equal(t, want, outline(r), "%+v", r.Steps)
		require.Equal(t, fault.EgressUnreachable, last(r).Code)
	}
}

func TestATokenFaultIsNotAnUploadInDoubt(t *testing.T) {
	t.Parallel()
	s := startOAuth(t)
	client := s.oauthClient()
	job, err := client.DataPush(poolID).CreateJob(t.Context(), csvSpec("T"))
	require.NoError(t, err)
	s.RevokeTokens(clientID)
	s.ChangeOAuthClient(clientID, func(c *celonissim.OAuthClient) { c.Secret = "another" })
	err = client.DataPush(poolID).UploadChunk(t.Context(), job.ID, csvChunk(twoRows))
	require.True(t, fault.Has(err, fault.CelonisOAuthClient), err)
	require.Equal(t, fault.Never, fault.RetryOf(err))

	s.AddFault(celonissim.Fault{Route: "oauth.token", Status: 503})
	err = client.DataPush(poolID).UploadChunk(t.Context(), job.ID, csvChunk(twoRows))
	require.True(t, fault.Has(err, fault.CelonisServer), "nothing was sent, so nothing is in doubt: %v", err)
	require.Equal(t, fault.Later, fault.RetryOf(err))
}

// TestOAuthSecretsComeOutNowhere forces refusals that echo what was sent, at
// the token endpoint and at the API.
func TestOAuthSecretsComeOutNowhere(t *testing.T) {
	t.Parallel()
	const access, refresh = "eyJhbGciOiJSUzI1NiJ9.canary-access-token.c2lnbmF0dXJl", "canary-refresh-token-of-a-user"
	for echoName, echo := range echoes {
		for shapeName, shape := range shapes {
			for status, method := range map[int]connections.AuthMethod{200: connections.ClientSecretPost, 302: connections.ClientSecretBasic,
				400: connections.ClientSecretBasic, 401: connections.ClientSecretPost, 500: connections.ClientSecretBasic} {
				for _, where := range []string{"token", "api"} {
					server := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						_ = r.ParseForm()
						header := r.Header.Get("Authorization")
						if header == "" {
							header = "Form " + r.Form.Get("client_secret") + "none-at-all-of-that-length-or-longer-than-forty"
						}
						switch {
						case where == "token" && r.URL.Path == "/oauth2/token":
							shape(w, status, echo(header))
						case r.URL.Path == "/oauth2/token":
							shapeText(w, 200, "application/json", `{"access_token":"`+access+`","token_type":"Bearer","expires_in":60,"refresh_token":"`+refresh+`"}`)
						case strings.HasPrefix(r.URL.Path, "/.well-known"):
							shape(w, status, echo(header))
						default:
							shape(w, status, echo(header))
						}
					})
					text := oauthTexts(t, serve(server), method)
					for form, leaked := range map[string]bool{
						clientSecret: strings.Contains(text, clientSecret), clientSecret[:12]: strings.Contains(text, clientSecret[:12]),
						"escaped": strings.Contains(text, url.QueryEscape(clientSecret)), "twice": strings.Contains(text, url.QueryEscape(url.QueryEscape(clientSecret))),
						access: strings.Contains(text, "canary-access"), refresh: strings.Contains(text, "canary-refresh"),
					} {
						require.False(t, leaked, "%s in %s with %d at %s: %s in\n%s", echoName, shapeName, status, where, form, text)
					}
				}
			}
		}
	}
}

// oauthTexts is everything that calls with OAuth say to people and logs.
func oauthTexts(t *testing.T, transport http.RoundTripper, method connections.AuthMethod) string {
	const base = "https://acme.eu-1.celonis.cloud"
	var logs logBuffer
	once := celonis.RetryPolicy{Tries: 1, Base: 1, Cap: 1}
	tokens := celonis.NewTokens(celonis.TokensConfig{Transport: transport, Logger: logs.logger(), Retry: once})
	target := connections.Target{BaseURL: base, APIType: connections.DataPush, AuthType: connections.OAuth2, PoolID: poolID, OAuth: &connections.OAuthTarget{
		Client: "row", ClientID: clientID, ClientSecret: crypto.NewSecret(clientSecret), AuthMethod: method,
		Grant: connections.ClientCredentials, Scopes: []string{pushScope}, ValidOrigins: []string{base},
	}}
	c := newClient(t, celonis.Config{Target: target, Transport: transport, Logger: logs.logger(), Tokens: tokens, Retry: once})
	_, err := c.Team(t.Context())
	_, jobs := c.DataPush(poolID).Jobs(t.Context())
	text := written([]error{err, jobs, c.DataPush(poolID).UploadChunk(t.Context(), "j", csvChunk(twoRows))})
	r := celonis.NewTester(celonis.TesterConfig{Transport: transport, Logger: logs.logger(), Tokens: tokens, Retry: once}).Test(t.Context(), target)
	for _, s := range r.Steps {
		text += s.Detail + "\n" + s.Hint + "\n"
	}
	return text + logs.String()
}
