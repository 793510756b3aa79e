package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// checkListening checks the settings of who may call and how.
func (c *Config) checkListening() error {
	switch {
	case (c.TLSCertFile == "") != (c.TLSKeyFile == ""):
		return fmt.Errorf("configuration: CONNECTOR_TLS_CERT_FILE and CONNECTOR_TLS_KEY_FILE need each other")
	case c.TLSClientCAFile != "" && c.TLSCertFile == "":
		return fmt.Errorf("configuration: CONNECTOR_TLS_CLIENT_CA_FILE needs CONNECTOR_TLS_CERT_FILE")
	}
	for _, origin := range c.CORSOrigins {
		if !isOrigin(origin) {
			return fmt.Errorf("configuration: CONNECTOR_CORS_ORIGINS: %q is no origin such as https://app.example.com, in lower case, without a path or wildcard", origin)
		}
	}
	_, err := c.Proxies()
	return err
}

// isOrigin reports whether a text is what a browser sends as Origin: the
// comparison is by byte, so another way of writing it would never fit.
func isOrigin(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || text != u.Scheme+"://"+u.Host {
		return false
	}
	defaults := map[string]string{"https": "443", "http": "80"}
	return text == strings.ToLower(text) && !strings.ContainsAny(u.Host, "*%") && !strings.HasSuffix(u.Host, ":") && u.Port() != defaults[u.Scheme]
}

// Proxies gives the networks of CONNECTOR_TRUSTED_PROXIES; an address stands
// for a network of one. Networks of everybody are refused: whoever calls could
// then say where from.
func (c *Config) Proxies() ([]netip.Prefix, error) {
	out := make([]netip.Prefix, 0, len(c.TrustedProxies))
	for _, text := range c.TrustedProxies {
		prefix, err := netip.ParsePrefix(strings.TrimSpace(text))
		if addr, addrErr := netip.ParseAddr(strings.TrimSpace(text)); addrErr == nil && addr.Zone() == "" {
			prefix, err = netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()), nil
		}
		if err != nil || prefix.Bits() == 0 {
			return nil, fmt.Errorf("configuration: CONNECTOR_TRUSTED_PROXIES: %q is no network such as 10.0.0.0/8", text)
		}
		out = append(out, prefix.Masked())
	}
	return out, nil
}
