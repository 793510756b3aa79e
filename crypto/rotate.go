package crypto

import (
	"context"
	"fmt"
	"time"
)

// rotateBatch is how many envelopes are read and replaced at a time: few
// enough that the others who write wait for milliseconds only.
const rotateBatch = 200

// SealedRow is an envelope as a store keeps it, with the place that it is bound to.
type SealedRow struct {
	AAD
	Envelope string
}

// Resealed is a row and the envelope that takes the place of its own.
type Resealed struct {
	SealedRow
	Fresh string
}

// Vault keeps envelopes. Rows come in a fixed order, so that a row can be named
// as the place to go on after.
type Vault interface {
	// SealedUnderOthers lists at most limit rows behind after that are not sealed under the key; the zero row is before all.
	SealedUnderOthers(ctx context.Context, keyID string, after SealedRow, limit int) ([]SealedRow, error)
	// Reseal replaces each envelope that still is the row's, and tells how many were: a row that was written meanwhile keeps
	// its new value, which its writer sealed.
	Reseal(ctx context.Context, rows []Resealed) (int64, error)
	// SaveCanary replaces the canary.
	SaveCanary(ctx context.Context, envelope string) error
}

// Rotation tells what a rotation has done so far.
type Rotation struct {
	// Resealed rows are under the primary key now; Changed ones were written by others meanwhile and are looked at again.
	Resealed, Changed int64
	// Closed are rows that no key of the keyring opens, or whose text is no envelope.
	Closed []SealedRow
}

// RotateAll seals every row of a vault under the primary key, while others read
// and write it, and replaces the canary last. It may be broken off and begun
// anew at any time; rows that are under the primary key are not touched. told
// hears of the progress after each batch. Rows that do not open are passed over
// and listed; while there are any, the canary stays.
func (k *Keyring) RotateAll(ctx context.Context, v Vault, told func(Rotation)) (Rotation, error) {
	var r Rotation
	for {
		before := r.Resealed
		r.Closed = nil
		if err := k.rotatePass(ctx, v, &r, told); err != nil {
			return r, err
		}
		// A pass that finds nothing to do ends it: processes with another primary key may write behind a pass.
		if r.Resealed == before {
			break
		}
	}
	if len(r.Closed) > 0 {
		return r, nil
	}
	canary, err := k.SealCanary()
	if err != nil {
		return r, err
	}
	return r, v.SaveCanary(ctx, canary)
}

// rotatePass goes through the rows once.
func (k *Keyring) rotatePass(ctx context.Context, v Vault, r *Rotation, told func(Rotation)) error {
	var after SealedRow
	for {
		rows, err := v.SealedUnderOthers(ctx, k.PrimaryID(), after, rotateBatch)
		if err != nil {
			return fmt.Errorf("read sealed rows: %w", err)
		}
		if len(rows) == 0 {
			return nil
		}
		fresh := make([]Resealed, 0, len(rows))
		for _, row := range rows {
			envelope, _, err := k.Rotate(row.Envelope, row.AAD)
			if err != nil {
				r.Closed = append(r.Closed, row)
				continue
			}
			fresh = append(fresh, Resealed{row, envelope})
		}
		began := time.Now()
		done, err := v.Reseal(ctx, fresh)
		if err != nil {
			return fmt.Errorf("write sealed rows: %w", err)
		}
		r.Resealed += done
		r.Changed += int64(len(fresh)) - done
		told(*r)
		after = rows[len(rows)-1]
		if err := rest(ctx, time.Since(began)); err != nil {
			return err
		}
	}
}

// rest leaves the vault to others for as long as a batch took: one that writes
// without a pause would keep them from the database's only writer.
func rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
