package connections

import (
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
)

// SealedKind is the kind of row that a connection's envelopes are bound to.
const SealedKind = "connection"

// maxKey bounds a key. Celonis's own are far shorter.
const maxKey = 4096

// Sealer encrypts secrets and opens them, each bound to its place.
// *crypto.Keyring is one.
type Sealer interface {
	Seal(plain crypto.Secret, aad crypto.AAD) (string, error)
	Open(envelope string, aad crypto.AAD) (crypto.Secret, error)
}

var _ Sealer = (*crypto.Keyring)(nil)

// sealSecret puts a secret into c, bound to its workspace, id and field.
func sealSecret(s Sealer, c *Connection, field SecretField, plain crypto.Secret, now time.Time) error {
	envelope, err := s.Seal(plain, placeOf(c, field))
	if err != nil {
		return fault.Wrap(err, fault.Internal, "the secret cannot be sealed")
	}
	ref, _ := plain.Ref()
	c.Secrets[field] = SealedSecret{Envelope: envelope, Ref: ref, UpdatedAt: now}
	return nil
}

// openSecret gives the plaintext that c's auth type needs. It must not outlive
// the caller's call (I4).
func openSecret(s Sealer, c *Connection) (crypto.Secret, error) {
	field, needed := SecretFor(c.AuthType)
	if !needed {
		return crypto.Secret{}, nil
	}
	return openField(s, c, field)
}

func openField(s Sealer, c *Connection, field SecretField) (crypto.Secret, error) {
	sealed, ok := c.Secrets[field]
	if !ok {
		return crypto.Secret{}, fault.New(fault.ConnectionSecretRequired, "the connection %q has no %s", c.Name, field).
			WithHint("give the key again in the connection's field %s", field)
	}
	plain, err := s.Open(sealed.Envelope, placeOf(c, field))
	switch {
	case errors.Is(err, crypto.ErrUnknownKey):
		return crypto.Secret{}, fault.Wrap(err, fault.KeyringUnknown, "the master key that sealed the %s of connection %q is not in the keyring", field, c.Name).
			WithHint("put the older master key back behind the primary one, then run \"connector keys rotate\"")
	case sealed.Ref != "" && fault.CodeOf(err) != fault.Internal && err != nil:
		return crypto.Secret{}, err // the sentence speaks of the reference
	case err != nil:
		return crypto.Secret{}, fault.Wrap(err, fault.SecretUnsealed, "the %s of connection %q cannot be opened", field, c.Name).
			WithHint("give the key again in the connection's field %s", field)
	}
	return plain, nil
}

func placeOf(c *Connection, field SecretField) crypto.AAD {
	return crypto.AAD{Workspace: c.Workspace, Kind: SealedKind, ID: c.ID, Field: string(field)}
}

// cleanSecret trims what was pasted with a secret and refuses what cannot be
// one. noun says what it is, "key"; no sentence repeats any of it.
func cleanSecret(given crypto.Secret, noun string) (crypto.Secret, error) {
	key := strings.TrimSpace(given.Reveal())
	_, isRef := given.Ref()
	switch {
	case isRef:
		return crypto.Secret{}, fault.New(fault.SecretRefRefused, "a reference is not taken here").WithHint("give the %s itself", noun)
	case key == "":
		return crypto.Secret{}, fault.New(fault.SecretInvalid, "the %s is empty", noun)
	case looksMasked(key):
		return crypto.Secret{}, fault.New(fault.SecretMask, "the value is a mask, not a %s", noun).
			WithHint("leave the field out to keep the stored %s, or give the %s itself", noun, noun)
	case len(key) > maxKey:
		return crypto.Secret{}, fault.New(fault.SecretInvalid, "the %s is longer than %d characters", noun, maxKey)
	}
	if prefix := pastedPrefix(key); prefix != "" {
		return crypto.Secret{}, fault.New(fault.SecretInvalid, "the %s begins with %q, which is not part of it", noun, prefix).
			WithHint("give the %s alone: the prefix follows from the auth type", noun)
	}
	for _, r := range key {
		switch {
		case unicode.IsSpace(r) || unicode.IsControl(r):
			return crypto.Secret{}, fault.New(fault.SecretInvalid, "the %s holds a blank or a line break", noun).
				WithHint("copy the %s anew from Celonis, in one line", noun)
		case r > unicode.MaxASCII || r == unicode.ReplacementChar:
			return crypto.Secret{}, fault.New(fault.SecretInvalid, "the %s holds a character that is not ASCII", noun).
				WithHint("copy the %s anew from Celonis: an editor may have replaced characters in it", noun)
		}
	}
	return crypto.NewSecret(key), nil
}

// pastedPrefix finds the piece of an Authorization header that was copied with a key.
func pastedPrefix(key string) string {
	lower := strings.ToLower(key)
	for _, prefix := range []string{"Authorization:", "Bearer", "AppKey"} {
		rest, found := strings.CutPrefix(lower, strings.ToLower(prefix))
		if found && (strings.HasSuffix(prefix, ":") || strings.TrimLeft(rest, " \t:") != rest) {
			return prefix
		}
	}
	return ""
}

// maskWords are what stands in a secret's place in forms and exports.
func maskWords() []string {
	return []string{"redacted", "secret", "hidden", "masked", "unchanged", "set"}
}

// IsMask tells what a form shows in a secret's place.
func IsMask(text string) bool { return text != "" && looksMasked(text) }

// looksMasked tells what a form shows in a secret's place.
func looksMasked(key string) bool {
	if slices.Contains(maskWords(), strings.ToLower(strings.Trim(key, "[]<>(){}"))) {
		return true
	}
	if strings.ContainsAny(key, "\u2022\u25cf\u2219\u00b7\u2026\u25e6\u26ab") || strings.Contains(key, "***") {
		return true
	}
	// One character over and over is no key.
	return strings.Trim(strings.ToLower(key), strings.ToLower(key[:1])) == ""
}
