package celonis

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
)

// scheme is the word before the key in the Authorization header.
type scheme string

const (
	schemeAppKey scheme = "AppKey"
	schemeBearer scheme = "Bearer"
)

func schemeOf(a connections.AuthType) (scheme, error) {
	switch a {
	case connections.Custom:
		return schemeAppKey, nil
	case connections.Token, connections.OAuth2:
		return schemeBearer, nil
	}
	return "", fault.New(fault.Internal, "the auth type %q has no scheme", a)
}

// checkKey refuses what net/http would refuse later, with the key in its sentence.
func checkKey(key crypto.Secret) error {
	if key.IsZero() {
		return fault.New(fault.ConnectionSecretRequired, "the connection has no key")
	}
	if strings.ContainsFunc(key.Reveal(), func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fault.New(fault.SecretInvalid, "the key holds a character that no header can carry").
			WithHint("copy the key anew from Celonis, in one line")
	}
	return nil
}

// authorizing adds the key to requests for the connection's own host, and to no others.
type authorizing struct {
	base   *url.URL
	scheme scheme
	key    crypto.Secret
	next   http.RoundTripper
}

func (t *authorizing) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != t.base.Host || r.URL.Scheme != t.base.Scheme {
		return nil, fault.New(fault.EgressRefused, "the key of %q is not sent to %q", t.base.Host, r.URL.Host)
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", string(t.scheme)+" "+t.key.Reveal())
	return t.next.RoundTrip(r)
}
