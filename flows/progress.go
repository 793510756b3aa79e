package flows

import (
	"context"
	"time"
)

// RunStage is what an attempt of a run is at.
type RunStage string

// The stages of an attempt.
const (
	// StageFetching: the source is opened and no record has come yet.
	StageFetching RunStage = "fetching"
	// StageReading: records are read, and chunks are on their way meanwhile.
	StageReading RunStage = "reading"
	// StageCommitting: every chunk is in, and the destination takes the rows over.
	StageCommitting RunStage = "committing"
	// StageWaiting: the attempt has ended and another one will follow.
	StageWaiting RunStage = "waiting"
	// StageEnded: the attempt has ended and so has the run.
	StageEnded RunStage = "ended"
)

// Over reports whether the attempt has ended.
func (s RunStage) Over() bool { return s == StageWaiting || s == StageEnded }

// Progress is how far an attempt was at a moment. It is a hint; the run's row
// is the truth (I5).
type Progress struct {
	// Fence is that of the claim under which the attempt is made.
	Fence int64     `json:"fence"`
	At    time.Time `json:"at"`
	Stage RunStage  `json:"stage"`
	// Read, Filtered and Errored count records, Accepted the rows that the destination has taken.
	Read     int64 `json:"read"`
	Filtered int64 `json:"filtered"`
	Errored  int64 `json:"errored"`
	Accepted int64 `json:"accepted"`
	// Chunks and Bytes are what the destination has taken.
	Chunks int64 `json:"chunks"`
	Bytes  int64 `json:"bytes"`
	// InputBytes of InputSize are read of the source; InputSize is 0 when unknown.
	InputBytes int64 `json:"inputBytes"`
	InputSize  int64 `json:"inputSize"`
	// RowsPerSecond is how many records were read in a second lately.
	RowsPerSecond float64 `json:"rowsPerSecond"`
}

// ProgressSink takes how far runs are; whatever is told may be lost.
type ProgressSink interface {
	PublishProgress(ctx context.Context, runID string, p Progress) error
}

// ProgressSource tells how far runs are, whichever process does them.
type ProgressSource interface {
	// LastProgress gives what was told last of a run, nil when nothing is known.
	LastProgress(ctx context.Context, runID string) (*Progress, error)
}

// ProgressTrust is how long what was told of a run is believed; whoever does the run tells more often.
const ProgressTrust = 30 * time.Second

// smoothing is the weight of the newest second in RowsPerSecond.
const smoothing = 0.4

// Meter adds the rate to the snapshots of one attempt; it is for one goroutine.
type Meter struct {
	last Progress
	rate float64
}

// Take gives p with its rate.
func (m *Meter) Take(p Progress) Progress {
	passed := p.At.Sub(m.last.At).Seconds()
	switch {
	case m.last.At.IsZero():
	case passed > 0:
		now := float64(p.Read-m.last.Read) / passed
		if m.rate == 0 {
			m.rate = now
		}
		m.rate += smoothing * (now - m.rate)
	}
	m.last = p
	p.RowsPerSecond = m.rate
	return p
}

// RunProgress gives how far the attempt is that a running run is at, nil when
// that is not known.
func (s *Service) RunProgress(ctx context.Context, r *Run) *Progress {
	if r.State != Running || s.Progress == nil {
		return nil
	}
	p, err := s.Progress.LastProgress(ctx, r.ID)
	if err != nil || p == nil || !p.of(r) {
		return nil
	}
	return p
}

// of reports whether the snapshot is of the attempt that the run is at.
func (p *Progress) of(r *Run) bool {
	return r.State == Running && p.Fence == r.Fence && !p.Stage.Over()
}
