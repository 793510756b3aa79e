package app

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/config"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/store"
)

// Vault is the sealed rows of a database and the master keys of a
// configuration, whether they fit each other or not: what has to be put right
// must be seen although the service does not start.
type Vault struct {
	store   *store.Store
	keyring *crypto.Keyring
}

// OpenVault opens the database beside any service that runs on it. Close it.
func OpenVault(ctx context.Context, cfg config.Config) (*Vault, error) {
	keyring, err := Keyring(cfg)
	if err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, store.Config{URL: cfg.DatabaseURL.Reveal(), Path: cfg.SQLitePath()})
	if err != nil {
		return nil, err
	}
	return &Vault{db, keyring}, nil
}

// Close closes the database.
func (v *Vault) Close() error { return v.store.Close() }

// KeyStatus is a master key and what it seals.
type KeyStatus struct {
	ID      string `json:"id"`
	Primary bool   `json:"primary"`
	// Loaded says that the key is in the configuration.
	Loaded bool `json:"loaded"`
	// Sealed counts the rows by kind, Rows all of them.
	Sealed map[string]int64 `json:"sealed"`
	Rows   int64            `json:"rows"`
}

// Keys lists the configured keys, the primary first, then those that rows use and the configuration lacks.
func (v *Vault) Keys(ctx context.Context) ([]KeyStatus, error) {
	usage, err := v.store.KeyUsage(ctx)
	if err != nil {
		return nil, err
	}
	ids := v.keyring.IDs()
	for _, u := range usage {
		if !slices.Contains(ids, u.KeyID) {
			ids = append(ids, u.KeyID)
		}
	}
	list := make([]KeyStatus, len(ids))
	for i, id := range ids {
		k := KeyStatus{ID: id, Primary: id == v.keyring.PrimaryID(), Loaded: v.keyring.Has(id), Sealed: map[string]int64{}}
		for _, u := range usage {
			if u.KeyID == id {
				k.Sealed[u.Kind] = u.Rows
				k.Rows += u.Rows
			}
		}
		list[i] = k
	}
	return list, nil
}

// Pending counts the rows that are not sealed under the primary key, the canary among them.
func (v *Vault) Pending(ctx context.Context) (rows int64, err error) {
	keys, err := v.Keys(ctx)
	for _, k := range keys {
		if !k.Primary {
			rows += k.Rows
		}
	}
	return rows, err
}

// Rotate seals every row under the primary key while the service runs, and
// leaves an event in each workspace that had others. Fault
// SecretUnsealed names rows that do not open; all others are done then.
func (v *Vault) Rotate(ctx context.Context, told func(crypto.Rotation)) (crypto.Rotation, error) {
	r, err := v.keyring.RotateAll(ctx, v.store.Rotation(), told)
	if err != nil || len(r.Closed) == 0 {
		return r, err
	}
	return r, fault.New(fault.SecretUnsealed, "%d stored secrets cannot be opened and stay as they are: %s", len(r.Closed), places(r.Closed)).
		WithHint("give these secrets again, or put the master key that sealed them back, then rotate again")
}

// maxPlaces bounds the rows that a sentence names.
const maxPlaces = 20

func places(rows []crypto.SealedRow) string {
	var b strings.Builder
	for i, r := range rows[:min(len(rows), maxPlaces)] {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s %s %s", r.Kind, r.ID, r.Field)
	}
	if len(rows) > maxPlaces {
		b.WriteString(", ...")
	}
	return b.String()
}

// Retire makes sure that a key may be taken out of the configuration. Fault
// KeyringInUse while it is the primary one or a row is sealed under it.
func (v *Vault) Retire(ctx context.Context, id string) error {
	if id == v.keyring.PrimaryID() {
		return fault.New(fault.KeyringInUse, "the key %q is the primary one: it seals every new secret", id).
			WithHint("put another key in front of it, restart every process, and rotate")
	}
	keys, err := v.Keys(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(keys, func(k KeyStatus) bool { return k.ID == id })
	switch {
	case i < 0:
		return fault.New(fault.KeyringUnknown, "there is no key %q, neither in the configuration nor in the database", id)
	case keys[i].Rows == 0:
		return nil
	}
	rows, err := v.store.SealedUnder(ctx, id, maxPlaces+1)
	if err != nil {
		return err
	}
	return fault.New(fault.KeyringInUse, "%d rows are sealed under the key %q (%s): %s", keys[i].Rows, id, counts(keys[i].Sealed), named(rows)).
		WithHint("run \"connector keys rotate\" first")
}

func named(rows []crypto.SealedRow) string {
	if len(rows) == 0 {
		return "only the canary"
	}
	return places(rows)
}

// counts reads "3 connection, 1 canary".
func counts(byKind map[string]int64) string {
	var parts []string
	for kind, n := range byKind {
		parts = append(parts, fmt.Sprintf("%d %s", n, kind))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}
