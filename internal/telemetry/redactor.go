// Package telemetry is what the service tells of itself: logs without secrets,
// metrics, and the health of its parts.
package telemetry

import (
	"slices"
	"strings"
	"sync"

	"github.com/celonis-connector/connector/crypto"
)

const (
	// redacted stands where a secret stood.
	redacted = "[redacted]"
	// minForm is the length of the shortest text that is looked for. Shorter
	// ones occur by chance everywhere.
	minForm = 6
	// keyLength is how many first bytes find the forms that a text may start.
	keyLength = 4
	// maxSecrets bounds how many different secrets are looked for at a time.
	maxSecrets = 20_000
)

// Redactor replaces live secrets in texts by value: as they are and in the
// forms in which servers and libraries echo them (base64, URL-encoded, quoted).
// Any number of goroutines may use it.
type Redactor struct {
	mu      sync.RWMutex
	secrets map[string]*registration
	// order lists the secrets by age, for the bound.
	order []string
	// forms finds the forms by their first bytes, the longest first.
	forms map[[keyLength]byte][]form
	// counts tells for most first bytes at a glance that no form starts so.
	counts [1 << 12]uint32
}

type registration struct{ uses int }

// form is a text that gives a secret away; uses counts the secrets with it.
type form struct {
	text string
	uses int
}

// NewRedactor makes a Redactor that looks for nothing yet.
func NewRedactor() *Redactor {
	return &Redactor{secrets: map[string]*registration{}, forms: map[[keyLength]byte][]form{}}
}

// Register makes the redactor look for a secret until release is called; a
// secret that was registered n times is looked for until the n-th release.
// Secrets shorter than 6 bytes are not looked for. Beyond 20,000 different
// secrets the oldest is given up.
func (r *Redactor) Register(secret crypto.Secret) (release func()) {
	value := secret.Reveal()
	if len(value) < minForm {
		return func() {}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	entry := r.secrets[value]
	if entry == nil {
		if len(r.order) >= maxSecrets {
			r.remove(r.order[0])
		}
		entry = &registration{}
		r.secrets[value] = entry
		r.order = append(r.order, value)
		for _, text := range formsOf(value) {
			r.add(text)
		}
	}
	entry.uses++
	return sync.OnceFunc(func() { r.release(value, entry) })
}

func (r *Redactor) release(value string, entry *registration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if entry.uses--; entry.uses == 0 && r.secrets[value] == entry {
		r.remove(value)
	}
}

func (r *Redactor) remove(value string) {
	delete(r.secrets, value)
	if i := slices.Index(r.order, value); i >= 0 {
		r.order = slices.Delete(r.order, i, i+1)
	}
	for _, text := range formsOf(value) {
		r.drop(text)
	}
}

func (r *Redactor) add(text string) {
	key := keyOf(text)
	r.counts[slot(key)]++
	list := r.forms[key]
	for i := range list {
		if list[i].text == text {
			list[i].uses++
			return
		}
	}
	list = append(list, form{text, 1})
	slices.SortFunc(list, func(a, b form) int { return len(b.text) - len(a.text) })
	r.forms[key] = list
}

func (r *Redactor) drop(text string) {
	key := keyOf(text)
	r.counts[slot(key)]--
	list := r.forms[key]
	for i := range list {
		if list[i].text != text {
			continue
		}
		if list[i].uses--; list[i].uses == 0 {
			list = slices.Delete(list, i, i+1)
		}
		break
	}
	if r.forms[key] = list; len(list) == 0 {
		delete(r.forms, key)
	}
}

// String gives s with every live secret replaced; s itself when it holds none.
func (r *Redactor) String(s string) string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if len(r.forms) == 0 {
		return s
	}
	var out strings.Builder
	done := 0
	for i := 0; i+minForm <= len(s); {
		n := r.match(s[i:])
		if n == 0 {
			i++
			continue
		}
		out.WriteString(s[done:i])
		out.WriteString(redacted)
		i += n
		done = i
	}
	if done == 0 {
		return s
	}
	out.WriteString(s[done:])
	return out.String()
}

// Bytes gives b with every live secret replaced; b itself when it holds none.
func (r *Redactor) Bytes(b []byte) []byte {
	in := string(b)
	if out := r.String(in); len(out) != len(in) || out != in {
		return []byte(out)
	}
	return b
}

// match gives the length of the longest form that s starts with, or 0.
func (r *Redactor) match(s string) int {
	key := keyOf(s)
	if r.counts[slot(key)] == 0 {
		return 0
	}
	for _, f := range r.forms[key] {
		if strings.HasPrefix(s, f.text) {
			return len(f.text)
		}
	}
	return 0
}

func keyOf(s string) [keyLength]byte { return [keyLength]byte{s[0], s[1], s[2], s[3]} }

func slot(key [keyLength]byte) uint32 {
	h := uint32(key[0]) | uint32(key[1])<<8 | uint32(key[2])<<16 | uint32(key[3])<<24
	return h * 0x9E3779B1 >> 20
}
