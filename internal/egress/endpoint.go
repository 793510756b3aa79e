package egress

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
)

// Endpoint is a scheme ("http", "https", or "tcp" for a database), a host in lower case and a port.
type Endpoint struct{ Scheme, Host, Port string }

// String gives the endpoint as scheme://host:port.
func (e Endpoint) String() string { return e.Scheme + "://" + net.JoinHostPort(e.Host, e.Port) }

// database is the scheme of an endpoint that is no HTTP server.
const database = "tcp"

var defaultPort = map[string]string{"http": "80", "https": "443"}

// ParseAllowed reads the operator's list: http(s)://host:port and tcp://host:port,
// separated by commas; the port may be left out where it is the scheme's own. An empty list
// is fine. It returns fault EgressAllowList.
func ParseAllowed(list string) ([]Endpoint, error) {
	var endpoints []Endpoint
	for i, entry := range strings.Split(list, ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		endpoint, why := parseEndpoint(entry)
		if why != "" {
			return nil, fault.New(fault.EgressAllowList, "entry %d of the allowed hosts %s", i+1, why).
				WithHint("an entry is http://host:port, https://host:port or tcp://host:port; entries are separated by commas")
		}
		endpoints = append(endpoints, endpoint)
	}
	return endpoints, nil
}

// parseEndpoint gives why an entry is not valid, without quoting it: there
// could be credentials in it.
func parseEndpoint(entry string) (e Endpoint, why string) {
	u, err := url.Parse(entry)
	if err != nil {
		return e, "cannot be read"
	}
	e = endpointOf(u)
	number, err := strconv.ParseUint(e.Port, 10, 16)
	switch {
	case defaultPort[u.Scheme] == "" && u.Scheme != database:
		return e, "has a scheme other than http, https and tcp"
	case u.User != nil:
		return e, "holds a user name"
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		return e, "has a path, query or fragment"
	case e.Host == "" || strings.ContainsAny(e.Host, "*%"):
		return e, "has no host, or one with a wildcard or zone"
	case slices.Contains(strings.Split(e.Host, "."), ""):
		return e, "has a host with nothing between two dots"
	case !isASCII(e.Host):
		return e, "has a host that is not ASCII; write its xn-- form"
	case looksNumeric(e.Host):
		return e, "has an address in a form that resolvers read in different ways; write it with four plain numbers"
	case err != nil || number == 0:
		return e, "has no valid port"
	}
	e.Port = strconv.FormatUint(number, 10)
	return e, ""
}

// endpointOf gives where a URL leads to.
func endpointOf(u *url.URL) Endpoint {
	port := u.Port()
	if port == "" {
		port = defaultPort[u.Scheme]
	}
	return Endpoint{Scheme: u.Scheme, Host: canonicalHost(u.Hostname()), Port: port}
}

// canonicalHost gives one form to a host: lower case, no dot at the end, and
// the usual text of an address.
func canonicalHost(host string) string {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if addr, err := netip.ParseAddr(host); err == nil && addr.Zone() == "" {
		return addr.Unmap().String()
	}
	return host
}

// authority is a URL's host part, without the port where it is the scheme's own.
func authority(scheme, host, port string) string {
	if port != defaultPort[scheme] {
		return net.JoinHostPort(host, port)
	}
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}
