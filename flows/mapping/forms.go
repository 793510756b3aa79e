package mapping

import (
	"math/bits"

	"github.com/celonis-connector/connector/internal/columns"
)

// form is a way in which programs write days and instants beside ISO 8601.
type form struct {
	// day and stamp are the formats of a Date and of a DateTime column; stamp reads what day reads, too. No day is "".
	day, stamp string
	// order tells the order of day and month where digits alone do not: forms of
	// different orders that fit a whole sample leave it undecided.
	order byte
	// bare is digits alone, which may as well be a number.
	bare bool

	readDay, readStamp func([]byte, columns.Kind) (int64, verdict)
}

const (
	// clock24 and clock12 follow a day as spreadsheets write times, oracle12 as Oracle does.
	clock24  = "[ H:mm[:ss[.S]]]"
	clock12  = "[ h:mm[:ss] a]"
	oracle12 = "[ h.mm.ss[.S] a]"

	// minBare is how many dates of bare digits make a sample one of dates.
	minBare = 3
	// maxFormBytes is longer than any form.
	maxFormBytes = 48
)

// forms lists what Infer recognizes, compiled. Years of two digits are only
// read beside a month's name: 01/02/03 tells nothing.
func forms() []form {
	all := []form{
		{day: "yyyyMMdd", stamp: "yyyyMMdd[HHmmss]", bare: true}, // SAP
		{stamp: "yyyyMMdd'T'HHmmss[.S][X]"},                      // ISO 8601, basic
		{day: "d.M.yyyy", stamp: "d.M.yyyy" + clock24},
		{day: "yyyy/M/d", stamp: "yyyy/M/d" + clock24},
		{day: "yyyy.M.d", stamp: "yyyy.M.d" + clock24},
		{day: "d/M/yyyy", stamp: "d/M/yyyy" + clock24, order: 'd'},
		{day: "d/M/yyyy", stamp: "d/M/yyyy" + clock12, order: 'd'},
		{day: "M/d/yyyy", stamp: "M/d/yyyy" + clock24, order: 'm'},
		{day: "M/d/yyyy", stamp: "M/d/yyyy" + clock12, order: 'm'},
		{day: "d-M-yyyy", stamp: "d-M-yyyy" + clock24, order: 'd'},
		{day: "M-d-yyyy", stamp: "M-d-yyyy" + clock24, order: 'm'},
		{day: "d-MMM-yyyy", stamp: "d-MMM-yyyy" + clock24},
		{day: "d-MMM-yyyy", stamp: "d-MMM-yyyy" + oracle12},
		{day: "d-MMM-RR", stamp: "d-MMM-RR" + clock24},
		{day: "d-MMM-RR", stamp: "d-MMM-RR" + oracle12},
	}
	for i := range all {
		f := &all[i]
		if f.day != "" {
			f.readDay = mustLayout(f.day, columns.Date)
		}
		f.readStamp = mustLayout(f.stamp, columns.DateTime)
	}
	return all
}

// mustLayout compiles a format of the list above; a test compiles them all.
func mustLayout(format string, t columns.Type) func([]byte, columns.Kind) (int64, verdict) {
	l, err := compileLayout(format, t)
	if err != nil {
		panic(err)
	}
	return l.converter(t)
}

// formSet is a set of forms, by bit.
type formSet uint32

func (s formSet) has(i int) bool { return s&(1<<i) != 0 }

// dates is what the values of a column say of forms.
type dates struct {
	forms []form
	// days and stamps are the forms that every value so far fits as Date and as DateTime.
	days, stamps formSet
	// count is the number of values that are not all zeros.
	count int
}

func newDates(forms []form) dates {
	all := formSet(1)<<len(forms) - 1
	return dates{forms: forms, days: all, stamps: all}
}

func (d *dates) add(b []byte, kind columns.Kind) {
	switch {
	case d.stamps == 0:
		return
	case kind != columns.Text || len(b) > maxFormBytes || !isDigit(b[0]):
		d.days, d.stamps = 0, 0
		return
	case isZeroDate(b):
		return
	}
	d.count++
	for left := d.stamps; left != 0; left &= left - 1 {
		i := bits.TrailingZeros32(uint32(left))
		f := &d.forms[i]
		_, is := f.readStamp(b, kind)
		if is != good || f.bare && !isThisAge(b) {
			d.stamps &^= 1 << i
			d.days &^= 1 << i
			continue
		}
		if !d.days.has(i) {
			continue
		}
		if f.readDay == nil {
			d.days &^= 1 << i
		} else if _, is := f.readDay(b, kind); is != good {
			d.days &^= 1 << i
		}
	}
}

// isThisAge reports whether digits begin with a year of 19xx or 20xx.
func isThisAge(b []byte) bool {
	return len(b) >= 2 && (b[0] == '1' && b[1] == '9' || b[0] == '2' && b[1] == '0')
}

// shape gives type and format when the values agree on one reading. With bare
// only digits alone are looked at.
func (d *dates) shape(bare bool) (t columns.Type, format string, ok bool) {
	if d.count == 0 {
		return 0, "", false
	}
	found, order := -1, byte(0)
	for i, f := range d.forms {
		if !d.stamps.has(i) || bare && (!f.bare || d.count < minBare) {
			continue
		}
		if found >= 0 && f.order != order {
			return 0, "", false
		}
		if found < 0 {
			found, order = i, f.order
		}
	}
	if found < 0 || d.forms[found].bare && d.count < minBare {
		return 0, "", false
	}
	if d.days.has(found) {
		return columns.Date, d.forms[found].day, true
	}
	return columns.DateTime, d.forms[found].stamp, true
}

// stampOf gives the format of a DateTime column that holds what a Date column of
// the format day holds and all values seen.
func (d *dates) stampOf(day string) (format string, ok bool) {
	for i, f := range d.forms {
		if f.day == day && d.stamps.has(i) {
			return f.stamp, true
		}
	}
	return "", false
}

// isZeroDate reports whether b is zeros with signs between them, which SAP and
// others write for no date.
func isZeroDate(b []byte) bool {
	zeros := 0
	for _, c := range b {
		switch c {
		case '0':
			zeros++
		case '-', '.', '/', ':', ' ':
		default:
			return false
		}
	}
	return zeros >= len("00000000")
}
