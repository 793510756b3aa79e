package egress_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/celonis-connector/connector/internal/egress"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

// anyName resolves every name to one address, and notes what it was asked.
type anyName struct {
	address string
	asked   []string
}

// LookupNetIP implements egress.Resolver.
func (a *anyName) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	a.asked = append(a.asked, host)
	if a.address == "" {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return []netip.Addr{netip.MustParseAddr(a.address)}, nil
}

// way is one of the ways out: it calls host, with its port where it has one.
type way struct {
	name string
	call func(t *testing.T, e *egress.Egress, host string) error
}

// exchange asks for a page over a client.
func exchange(c *http.Client, address string) error {
	res, err := c.Get(address)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, res.Body)
	return res.Body.Close()
}

// ways are all of them: the pages of Celonis, those of elsewhere, and what is no HTTP, such as databases.
func ways() []way {
	return []way{
		{"Celonis", func(_ *testing.T, e *egress.Egress, host string) error {
			return exchange(e.Client(0), "https://"+host+"/")
		}},
		{"outside", func(_ *testing.T, e *egress.Egress, host string) error {
			return exchange(e.OutsideClient(0), "https://"+host+"/")
		}},
		{"outside, plain", func(_ *testing.T, e *egress.Egress, host string) error {
			return exchange(e.OutsideClient(0), "http://"+host+"/")
		}},
		{"database", func(_ *testing.T, e *egress.Egress, host string) error {
			if _, _, err := net.SplitHostPort(host); err != nil {
				host = net.JoinHostPort(strings.Trim(host, "[]"), "5432")
			}
			conn, err := e.DialDatabase(context.Background(), "tcp", host)
			if err == nil {
				_ = conn.Close()
			}
			return err
		}},
	}
}

// counted is an Egress to whatever is public, that notes the addresses it dials and reaches none.
func counted(r egress.Resolver, list string) (*egress.Egress, *[]string) {
	allowed, err := egress.ParseAllowed(list)
	if err != nil {
		panic(err)
	}
	var dialed []string
	return egress.New(egress.Policy{Public: true, Allowed: allowed, Resolver: r,
		Dial: func(_ context.Context, _ string, address netip.AddrPort) (net.Conn, error) {
			dialed = append(dialed, address.String())
			return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
		}}), &dialed
}

// TestNamesThatLeadNowhere: forms of a host that somebody could take for the
// service's own network. None is looked up, and none is dialed, by any way out.
func TestNamesThatLeadNowhere(t *testing.T) {
	t.Parallel()
	for what, hosts := range map[string][]string{
		"IPv4":                 {"127.0.0.1", "10.0.0.1", "169.254.169.254", "0.0.0.0", "255.255.255.255", "8.8.8.8", "127.0.0.1."},
		"IPv6":                 {"[::1]", "[::]", "[fd00:ec2::254]", "[2600:1f18::1]"},
		"IPv4 in IPv6":         {"[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::a00:1]", "[2002:7f00:1::]"},
		"with a zone":          {"[fe80::1%25eth0]", "[fe80::1%251]"},
		"decimal":              {"2130706433", "2852039166"},
		"octal":                {"0177.0.0.1", "0177.1", "017700000001", "0251.0376.0251.0376"},
		"hexadecimal":          {"0x7f.1", "0x7f000001", "0x7f.0x0.0x0.0x1", "0X7F.1", "0xa9fea9fe"},
		"short":                {"127.1", "127.0.1", "10.1", "0"},
		"one label":            {"localhost", "LOCALHOST", "localhost.", "metadata", "postgres", "redis", "kubernetes"},
		"metadata":             {"metadata.google.internal", "METADATA.google.internal.", "instance-data.ec2.internal"},
		"private domains":      {"x.localhost", "router.lan", "nas.local", "db.corp", "vault.service.consul", "api.default.svc.cluster.local", "x.home.arpa"},
		"percent-encoded":      {"%31%32%37.0.0.1", "127%2e0.0.1", "celonis.cloud%2eevil.com", "celonis.cloud%00.localhost"},
		"empty and odd labels": {"a..example.com", ".celonis.cloud", "a b.example.com", "*.example.com", "a,b.example.com"},
	} {
		for _, host := range hosts {
			for _, w := range ways() {
				resolver := &anyName{address: "3.64.10.1"}
				e, dialed := counted(resolver, "http://sim.test:9000,tcp://db.test:5432")
				err := w.call(t, e, host)
				require.Error(t, err, "%s: %s by %s", what, host, w.name)
				require.Empty(t, *dialed, "%s: %s by %s", what, host, w.name)
				require.Empty(t, resolver.asked, "%s: %s by %s", what, host, w.name)
			}
		}
	}
}

// TestLookalikesOfCelonis: what a person takes for Celonis's domain. The key of
// a connection goes by the first way; it may lead to Celonis only.
func TestLookalikesOfCelonis(t *testing.T) {
	t.Parallel()
	celonis := ways()[0]
	for what, hosts := range map[string][]string{
		"imitations": {"evilcelonis.cloud", "celonis.cloud.evil.com", "acme.celonis.cloud.evil.com", "celonis.cloud-login.com", "celonis-cloud.com", "celonis.cloud.com"},
		"homographs": {"\u0441elonis.cloud", "\u0430\u0441me.celonis.cloud", "celon\u0131s.cloud", "xn--cme-5cd.celonis.cloud", "xn--clonis-cva.cloud", "xn--elonis-pxf.cloud"},
		"user-info":  {"celonis.cloud@evil.com", "acme.celonis.cloud:443@evil.com", "evil.com%23@evil.com"},
		"ports":      {"acme.celonis.cloud:80", "acme.celonis.cloud:8443", "acme.celonis.cloud:0", "acme.celonis.cloud:65536", "acme.celonis.cloud:443x"},
		"labels":     {"-a.celonis.cloud", "a-.celonis.cloud", "a_b.celonis.cloud", strings.Repeat("a", 64) + ".celonis.cloud", strings.Repeat("a.", 130) + "celonis.cloud"},
	} {
		for _, host := range hosts {
			resolver := &anyName{address: "3.64.10.1"}
			e, dialed := counted(resolver, "")
			require.Error(t, celonis.call(t, e, host), "%s: %s", what, host)
			require.Empty(t, *dialed, "%s: %s", what, host)
			require.Empty(t, resolver.asked, "%s: %s", what, host)
		}
	}
	// What only looks odd is the same host: case, the dot at the end, the port
	// of the scheme, and full-width letters and dots, which mean the plain ones.
	for _, host := range []string{"ACME.Celonis.Cloud", "acme.celonis.cloud.", "acme.celonis.cloud:443", "acme\uff0ecelonis\u3002cloud", "\uff41cme.celonis.cloud"} {
		resolver := &anyName{address: "3.64.10.1"}
		e, dialed := counted(resolver, "")
		require.True(t, fault.Has(celonis.call(t, e, host), fault.EgressUnreachable), host)
		require.Equal(t, []string{"acme.celonis.cloud"}, resolver.asked)
		require.Equal(t, []string{"3.64.10.1:443"}, *dialed)
	}
}

// specialAddresses are those that no public name may lead to, by what they are.
func specialAddresses() map[string][]string {
	return map[string][]string{
		"loopback":       {"127.0.0.1", "127.8.9.10", "::1"},
		"private":        {"10.0.0.1", "172.16.0.1", "172.31.255.254", "192.168.0.1"},
		"unique local":   {"fc00::1", "fd12:3456::1"},
		"shared":         {"100.64.0.1", "100.127.255.254"},
		"link-local":     {"169.254.0.1", "fe80::1", "fe80::1%eth0", "fec0::1"},
		"metadata":       {"169.254.169.254", "169.254.170.2", "fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"},
		"unspecified":    {"0.0.0.0", "::", "0.1.2.3"},
		"broadcast":      {"255.255.255.255", "240.0.0.1"},
		"multicast":      {"224.0.0.1", "239.255.255.250", "ff02::1", "ff0e::1"},
		"benchmarking":   {"198.18.0.1", "198.19.255.254"},
		"documentation":  {"192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"},
		"v4-mapped":      {"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"},
		"v4-compatible":  {"::7f00:1", "::a00:1"},
		"NAT64":          {"64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::808:808"},
		"local NAT64":    {"64:ff9b:1::7f00:1", "64:ff9b:1:ffff::1"},
		"6to4":           {"2002:7f00:1::", "2002:a00:1::1", "2002:a9fe:a9fe::", "192.88.99.1"},
		"Teredo":         {"2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2"},
		"ORCHID, others": {"2001:10::1", "2001:20::1", "100::1", "5f00::1", "4000::1"},
	}
}

// TestAddressesOfNoPublicName holds every special address against every way
// out, at the first dial and when a good name turns to it later.
func TestAddressesOfNoPublicName(t *testing.T) {
	t.Parallel()
	for what, addresses := range specialAddresses() {
		for _, address := range addresses {
			for _, w := range ways() {
				if w.name == "outside, plain" {
					continue // without TLS only listed hosts are called at all
				}
				resolver := &anyName{address: "3.64.10.1"}
				e, dialed := counted(resolver, "")
				require.True(t, fault.Has(w.call(t, e, team), fault.EgressUnreachable), "%s: a public address is dialed", w.name)
				resolver.address = address
				err := w.call(t, e, team)
				require.Contains(t, []fault.Code{fault.EgressRefused, fault.EgressDNS}, fault.CodeOf(err), "%s: %s by %s", what, address, w.name)
				require.NotContains(t, fault.From(err).Message+fault.From(err).Hint, address)
				require.Len(t, *dialed, 1, "%s: %s by %s", what, address, w.name)
				require.Len(t, resolver.asked, 2, "each dial looks anew")
			}
		}
	}
}

// TestListedNamesReachInwardOnly: a listed name may lead into the private
// network, and never to what belongs to the machine or its cloud.
func TestListedNamesReachInwardOnly(t *testing.T) {
	t.Parallel()
	private := []string{"loopback", "private", "unique local", "shared"}
	for what, addresses := range specialAddresses() {
		for _, address := range addresses {
			e, dialed := counted(&anyName{address: address}, "tcp://db.test:5432,https://db.test")
			_, err := e.DialDatabase(t.Context(), "tcp", "db.test:5432")
			if slices.Contains(private, what) || what == "v4-mapped" && !strings.Contains(address, "169.254") {
				require.True(t, fault.Has(err, fault.EgressUnreachable), "%s: %v", address, err)
				require.Len(t, *dialed, 1)
				continue
			}
			require.True(t, fault.Has(err, fault.EgressRefused), "%s %s: %v", what, address, err)
			require.Empty(t, *dialed, "%s %s", what, address)
			require.True(t, fault.Has(exchange(e.OutsideClient(0), "https://db.test/"), fault.EgressRefused), address)
			require.Empty(t, *dialed)
		}
	}
}

// tell is what a builder reads of an error.
func tell(err error) string {
	f := fault.From(err)
	return string(f.Code) + "|" + f.Message + "|" + f.Hint
}

// TestErrorsDoNotTellWhatListens: ports of this machine that answer, that are
// closed and that nobody may know of read alike, and none of them is dialed;
// so do names that exist inside and names that do not.
func TestErrorsDoNotTellWhatListens(t *testing.T) {
	t.Parallel()
	answers := httptest.NewServer(http.HandlerFunc(hello))
	t.Cleanup(answers.Close)
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, gone.Close())
	_, open, err := net.SplitHostPort(answers.Listener.Addr().String())
	require.NoError(t, err)
	_, closed, err := net.SplitHostPort(gone.Addr().String())
	require.NoError(t, err)

	for _, host := range []string{"127.0.0.1", "localhost", "inside.example.com"} {
		for _, w := range ways()[1:] {
			told := map[string]bool{}
			for _, port := range []string{open, closed, "22"} {
				for _, resolved := range []string{"127.0.0.1", "10.0.0.1", "169.254.169.254", ""} {
					dials := 0
					e := egress.New(egress.Policy{Public: true, Resolver: &anyName{address: resolved}, Dial: func(ctx context.Context, network string, a netip.AddrPort) (net.Conn, error) {
						dials++
						return (&net.Dialer{}).DialContext(ctx, network, a.String())
					}})
					err := w.call(t, e, net.JoinHostPort(host, port))
					require.Error(t, err)
					require.Zero(t, dials, "time tells nothing either: nothing was dialed")
					told[tell(err)] = true
				}
			}
			require.Len(t, told, 1, "%s by %s: %v", host, w.name, told)
		}
	}
}

// TestListedButSilentReadsLikeClosed: of a host that the operator listed, too,
// a closed port and one behind a filter read alike.
func TestListedButSilentReadsLikeClosed(t *testing.T) {
	t.Parallel()
	told := map[string]bool{}
	for _, dial := range []func(context.Context) error{
		func(context.Context) error { return &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED} },
		func(context.Context) error { return &net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH} },
		func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
	} {
		allowed, err := egress.ParseAllowed("tcp://10.0.0.9:5432")
		require.NoError(t, err)
		e := egress.New(egress.Policy{Allowed: allowed, DialTimeout: 20 * time.Millisecond,
			Dial: func(ctx context.Context, _ string, _ netip.AddrPort) (net.Conn, error) { return nil, dial(ctx) }})
		_, err = e.DialDatabase(t.Context(), "tcp", "10.0.0.9:5432")
		require.True(t, fault.Has(err, fault.EgressUnreachable), "%v", err)
		told[tell(err)] = true
	}
	require.Len(t, told, 1)
}

// TestAllowedFormsAreExact: an entry of the operator's list that resolvers read
// in different ways is refused rather than guessed at.
func TestAllowedFormsAreExact(t *testing.T) {
	t.Parallel()
	for _, entry := range []string{"http://2130706433:80", "http://0177.0.0.1:80", "http://0x7f.1:80", "http://127.1:80", "tcp://10.1:5432",
		"http://s\u00edm.example.com", "http://celonis\uff0ecloud", "http://[fe80::1%25eth0]:80", "http://%31.example.com"} {
		_, err := egress.ParseAllowed(entry)
		require.True(t, fault.Has(err, fault.EgressAllowList), entry)
	}
	for entry, want := range map[string]string{
		"http://SIM.Test.:0080": "http://sim.test:80", "https://xn--sm-nja.example.com": "https://xn--sm-nja.example.com:443",
		"tcp://[::ffff:10.0.0.1]:5432": "tcp://10.0.0.1:5432", "http://[0:0:0:0:0:0:0:1]:81": "http://[::1]:81",
	} {
		got, err := egress.ParseAllowed(entry)
		require.NoError(t, err)
		require.Equal(t, want, fmt.Sprint(got[0]))
	}
}

// TestTheListIsFixed: once made, an Egress takes no further endpoint from
// anybody: no method has one among its parameters, and no field can be reached.
func TestTheListIsFixed(t *testing.T) {
	t.Parallel()
	made := reflect.TypeFor[*egress.Egress]()
	require.NotZero(t, made.NumMethod())
	for method := range made.Methods() {
		for i := 1; i < method.Type.NumIn(); i++ {
			require.NotContains(t, method.Type.In(i).String(), "egress.", method.Name)
		}
	}
	for i := range made.Elem().NumField() {
		require.False(t, made.Elem().Field(i).IsExported(), made.Elem().Field(i).Name)
	}
	list, err := egress.ParseAllowed("http://127.0.0.1:1")
	require.NoError(t, err)
	e := egress.New(egress.Policy{Allowed: list, Dial: func(context.Context, string, netip.AddrPort) (net.Conn, error) { return nil, syscall.ECONNREFUSED }})
	list[0].Port = "2"
	require.True(t, fault.Has(exchange(e.Client(0), "http://127.0.0.1:2/"), fault.EgressRefused), "a later change of the slice changes nothing")
}
