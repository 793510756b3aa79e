package celonis_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/celonis"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

func newTester(t testing.TB, transport http.RoundTripper) *celonis.Tester {
	t.Helper()
	return celonis.NewTester(celonis.TesterConfig{Transport: transport, Retry: celonis.RetryPolicy{Base: 1, Cap: 1, Timeout: 10 * time.Second}})
}

// outline writes steps as "dns tls auth!" with a mark on the failed one.
func outline(r connections.TestResult) string {
	var parts []string
	for _, s := range r.Steps {
		if !s.OK {
			s.Step += "!"
		}
		parts = append(parts, s.Step)
	}
	return strings.Join(parts, " ")
}

func last(r connections.TestResult) connections.Step { return r.Steps[len(r.Steps)-1] }

func TestStepsOfATest(t *testing.T) {
	t.Parallel()
	const unknown = "99999999-3b1c-4a53-9a47-2f1f5d7c9b10"
	bothPrefixes := func(*celonissim.Options) {}
	for name, c := range map[string]struct {
		sim    func(*celonissim.Options)
		fault  celonissim.Fault
		change func(*connections.Target)
		want   string
		code   fault.Code
		hint   string
	}{
		"data push": {want: "dns tls auth scheme pool permission"},
		"data push, old prefix": {sim: func(o *celonissim.Options) { o.Answers.NoNewPath = true },
			want: "dns tls auth scheme pool permission"},
		"intelligence": {change: func(t *connections.Target) { t.APIType, t.PoolID = connections.Intelligence, "" },
			want: "dns tls auth scheme permission"},
		"app key as api key": {change: func(t *connections.Target) { t.AuthType = connections.Token },
			want: "dns tls auth scheme!", code: fault.CelonisSchemeMixup, hint: `choose the auth type "custom"`},
		"api key as app key": {change: func(t *connections.Target) { t.Key = crypto.NewSecret(apiKey) },
			want: "dns tls auth scheme!", code: fault.CelonisSchemeMixup, hint: `choose the auth type "token"`},
		"wrong app key": {change: func(t *connections.Target) { t.Key = crypto.NewSecret("c29tZXRoaW5nIGVsc2UgYWx0b2dldGhlcg==") },
			want: "dns tls auth!", code: fault.CelonisUnauthorized, hint: "Application key"},
		"wrong api key": {change: func(t *connections.Target) { t.AuthType, t.Key = connections.Token, crypto.NewSecret("nope-nope-nope") },
			want: "dns tls auth!", code: fault.CelonisUnauthorized, hint: "Edit profile"},
		"unknown pool": {sim: func(o *celonissim.Options) { o.Teams[0].Credentials[0].PushPools = []string{"*"} }, change: func(t *connections.Target) { t.PoolID = unknown },
			want: "dns tls auth scheme pool!", code: fault.CelonisPoolNotFound, hint: "Data Integration"},
		"no permission": {sim: func(o *celonissim.Options) { o.Teams[0].Credentials[0].PushPools = nil },
			want: "dns tls auth scheme pool permission!", code: fault.CelonisForbidden, hint: "Data Push API"},
		"no permission, api key": {change: func(t *connections.Target) { t.AuthType, t.Key = connections.Token, crypto.NewSecret(apiKey) },
			want: "dns tls auth scheme pool permission!", code: fault.CelonisForbidden, hint: "the user who made the API key"},
		"team hidden": {sim: bothPrefixes, fault: celonissim.Fault{Path: "/api/cloud/team", Status: 403},
			want: "dns tls auth scheme pool permission"},
		"not celonis": {sim: bothPrefixes, fault: celonissim.Fault{Path: "/api/cloud/team", Status: 404, Body: celonissim.BodyHTML},
			want: "dns tls auth!", code: fault.CelonisAnswer, hint: "domain"},
		"celonis broken": {sim: bothPrefixes, fault: celonissim.Fault{Path: "/api/cloud/team", Status: 500},
			want: "dns tls auth!", code: fault.CelonisServer},
		"pools broken": {sim: bothPrefixes, fault: celonissim.Fault{Path: "/data-push/", Status: 502},
			want: "dns tls auth scheme pool!", code: fault.CelonisServer},
		"cut": {sim: bothPrefixes, fault: celonissim.Fault{Path: "/api/cloud/team", Cut: celonissim.CutBeforeAnswer},
			want: "dns tls auth!", code: fault.CelonisDisconnected},
		"intelligence, not allowed": {sim: func(o *celonissim.Options) { o.Teams[0].Credentials[0].Intelligence = false },
			change: func(t *connections.Target) { t.APIType = connections.Intelligence },
			want:   "dns tls auth scheme permission!", code: fault.CelonisForbidden, hint: "Studio"},
		"intelligence, not there": {sim: func(o *celonissim.Options) { o.Teams[0].Disabled = []celonissim.API{celonissim.APIIntelligence} },
			change: func(t *connections.Target) { t.APIType = connections.Intelligence },
			want:   "dns tls auth scheme permission!", code: fault.CelonisAPIDisabled, hint: "enable the Intelligence API"},
		"intelligence, no route": {sim: bothPrefixes, fault: celonissim.Fault{Path: "/intelligence/", Status: 404},
			change: func(t *connections.Target) { t.APIType = connections.Intelligence },
			want:   "dns tls auth scheme permission!", code: fault.CelonisAPIDisabled, hint: "enable the Intelligence API"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.sim == nil {
				c.sim = bothPrefixes
			}
			s := startSim(t, c.sim)
			if c.fault.Path != "" {
				s.AddFault(c.fault)
			}
			target := target(s.base)
			if c.change != nil {
				c.change(&target)
			}
			r := newTester(t, s.transport).Test(t.Context(), target)
			require.Equal(t, c.want, outline(r), "%+v", r.Steps)
			require.Equal(t, c.code, last(r).Code)
			require.Equal(t, c.code == "", r.OK)
			require.Contains(t, last(r).Hint, c.hint)
			require.NotEmpty(t, last(r).Detail)
			require.False(t, r.At.IsZero())
			require.GreaterOrEqual(t, r.LatencyMs, int64(0))
		})
	}
}

func TestStepsBeforeAnAnswer(t *testing.T) {
	t.Parallel()
	tlsServer := httptest.NewTLSServer(http.NotFoundHandler())
	defer tlsServer.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	noName := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}}
	}}
	refusing := trip(func(*http.Request) (*http.Response, error) {
		return nil, fault.New(fault.EgressRefused, "the address is not allowed").WithHint("ask the operator")
	})
	for name, c := range map[string]struct {
		transport  http.RoundTripper
		base, want string
		code       fault.Code
	}{
		"unknown name":         {noName, "https://acme.eu-1.celonis.cloud", "dns!", fault.EgressDNS},
		"refused address":      {refusing, "https://acme.eu-1.celonis.cloud", "dns!", fault.EgressRefused},
		"untrusted":            {&http.Transport{DisableKeepAlives: true}, tlsServer.URL, "dns tls!", fault.EgressTLS},
		"tls to a plain host":  {&http.Transport{DisableKeepAlives: true}, strings.Replace(plain.URL, "http:", "https:", 1), "dns tls!", fault.EgressTLS},
		"closed port":          {&http.Transport{}, strings.Replace(closed.URL, "http:", "https:", 1), "dns tls!", fault.EgressUnreachable},
		"closed port, no tls":  {&http.Transport{}, closed.URL, "dns tls auth!", fault.EgressUnreachable},
		"no celonis, no tls":   {&http.Transport{DisableKeepAlives: true}, plain.URL, "dns tls auth!", fault.CelonisNotFound},
		"key that cannot be":   {refusing, "nonsense", "auth!", fault.ConnectionDomain},
		"transport of a fault": {trip(func(*http.Request) (*http.Response, error) { return nil, fault.New(fault.EgressTimeout, "slow") }), "https://acme.eu-1.celonis.cloud", "dns tls!", fault.EgressTimeout},
	} {
		r := newTester(t, c.transport).Test(t.Context(), target(c.base))
		require.Equal(t, c.want, outline(r), "%s: %+v", name, r.Steps)
		require.Equal(t, c.code, last(r).Code, name)
		require.False(t, r.OK)
		require.NotEmpty(t, last(r).Detail, name)
	}
}
