package crypto

import "errors"

// The reasons for which this package refuses. Callers tell them apart with
// errors.Is; no error of the package carries key material or plaintext.
var (
	// ErrKeyring: the text of a keyring cannot be read.
	ErrKeyring = errors.New("the keyring is not valid")
	// ErrWeakKey: a master key is guessable or a published sample.
	ErrWeakKey = errors.New("the master key is weak")
	// ErrUnknownKey: an envelope names a key that the keyring does not hold.
	ErrUnknownKey = errors.New("the keyring does not hold the key")
	// ErrEnvelope: a text is not an envelope of a known version.
	ErrEnvelope = errors.New("the text is not a sealed envelope")
	// ErrOpen: an envelope does not open. It was changed, belongs to another
	// row, field or workspace, or was sealed by another key of the same id;
	// the cipher cannot tell which.
	ErrOpen = errors.New("the sealed envelope does not open: it was changed, moved, or sealed under another key")
	// ErrAAD: the place that an envelope is bound to is not fully named.
	ErrAAD = errors.New("workspace, kind, id and field must all be named")
	// ErrTooLong: a plaintext is longer than MaxPlaintext.
	ErrTooLong = errors.New("the secret is too long")
	// ErrCanary: the canary of a database does not open with the keyring.
	ErrCanary = errors.New("the master keys do not fit the database")
	// ErrDerive: a derived key was asked for with an impossible length or no label.
	ErrDerive = errors.New("the key cannot be derived")
	// ErrPrefix: the prefix of a machine secret has a wrong form.
	ErrPrefix = errors.New("the prefix of a machine secret is not valid")
)
