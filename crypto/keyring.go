package crypto

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
)

const (
	maxKeyID = 32
	maxKeys  = 64
)

// Keyring holds master keys by id. The first seals, all of them open. It
// cannot print itself. A Keyring does not change after ParseKeyring and may be
// used by any number of goroutines.
type Keyring struct {
	keys map[string]Secret
	ids  []string
}

// ParseKeyring reads id:base64 entries separated by commas or line breaks, the
// primary first. An id is 1 to 32 of a-z, 0-9 and "-"; a key is 32 bytes in
// standard or URL-safe base64. It returns ErrKeyring for a text that cannot be
// read, repeats an id or a key, and ErrWeakKey for a key that can be guessed.
func ParseKeyring(spec string) (*Keyring, error) {
	k := &Keyring{keys: map[string]Secret{}}
	for entry := range strings.FieldsFuncSeq(spec, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' }) {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		if err := k.add(entry); err != nil {
			return nil, err
		}
	}
	if len(k.ids) == 0 {
		return nil, fmt.Errorf("%w: it holds no key", ErrKeyring)
	}
	return k, nil
}

// add takes one entry. An entry without a valid id is told by its number: what
// stands there may be the key itself.
func (k *Keyring) add(entry string) error {
	number := len(k.ids) + 1
	if number > maxKeys {
		return fmt.Errorf("%w: more than %d keys", ErrKeyring, maxKeys)
	}
	id, text, found := strings.Cut(entry, ":")
	if !found || !validKeyID(id) {
		return fmt.Errorf("%w: entry %d does not start with an id of 1 to %d of a-z, 0-9, '-' and a colon", ErrKeyring, number, maxKeyID)
	}
	key, ok := decodeKey(text)
	if !ok {
		return fmt.Errorf("%w: key %q is not %d bytes of base64", ErrKeyring, id, KeySize)
	}
	if why := weakness([]byte(key.Reveal())); why != "" {
		return fmt.Errorf("%w: key %q %s", ErrWeakKey, id, why)
	}
	for _, other := range k.ids {
		if other == id {
			return fmt.Errorf("%w: the id %q occurs twice", ErrKeyring, id)
		}
		if k.keys[other].Equal(key) {
			return fmt.Errorf("%w: %q and %q are the same key", ErrKeyring, other, id)
		}
	}
	k.ids = append(k.ids, id)
	k.keys[id] = key
	return nil
}

// decodeKey takes 32 bytes in any of the usual base64 alphabets, without stray
// bits at the end.
func decodeKey(text string) (Secret, bool) {
	text = strings.TrimRight(text, "=")
	encoding := base64.RawStdEncoding
	if strings.ContainsAny(text, "-_") {
		encoding = base64.RawURLEncoding
	}
	key, err := encoding.Strict().DecodeString(text)
	if err != nil || len(key) != KeySize {
		return Secret{}, false
	}
	return NewSecret(string(key)), true
}

func validKeyID(id string) bool {
	if id == "" || len(id) > maxKeyID {
		return false
	}
	for _, c := range []byte(id) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// GenerateEntry makes a fresh key as an entry for ParseKeyring. It returns an
// error when the system gives no random bytes.
func GenerateEntry() (string, error) {
	var key [KeySize]byte
	var id [4]byte
	for {
		if _, err := rand.Read(key[:]); err != nil {
			return "", fmt.Errorf("draw a master key: %w", err)
		}
		if _, err := rand.Read(id[:]); err != nil {
			return "", fmt.Errorf("draw a key id: %w", err)
		}
		if weakness(key[:]) == "" {
			return "k" + hex.EncodeToString(id[:]) + ":" + base64.StdEncoding.EncodeToString(key[:]), nil
		}
	}
}

// PrimaryID gives the id of the key that seals.
func (k *Keyring) PrimaryID() string { return k.ids[0] }

// IDs gives all ids, the primary first.
func (k *Keyring) IDs() []string { return append([]string(nil), k.ids...) }

// Has reports whether the keyring holds a key of this id.
func (k *Keyring) Has(id string) bool { _, ok := k.keys[id]; return ok }

// String says "[redacted]".
func (k *Keyring) String() string { return redacted }

// GoString says "[redacted]".
func (k *Keyring) GoString() string { return redacted }

// Format says "[redacted]" under every verb.
func (k *Keyring) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue says "[redacted]".
func (k *Keyring) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText says "[redacted]".
func (k *Keyring) MarshalText() ([]byte, error) { return []byte(redacted), nil }
