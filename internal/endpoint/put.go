package endpoint

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/pace"
)

const (
	// putTries bounds how often one chunk is sent.
	putTries = 6
	// putPause is the first pause between two tries; it doubles.
	putPause = 250 * time.Millisecond
	// putMaxPause is the longest wait for a limit to clear while a worker holds the chunk.
	putMaxPause = time.Minute
)

// sender hands chunks over. It repeats one that was plainly not taken, and one
// in doubt only where repeating is harmless.
type sender struct {
	observer Observer
	harmless bool
	now      func() time.Time
}

func (s sender) send(ctx context.Context, size int64, upload func() error) error {
	pause := putPause
	for try := 1; ; try++ {
		began := s.now()
		err := upload()
		s.observer.ChunkUploaded(err == nil, size, s.now().Sub(began))
		if err == nil {
			return nil
		}
		wait, again := s.again(fault.From(err), pause)
		if !again || try == putTries || ctx.Err() != nil {
			return err
		}
		if err := pace.Rest(ctx, wait); err != nil {
			return err
		}
		pause *= 2
	}
}

// again reports whether sending a chunk again can neither double rows nor be in vain, and after which wait.
func (s sender) again(err *fault.Error, pause time.Duration) (wait time.Duration, again bool) {
	jittered := pause/2 + rand.N(pause/2+1)
	switch err.Code {
	case fault.CelonisRateLimited:
		wait = max(err.ResumeAt.Sub(s.now()), 0) + jittered
		return wait, wait <= putMaxPause
	case fault.CelonisChunkInDoubt, fault.CelonisServer, fault.CelonisDisconnected:
		return jittered, s.harmless
	case fault.EgressDNS, fault.EgressTLS, fault.EgressUnreachable, fault.EgressTimeout:
		return jittered, true
	}
	return 0, false
}
