package endpoint

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/outside"
)

// mark is a place in the order of a bucket's files: the time at which the last
// ones were written and which files of that moment have been read, as more of
// them may appear after the listing. Its text sorts as it does.
type mark struct {
	at time.Time
	// key is that of the last file.
	key string
	// seen are the digests of all files of the moment, in the order in which they were read; "" says that they are those up to
	// key, as in a mark with too many of them or of a caller.
	seen string
}

const (
	markLayout = "2006-01-02T15:04:05.000000000Z"
	// seenPrefix begins the digests of a mark's text, seenWidth is the length of one and maxSeen how many a mark holds.
	seenPrefix = "seen:"
	seenWidth  = 6
	maxSeen    = 1000
)

// String gives the mark as a watermark. A digest more makes a later one of it.
func (m mark) String() string {
	text := m.at.UTC().Format(markLayout) + " "
	if m.seen != "" {
		text += seenPrefix + m.seen + " "
	}
	return text + m.key
}

// parseMark reads a mark; a time alone stands before every file of that moment.
func parseMark(text string) (m mark, err error) {
	if text == "" {
		return m, nil
	}
	at, key, _ := strings.Cut(text, " ")
	if m.at, err = time.Parse(time.RFC3339Nano, at); err != nil {
		return m, fault.New(fault.FlowWindow, "%q is no place among files: it begins with no time such as 2024-05-01T00:00:00Z", text)
	}
	m.key = key
	if rest, is := strings.CutPrefix(key, seenPrefix); is {
		if seen, key, whole := strings.Cut(rest, " "); whole && seen != "" && len(seen)%seenWidth == 0 {
			m.seen, m.key = seen, key
		}
	}
	return m, nil
}

// digestOfFile tells a file from others of its moment, and from what it was before it was written again.
func digestOfFile(o outside.Object) string {
	sum := sha256.Sum256([]byte(o.Key + "\x00" + o.ETag))
	return base64.RawURLEncoding.EncodeToString(sum[:])[:seenWidth]
}

// has reports whether a file of the mark's moment has been read.
func (m mark) has(o outside.Object) bool {
	if m.seen == "" {
		return o.Key <= m.key
	}
	digest := digestOfFile(o)
	for i := 0; i < len(m.seen); i += seenWidth {
		if m.seen[i:i+seenWidth] == digest {
			return true
		}
	}
	return false
}

// before reports whether a file comes after the mark.
func (m mark) before(o outside.Object) bool {
	if c := o.Modified.Compare(m.at); c != 0 {
		return c > 0
	}
	return !m.has(o)
}

// and gives the mark behind one more file, which is not older.
func (m mark) and(o outside.Object) mark {
	next := mark{at: o.Modified, key: o.Key, seen: digestOfFile(o)}
	if !o.Modified.Equal(m.at) || m.key == "" {
		return next
	}
	switch next.key = max(m.key, o.Key); {
	case m.seen == "", len(m.seen) >= maxSeen*seenWidth:
		next.seen = ""
	default:
		next.seen = m.seen + next.seen
	}
	return next
}
