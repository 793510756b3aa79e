package connections

import (
	"net/netip"
	"net/url"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
)

const (
	// celonisRoot is the domain under which every Celonis team lives.
	celonisRoot = "celonis.cloud"
	// teamLabels are the labels before celonisRoot: team and realm. Realms are
	// not listed, because new and customer-owned ones appear.
	teamLabels = 2
	// maxLabel and maxHost are DNS's own limits.
	maxLabel = 63
	maxHost  = 253
	// maxPasted bounds what is looked at, a pasted address included.
	maxPasted = 2048

	domainHint = `give the host of the browser's address bar, for example "acme.eu-1.celonis.cloud"`
)

// Domain is a host that a connection may reach.
type Domain struct {
	// Host is a bare host in lower case, or host:port of an allowed endpoint.
	Host string
	// BaseURL is scheme and Host, without a trailing slash.
	BaseURL string
	// PoolID is the data pool that a pasted address led to, "" without one.
	PoolID string
}

// DomainPolicy says which hosts a connection may name: teams under
// celonis.cloud and the endpoints that the operator allows.
type DomainPolicy struct {
	// endpoints holds scheme://host, or scheme://host:port where the port is not the scheme's own; those of tcp are databases.
	endpoints map[string]bool
	outside   OutsidePolicy
}

// NewDomainPolicy makes a policy from the operator's allowed endpoints, each of
// the form http(s)://host, http(s)://host:port or tcp://host:port. A malformed entry is fault
// EgressAllowList.
func NewDomainPolicy(allowed []string) (*DomainPolicy, error) {
	p := &DomainPolicy{endpoints: make(map[string]bool, len(allowed))}
	for i, entry := range allowed {
		u, err := url.Parse(strings.ToLower(strings.TrimSpace(entry)))
		if err != nil || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https" && (u.Scheme != "tcp" || u.Port() == "")) ||
			u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || strings.Contains(u.Host, "*") {
			// The entry is not repeated: there may be credentials in it.
			return nil, fault.New(fault.EgressAllowList, "entry %d of the allowed endpoints is not of the form http(s)://host:port or tcp://host:port", i+1)
		}
		p.endpoints[u.Scheme+"://"+withoutDefaultPort(u.Scheme, u.Host)] = true
	}
	return p, nil
}

func withoutDefaultPort(scheme, host string) string {
	switch scheme {
	case "https":
		return strings.TrimSuffix(host, ":443")
	case "http":
		return strings.TrimSuffix(host, ":80")
	}
	return host
}

// Parse reads what a person typed or pasted: a host, or an address of a page
// in Celonis. What comes out is a bare host under celonis.cloud or an allowed
// endpoint, nothing else. Every refusal is fault ConnectionDomain with a hint.
func (p *DomainPolicy) Parse(input string) (Domain, error) {
	text := strings.TrimSpace(input)
	if err := checkText(text); err != nil {
		return Domain{}, err
	}
	scheme, authority, rest, err := splitAddress(strings.ToLower(text))
	if err != nil {
		return Domain{}, err
	}
	pool := poolInPath(rest)
	if allowed, host, ok := p.allowed(authority); ok {
		if scheme == "https" && allowed == "http" {
			return Domain{}, refuseDomain("the endpoint %q is allowed over plain http only", host).
				WithHint("write the domain without \"https://\" if the key may go there unencrypted")
		}
		return Domain{Host: host, BaseURL: allowed + "://" + host, PoolID: pool}, nil
	}
	host := strings.TrimSuffix(authority, ".")
	if err := checkHost(host); err != nil {
		return Domain{}, err
	}
	return Domain{Host: host, BaseURL: "https://" + host, PoolID: pool}, nil
}

// allowed finds the operator's entry for an authority. A default port may be
// written or left out; of two entries the one with https counts.
func (p *DomainPolicy) allowed(authority string) (scheme, host string, ok bool) {
	for _, s := range []string{"https", "http"} {
		h := withoutDefaultPort(s, authority)
		if p.endpoints[s+"://"+h] {
			return s, h, true
		}
	}
	return "", "", false
}

func refuseDomain(format string, args ...any) *fault.Error {
	return fault.New(fault.ConnectionDomain, format, args...).WithHint("%s", domainHint)
}

func checkText(text string) error {
	switch {
	case text == "":
		return refuseDomain("the domain is empty")
	case len(text) > maxPasted:
		return refuseDomain("the domain is longer than %d characters", maxPasted)
	}
	for _, r := range text {
		switch {
		case r <= ' ' || r == 0x7f:
			return refuseDomain("the domain holds white space or a control character")
		case r > 0x7f:
			return refuseDomain("the domain holds %q, which is not an ASCII character", r).
				WithHint("a letter may only look like the right one: type the domain anew, for example \"acme.eu-1.celonis.cloud\"")
		case r == '\\':
			return refuseDomain("the domain holds a backslash")
		}
	}
	return nil
}

// splitAddress takes scheme and authority off an address. The user-info of a
// refused address is never repeated: it may be a password.
func splitAddress(text string) (scheme, authority, rest string, err error) {
	if before, after, found := strings.Cut(text, "://"); found && !strings.ContainsAny(before, "/?#.@") {
		if before != "http" && before != "https" {
			return "", "", "", refuseDomain("the domain has the scheme %q, not https", clip(before))
		}
		scheme, text = before, after
	}
	authority = text
	if i := strings.IndexAny(text, "/?#"); i >= 0 {
		authority, rest = text[:i], text[i:]
	}
	if strings.Contains(authority, "@") {
		return "", "", "", refuseDomain("the domain holds user information before an \"@\"").
			WithHint("leave out everything up to the \"@\"; the key has a field of its own")
	}
	if authority == "" {
		return "", "", "", refuseDomain("the address has no host")
	}
	return scheme, authority, rest, nil
}

func checkHost(host string) error {
	if isAddress(host) {
		return refuseDomain("the domain %q is an IP address", clip(host))
	}
	if name, port, found := strings.Cut(host, ":"); found {
		return refuseDomain("the domain %q has the port %q", clip(name), clip(port)).
			WithHint("leave out the port; an operator can allow another endpoint with CONNECTOR_ALLOWED_HOSTS")
	}
	if len(host) > maxHost {
		return refuseDomain("the domain is longer than %d characters", maxHost)
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if err := checkLabel(host, label); err != nil {
			return err
		}
	}
	return checkRoot(host, labels)
}

// isAddress tells IP addresses in all the forms that resolvers and browsers
// read: dotted, decimal, octal, hexadecimal, IPv6 with and without brackets.
func isAddress(host string) bool {
	if strings.HasPrefix(host, "[") || strings.Count(host, ":") > 1 {
		return true
	}
	name, _, _ := strings.Cut(host, ":")
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	last := name[strings.LastIndexByte(name, '.')+1:]
	digits, base := last, "0123456789"
	if hex, found := strings.CutPrefix(last, "0x"); found {
		digits, base = hex, "0123456789abcdef"
	}
	return last != "" && strings.Trim(digits, base) == ""
}

func checkLabel(host, label string) error {
	switch {
	case label == "":
		return refuseDomain("the domain %q has an empty part between its dots", clip(host))
	case len(label) > maxLabel:
		return refuseDomain("a part of the domain is longer than %d characters", maxLabel)
	case strings.HasPrefix(label, "xn--"):
		return refuseDomain("the domain %q holds %q, an encoded international name", clip(host), clip(label)).
			WithHint("Celonis teams have plain ASCII names: type the domain anew, for example \"acme.eu-1.celonis.cloud\"")
	case label[0] == '-' || label[len(label)-1] == '-':
		return refuseDomain("the part %q of the domain begins or ends with a hyphen", clip(label))
	}
	for _, r := range label {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' {
			return refuseDomain("the part %q of the domain holds %q; only letters, digits and hyphens may stand there", clip(label), r)
		}
	}
	return nil
}

func checkRoot(host string, labels []string) error {
	team, found := strings.CutSuffix(host, celonisRoot)
	switch {
	case !found && strings.Contains(host, celonisRoot):
		return refuseDomain("the domain %q holds %q but does not end in it", clip(host), celonisRoot).
			WithHint("this looks like an imitation of Celonis's domain: do not enter a key on its pages")
	case !found:
		return refuseDomain("the domain %q is not under %q", clip(host), celonisRoot).
			WithHint("%s; an operator can allow another host with CONNECTOR_ALLOWED_HOSTS", domainHint)
	case team != "" && !strings.HasSuffix(team, "."):
		return refuseDomain("the domain %q only ends like %q: the dot before it is missing", clip(host), celonisRoot).
			WithHint("this looks like an imitation of Celonis's domain: do not enter a key on its pages")
	}
	switch n := len(labels) - 2; {
	case n == 0:
		return refuseDomain("the domain %q lacks the team and the realm", clip(host))
	case n < teamLabels:
		return refuseDomain("the domain %q lacks the realm after the team", clip(host)).
			WithHint("the full name has team and realm, for example \"acme.eu-1.celonis.cloud\": see the browser's address bar")
	case n > teamLabels:
		return refuseDomain("the domain %q has %d parts before %q, not %d (team and realm)", clip(host), n, celonisRoot, teamLabels)
	}
	return nil
}

// clip shortens a foreign value for a sentence.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
