package access

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/celonis-connector/connector/internal/fault"
)

// Draft is what can be written of a client.
type Draft struct {
	Name string `json:"name"`
	// Scopes are words of ParseScopes.
	Scopes []string `json:"scopes"`
	// Enabled is true when it is left out.
	Enabled *bool `json:"enabled"`
}

func (d Draft) enabled() bool { return d.Enabled == nil || *d.Enabled }

// Draft gives what can be written of the client.
func (c *Client) Draft() Draft {
	words := make([]string, len(c.Scopes))
	for i, s := range c.Scopes {
		words[i] = string(s)
	}
	enabled := !c.Disabled
	return Draft{Name: c.Name, Scopes: words, Enabled: &enabled}
}

// findings are the faults of a draft, each with its place.
type findings []fault.Field

func (f *findings) add(pointer, format string, args ...any) {
	*f = append(*f, fault.Field{Pointer: pointer, Code: fault.RequestFieldInvalid, Detail: fmt.Sprintf(format, args...)})
}

// fault is RequestInvalid in the words of the first finding; nil when there is none.
func (f findings) fault() error {
	if len(f) == 0 {
		return nil
	}
	return fault.New(fault.RequestInvalid, "%s", f[0].Detail).WithFields(f...).
		WithHint("the scopes are %s, or %s for every one", JoinScopes(AllScopes()), All)
}

// check gives the draft's name and scopes as they are kept.
func (d Draft) check(f *findings) (name string, scopes []Scope) {
	name = strings.TrimSpace(d.Name)
	if n := utf8.RuneCountInString(name); n < 1 || n > MaxName {
		f.add("/name", "the name of an API client must have 1 to %d characters", MaxName)
	}
	scopes, err := ParseScopes(d.Scopes)
	switch {
	case err != nil:
		f.add("/scopes", "%s", fault.From(err).Message)
	case len(scopes) == 0:
		f.add("/scopes", "an API client needs a scope")
	}
	return name, scopes
}

// checkExpiry wants the zero time or one to come.
func checkExpiry(f *findings, expires, now time.Time) {
	if !expires.IsZero() && !expires.After(now) {
		f.add("/expiresAt", "the secret would have expired already")
	}
}

// holds refuses scopes that the giver does not have: nobody can raise
// themselves or others above what they are. Fault AccessScopeNotHeld.
func (p Principal) holds(given []Scope) error {
	var lacking []Scope
	for _, s := range given {
		if !slices.Contains(p.Scopes, s) {
			lacking = append(lacking, s)
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	return fault.New(fault.AccessScopeNotHeld, "the caller does not have the scope %q", JoinScopes(lacking)).
		WithHint("a caller can give only scopes that its own token carries")
}
