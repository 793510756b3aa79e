package flows

import "time"

// Gather says when the records posted to a flow are pushed: after so many
// seconds from the first of them, or at once when they are so many rows or
// bytes, whichever comes first. One push of many records needs one submission
// of the team's budget.
type Gather struct {
	// Rows is the number of records; absent is DefaultGatherRows.
	Rows int64 `json:"rows,omitempty" validate:"min=0,max=100000000"`
	// Bytes is their size as NDJSON; absent is DefaultGatherBytes.
	Bytes int64 `json:"bytes,omitempty" validate:"min=0,max=1073741824"`
	// Seconds 0 pushes at once what is there; absent is DefaultGatherSeconds.
	Seconds *int64 `json:"seconds,omitempty" validate:"omitempty,min=0,max=86400"`
}

const (
	// DefaultGatherRows and DefaultGatherBytes fill about one chunk.
	DefaultGatherRows, DefaultGatherBytes = 100_000, 16 << 20
	// DefaultGatherSeconds is short, for people who post records and look; a flow that is posted to all day should gather
	// a minute or more, since every push counts against the team's submissions of the hour.
	DefaultGatherSeconds = 2
)

// Full is what a run may have gathered before it is due; 0 is no bound.
type Full struct{ Records, Bytes int64 }

// exportDefaults fills what a caller left out.
func exportDefaults(e Export) Export {
	switch g := e.gathering(); {
	case TakesPosts(e.Type):
		e.Gather = &g
	case e.Gather != nil && g.isDefault():
		// What was filled in here does not stand in the way of another type.
		e.Gather = nil
	}
	return fileDefaults(e)
}

func (g Gather) isDefault() bool {
	return g.Rows == DefaultGatherRows && g.Bytes == DefaultGatherBytes && *g.Seconds == DefaultGatherSeconds
}

// gathering gives the settings in force; a flow stored without them has the defaults.
func (e Export) gathering() Gather {
	g := Gather{Rows: DefaultGatherRows, Bytes: DefaultGatherBytes}
	seconds := int64(DefaultGatherSeconds)
	if e.Gather != nil {
		g = *e.Gather
		if g.Rows == 0 {
			g.Rows = DefaultGatherRows
		}
		if g.Bytes == 0 {
			g.Bytes = DefaultGatherBytes
		}
		if g.Seconds != nil {
			seconds = *g.Seconds
		}
	}
	g.Seconds = &seconds
	return g
}

// apply lets a run that a batch may make wait for more batches.
func (g Gather) apply(r *Run, b *RecordBatch) {
	b.Full = Full{Records: g.Rows, Bytes: g.Bytes}
	if *g.Seconds > 0 {
		r.State, r.ResumeAt = Waiting, r.CreatedAt.Add(time.Duration(*g.Seconds)*time.Second)
	}
}
