package httpsource

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strings"

	"github.com/celonis-connector/connector/connections"
)

// shortestSecret is the length below which a text is not looked for: it would stand in innocent words.
const shortestSecret = 4

// redactor takes a connection's secrets out of what an API says, as servers echo what they get.
type redactor struct{ forms []string }

func redactorOf(t *connections.OutsideTarget) redactor {
	var r redactor
	for _, s := range t.Secrets() {
		r.learn(s.Reveal())
	}
	if t.AuthType == connections.Basic {
		r.learn(t.Username + ":" + t.Secret.Reveal())
	}
	return r
}

// learn adds a secret in the forms in which it travels.
func (r *redactor) learn(secret string) {
	if len(secret) < shortestSecret || slices.Contains(r.forms, secret) {
		return
	}
	r.forms = append(r.forms, secret, url.QueryEscape(secret), url.PathEscape(secret),
		base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)))
}

// learnLogin adds the token of an Authorization header.
func (r *redactor) learnLogin(header string) {
	if _, token, ok := strings.Cut(header, " "); ok {
		r.learn(token)
	}
}

func (r *redactor) text(s string) string {
	for _, form := range r.forms {
		s = strings.ReplaceAll(s, form, "[redacted]")
	}
	return s
}

// short cuts a foreign text to n bytes of printable characters.
func short(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '�' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, " "))
	s = strings.Join(strings.Fields(s), " ")
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "..."
}
