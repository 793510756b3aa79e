package mapping

import (
	"encoding/binary"
	"math"

	"github.com/celonis-connector/connector/internal/columns"
)

const (
	second = 1000 // in milliseconds, as are the others
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour

	// epochDays is the number of days before 1970-01-01 since 0001-01-01.
	epochDays = 719_162
	// minDay and endDay bound the days that Celonis stores: minDay <= d < endDay.
	minDay = 365*(columns.MinYear-1) + (columns.MinYear-1)/4 - (columns.MinYear-1)/100 + (columns.MinYear-1)/400 - epochDays
	endDay = 365*columns.MaxYear + columns.MaxYear/4 - columns.MaxYear/100 + columns.MaxYear/400 - epochDays

	// maxOffsetHours is the farthest that a zone is from UTC.
	maxOffsetHours = 18
)

var (
	daysBefore = [...]int64{0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334}
	daysIn     = [...]int{0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}
)

// parseDateTime reads an instant as milliseconds since 1970-01-01 UTC: text in
// ISO 8601 and RFC 3339 ("T" or a blank between date and time, seconds optional,
// a fraction of any length after a point or a comma, "Z", "UTC", an offset such
// as +01:00, +0100 or +01, or none for UTC; a date alone is its midnight), or
// a JSON number of epoch milliseconds. Digits beyond the millisecond are cut.
func parseDateTime(b []byte, kind columns.Kind) (int64, verdict) {
	if kind > columns.Number {
		return 0, wrongType
	}
	if b = trim(b); len(b) == 0 {
		return 0, absent
	}
	if kind == columns.Number {
		return epochMillis(b)
	}
	millis, rest, ok := isoSeconds(b)
	if ok && len(rest) == len(".000Z") && rest[0] == '.' && rest[4] == 'Z' && isDigit(rest[1]) && isDigit(rest[2]) && isDigit(rest[3]) {
		return instant(millis + 100*int64(rest[1]-'0') + 10*int64(rest[2]-'0') + int64(rest[3]-'0'))
	}
	if ok {
		var fraction int64
		if fraction, rest, ok = isoFraction(rest); !ok {
			return 0, wrongType
		}
		millis += fraction
	} else if millis, rest, ok = isoDate(b); !ok {
		return 0, dateVerdict(b)
	} else if millis *= day; len(rest) > 0 {
		var clock int64
		if clock, rest, ok = isoClock(rest[1:]); !ok {
			return 0, wrongType
		}
		millis += clock
	}
	offset, ok := isoOffset(rest)
	if !ok {
		return 0, wrongType
	}
	return instant(millis - offset)
}

// parseDate reads a day as days since 1970-01-01: YYYY-MM-DD, or a date and time
// whose time is midnight as written. Any other time is refused: the day alone
// would say less than the source does. A format with time letters takes the day.
func parseDate(b []byte, kind columns.Kind) (int64, verdict) {
	if kind != columns.Text {
		return 0, wrongType
	}
	if b = trim(b); len(b) == 0 {
		return 0, absent
	}
	days, rest, ok := isoDate(b)
	if !ok {
		return 0, dateVerdict(b)
	}
	if len(rest) > 0 {
		clock, rest, ok := isoClock(rest[1:])
		if !ok {
			return 0, wrongType
		}
		if _, ok = isoOffset(rest); !ok {
			return 0, wrongType
		}
		if clock != 0 {
			return 0, notMidnight
		}
	}
	return calendarDay(days)
}

// parseTime reads a time of day as milliseconds since midnight: HH:mm, HH:mm:ss
// and a fraction of any length, of which digits beyond the millisecond are cut.
func parseTime(b []byte, kind columns.Kind) (int64, verdict) {
	if kind != columns.Text {
		return 0, wrongType
	}
	if b = trim(b); len(b) == 0 {
		return 0, absent
	}
	clock, rest, ok := isoClock(b)
	if !ok || len(rest) > 0 {
		return 0, wrongType
	}
	return clock, good
}

func epochMillis(b []byte) (int64, verdict) {
	if v, is := integer(b); is != wrongType {
		if is != good {
			return 0, is
		}
		return instant(v)
	}
	f, is := float(b)
	if is != good {
		return 0, is
	}
	if math.Abs(f) > endDay*day {
		return 0, outOfRange
	}
	return instant(int64(math.Floor(f)))
}

// instant checks the years that Celonis stores; it nulls all others without a word.
func instant(millis int64) (int64, verdict) {
	if millis < minDay*day || millis >= endDay*day {
		return 0, outOfRange
	}
	return millis, good
}

// calendarDay is instant for days.
func calendarDay(days int64) (int64, verdict) {
	if days < minDay || days >= endDay {
		return 0, outOfRange
	}
	return days, good
}

// isoDate reads YYYY-MM-DD at the start of b; rest is empty or begins with the
// sign between date and time.
func isoDate(b []byte) (days int64, rest []byte, ok bool) {
	if len(b) < 10 || b[4] != '-' || b[7] != '-' {
		return 0, nil, false
	}
	century, year, month, dom := pair(b, 0), pair(b, 2), pair(b, 5), pair(b, 8)
	if century|year|month|dom < 0 {
		return 0, nil, false
	}
	rest = b[10:]
	if len(rest) > 0 && rest[0] != 'T' && rest[0] != ' ' && rest[0] != 't' {
		return 0, nil, false
	}
	days, ok = civil(century*100+year, month, dom)
	return days, rest, ok
}

// isoClock reads HH:mm[:ss[.fraction]] at the start of b.
func isoClock(b []byte) (millis int64, rest []byte, ok bool) {
	if len(b) < 5 || b[2] != ':' {
		return 0, nil, false
	}
	hh, mm := pair(b, 0), pair(b, 3)
	if hh|mm < 0 || hh > 23 || mm > 59 {
		return 0, nil, false
	}
	millis = int64(hh)*hour + int64(mm)*minute
	if b = b[5:]; len(b) == 0 || b[0] != ':' {
		return millis, b, true
	}
	if len(b) < 3 {
		return 0, nil, false
	}
	ss := pair(b, 1)
	if ss < 0 || ss > 59 {
		return 0, nil, false
	}
	fraction, rest, ok := isoFraction(b[3:])
	return millis + int64(ss)*second + fraction, rest, ok
}

// isoFraction reads a fraction of a second of any length at the start of b, if
// there is one, and cuts it to the millisecond.
func isoFraction(b []byte) (millis int64, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '.' && b[0] != ',' {
		return 0, b, true
	}
	n, weight := 1, int64(100)
	for ; n < len(b) && n <= 3 && isDigit(b[n]); n++ {
		millis += int64(b[n]-'0') * weight
		weight /= 10
	}
	for n < len(b) && isDigit(b[n]) {
		n++
	}
	return millis, b[n:], n > 1
}

// isoSeconds reads YYYY-MM-DD?HH:mm:ss, the form that nearly all instants have,
// at the start of b: eight bytes at a time. What it does not read may still be
// a date and time in another form.
func isoSeconds(b []byte) (millis int64, rest []byte, ok bool) {
	if len(b) < 19 || b[10] != 'T' && b[10] != ' ' && b[10] != 't' || b[16] != ':' {
		return 0, nil, false
	}
	date, ok := digits8(binary.LittleEndian.Uint64(b), dateShape, dateLimit)
	if !ok {
		return 0, nil, false
	}
	clock, ok := digits8(binary.LittleEndian.Uint64(b[8:])&^(0xff<<16), clockShape, clockLimit)
	if !ok {
		return 0, nil, false
	}
	days, ok := civil(int(date&0xff)*100+int(date>>16&0xff), int(date>>40&0xff), int(clock&0xff))
	hh, mm, ss := int64(clock>>24&0xff), int64(clock>>48&0xff), int64(pair(b, 17))
	if !ok || hh > 23 || mm > 59 || ss < 0 || ss > 59 {
		return 0, nil, false
	}
	return days*day + hh*hour + mm*minute + ss*second, b[19:], true
}

// The shapes "0000-00-" and "00?00:00" with ? as a zero byte, first byte
// lowest. Added to the difference from a shape, its limit sets a byte's high
// bit where a digit is above 9 or another sign is not the shape's.
const (
	dateShape  = 0x2d30302d30303030
	dateLimit  = 0x7f76767f76767676
	clockShape = 0x30303a3030003030
	clockLimit = 0x76767f76767f7676
)

// digits8 checks eight bytes against a shape and gives, in each byte, the
// number that its digit and the next one make.
func digits8(word, shape, limit uint64) (pairs uint64, ok bool) {
	word ^= shape
	if (word|(word+limit))&0x8080808080808080 != 0 {
		return 0, false
	}
	return word*10 + word>>8, true
}

// isoOffset reads what follows a time: nothing, Z, UTC, or an offset, with one
// blank allowed in front.
func isoOffset(b []byte) (millis int64, ok bool) {
	if len(b) > 1 && b[0] == ' ' {
		b = b[1:]
	}
	if len(b) == 0 || equalFold(b, "utc") {
		return 0, true
	}
	millis, rest, ok := scanOffset(b)
	return millis, ok && len(rest) == 0
}

// scanOffset reads Z, +hh, +hhmm or +hh:mm at the start of b.
func scanOffset(b []byte) (millis int64, rest []byte, ok bool) {
	if len(b) > 0 && (b[0] == 'Z' || b[0] == 'z') {
		return 0, b[1:], true
	}
	if len(b) < 3 || b[0] != '+' && b[0] != '-' {
		return 0, nil, false
	}
	negative := b[0] == '-'
	hh, mm := pair(b, 1), 0
	b = b[3:]
	switch {
	case len(b) >= 3 && b[0] == ':':
		mm, b = pair(b, 1), b[3:]
	case len(b) >= 2 && isDigit(b[0]):
		mm, b = pair(b, 0), b[2:]
	}
	if hh|mm < 0 || hh > maxOffsetHours || mm > 59 {
		return 0, nil, false
	}
	millis = int64(hh)*hour + int64(mm)*minute
	if negative {
		millis = -millis
	}
	return millis, b, true
}

// civil gives the days since 1970-01-01 of a day of the Gregorian calendar;
// ok is false for a day that does not exist. Years run from 0 to 9999.
func civil(year, month, dom int) (days int64, ok bool) {
	if month < 1 || month > 12 || dom < 1 {
		return 0, false
	}
	leap := isLeap(year)
	if dom > daysIn[month] && !(leap && month == 2 && dom == 29) {
		return 0, false
	}
	days = yearStart(year) + daysBefore[month] + int64(dom-1)
	if leap && month > 2 {
		days++
	}
	return days, true
}

func isLeap(year int) bool { return year%4 == 0 && (year%100 != 0 || year%400 == 0) }

// yearStart gives the days since 1970-01-01 of the year's first day.
func yearStart(year int) int64 {
	y := int64(year) - 1
	return 365*y + y/4 - y/100 + y/400 - epochDays
}

// dateVerdict tells text that is no date from a date whose year has more than
// four digits or a sign.
func dateVerdict(b []byte) verdict {
	signed := b[0] == '-' || b[0] == '+'
	if signed {
		b = b[1:]
	}
	n := 0
	for n < len(b) && isDigit(b[n]) {
		n++
	}
	if n < 4 || n == 4 && !signed {
		return wrongType
	}
	if _, _, ok := isoDate(b[n-4:]); !ok {
		return wrongType
	}
	return outOfRange
}

// pair reads two digits at b[i]; anything else is -1.
func pair(b []byte, i int) int {
	hi, lo := b[i]-'0', b[i+1]-'0'
	if hi > 9 || lo > 9 {
		return -1
	}
	return int(hi)*10 + int(lo)
}

func isDigit(c byte) bool { return c-'0' <= 9 }
