package egress

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReachOf(t *testing.T) {
	t.Parallel()
	for want, addresses := range map[reach][]string{
		public: {
			"1.1.1.1", "3.64.10.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
			"169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "198.17.255.255",
			"198.20.0.0", "223.255.255.255", "2600:1f18::1", "2a05:d014::1", "2001:4860:4860::8888", "::ffff:1.1.1.1",
		},
		private: {
			"10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255", "127.0.0.1", "127.255.255.255", "172.16.0.0", "172.31.255.255",
			"192.168.0.0", "192.168.255.255", "::1", "fc00::", "fdff:ffff::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1",
		},
		forbidden: {
			"0.0.0.0", "0.255.255.255", "169.254.0.0", "169.254.169.254", "169.254.170.2", "169.254.255.255", "100.100.100.200",
			"168.63.129.16", "192.0.0.0", "192.0.0.192", "192.0.2.1", "192.88.99.1", "198.18.0.0", "198.19.255.255", "198.51.100.7",
			"203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
			"::", "::2", "::7f00:1", "::ffff:169.254.169.254", "::ffff:0.0.0.0", "64:ff9b::a00:1", "64:ff9b::101:101", "64:ff9b:1::1",
			"100::1", "2001::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::", "2002:a00:1::1", "3fff::1", "5f00::1",
			"4000::1", "fd00:ec2::254", "fd20:ce::254", "fe80::1", "fe80::1%eth0", "febf::1", "fec0::1", "ff02::1", "ff0e::1",
		},
	} {
		for _, text := range addresses {
			addr, err := netip.ParseAddr(text)
			require.NoError(t, err, text)
			require.Equal(t, want, reachOf(addr), text)
		}
	}
	require.Equal(t, forbidden, reachOf(netip.Addr{}))
}

// FuzzReachOf: what the standard library knows as not public is not public here.
func FuzzReachOf(f *testing.F) {
	for _, seed := range []string{"10.0.0.1", "::1", "fe80::1", "1.1.1.1", "2600::", "::ffff:127.0.0.1"} {
		f.Add(netip.MustParseAddr(seed).AsSlice())
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		addr, ok := netip.AddrFromSlice(raw)
		if !ok {
			return
		}
		plain := addr.Unmap()
		inner := plain.IsPrivate() || plain.IsLoopback() || plain.IsLinkLocalUnicast() || plain.IsMulticast() || plain.IsUnspecified()
		if inner {
			require.NotEqual(t, public, reachOf(addr), addr)
		}
		require.Equal(t, reachOf(plain), reachOf(addr))
	})
}
