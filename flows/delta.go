package flows

import (
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
)

// DeltaMode says what of its source a flow's runs read.
type DeltaMode string

const (
	// ReadAll reads everything in every run.
	ReadAll DeltaMode = "all"
	// ReadDelta reads what has come since the watermark.
	ReadDelta DeltaMode = "delta"
	// ReadOnce reads everything in one successful run, and nothing afterwards.
	ReadOnce DeltaMode = "once"
)

// MarkType says how watermarks are compared.
type MarkType string

const (
	// MarkTime compares points in time, ISO 8601; one without a zone is in UTC.
	MarkTime MarkType = "time"
	// MarkInteger compares integers of any size.
	MarkInteger MarkType = "integer"
	// MarkText compares bytes.
	MarkText MarkType = "text"
)

// DeltaSpec says how the runs of a flow share their source out among them. The
// watermark is the highest value of a field that the runs so far have brought
// into the destination.
type DeltaSpec struct {
	Mode DeltaMode `json:"mode" validate:"required,oneof=all delta once"`
	// Field is the record's field whose highest value becomes the watermark: a name taken literally, or a JSON Pointer
	// when it starts with "/". Absent, where the request itself asks for what is new, the watermark is the run's start.
	Field string `json:"field,omitempty" validate:"max=1024"`
	// Type absent is MarkTime.
	Type MarkType `json:"type,omitempty" validate:"omitempty,oneof=time integer text"`
	// Start is the watermark before the first run; absent reads from the beginning.
	Start string `json:"start,omitempty" validate:"max=200"`
	// Lag is how far before the watermark a run begins, for records that came late: a duration ("PT5M", "5m") for times,
	// a number for integers.
	Lag string `json:"lag,omitempty" validate:"max=40"`
	// Behind is another flow, whose watermark a run reads up to.
	Behind string `json:"behind,omitempty" validate:"max=64"`
}

// Follows reports whether runs begin at the flow's watermark and move it.
func (d *DeltaSpec) Follows() bool { return d != nil && d.Mode == ReadDelta }

// Kind is the type of the watermark, the default where none is given.
func (d *DeltaSpec) Kind() MarkType {
	if d == nil || d.Type == "" {
		return MarkTime
	}
	return d.Type
}

// Compare orders two marks; an error says which one is not of the type.
func (t MarkType) Compare(a, b string) (int, error) {
	switch t {
	case MarkText:
		return strings.Compare(a, b), nil
	case MarkInteger:
		x, err := parseInteger(a)
		if err != nil {
			return 0, err
		}
		y, err := parseInteger(b)
		if err != nil {
			return 0, err
		}
		return x.Cmp(y), nil
	}
	x, _, err := parseTime(a)
	if err != nil {
		return 0, err
	}
	y, _, err := parseTime(b)
	if err != nil {
		return 0, err
	}
	return x.Compare(y), nil
}

// Check says what is wrong with a mark of the type; nil when nothing is.
func (t MarkType) Check(mark string) error {
	_, err := t.Compare(mark, mark)
	return err
}

// Before gives the mark that lies lag before another, in the form of that one;
// "" when there is none.
func (d *DeltaSpec) Before(mark string) (string, error) {
	if mark == "" || d.Lag == "" {
		return mark, nil
	}
	switch d.Kind() {
	case MarkInteger:
		n, err := parseInteger(mark)
		if err != nil {
			return "", err
		}
		lag, err := parseInteger(d.Lag)
		if err != nil {
			return "", err
		}
		return n.Sub(n, lag).String(), nil
	case MarkTime:
		at, layout, err := parseTime(mark)
		if err != nil {
			return "", err
		}
		lag, err := parseDuration(d.Lag)
		if err != nil {
			return "", err
		}
		if begin := at.Add(-lag); begin.Year() >= 0 {
			at = begin
		}
		return at.Format(layout), nil
	}
	return mark, nil
}

func parseInteger(s string) (*big.Int, error) {
	if n, ok := new(big.Int).SetString(s, 10); ok && len(s) <= 200 {
		return n, nil
	}
	return nil, fmt.Errorf("%q is no integer", s)
}

// markLayouts are the forms in which sources write times. A fraction of the
// second is read with any of them, and left out when a lag is taken off, which
// only begins earlier.
func markLayouts() []string {
	return []string{time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05", "2006-01-02T15:04Z07:00", "2006-01-02T15:04", "2006-01-02"}
}

func parseTime(s string) (at time.Time, layout string, err error) {
	for _, layout := range markLayouts() {
		if at, err := time.Parse(layout, s); err == nil {
			return at, layout, nil
		}
	}
	return time.Time{}, "", fmt.Errorf("%q is no time in ISO 8601", s)
}

// isoDuration is an ISO 8601 duration without years and months, whose length depends on when they are.
var isoDuration = regexp.MustCompile(`^P(?:(\d{1,6})W)?(?:(\d{1,6})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,9})S)?)?$`)

// MaxLag bounds the lag of a watermark that is a time.
const MaxLag = 10 * 365 * 24 * time.Hour

func parseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if strings.HasPrefix(s, "P") {
		d, err = parseISODuration(s)
	}
	if err != nil {
		return 0, fmt.Errorf("%q is no duration such as PT5M, P1D or 5m", s)
	}
	if d < 0 || d > MaxLag {
		return 0, fmt.Errorf("%q is not between zero and %d days", s, int(MaxLag.Hours()/24))
	}
	return d, nil
}

func parseISODuration(s string) (d time.Duration, err error) {
	parts := isoDuration.FindStringSubmatch(s)
	if parts == nil || s == "P" || strings.HasSuffix(s, "T") {
		return 0, fmt.Errorf("%q is no duration", s)
	}
	seconds := int64(0)
	for i, unit := range []int64{7 * 86_400, 86_400, 3600, 60, 1} {
		if parts[i+1] == "" {
			continue
		}
		n, err := strconv.ParseInt(parts[i+1], 10, 64)
		if err != nil {
			return 0, err
		}
		seconds += n * unit
	}
	return time.Duration(min(seconds, int64(2*MaxLag/time.Second))) * time.Second, nil
}

// Furthest finds the next watermark among the values of the records' field.
// One goroutine may use it at a time.
type Furthest struct {
	kind   MarkType
	field  string
	mark   string
	at     time.Time
	number *big.Int
	seen   bool
	bad    error
}

// NewFurthest begins at none.
func (d *DeltaSpec) NewFurthest() *Furthest { return &Furthest{kind: d.Kind(), field: d.Field} }

// Observe takes the text of a record's field; "" is a record without a value.
// A value that is not of the type moves nothing.
func (f *Furthest) Observe(text string) {
	if text == "" {
		return
	}
	further, err := f.further(text)
	switch {
	case err != nil:
		f.bad = err
		return
	case further:
		f.mark = text
	}
	f.seen = true
}

func (f *Furthest) further(text string) (bool, error) {
	switch f.kind {
	case MarkText:
		return text > f.mark, nil
	case MarkInteger:
		n, err := parseInteger(text)
		if err != nil || f.seen && n.Cmp(f.number) <= 0 {
			return false, err
		}
		f.number = n
		return true, nil
	}
	at, _, err := parseTime(text)
	if err != nil || f.seen && !at.After(f.at) {
		return false, err
	}
	f.at = at
	return true, nil
}

// Merge takes what another has found, as when parts of a source were read side by side.
func (f *Furthest) Merge(other *Furthest) {
	f.Observe(other.mark)
	if f.bad == nil {
		f.bad = other.bad
	}
}

// Mark gives the highest value. Fault SourceWatermark when records came and
// none of them had a value of the type: such a watermark would never move.
func (f *Furthest) Mark(records int64) (string, error) {
	switch {
	case f.seen || records == 0:
		return f.mark, nil
	case f.bad != nil:
		return "", fault.Wrap(f.bad, fault.SourceWatermark, "the field %q of the records is no %s, so that the watermark cannot move", f.field, f.kind).
			WithHint("name another field in export.delta.field, or another type in export.delta.type")
	}
	return "", fault.New(fault.SourceWatermark, "no record has a value in the field %q, so that the watermark cannot move", f.field).
		WithHint("name a field of the records in export.delta.field: a name, or a JSON Pointer that starts with a slash")
}
