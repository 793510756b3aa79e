package audit

import (
	"context"
	"fmt"
)

// Log is a kept record of events.
type Log interface {
	// AuditHead gives the end of a workspace's chain; ok is false when it has none yet.
	AuditHead(ctx context.Context, workspace string) (h Head, ok bool, err error)
	// AuditRows gives chained events in the order of (Seq, ID), those after the given place, at most limit.
	AuditRows(ctx context.Context, workspace string, after Place, limit int) ([]Event, error)
	// AuditOlder gives the events that are older than the chain in the order of their ids, those after one, at most limit.
	AuditOlder(ctx context.Context, workspace, afterID string, limit int) ([]Event, error)
	// AuditSeqOf gives the number of the event with a hash, and of the last event where hash is ""; 0 for none.
	AuditSeqOf(ctx context.Context, workspace, hash string) (int64, error)
}

// Place is where an event stands in a record.
type Place struct {
	Seq int64
	ID  string
}

// Damage is a way in which a record is broken.
type Damage string

// The kinds of damage.
const (
	// Altered: an event is not what it was when it was written.
	Altered Damage = "changed"
	// Missing: an event is gone from the middle.
	Missing Damage = "missing"
	// Inserted: there is an event that nobody wrote there.
	Inserted Damage = "inserted"
	// Reordered: events stand in another order.
	Reordered Damage = "reordered"
	// Truncated: events are gone from the end.
	Truncated Damage = "truncated"
	// OlderChanged: an event that is older than the chain was changed, added or taken away.
	OlderChanged Damage = "older"
	// HeadChanged: the head does not fit the events.
	HeadChanged Damage = "head"
	// AnchorMissed: the event at the anchor is not the one that the anchor was taken of.
	AnchorMissed Damage = "anchor"
)

// Break is the first place where a record is broken.
type Break struct {
	Damage Damage `json:"damage"`
	// Seq is the number of the event that is not as it must be.
	Seq int64 `json:"seq"`
	// ID is the event's, "" where there is none.
	ID     string `json:"id,omitempty"`
	Detail string `json:"detail"`
}

// Report is what a verification found.
type Report struct {
	Workspace string `json:"workspace"`
	// Events counts the chained events that are whole, Older those before the chain.
	Events int64 `json:"events"`
	Older  int64 `json:"older"`
	// Head is the anchor of the last event that was looked at.
	Head string `json:"head"`
	// Broken is nil for a whole record.
	Broken *Break `json:"broken"`
}

// rowsAtOnce is how many events are held while a chain is walked.
const rowsAtOnce = 1000

// Verify walks the chain of a workspace while the service may run. anchor is a
// place that must be in it; nil for none.
func Verify(ctx context.Context, log Log, workspace string, anchor *Anchor) (Report, error) {
	w := walk{ctx: ctx, log: log, anchor: anchor, report: Report{Workspace: workspace}}
	var err error
	if w.head, _, err = log.AuditHead(ctx, workspace); err != nil {
		return w.report, err
	}
	for _, step := range []func() error{w.older, w.chain, w.end} {
		if err := step(); err != nil {
			return w.report, err
		}
		if w.report.Broken != nil {
			break
		}
	}
	w.report.Head = Anchor{w.last, w.prev}.String()
	return w.report, nil
}

// walk is where a verification stands: prev is the hash of the event with the number last.
type walk struct {
	ctx    context.Context
	log    Log
	anchor *Anchor
	head   Head
	last   int64
	prev   string
	report Report
}

func (w *walk) broken(damage Damage, e *Event, format string, args ...any) {
	b := &Break{Damage: damage, Seq: w.last + 1, Detail: fmt.Sprintf(format, args...)}
	if e != nil {
		b.Seq, b.ID = e.Seq, e.ID
	}
	w.report.Broken = b
}

// older recomputes the genesis from the events before the chain.
func (w *walk) older() error {
	g, err := genesisOf(w.ctx, w.log, w.report.Workspace)
	if err != nil {
		return err
	}
	w.prev, w.report.Older = g.Hash(), g.Older()
	if w.head.Genesis != "" && w.head.Genesis != w.prev {
		w.broken(OlderChanged, nil, "the %d events before the chain are not the %d that its genesis seals", g.Older(), w.head.Older)
		w.report.Broken.Seq = 0
	}
	w.check(0)
	return nil
}

// genesisOf makes the genesis of a workspace from its events that are not chained.
func genesisOf(ctx context.Context, log Log, workspace string) (*Genesis, error) {
	g := NewGenesis(workspace)
	for after := ""; ; {
		rows, err := log.AuditOlder(ctx, workspace, after, rowsAtOnce)
		if err != nil {
			return nil, err
		}
		for i := range rows {
			if err := g.Add(&rows[i]); err != nil {
				return nil, err
			}
			after = rows[i].ID
		}
		if len(rows) < rowsAtOnce {
			return g, nil
		}
	}
}

// chain looks at every event up to the head as it was when the walk began.
func (w *walk) chain() error {
	var after Place
	for w.last < w.head.Seq && w.report.Broken == nil {
		rows, err := w.log.AuditRows(w.ctx, w.report.Workspace, after, rowsAtOnce)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			w.broken(Truncated, nil, "the head counts %d events, the last one there is number %d", w.head.Seq, w.last)
			return nil
		}
		for i := range rows {
			if w.last == w.head.Seq {
				return nil
			}
			if err := w.event(&rows[i]); err != nil || w.report.Broken != nil {
				return err
			}
			after = Place{rows[i].Seq, rows[i].ID}
		}
	}
	return nil
}

func (w *walk) event(e *Event) error {
	if e.Seq <= w.last {
		w.broken(Inserted, e, "there are two events with the number %d", e.Seq)
		return nil
	}
	if e.Seq != w.last+1 {
		w.broken(Missing, nil, "event %d is gone; %d follows %d", w.last+1, e.Seq, w.last)
		return nil
	}
	if e.PrevHash != w.prev {
		return w.unlinked(e)
	}
	digest, err := e.Digest(w.prev)
	if err != nil {
		return err
	}
	if digest != e.Hash {
		w.broken(Altered, e, "event %d was changed after it was written", e.Seq)
		return nil
	}
	w.last, w.prev = e.Seq, e.Hash
	w.report.Events++
	w.check(e.Seq)
	return nil
}

// unlinked says why an event does not follow the one before it: it may belong
// elsewhere, or the one before was replaced together with its hash.
func (w *walk) unlinked(e *Event) error {
	digest, err := e.Digest(e.PrevHash)
	if err != nil {
		return err
	}
	elsewhere, err := w.log.AuditSeqOf(w.ctx, w.report.Workspace, e.PrevHash)
	switch {
	case err != nil:
		return err
	case elsewhere != 0 || (w.last > 0 && e.PrevHash == w.head.Genesis):
		w.broken(Reordered, e, "event %d follows another event than number %d: the order was changed", e.Seq, w.last)
	case digest != e.Hash:
		w.broken(Altered, e, "event %d was changed after it was written", e.Seq)
	default:
		w.broken(Altered, nil, "event %d was replaced: event %d follows another one", w.last, e.Seq)
		w.report.Broken.Seq = w.last
	}
	return nil
}

// check holds the anchor against the place that was reached.
func (w *walk) check(seq int64) {
	if w.anchor != nil && w.anchor.Seq == seq && w.anchor.Hash != w.prev && w.report.Broken == nil {
		w.broken(AnchorMissed, nil, "event %d is not the one that the given head was taken of: the record was rewritten", seq)
		w.report.Broken.Seq = seq
	}
}

// end holds the head against the last event, and the anchor against the length.
func (w *walk) end() error {
	if w.head.Genesis != "" && w.head.Hash != w.prev {
		w.broken(HeadChanged, nil, "the head's hash is not that of event %d", w.last)
		w.report.Broken.Seq = w.last
		return nil
	}
	// The head moves with each event: read after the last event, it cannot be behind it.
	last, err := w.log.AuditSeqOf(w.ctx, w.report.Workspace, "")
	if err != nil {
		return err
	}
	now, _, err := w.log.AuditHead(w.ctx, w.report.Workspace)
	if err != nil {
		return err
	}
	if last > now.Seq {
		w.broken(HeadChanged, nil, "the head counts %d events, but there is one with the number %d", now.Seq, last)
		w.report.Broken.Seq = now.Seq
		return nil
	}
	if w.anchor != nil && w.anchor.Seq > w.last {
		w.broken(Truncated, nil, "the given head is event %d, but the last event is number %d", w.anchor.Seq, w.last)
	}
	return nil
}
