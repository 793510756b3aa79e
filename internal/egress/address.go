package egress

import "net/netip"

// reach tells apart the addresses of the world, those of a private network,
// and those that no host has.
type reach uint8

const (
	// public addresses may be called.
	public reach = iota
	// private ones only where the operator listed the host and port.
	private
	// forbidden ones only where the operator listed the address itself: they
	// belong to one link, to the machine's cloud, or to nobody.
	forbidden
)

// ranges lists what is not public, the narrower ranges first. It follows the
// registries of special-purpose addresses of IANA (RFC 6890 and later), and
// adds the metadata services of clouds that are outside of them.
var ranges = []struct {
	prefix netip.Prefix
	reach  reach
}{
	{netip.MustParsePrefix("100.100.100.200/32"), forbidden}, // metadata, Alibaba Cloud
	{netip.MustParsePrefix("168.63.129.16/32"), forbidden},   // host agent, Azure
	{netip.MustParsePrefix("fd00:ec2::/32"), forbidden},      // metadata, AWS
	{netip.MustParsePrefix("fd20:ce::/32"), forbidden},       // metadata, Google Cloud

	{netip.MustParsePrefix("10.0.0.0/8"), private},
	{netip.MustParsePrefix("100.64.0.0/10"), private}, // carrier-grade NAT
	{netip.MustParsePrefix("127.0.0.0/8"), private},   // loopback
	{netip.MustParsePrefix("172.16.0.0/12"), private},
	{netip.MustParsePrefix("192.168.0.0/16"), private},
	{netip.MustParsePrefix("::1/128"), private},
	{netip.MustParsePrefix("fc00::/7"), private}, // unique local

	{netip.MustParsePrefix("0.0.0.0/8"), forbidden},      // this network
	{netip.MustParsePrefix("169.254.0.0/16"), forbidden}, // link-local, metadata of most clouds
	{netip.MustParsePrefix("192.0.0.0/24"), forbidden},   // protocol assignments, metadata of Oracle Cloud
	{netip.MustParsePrefix("192.0.2.0/24"), forbidden},   // documentation
	{netip.MustParsePrefix("192.31.196.0/24"), forbidden},
	{netip.MustParsePrefix("192.52.193.0/24"), forbidden},
	{netip.MustParsePrefix("192.88.99.0/24"), forbidden}, // 6to4 relays
	{netip.MustParsePrefix("192.175.48.0/24"), forbidden},
	{netip.MustParsePrefix("198.18.0.0/15"), forbidden},   // benchmarking
	{netip.MustParsePrefix("198.51.100.0/24"), forbidden}, // documentation
	{netip.MustParsePrefix("203.0.113.0/24"), forbidden},  // documentation
	{netip.MustParsePrefix("224.0.0.0/4"), forbidden},     // multicast
	{netip.MustParsePrefix("240.0.0.0/4"), forbidden},     // reserved, broadcast

	{netip.MustParsePrefix("2001::/23"), forbidden},     // protocol assignments, Teredo
	{netip.MustParsePrefix("2001:db8::/32"), forbidden}, // documentation
	{netip.MustParsePrefix("2002::/16"), forbidden},     // 6to4
	{netip.MustParsePrefix("2620:4f:8000::/48"), forbidden},
	{netip.MustParsePrefix("3fff::/20"), forbidden}, // documentation
}

// worldwide is the range of all public IPv6 addresses; what is outside (NAT64,
// v4-compatible, link-local, site-local, multicast, ...) is forbidden.
var worldwide = netip.MustParsePrefix("2000::/3")

// reachOf classes an address. One that is IPv4 written as IPv6 (::ffff:a.b.c.d)
// is classed as the IPv4 address that a dial would go to.
func reachOf(addr netip.Addr) reach {
	if !addr.IsValid() || addr.Zone() != "" {
		return forbidden
	}
	addr = addr.Unmap()
	for _, r := range ranges {
		if r.prefix.Contains(addr) {
			return r.reach
		}
	}
	if addr.Is6() && !worldwide.Contains(addr) {
		return forbidden
	}
	return public
}
