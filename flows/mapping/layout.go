package mapping

import "github.com/celonis-connector/connector/internal/columns"

// lastShortYear is the last yy that is in this century; those above are in the one before.
const lastShortYear = 68

// firstOldYear is the first RR that is in the last century.
const firstOldYear = 50

var (
	monthNames = [...]string{"january", "february", "march", "april", "may", "june", "july",
		"august", "september", "october", "november", "december"}
	dayNames = [...]string{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}
)

// moment is what a layout has read.
type moment struct {
	year, month, dom, yearDay int
	hour, minute, second      int
	millis                    int
	afternoon                 bool // of an hour of half a day
	halved                    bool // the hour is one of half a day
	offset                    int64
}

// converter gives the conversion of the layout for a column of type t.
func (l *layout) converter(t columns.Type) func([]byte, columns.Kind) (int64, verdict) {
	return func(b []byte, kind columns.Kind) (int64, verdict) {
		if kind > columns.Number {
			return 0, wrongType
		}
		if b = trim(b); len(b) == 0 {
			return 0, absent
		}
		var m moment
		rest, ok := l.read(&m, 0, len(l.ops), b)
		if !ok || len(rest) > 0 {
			if t != columns.Time && isZeroDate(b) {
				return 0, absent
			}
			return 0, wrongType
		}
		switch t {
		case columns.Date:
			return m.day()
		case columns.Time:
			return m.clock(), good
		}
		return m.instant()
	}
}

// read follows the steps from .. end-1 through b.
func (l *layout) read(m *moment, from, end int, b []byte) (rest []byte, ok bool) {
	for i := from; i < end; i++ {
		o := &l.ops[i]
		if o.kind == opOptional {
			before := *m
			if rest, ok := l.read(m, i+1, o.end, b); ok {
				b = rest
			} else {
				*m = before
			}
			i = o.end - 1
			continue
		}
		if b, ok = o.read(m, b); !ok {
			return nil, false
		}
	}
	return b, true
}

// read takes one step.
func (o *op) read(m *moment, b []byte) (rest []byte, ok bool) {
	switch o.kind {
	case opLiteral:
		n := len(o.literal)
		if len(b) < n || b[0] != o.literal[0] || n > 1 && string(b[:n]) != o.literal {
			return nil, false
		}
		return b[n:], true
	case opMonth:
		m.month, rest = scanName(b, monthNames[:])
		return rest, m.month > 0
	case opDay:
		n, rest := scanName(b, dayNames[:])
		return rest, n > 0
	case opHalf:
		return m.half(b)
	case opOffset:
		m.offset, rest, ok = scanOffset(b)
		return rest, ok
	}
	if o.min == 2 && o.max == 2 && len(b) >= 2 {
		v := pair(b, 0)
		return b[2:], v >= 0 && m.set(o.kind, v, 2)
	}
	n, v := 0, 0
	for n < o.max && n < len(b) && isDigit(b[n]) {
		v = v*10 + int(b[n]-'0')
		n++
	}
	if n < o.min {
		return nil, false
	}
	return b[n:], m.set(o.kind, v, n)
}

// set keeps a number of n digits; ok is false when it is outside its field.
func (m *moment) set(kind byte, v, n int) (ok bool) {
	switch kind {
	case 'y':
		m.year = v
		if n == 2 {
			m.year += 1900
			if v <= lastShortYear {
				m.year += 100
			}
		}
		return true
	case opShortYear:
		m.year = 2000 + v
		if v >= firstOldYear {
			m.year = 1900 + v
		}
		return true
	case 'M':
		m.month = v
		return v >= 1 && v <= 12
	case 'd':
		m.dom = v
		return v >= 1 && v <= 31
	case 'D':
		m.yearDay = v
		return v >= 1 && v <= 366
	case 'm':
		m.minute = v
		return v <= 59
	case 's':
		m.second = v
		return v <= 59
	case 'S':
		m.millis = toMillis(v, n)
		return true
	}
	return m.setHour(kind, v)
}

func (m *moment) setHour(kind byte, v int) (ok bool) {
	switch kind {
	case 'h':
		m.hour, m.halved = v%12, true
		return v >= 1 && v <= 12
	case 'K':
		m.hour, m.halved = v, true
		return v <= 11
	case 'k':
		m.hour = v % 24
		return v >= 1 && v <= 24
	}
	m.hour = v
	return v <= 23
}

// toMillis reads n digits of a fraction of a second.
func toMillis(v, n int) int {
	for ; n < 3; n++ {
		v *= 10
	}
	for ; n > 3; n-- {
		v /= 10
	}
	return v
}

// half reads AM or PM.
func (m *moment) half(b []byte) (rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, false
	}
	m.afternoon = equalFold(b[:2], "pm")
	return b[2:], m.afternoon || equalFold(b[:2], "am")
}

// scanName reads an English name, full or in three letters, and gives its
// number from 1; 0 means there is none.
func scanName(b []byte, names []string) (n int, rest []byte) {
	for i, name := range names {
		if len(b) >= len(name) && equalFold(b[:len(name)], name) {
			return i + 1, b[len(name):]
		}
		if len(b) >= 3 && equalFold(b[:3], name[:3]) {
			return i + 1, b[3:]
		}
	}
	return 0, nil
}

// date gives the day as written.
func (m *moment) date() (days int64, ok bool) {
	if m.yearDay > 0 {
		return yearStart(m.year) + int64(m.yearDay-1), m.yearDay <= 365 || isLeap(m.year)
	}
	return civil(m.year, m.month, m.dom)
}

func (m *moment) clock() int64 {
	h := m.hour
	if m.halved && m.afternoon {
		h += 12
	}
	return int64(h)*hour + int64(m.minute)*minute + int64(m.second)*second + int64(m.millis)
}

func (m *moment) instant() (int64, verdict) {
	days, ok := m.date()
	if !ok {
		return 0, wrongType
	}
	return instant(days*day + m.clock() - m.offset)
}

func (m *moment) day() (int64, verdict) {
	days, ok := m.date()
	if !ok {
		return 0, wrongType
	}
	return calendarDay(days)
}
