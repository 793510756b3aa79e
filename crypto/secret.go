// Package crypto keeps secrets: a value that cannot print itself, a keyring of
// master keys, and the envelope in which secrets are stored.
package crypto

import (
	"crypto/subtle"
	"fmt"
	"log/slog"
)

// redacted is what a Secret says of itself, whoever asks.
const redacted = "[redacted]"

// Secret is a value that cannot print itself: String, Format, JSON, text and
// log value all say "[redacted]". The zero Secret is empty.
//
// The plaintext stands behind a pointer because package fmt prints unexported
// fields without asking their methods: there it finds an address and no more.
// Compare with Equal, since == compares addresses.
type Secret struct {
	value *string
	// ref says that value names the place of the plaintext and is none itself.
	ref bool
}

// NewSecret takes a plaintext. An empty one gives the zero Secret.
func NewSecret(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{value: &value}
}

// NewRef makes a secret that names a place where the plaintext is found. It
// reveals nothing: who takes references asks for Ref and looks there.
func NewRef(ref string) Secret { return Secret{&ref, true} }

// Ref gives the name of the place; ok is false for a secret that is a plaintext.
func (s Secret) Ref() (ref string, ok bool) {
	if !s.ref {
		return "", false
	}
	return *s.value, true
}

// Reveal gives the plaintext, "" for a reference. Call it at the last moment
// and keep the result inside that call (I4).
func (s Secret) Reveal() string {
	if s.value == nil || s.ref {
		return ""
	}
	return *s.value
}

// IsZero reports whether the secret is empty.
func (s Secret) IsZero() bool { return s.value == nil }

// Equal compares in constant time.
func (s Secret) Equal(other Secret) bool {
	if s.ref || other.ref {
		return s.ref == other.ref && *s.value == *other.value
	}
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// String says "[redacted]".
func (s Secret) String() string { return redacted }

// GoString says "[redacted]".
func (s Secret) GoString() string { return redacted }

// Format says "[redacted]" under every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue says "[redacted]".
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText says "[redacted]", and so do JSON and everything built on text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// UnmarshalText takes a plaintext, so that a request body can carry a secret in.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}

// UnmarshalRef takes a reference, so that a request body can carry one in.
func (s *Secret) UnmarshalRef(ref string) error {
	*s = NewRef(ref)
	return nil
}
