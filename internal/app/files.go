package app

import (
	"context"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/endpoint"
	"github.com/celonis-connector/connector/internal/spool"
	"github.com/celonis-connector/connector/internal/worker"
)

var _ worker.RunSinker = (*endpoint.Builder)(nil)

const (
	// filesAtOnce bounds the files that one sweep ends.
	filesAtOnce = 500
	// piecesKept is how long the pieces of a file stay that no run goes on with: longer than a push's id takes to be on record.
	piecesKept = 10 * time.Minute
	// removalSkew is how far the clocks of processes may be apart.
	removalSkew = 5 * time.Minute
)

// fileSweep ends files whose time is over, and clears this process's spool of
// the bytes of files that are gone and of the pieces of pushes that are dead.
type fileSweep struct {
	store flows.FileSweeper
	spool *spool.Spool
	now   func() time.Time
	// seen is the last removal that the spool was cleared of.
	seen flows.RemovedFile
}

func (s *fileSweep) sweep(ctx context.Context) error {
	if _, err := s.store.SweepFiles(ctx, s.now(), filesAtOnce); err != nil {
		return err
	}
	if err := s.clear(ctx); err != nil {
		return err
	}
	return s.clearPieces(ctx)
}

// clear removes the bytes of files that are gone. Every process does so in its own spool.
func (s *fileSweep) clear(ctx context.Context) error {
	after := s.seen
	if !after.RemovedAt.IsZero() {
		after = flows.RemovedFile{RemovedAt: after.RemovedAt.Add(-removalSkew)}
	}
	for {
		gone, err := s.store.RemovedFiles(ctx, after, filesAtOnce)
		if err != nil {
			return err
		}
		for _, f := range gone {
			if err := s.spool.Remove(f.ID); err != nil {
				return err
			}
			after = f
		}
		if len(gone) < filesAtOnce {
			break
		}
	}
	if after.RemovedAt.After(s.seen.RemovedAt) {
		s.seen = after
	}
	return nil
}

// clearPieces removes what runs left that ended before their files were whole.
func (s *fileSweep) clearPieces(ctx context.Context) error {
	ids, err := s.spool.Made(time.Now().Add(-piecesKept)) // the file system's times, not those of the service's clock
	if err != nil || len(ids) == 0 {
		return err
	}
	for len(ids) > 0 {
		n := min(len(ids), filesAtOnce)
		dead, err := s.store.DeadPushes(ctx, ids[:n])
		if err != nil {
			return err
		}
		for id, stored := range dead {
			if !stored {
				err = s.spool.Remove(id)
			}
			if err == nil {
				err = s.spool.DropParts(id)
			}
			if err != nil {
				return err
			}
		}
		ids = ids[n:]
	}
	return nil
}
