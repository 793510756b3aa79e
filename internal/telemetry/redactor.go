// Package telemetry is what the service tells of itself: logs without secrets,
// metrics, and the health of its parts.
package telemetry

import (
	"maps"
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
	// slotBits sizes the table of first bytes.
	slotBits = 14
	// maxSecrets bounds how many different secrets are looked for at a time.
	maxSecrets = 4096
)

// Redactor replaces live secrets in texts by value: as they are and in the
// forms in which servers and libraries echo them (base64, URL-encoded, quoted).
// Any number of goroutines may use it.
type Redactor struct {
	mu      sync.RWMutex
	secrets map[string]*registration
	// order lists the secrets by age, for the bound.
	order []string
	// forms finds the forms by their first bytes.
	forms map[[keyLength]byte]*bucket
	// counts tells for most first bytes at a glance that no form starts so.
	counts [1 << slotBits]uint32
}

type registration struct {
	uses  int
	forms []string
}

// bucket holds the forms that start alike. Forms have few different lengths,
// so that looking up each length, the longest first, is quick however many
// secrets share their start.
type bucket struct {
	// uses counts the secrets that have the form.
	uses map[string]int
	// ofLength counts the forms of a length; lengths lists them, the longest first.
	ofLength map[int]int
	lengths  []int
}

// NewRedactor makes a Redactor that looks for nothing yet.
func NewRedactor() *Redactor {
	return &Redactor{secrets: map[string]*registration{}, forms: map[[keyLength]byte]*bucket{}}
}

// Register makes the redactor look for a secret until release is called; a
// secret that was registered n times is looked for until the n-th release.
// Secrets shorter than 6 bytes are not looked for. Beyond 4,096 different
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
		entry = &registration{forms: formsOf(value)}
		r.secrets[value] = entry
		r.order = append(r.order, value)
		for _, text := range entry.forms {
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
	forms := r.secrets[value].forms
	delete(r.secrets, value)
	if i := slices.Index(r.order, value); i >= 0 {
		r.order = slices.Delete(r.order, i, i+1)
	}
	for _, text := range forms {
		r.drop(text)
	}
}

func (r *Redactor) add(text string) {
	key := keyOf(text)
	r.counts[slot(key)]++
	b := r.forms[key]
	if b == nil {
		b = &bucket{uses: map[string]int{}, ofLength: map[int]int{}}
		r.forms[key] = b
	}
	if b.uses[text]++; b.uses[text] > 1 {
		return
	}
	if b.ofLength[len(text)]++; b.ofLength[len(text)] == 1 {
		b.sortLengths()
	}
}

func (r *Redactor) drop(text string) {
	key := keyOf(text)
	r.counts[slot(key)]--
	b := r.forms[key]
	if b.uses[text]--; b.uses[text] > 0 {
		return
	}
	delete(b.uses, text)
	if b.ofLength[len(text)]--; b.ofLength[len(text)] == 0 {
		delete(b.ofLength, len(text))
		b.sortLengths()
	}
	if len(b.uses) == 0 {
		delete(r.forms, key)
	}
}

func (b *bucket) sortLengths() {
	b.lengths = slices.Sorted(maps.Keys(b.ofLength))
	slices.Reverse(b.lengths)
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
	b := r.forms[key]
	if b == nil {
		return 0
	}
	for _, n := range b.lengths {
		if n <= len(s) && b.uses[s[:n]] > 0 {
			return n
		}
	}
	return 0
}

func keyOf(s string) [keyLength]byte { return [keyLength]byte{s[0], s[1], s[2], s[3]} }

func slot(key [keyLength]byte) uint32 {
	h := uint32(key[0]) | uint32(key[1])<<8 | uint32(key[2])<<16 | uint32(key[3])<<24
	return h * 0x9E3779B1 >> (32 - slotBits)
}
