package app

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/config"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/store"
)

// openKeyring reads the master keys and makes sure that they fit the database:
// a wrong key shows here, before the port opens, and not when a secret is needed.
func openKeyring(ctx context.Context, cfg config.Config, db *store.Store) (*crypto.Keyring, error) {
	keyring, err := Keyring(cfg)
	if err != nil {
		return nil, err
	}
	fresh, err := keyring.SealCanary()
	if err != nil {
		return nil, fault.Wrap(err, fault.KeyringInvalid, "the master key cannot seal")
	}
	standing, err := db.InitCanary(ctx, fresh)
	if err != nil {
		return nil, err
	}
	if err := keyring.CheckCanary(standing); err != nil {
		return nil, fault.Wrap(err, fault.KeyringCanary, "the master keys do not fit the database").
			WithHint("start with the keys that the database was made with; a new key goes in front of the old ones, not in their place")
	}
	return keyring, holdsAll(ctx, keyring, db)
}

// holdsAll makes sure that every sealed row has its key in the keyring; fault KeyringUnknown names those that are missing.
func holdsAll(ctx context.Context, keyring *crypto.Keyring, db *store.Store) error {
	usage, err := db.KeyUsage(ctx)
	if err != nil {
		return err
	}
	var missing []string
	rows := int64(0)
	for _, u := range usage {
		if u.KeyID == "" || keyring.Has(u.KeyID) {
			continue
		}
		rows += u.Rows
		if !slices.Contains(missing, u.KeyID) {
			missing = append(missing, u.KeyID)
		}
	}
	if len(missing) > 0 {
		return fault.New(fault.KeyringUnknown, "%d stored secrets are sealed under master keys that are not configured: %s", rows, strings.Join(missing, ", ")).
			WithHint("put these keys back behind the primary one; \"connector keys rotate\" frees a key, and \"connector keys retire\" tells when it may go")
	}
	return nil
}

// Keyring reads the master keys of a configuration. Faults: KeyringInvalid, KeyringWeak.
func Keyring(cfg config.Config) (*crypto.Keyring, error) {
	text, err := cfg.Keys()
	if err != nil {
		return nil, fault.Wrap(err, fault.KeyringInvalid, "the master keys cannot be read")
	}
	if text.IsZero() {
		return nil, fault.New(fault.KeyringInvalid, "no master key is set").
			WithHint(`export CONNECTOR_MASTER_KEYS="$(connector keys generate)" and keep it: without it the stored secrets are lost`)
	}
	keyring, err := crypto.ParseKeyring(text.Reveal())
	switch {
	case errors.Is(err, crypto.ErrWeakKey):
		return nil, fault.Wrap(err, fault.KeyringWeak, "a master key is too easy to guess").WithHint("make one with connector keys generate")
	case err != nil:
		return nil, fault.Wrap(err, fault.KeyringInvalid, "the master keys are not valid").WithHint("they look like id:base64[,id:base64...] with 32 bytes each; make one with connector keys generate")
	}
	return keyring, nil
}
