package crypto

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
)

// MachineSecret makes a secret of 256 random bits for a machine to keep: the
// prefix, then URL-safe base64. The prefix (at most 16 of a-z, 0-9, "_") lets
// scanners of leaked secrets know it. It returns ErrPrefix.
func MachineSecret(prefix string) (Secret, error) {
	const longest = 16
	if len(prefix) > longest {
		return Secret{}, fmt.Errorf("%w: longer than %d", ErrPrefix, longest)
	}
	for _, c := range []byte(prefix) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return Secret{}, fmt.Errorf("%w: a character beside a-z, 0-9 and '_'", ErrPrefix)
		}
	}
	var random [32]byte
	if _, err := rand.Read(random[:]); err != nil {
		return Secret{}, fmt.Errorf("draw a secret: %w", err)
	}
	return NewSecret(prefix + base64.RawURLEncoding.EncodeToString(random[:])), nil
}

// HashMachineSecret gives the SHA-256 of a machine secret in hexadecimal: the
// form to store. A plain hash is right for 256 random bits and for nothing
// that a person chose.
func HashMachineSecret(secret Secret) string {
	sum := sha256.Sum256([]byte(secret.Reveal()))
	return hex.EncodeToString(sum[:])
}

// VerifyMachineSecret compares a presented secret with a stored hash in
// constant time. An empty secret never matches.
func VerifyMachineSecret(secret Secret, hash string) bool {
	same := subtle.ConstantTimeCompare([]byte(HashMachineSecret(secret)), []byte(hash)) == 1
	return same && !secret.IsZero()
}
