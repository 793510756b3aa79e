package store

import (
	"context"
	"database/sql"
	"maps"
	"slices"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/audit"
)

// rotation is the vault of one rotation.
type rotation struct {
	*Store
	// told are the workspaces that have their event.
	told map[string]bool
}

var _ crypto.Vault = (*rotation)(nil)

// Rotation gives the vault of one rotation, which is not for use by several goroutines. The first secret that it seals anew in a
// workspace leaves an event there, in the transaction that seals it; the event names the key.
func (s *Store) Rotation() crypto.Vault { return &rotation{s, map[string]bool{}} }

// Reseal implements crypto.Vault.
func (r *rotation) Reseal(ctx context.Context, rows []crypto.Resealed) (done int64, err error) {
	defer r.explain(&err, "Reseal")
	var fresh map[string]string
	err = r.inTx(ctx, func(tx *sql.Tx) error {
		var keys map[string]string
		if done, keys, err = resealAll(ctx, tx, rows); err != nil {
			return err
		}
		fresh = keys
		maps.DeleteFunc(fresh, func(workspace, _ string) bool { return r.told[workspace] })
		for _, workspace := range slices.Sorted(maps.Keys(fresh)) {
			key := fresh[workspace]
			if err := r.note(ctx, tx, audit.Event{Workspace: workspace, Action: audit.Resealed, Kind: audit.MasterKey, ObjectID: key, Name: key}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for workspace := range fresh {
		r.told[workspace] = true
	}
	return done, nil
}

// resealAll replaces envelopes that are still what they were, and tells the key of each workspace where one was.
func resealAll(ctx context.Context, tx *sql.Tx, rows []crypto.Resealed) (done int64, keys map[string]string, err error) {
	keys = map[string]string{}
	for _, r := range rows {
		n, err := reseal(ctx, tx, r)
		if err != nil {
			return 0, nil, err
		}
		if done += n; n > 0 {
			keys[r.Workspace] = keyOf(r.Fresh)
		}
	}
	return done, keys, nil
}
