package columns

import "time"

const (
	// firstDay and lastDay are 0000-01-01 and 9999-12-31 in days since 1970-01-01: those whose year has four digits.
	firstDay, lastDay = -719_528, 2_932_896
)

// appendMoment writes a day, an instant in UTC or a time of day in ISO 8601,
// the last two to the millisecond; v is as a Column keeps it.
func appendMoment(dst []byte, t Type, v int64) []byte {
	switch t {
	case Date:
		return appendDay(dst, v)
	case DateTime:
		day, ms := v/dayMillis, v%dayMillis
		if ms < 0 {
			day, ms = day-1, ms+dayMillis
		}
		return append(appendClock(append(appendDay(dst, day), 'T'), ms), 'Z')
	}
	ms := v % dayMillis
	if ms < 0 {
		ms += dayMillis
	}
	return appendClock(dst, ms)
}

// appendDay writes a day of the proleptic Gregorian calendar. It counts in
// years that begin in March, so that the leap day is their last.
func appendDay(dst []byte, day int64) []byte {
	if day < firstDay || day > lastDay {
		return time.Unix(0, 0).UTC().AddDate(0, 0, int(day)).AppendFormat(dst, csvDateLayout)
	}
	const (
		fourCenturies = 146_097
		century       = 36_524
		fourYears     = 1_460 // and one day, but for the last of a century
		march         = 60    // 0000-03-01 counted from 0000-01-01
	)
	n := day - firstDay - march + fourCenturies // the era before 0000-03-01 begins at 0
	era, in := n/fourCenturies, n%fourCenturies
	year := (in - in/fourYears + in/century - in/(fourCenturies-1)) / 365
	in -= 365*year + year/4 - year/100
	month := (5*in + 2) / 153 // 0 is March
	in -= (153*month + 2) / 5
	year += 400 * (era - 1)
	if month += 3; month > 12 {
		month, year = month-12, year+1
	}
	dst = append(dst, byte('0'+year/1000), byte('0'+year/100%10), byte('0'+year/10%10), byte('0'+year%10), '-')
	dst = appendTwo(dst, month)
	return appendTwo(append(dst, '-'), in+1)
}

// appendClock writes a time of day given in milliseconds since midnight.
func appendClock(dst []byte, ms int64) []byte {
	dst = append(appendTwo(dst, ms/3_600_000), ':')
	dst = append(appendTwo(dst, ms/60_000%60), ':')
	dst = append(appendTwo(dst, ms/1000%60), '.')
	return append(dst, byte('0'+ms/100%10), byte('0'+ms/10%10), byte('0'+ms%10))
}

func appendTwo(dst []byte, v int64) []byte { return append(dst, byte('0'+v/10), byte('0'+v%10)) }
