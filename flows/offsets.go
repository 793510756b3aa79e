package flows

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
)

// UnknownOffset stands for an offset that is not known.
const UnknownOffset int64 = -1

// MaxOffsetRanges bounds the ranges that Offsets keeps.
const MaxOffsetRanges = 1000

// OffsetRange is offsets that follow one another; both ends are in it. Its JSON is [from, to].
type OffsetRange struct{ From, To int64 }

// MarshalJSON writes [from, to].
func (r OffsetRange) MarshalJSON() ([]byte, error) { return json.Marshal([2]int64{r.From, r.To}) }

// UnmarshalJSON reads [from, to].
func (r *OffsetRange) UnmarshalJSON(data []byte) error {
	var ends [2]int64
	if err := json.Unmarshal(data, &ends); err != nil {
		return err
	}
	if ends[0] < 0 || ends[1] < ends[0] {
		return fmt.Errorf("[%d, %d] is no range of offsets", ends[0], ends[1])
	}
	r.From, r.To = ends[0], ends[1]
	return nil
}

// Size counts the offsets of the range.
func (r OffsetRange) Size() int64 { return r.To - r.From + 1 }

// Offsets knows which events of a subscription came: an offset is taken once,
// whatever comes again, and what lies between those that came is a gap.
type Offsets struct {
	// Floor is the first offset that is expected, UnknownOffset while that is not known. An event from below it is taken all
	// the same; only gaps are looked for from it on.
	Floor int64 `json:"floor"`
	// Seen are those that came, in order and apart from one another.
	Seen []OffsetRange `json:"seen"`
	// Missed are those that were given up. One that comes late is taken all the same.
	Missed []OffsetRange `json:"missed,omitempty"`
	// Closed counts the offsets that were given up and are not told apart any more: one that comes late is taken for a repeat.
	Closed int64 `json:"closed,omitempty"`
}

// NewOffsets knows of none.
func NewOffsets(floor int64) Offsets { return Offsets{Floor: floor, Seen: []OffsetRange{}} }

// Has reports whether an offset came.
func (o *Offsets) Has(n int64) bool {
	i := sort.Search(len(o.Seen), func(i int) bool { return o.Seen[i].To >= n })
	return i < len(o.Seen) && o.Seen[i].From <= n
}

// Add takes an offset and reports whether it is new. It does not keep the bound; Close does.
func (o *Offsets) Add(n int64) bool {
	if n < 0 || o.Has(n) {
		return false
	}
	o.see(OffsetRange{n, n})
	o.Missed = without(o.Missed, OffsetRange{n, n})
	return true
}

// see adds a range that Seen has nothing of.
func (o *Offsets) see(r OffsetRange) {
	i := sort.Search(len(o.Seen), func(i int) bool { return o.Seen[i].From > r.From })
	o.Seen = slices.Insert(o.Seen, i, r)
	if i+1 < len(o.Seen) && o.Seen[i+1].From == r.To+1 {
		o.Seen[i].To = o.Seen[i+1].To
		o.Seen = slices.Delete(o.Seen, i+1, i+2)
	}
	if i > 0 && o.Seen[i-1].To+1 == o.Seen[i].From {
		o.Seen[i-1].To = o.Seen[i].To
		o.Seen = slices.Delete(o.Seen, i, i+1)
	}
}

// Last gives the highest offset that came, UnknownOffset without one.
func (o *Offsets) Last() int64 {
	if len(o.Seen) == 0 {
		return UnknownOffset
	}
	return o.Seen[len(o.Seen)-1].To
}

// Contiguous gives the offset up to which none is missing, UnknownOffset when the first that is expected did not come.
func (o *Offsets) Contiguous() int64 {
	if holes := o.Gaps(); len(holes) > 0 {
		return holes[0].From - 1
	}
	return o.Last()
}

// Gaps lists what is missing between the floor and the last offset that came, without what was given up.
func (o *Offsets) Gaps() []OffsetRange { return o.GapsUpTo(o.Last()) }

// GapsUpTo lists what is missing between the floor and an offset that is known to be out, or the last that came.
func (o *Offsets) GapsUpTo(out int64) (gaps []OffsetRange) {
	if o.Floor == UnknownOffset {
		return nil
	}
	out = max(out, o.Last())
	next := o.Floor
	for _, r := range slices.Concat(o.Seen, []OffsetRange{{out + 1, out + 1}}) {
		if r.From > next {
			gaps = append(gaps, OffsetRange{next, r.From - 1})
		}
		next = max(next, r.To+1)
	}
	for _, r := range o.Missed {
		gaps = without(gaps, r)
	}
	return gaps
}

// GiveUp stops expecting a range.
func (o *Offsets) GiveUp(r OffsetRange) {
	for _, seen := range o.Seen {
		if seen.From <= r.To && seen.To >= r.From {
			return
		}
	}
	o.Missed = without(o.Missed, r)
	i := sort.Search(len(o.Missed), func(i int) bool { return o.Missed[i].From > r.From })
	o.Missed = slices.Insert(o.Missed, i, r)
}

// Lost counts what was given up and did not come since.
func (o *Offsets) Lost() int64 {
	n := o.Closed
	for _, r := range o.Missed {
		n += r.Size()
	}
	return n
}

// Forget makes the offsets from n on new again, so that a replay brings their events another time.
func (o *Offsets) Forget(n int64) {
	all := OffsetRange{n, max(n, o.Last())}
	o.Seen = without(o.Seen, all)
	o.Missed = without(o.Missed, all)
}

// Close keeps Seen within its bound: what lies between the lowest ranges counts
// as come. It is false when nothing but gaps that are still to be filled could be closed.
func (o *Offsets) Close() bool {
	for len(o.Seen) > MaxOffsetRanges {
		open := o.Gaps()
		i := 1
		for i < len(o.Seen) && slices.ContainsFunc(open, func(g OffsetRange) bool { return g.From < o.Seen[i].From && g.To > o.Seen[i-1].To }) {
			i++
		}
		if i == len(o.Seen) {
			return false
		}
		hole := OffsetRange{o.Seen[i-1].To + 1, o.Seen[i].From - 1}
		for _, m := range o.Missed {
			if m.From >= hole.From && m.To <= hole.To {
				o.Closed += m.Size()
			}
		}
		o.Missed = without(o.Missed, hole)
		o.see(hole)
	}
	return true
}

// without takes a range out of ranges.
func without(ranges []OffsetRange, r OffsetRange) []OffsetRange {
	kept := ranges[:0:0]
	for _, one := range ranges {
		if one.To < r.From || one.From > r.To {
			kept = append(kept, one)
			continue
		}
		if one.From < r.From {
			kept = append(kept, OffsetRange{one.From, r.From - 1})
		}
		if one.To > r.To {
			kept = append(kept, OffsetRange{r.To + 1, one.To})
		}
	}
	return kept
}
