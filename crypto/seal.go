package crypto

import "fmt"

// Seal encrypts plain under the primary key and binds it to aad. It returns
// ErrAAD when aad is incomplete and ErrTooLong above MaxPlaintext.
func (k *Keyring) Seal(plain Secret, aad AAD) (string, error) {
	bound, err := aad.bytes()
	if err != nil {
		return "", err
	}
	text := plain.Reveal()
	if len(text) > MaxPlaintext {
		return "", fmt.Errorf("%w: %d bytes, at most %d", ErrTooLong, len(text), MaxPlaintext)
	}
	id := k.PrimaryID()
	aead, err := dataCipher(k.keys[id], aad.Workspace)
	if err != nil {
		return "", err
	}
	raw := aead.Seal(nil, nil, []byte(text), bound)
	return Envelope{KeyID: id, nonce: [nonceSize]byte(raw[:nonceSize]), sealed: raw[nonceSize:]}.String(), nil
}

// Open decrypts an envelope that was sealed for aad. It returns ErrAAD,
// ErrEnvelope for a text of another form, ErrUnknownKey when the keyring lacks
// the key, and ErrOpen when the envelope was changed or belongs elsewhere.
func (k *Keyring) Open(envelope string, aad AAD) (Secret, error) {
	bound, err := aad.bytes()
	if err != nil {
		return Secret{}, err
	}
	e, err := ParseEnvelope(envelope)
	if err != nil {
		return Secret{}, err
	}
	master, err := k.master(e.KeyID)
	if err != nil {
		return Secret{}, err
	}
	aead, err := dataCipher(master, aad.Workspace)
	if err != nil {
		return Secret{}, err
	}
	plain, err := aead.Open(nil, nil, append(e.nonce[:], e.sealed...), bound)
	if err != nil {
		return Secret{}, ErrOpen
	}
	secret := NewSecret(string(plain))
	clear(plain)
	return secret, nil
}

// Rotate seals an envelope's secret anew under the primary key. An envelope
// that is under it already comes back as it is, with changed false. The errors
// are those of Open.
func (k *Keyring) Rotate(envelope string, aad AAD) (rotated string, changed bool, err error) {
	id, err := KeyID(envelope)
	if err != nil {
		return "", false, err
	}
	if id == k.PrimaryID() {
		return envelope, false, nil
	}
	plain, err := k.Open(envelope, aad)
	if err != nil {
		return "", false, err
	}
	rotated, err = k.Seal(plain, aad)
	return rotated, err == nil, err
}

// Derive gives n bytes (16 to 64) that depend on the key of that id and on the
// label, for signing keys and the like; they tell nothing of the master key or
// of other labels. It returns ErrUnknownKey and ErrDerive.
func (k *Keyring) Derive(keyID, label string, n int) ([]byte, error) {
	const shortest, longest = 16, 64
	if label == "" || n < shortest || n > longest {
		return nil, fmt.Errorf("%w: a label and %d to %d bytes are needed", ErrDerive, shortest, longest)
	}
	master, err := k.master(keyID)
	if err != nil {
		return nil, err
	}
	return expand(master, join(labelDerive, label), n)
}

func (k *Keyring) master(id string) (Secret, error) {
	if key, ok := k.keys[id]; ok {
		return key, nil
	}
	return Secret{}, fmt.Errorf("%w %q", ErrUnknownKey, id)
}

// canaryText is what a canary holds.
const canaryText = "celonis-connector canary"

var canaryAAD = AAD{Workspace: "celonis-connector", Kind: "canary", ID: "keyring", Field: "value"}

// SealCanary seals a known text. Kept in the database, it tells at start-up
// whether the keyring fits.
func (k *Keyring) SealCanary() (string, error) { return k.Seal(NewSecret(canaryText), canaryAAD) }

// CheckCanary opens a canary. It returns ErrCanary, with ErrUnknownKey, ErrOpen
// or ErrEnvelope as its cause, when the keyring does not fit.
func (k *Keyring) CheckCanary(envelope string) error {
	plain, err := k.Open(envelope, canaryAAD)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCanary, err)
	}
	if !plain.Equal(NewSecret(canaryText)) {
		return ErrCanary
	}
	return nil
}
