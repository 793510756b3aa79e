package httpsource

import (
	"net/url"
	"strings"
	"sync"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
)

// Redactor takes a connection's secrets out of what an API says. It is safe for concurrent use.
type Redactor struct {
	mu  sync.Mutex
	own redactor
}

// NewRedactor makes a Redactor of a connection's secrets.
func NewRedactor(t *connections.OutsideTarget) *Redactor { return &Redactor{own: redactorOf(t)} }

// LearnLogin adds what an Authorization header logs in with, and Learn any other text.
func (r *Redactor) LearnLogin(header string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.own.learnLogin(header)
}

// Learn adds a secret.
func (r *Redactor) Learn(secret string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.own.learn(secret)
}

// Text gives a text without the secrets.
func (r *Redactor) Text(s string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.own.text(s)
}

// Excerpt gives at most n bytes of a foreign text, on one line and without the secrets.
func (r *Redactor) Excerpt(s string, n int) string { return short(r.Text(s), n) }

// Base is the base URL of a connection.
type Base struct{ client Client }

// NewBase reads a base URL; fault ConnectionDomain when it is none.
func NewBase(text string) (*Base, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return nil, fault.New(fault.ConnectionDomain, "the connection's base URL cannot be read")
	}
	return &Base{Client{base: u}}, nil
}

// Resolve makes an absolute URL of a path below the base, or of a URL that lies there; ok is false for any other.
func (b *Base) Resolve(text string) (u *url.URL, ok bool) {
	// A path of slashes is no host.
	if strings.HasPrefix(text, "//") {
		text = "/" + strings.TrimLeft(text, "/")
	}
	u, err := b.client.resolve(text)
	return u, err == nil
}
