package egress_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/celonis-connector/connector/internal/egress"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

// names resolves a few names, and notes nothing else.
type names map[string]string

// LookupNetIP implements egress.Resolver.
func (n names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if a, ok := n[host]; ok {
		return []netip.Addr{netip.MustParseAddr(a)}, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

// TestOutsideReach: what flows read from is public, or listed by the operator.
func TestOutsideReach(t *testing.T) {
	t.Parallel()
	allowed, err := egress.ParseAllowed("tcp://db.internal:5432, https://api.internal, tcp://10.0.0.9:1433")
	require.NoError(t, err)
	resolver := names{
		"db.example.com": "93.184.216.34", "rebound.example.com": "127.0.0.1", "meta.example.com": "169.254.169.254", "db.internal": "10.1.1.1",
		"api.internal": "10.1.1.2", "mapped.example.com": "::ffff:10.0.0.1", "nat64.example.com": "64:ff9b::a00:1",
	}
	for address, c := range map[string]struct{ public, closed bool }{
		"db.example.com:5432":      {true, false},
		"rebound.example.com:5432": {false, false},
		"meta.example.com:80":      {false, false},
		"mapped.example.com:5432":  {false, false},
		"nat64.example.com:5432":   {false, false},
		"db.internal:5432":         {true, true},
		"db.internal:5433":         {false, false},
		"10.0.0.9:1433":            {true, true},
		"10.0.0.10:1433":           {false, false},
		"93.184.216.34:5432":       {false, false},
		"localhost:5432":           {false, false},
	} {
		for _, public := range []bool{true, false} {
			dialed := ""
			e := egress.New(egress.Policy{Allowed: allowed, Public: public, Resolver: resolver,
				Dial: func(_ context.Context, _ string, a netip.AddrPort) (net.Conn, error) {
					dialed = a.String()
					client, server := net.Pipe()
					_ = server.Close()
					return client, nil
				}})
			want := c.closed
			if public {
				want = c.public
			}
			conn, err := e.DialDatabase(t.Context(), "tcp", address)
			if !want {
				require.Error(t, err, "%s, public %v", address, public)
				require.Contains(t, []fault.Code{fault.EgressRefused, fault.EgressDNS}, fault.CodeOf(err), address)
				require.Empty(t, dialed)
				continue
			}
			require.NoError(t, err, "%s, public %v", address, public)
			require.NoError(t, conn.Close())
		}
	}
}

// TestOutsideHTTP: plain http only where it is listed, and no redirect to another host.
func TestOutsideHTTP(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "other") }))
	defer other.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/away" {
			http.Redirect(w, r, other.URL, http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, "here")
	}))
	defer server.Close()
	allowed, err := egress.ParseAllowed(server.URL + "," + other.URL)
	require.NoError(t, err)
	e := egress.New(egress.Policy{Allowed: allowed, Public: true, Resolver: names{"plain.example.com": "93.184.216.34"}})
	defer e.CloseIdle()
	client := e.OutsideClient(0)
	res, err := client.Get(server.URL)
	require.NoError(t, err)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, "here", string(body))
	for _, address := range []string{server.URL + "/away", "http://plain.example.com/", "https://127.0.0.1:1/", "https://[::1]/"} {
		_, err := client.Get(address)
		require.True(t, fault.Has(err, fault.EgressRefused), "%s: %v", address, err)
	}
	require.True(t, strings.HasPrefix(server.URL, "http://127.0.0.1"))
	_, err = egress.New(egress.Policy{Public: true}).Client(0).Get("https://api.example.com/")
	require.True(t, fault.Has(err, fault.EgressRefused), "the way to Celonis stays closed: %v", err)
}
