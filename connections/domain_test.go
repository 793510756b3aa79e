package connections_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

const pool = "0d5f6f7e-3b1c-4a53-9a47-2f1f5d7c9b10"

func policy(t testing.TB, allowed ...string) *connections.DomainPolicy {
	t.Helper()
	p, err := connections.NewDomainPolicy(allowed)
	require.NoError(t, err)
	return p
}

func TestParseAcceptsHostsAndPastedAddresses(t *testing.T) {
	t.Parallel()
	p := policy(t, "http://127.0.0.1:9000", "https://celonis.internal", "http://[::1]:9001/", "HTTP://Sim.Local:80")
	for _, c := range []struct{ input, host, base, pool string }{
		{"acme.eu-1.celonis.cloud", "acme.eu-1.celonis.cloud", "https://acme.eu-1.celonis.cloud", ""},
		{"  ACME.EU-1.Celonis.Cloud \n", "acme.eu-1.celonis.cloud", "https://acme.eu-1.celonis.cloud", ""},
		{"https://acme.us-1.celonis.cloud/", "acme.us-1.celonis.cloud", "https://acme.us-1.celonis.cloud", ""},
		{"http://acme.us-1.celonis.cloud", "acme.us-1.celonis.cloud", "https://acme.us-1.celonis.cloud", ""},
		{"acme.us-1.celonis.cloud.", "acme.us-1.celonis.cloud", "https://acme.us-1.celonis.cloud", ""},
		{"51cdv7o2-2024-07-16.training.celonis.cloud", "51cdv7o2-2024-07-16.training.celonis.cloud", "https://51cdv7o2-2024-07-16.training.celonis.cloud", ""},
		{"https://acme.eu-1.celonis.cloud/integration/ui/pools/" + strings.ToUpper(pool) + "/data-models?x=1", "acme.eu-1.celonis.cloud", "https://acme.eu-1.celonis.cloud", pool},
		{"https://acme.eu-1.celonis.cloud/data-pool/" + pool, "acme.eu-1.celonis.cloud", "https://acme.eu-1.celonis.cloud", pool},
		{"acme.eu-1.celonis.cloud/ui/#/pools/" + pool, "acme.eu-1.celonis.cloud", "https://acme.eu-1.celonis.cloud", pool},
		{"https://acme.eu-1.celonis.cloud/data-pool/pool-abc123", "acme.eu-1.celonis.cloud", "https://acme.eu-1.celonis.cloud", ""},
		{"https://acme.eu-1.celonis.cloud/me@home", "acme.eu-1.celonis.cloud", "https://acme.eu-1.celonis.cloud", ""},
		{"127.0.0.1:9000", "127.0.0.1:9000", "http://127.0.0.1:9000", ""},
		{"http://127.0.0.1:9000/integration/ui/pools/" + pool, "127.0.0.1:9000", "http://127.0.0.1:9000", pool},
		{"[::1]:9001", "[::1]:9001", "http://[::1]:9001", ""},
		{"celonis.internal:443", "celonis.internal", "https://celonis.internal", ""},
		{"sim.local", "sim.local", "http://sim.local", ""},
	} {
		d, err := p.Parse(c.input)
		require.NoError(t, err, c.input)
		require.Equal(t, connections.Domain{Host: c.host, BaseURL: c.base, PoolID: c.pool}, d, c.input)
	}
}

func TestParseRefusals(t *testing.T) {
	t.Parallel()
	p := policy(t, "http://127.0.0.1:9000")
	for _, c := range []struct{ input, want string }{
		{"", "is empty"},
		{" \t", "is empty"},
		{"https://", "has no host"},
		{"acme.eu-1.celonis.cloud evil", "white space"},
		{"acme.eu-1.celonis.cloud\x00", "white space or a control"},
		{"\u0430cme.eu-1.celonis.cloud", "not an ASCII character"},
		{"acme.eu-1.celonis\u3002cloud", "not an ASCII character"},
		{"xn--cme-5cd.eu-1.celonis.cloud", "encoded international name"},
		{`acme.eu-1.celonis.cloud\@evil.com`, "backslash"},
		{"ftp://acme.eu-1.celonis.cloud", `scheme "ftp"`},
		{"user:hunter2@acme.eu-1.celonis.cloud", "user information"},
		{"https://acme.eu-1.celonis.cloud@evil.com/", "user information"},
		{"acme.eu-1.celonis.cloud:443", "port"},
		{"acme.eu-1.celonis.cloud:8443", "port"},
		{"127.0.0.1", "IP address"},
		{"127.0.0.1:9001", "IP address"},
		{"http://169.254.169.254/latest/meta-data", "IP address"},
		{"2130706433", "IP address"},
		{"0x7f000001", "IP address"},
		{"0177.0.0.01", "IP address"},
		{"127.1", "IP address"},
		{"[::1]", "IP address"},
		{"::ffff:127.0.0.1", "IP address"},
		{"fe80::1", "IP address"},
		{"evilcelonis.cloud", "the dot before it is missing"},
		{"acme.eu-1.evilcelonis.cloud", "the dot before it is missing"},
		{"celonis.cloud.evil.com", "does not end in it"},
		{"acme.eu-1.celonis.cloud.evil.com", "does not end in it"},
		{"acme.eu-1.celonis.com", "is not under"},
		{"localhost", "is not under"},
		{"celonis.cloud", "lacks the team and the realm"},
		{"acme.celonis.cloud", "lacks the realm"},
		{"a.b.eu-1.celonis.cloud", "3 parts"},
		{"acme..celonis.cloud", "empty part"},
		{".acme.eu-1.celonis.cloud", "empty part"},
		{"acme.eu-1.celonis.cloud..", "empty part"},
		{"ac_me.eu-1.celonis.cloud", "only letters, digits and hyphens"},
		{"acme%2e.eu-1.celonis.cloud", "only letters, digits and hyphens"},
		{"-acme.eu-1.celonis.cloud", "hyphen"},
		{"acme-.eu-1.celonis.cloud", "hyphen"},
		{strings.Repeat("a", 64) + ".eu-1.celonis.cloud", "longer than 63"},
		{strings.Repeat("a.", 200) + "celonis.cloud", "longer than 253"},
		{strings.Repeat("a", 3000), "longer than 2048"},
		{"https://127.0.0.1:9000", "over plain http only"},
	} {
		_, err := p.Parse(c.input)
		require.Error(t, err, c.input)
		e := fault.From(err)
		require.Equal(t, fault.ConnectionDomain, e.Code, c.input)
		require.Contains(t, e.Message, c.want, c.input)
		require.NotEmpty(t, e.Hint, c.input)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

func TestNewDomainPolicyRefusesMalformedEntries(t *testing.T) {
	t.Parallel()
	for _, entry := range []string{"", "localhost:80", "ftp://x", "http://", "http://u:p@h:1", "http://h:1/path", "http://h?x", "https://*.example.com", "http://h:port"} {
		_, err := connections.NewDomainPolicy([]string{entry})
		require.True(t, fault.Has(err, fault.EgressAllowList), entry)
	}
	_, err := connections.NewDomainPolicy([]string{"https://ok", "ftp://user:hunter2@h"})
	require.ErrorContains(t, err, "entry 2")
	require.NotContains(t, err.Error(), "hunter2")
	both, err := policy(t, "http://h", "https://h").Parse("http://h")
	require.NoError(t, err)
	require.Equal(t, "https://h", both.BaseURL)
}

func TestParsePoolID(t *testing.T) {
	t.Parallel()
	for input, want := range map[string]connections.PoolRef{
		pool:                               {ID: pool},
		" " + strings.ToUpper(pool) + "\n": {ID: pool},
		"https://acme.eu-1.celonis.cloud/integration/ui/pools/" + pool + "/x": {ID: pool, Host: "acme.eu-1.celonis.cloud"},
		"acme.eu-1.celonis.cloud/data-pool/" + pool:                           {ID: pool, Host: "acme.eu-1.celonis.cloud"},
	} {
		got, err := connections.ParsePoolID(input)
		require.NoError(t, err, input)
		require.Equal(t, want, got, input)
	}
	for _, input := range []string{"", "pool-abc123", "{" + pool + "}", "urn:uuid:" + pool, strings.ReplaceAll(pool, "-", ""), pool + "0",
		"https://acme.eu-1.celonis.cloud/data-pool/pool-abc123", "https://acme.eu-1.celonis.cloud/", "https://u@h/pools/" + pool, "/pools/" + pool} {
		_, err := connections.ParsePoolID(input)
		require.True(t, fault.Has(err, fault.ConnectionPoolID), input)
		require.Contains(t, fault.From(err).Hint, "Data Integration")
	}
}

// FuzzParse: whatever goes in, what comes out is a bare host under
// celonis.cloud or an allowed endpoint, and reading it again changes nothing.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"acme.eu-1.celonis.cloud", "https://acme.eu-1.celonis.cloud/integration/ui/pools/" + pool, "127.0.0.1:9000",
		"http://127.0.0.1:9000", "evilcelonis.cloud", "a@b.eu-1.celonis.cloud", "http://[::1]:9000", "0x7f.1", "acme.eu-1.celonis.cloud:443",
		"acme.eu-1.celonis.cloud.", "//acme.eu-1.celonis.cloud", "sim.local:80", "sim.local", "a.b.celonis.cloud?@evil.com", "a.b.celonis.cloud#@evil.com"} {
		f.Add(seed)
	}
	p := policy(f, "http://127.0.0.1:9000", "http://sim.local")
	allowed := map[string]string{"http://127.0.0.1:9000": "127.0.0.1:9000", "http://sim.local": "sim.local"}
	f.Fuzz(func(t *testing.T, input string) {
		d, err := p.Parse(input)
		if err != nil {
			require.Equal(t, fault.ConnectionDomain, fault.CodeOf(err))
			return
		}
		if host, ok := allowed[d.BaseURL]; ok {
			require.Equal(t, host, d.Host)
		} else {
			require.Regexp(t, `^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.celonis\.cloud$`, d.Host)
			require.Equal(t, "https://"+d.Host, d.BaseURL)
		}
		u, err := url.Parse(d.BaseURL + "/api")
		require.NoError(t, err)
		require.Equal(t, d.Host, u.Host)
		if d.PoolID != "" {
			ref, err := connections.ParsePoolID(d.PoolID)
			require.NoError(t, err)
			require.Equal(t, d.PoolID, ref.ID)
		}
		again, err := p.Parse(d.Host)
		require.NoError(t, err)
		require.Equal(t, d.Host, again.Host)
	})
}
