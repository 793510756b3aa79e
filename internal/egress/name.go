package egress

import (
	"net/netip"
	"strings"
)

// privateDomains are the domains that no public host is under: special-use
// names (RFC 6761, RFC 6762, RFC 7686, RFC 8375, RFC 9476), ICANN's domain for
// private use, and those that routers and clusters are often given. A name
// below them is not even asked for unless the operator lists it.
var privateDomains = []string{
	"alt", "arpa", "cluster", "consul", "corp", "example", "home", "internal", "intranet", "invalid", "lan", "local", "localdomain",
	"localhost", "onion", "private", "test",
}

// isPrivateName reports whether a canonical host is below a private domain.
func isPrivateName(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	for _, domain := range privateDomains {
		if last == domain {
			return true
		}
	}
	return false
}

// looksNumeric reports whether some resolvers take a host for an address that
// the standard library takes for a name: decimal, octal, hexadecimal and short
// forms (2130706433, 0177.0.0.1, 0x7f.1, 127.1). Such a host ends in a number,
// as no name of a public domain does.
func looksNumeric(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return false
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	digits, base := last, "0123456789"
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		digits, base = hex, "0123456789abcdef"
	}
	return last != "" && strings.Trim(digits, base) == ""
}

// isASCII reports whether a host holds only printable ASCII, as a name on the
// wire does.
func isASCII(host string) bool {
	return !strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r > '~' })
}
