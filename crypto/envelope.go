package crypto

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// MaxPlaintext is the length of the longest secret that Seal takes, in bytes.
const MaxPlaintext = 64 << 10

// strictBase64 is URL-safe base64 without padding that accepts one text per
// value only: stray bits at the end are refused.
var strictBase64 = base64.RawURLEncoding.Strict()

// Envelope is a sealed secret taken apart. Its text is
// v1.<keyId>.<nonce>.<ciphertext>, the last two in URL-safe base64 without
// padding; what ParseEnvelope takes, String gives back byte for byte.
type Envelope struct {
	// KeyID names the master key.
	KeyID string
	nonce [nonceSize]byte
	// sealed is the ciphertext with its tag.
	sealed []byte
}

// AAD names the place that a secret belongs to: an envelope opens there and
// nowhere else. All four are needed.
type AAD struct {
	// Workspace is the tenant's id.
	Workspace string
	// Kind is the noun of the row ("connection"), ID its id, Field the name of
	// the secret in it ("appKey").
	Kind, ID, Field string
}

// bytes gives the associated data, or ErrAAD.
func (a AAD) bytes() ([]byte, error) {
	if a.Workspace == "" || a.Kind == "" || a.ID == "" || a.Field == "" {
		return nil, ErrAAD
	}
	return join(labelAAD, a.Workspace, a.Kind, a.ID, a.Field), nil
}

// ParseEnvelope takes an envelope's text apart. It returns ErrEnvelope for
// anything that Seal would not write.
func ParseEnvelope(text string) (Envelope, error) {
	const longest = MaxPlaintext*2 + 256
	if len(text) > longest {
		return Envelope{}, fmt.Errorf("%w: longer than %d bytes", ErrEnvelope, longest)
	}
	parts := strings.Split(text, ".")
	if len(parts) != 4 {
		return Envelope{}, fmt.Errorf("%w: %d parts in place of 4", ErrEnvelope, len(parts))
	}
	if parts[0] != version {
		return Envelope{}, fmt.Errorf("%w: the version is not %s", ErrEnvelope, version)
	}
	if !validKeyID(parts[1]) {
		return Envelope{}, fmt.Errorf("%w: the key id is not valid", ErrEnvelope)
	}
	nonce, err := decode(parts[2])
	if err != nil || len(nonce) != nonceSize {
		return Envelope{}, fmt.Errorf("%w: the nonce is not %d bytes of base64", ErrEnvelope, nonceSize)
	}
	sealed, err := decode(parts[3])
	if err != nil || len(sealed) < tagSize || len(sealed) > MaxPlaintext+tagSize {
		return Envelope{}, fmt.Errorf("%w: the ciphertext is not %d to %d bytes of base64", ErrEnvelope, tagSize, MaxPlaintext+tagSize)
	}
	return Envelope{KeyID: parts[1], nonce: [nonceSize]byte(nonce), sealed: sealed}, nil
}

// KeyID gives the id of the master key that sealed an envelope, or ErrEnvelope.
func KeyID(envelope string) (string, error) {
	e, err := ParseEnvelope(envelope)
	return e.KeyID, err
}

// String gives the envelope's text.
func (e Envelope) String() string {
	return version + "." + e.KeyID + "." + strictBase64.EncodeToString(e.nonce[:]) + "." + strictBase64.EncodeToString(e.sealed)
}

// decode is strict base64 without the line breaks that the standard decoder
// skips.
func decode(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, ErrEnvelope
	}
	return strictBase64.DecodeString(text)
}
