package doctor

import (
	"context"
	"slices"
	"strings"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/app"
	"github.com/celonis-connector/connector/internal/store"
)

func (e *examination) keys() *crypto.Keyring {
	keyring, err := app.Keyring(e.cfg)
	if err != nil {
		e.broken("keys", err)
		return nil
	}
	e.add("keys", Good, "", "%d master keys, %q seals", len(keyring.IDs()), keyring.PrimaryID())
	return keyring
}

// fit tells whether the keys open the database, and names those that it uses
// and the keyring lacks, with what each of them seals.
func (e *examination) fit(ctx context.Context, db *store.Store, keyring *crypto.Keyring) {
	canary, ok, err := db.Canary(ctx)
	switch {
	case err != nil:
		e.broken("keys", err)
		return
	case !ok:
		e.add("keys", Good, "", "the database is new and takes the keys at the first start")
		return
	case keyring == nil:
		return
	}
	usage, err := db.KeyUsage(ctx)
	if err != nil {
		e.broken("keys", err)
		return
	}
	missing, older := lacking(usage, keyring), int64(0)
	for _, m := range missing {
		e.add("keys", Broken, "put the master key back behind the primary one; \"connector keys rotate\" then frees it",
			"the master key %q is missing: %d stored secrets are sealed under it (%s)", m.id, m.rows, strings.Join(m.kinds, ", "))
	}
	for _, u := range usage {
		if u.KeyID != keyring.PrimaryID() && keyring.Has(u.KeyID) {
			older += u.Rows
		}
	}
	if older > 0 {
		e.add("keys", Warning, "run \"connector keys rotate\" to seal them under the primary key", "%d stored secrets are sealed under older master keys", older)
	}
	switch {
	case slices.ContainsFunc(missing, func(m missingKey) bool { return slices.Contains(m.kinds, store.CanaryKind) }):
	case keyring.CheckCanary(canary) != nil:
		e.add("keys", Broken, "start with the keys that the database was made with: a key of the same name has another value", "the master keys do not fit the database")
	case len(missing) == 0:
		e.add("keys", Good, "", "the master keys fit the database")
	}
}

// missingKey is a master key that the database uses and nobody configured.
type missingKey struct {
	id    string
	rows  int64
	kinds []string
}

// lacking gives the missing keys in the order of their ids.
func lacking(usage []store.KeyUse, keyring *crypto.Keyring) []missingKey {
	var out []missingKey
	for _, u := range usage {
		if u.KeyID == "" || keyring.Has(u.KeyID) {
			continue
		}
		i := slices.IndexFunc(out, func(m missingKey) bool { return m.id == u.KeyID })
		if i < 0 {
			i, out = len(out), append(out, missingKey{id: u.KeyID})
		}
		out[i].rows += u.Rows
		out[i].kinds = append(out[i].kinds, u.Kind)
	}
	return out
}
