package connections

import (
	"errors"
	"strings"
	"time"
	"unicode"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
)

// sealedKind is the kind of row that a connection's envelopes are bound to.
const sealedKind = "connection"

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
	c.Secrets[field] = SealedSecret{Envelope: envelope, UpdatedAt: now}
	return nil
}

// openSecret gives the plaintext that c's auth type needs. It must not outlive
// the caller's call (I4).
func openSecret(s Sealer, c *Connection) (crypto.Secret, error) {
	field, needed := SecretFor(c.AuthType)
	if !needed {
		return crypto.Secret{}, nil
	}
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
	case err != nil:
		return crypto.Secret{}, fault.Wrap(err, fault.SecretUnsealed, "the %s of connection %q cannot be opened", field, c.Name).
			WithHint("give the key again in the connection's field %s", field)
	}
	return plain, nil
}

func placeOf(c *Connection, field SecretField) crypto.AAD {
	return crypto.AAD{Workspace: c.Workspace, Kind: sealedKind, ID: c.ID, Field: string(field)}
}

// cleanSecret trims what was pasted with a key and refuses what cannot be one.
// No sentence repeats any of it.
func cleanSecret(given crypto.Secret) (crypto.Secret, error) {
	key := strings.TrimSpace(given.Reveal())
	switch {
	case key == "":
		return crypto.Secret{}, fault.New(fault.SecretInvalid, "the key is empty")
	case looksMasked(key):
		return crypto.Secret{}, fault.New(fault.SecretMask, "the value is a mask, not a key").
			WithHint("leave the field out to keep the stored key, or give the key itself")
	case len(key) > maxKey:
		return crypto.Secret{}, fault.New(fault.SecretInvalid, "the key is longer than %d characters", maxKey)
	}
	if prefix := pastedPrefix(key); prefix != "" {
		return crypto.Secret{}, fault.New(fault.SecretInvalid, "the key begins with %q, which is not part of it", prefix).
			WithHint("give the key alone: the prefix follows from the auth type")
	}
	for _, r := range key {
		switch {
		case unicode.IsSpace(r) || unicode.IsControl(r):
			return crypto.Secret{}, fault.New(fault.SecretInvalid, "the key holds a blank or a line break").
				WithHint("copy the key anew from Celonis, in one line")
		case r > unicode.MaxASCII || r == unicode.ReplacementChar:
			return crypto.Secret{}, fault.New(fault.SecretInvalid, "the key holds a character that is not ASCII").
				WithHint("copy the key anew from Celonis: an editor may have replaced characters in it")
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

// looksMasked tells what a form shows in a secret's place.
func looksMasked(key string) bool {
	switch strings.ToLower(strings.Trim(key, "[]<>(){}")) {
	case "redacted", "secret", "hidden", "masked", "unchanged", "set":
		return true
	}
	if strings.ContainsAny(key, "\u2022\u25cf\u2219\u00b7\u2026\u25e6\u26ab") || strings.Contains(key, "***") {
		return true
	}
	// One character over and over is no key.
	return strings.Trim(strings.ToLower(key), strings.ToLower(key[:1])) == ""
}
