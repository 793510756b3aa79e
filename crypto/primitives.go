package crypto

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"

	"golang.org/x/crypto/hkdf"
)

// All raw cipher and key derivation calls of the package are in this file.

const (
	// KeySize is the length of a master key in bytes.
	KeySize = 32
	// version is the envelope's version; it is bound into the data key and
	// into the associated data.
	version = "v1"

	labelData   = "celonis-connector/" + version + "/data-key"
	labelDerive = "celonis-connector/" + version + "/derived-key"
	labelAAD    = "celonis-connector/" + version + "/envelope"

	nonceSize = 12
	tagSize   = 16
)

// expand derives n bytes from a master key by HKDF-SHA256. The master key is
// uniform already, so no salt is needed; info separates the uses.
func expand(master Secret, info []byte, n int) ([]byte, error) {
	out := make([]byte, n)
	if _, err := io.ReadFull(hkdf.New(sha256.New, []byte(master.Reveal()), nil, info), out); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDerive, err)
	}
	return out, nil
}

// dataCipher gives the AES-256-GCM of a workspace. Each workspace has a key of
// its own, so that the bound on random nonces (2^32 seals a key) holds for a
// workspace and not for the whole database.
func dataCipher(master Secret, workspace string) (cipher.AEAD, error) {
	key, err := expand(master, join(labelData, workspace), KeySize)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	clear(key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDerive, err)
	}
	// The nonce is random and drawn inside Seal: it cannot be given twice by
	// mistake.
	return cipher.NewGCMWithRandomNonce(block)
}

// join writes each part with its length before it, so that no two different
// lists of parts give the same bytes.
func join(parts ...string) []byte {
	n := 0
	for _, p := range parts {
		n += 4 + len(p)
	}
	out := make([]byte, 0, n)
	for _, p := range parts {
		out = binary.BigEndian.AppendUint32(out, uint32(len(p)))
		out = append(out, p...)
	}
	return out
}
