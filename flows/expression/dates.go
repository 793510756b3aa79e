package expression

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	_ "time/tzdata" // zones are the same on every machine
)

const (
	// maxZones bounds the zones that a runner remembers.
	maxZones = 64
	// maxShift bounds how many days, months or years a date is moved.
	maxShift = 1_000_000
)

// dates are the functions on dates; null gives null.
func dates() map[string]function {
	all := map[string]function{
		"date":        {gives: other, min: 1, max: 3, call: date},
		"formatDate":  {gives: other, min: 2, max: 3, call: formatDate},
		"toZone":      {gives: other, min: 2, max: 2, call: toZone},
		"addDuration": {gives: other, min: 2, max: 2, call: addDuration},
		"addDays":     shift(func(t time.Time, n int) time.Time { return t.AddDate(0, 0, n) }),
		"addMonths":   shift(addMonths),
		"addYears":    shift(func(t time.Time, n int) time.Time { return addMonths(t, 12*n) }),
		"addHours":    shift(func(t time.Time, n int) time.Time { return t.Add(time.Duration(n) * time.Hour) }),
		"addMinutes":  shift(func(t time.Time, n int) time.Time { return t.Add(time.Duration(n) * time.Minute) }),
		"addSeconds":  shift(func(t time.Time, n int) time.Time { return t.Add(time.Duration(n) * time.Second) }),
		"dateDiff":    {gives: other, min: 3, max: 3, call: dateDiff},
		"fromUnix": {gives: other, min: 1, max: 1, call: func(_ *meter, a []any) (any, error) {
			if a[0] == nil {
				return nil, nil
			}
			n, err := parseNumber(a[0])
			if err != nil {
				return nil, err
			}
			if math.Abs(asFloat(n)) > 1e12 {
				return nil, errors.New("the seconds are out of range")
			}
			return time.UnixMilli(int64(math.Round(asFloat(n) * 1000))).UTC(), nil
		}},
	}
	for name, part := range map[string]func(t time.Time) int{
		"year": time.Time.Year, "month": func(t time.Time) int { return int(t.Month()) }, "day": time.Time.Day,
		"hour": time.Time.Hour, "minute": time.Time.Minute, "second": time.Time.Second, "yearDay": time.Time.YearDay,
		"weekday": func(t time.Time) int { return (int(t.Weekday())+6)%7 + 1 },
		"week":    func(t time.Time) int { _, week := t.ISOWeek(); return week },
		"unix":    func(t time.Time) int { return int(t.Unix()) },
	} {
		all[name] = function{gives: other, min: 1, max: 1, call: func(_ *meter, a []any) (any, error) {
			t, ok, err := timeOf(a[0])
			if !ok {
				return nil, err
			}
			return part(t), nil
		}}
	}
	return all
}

// timeOf reads a date or the ISO 8601 text of one; ok is false for null.
func timeOf(v any) (t time.Time, ok bool, err error) {
	switch v := v.(type) {
	case nil:
		return t, false, nil
	case time.Time:
		return v, true, nil
	case string:
		t, err = parseISO(v, time.UTC)
		return t, err == nil, err
	}
	return t, false, fmt.Errorf("it takes a date and not %s", wordFor(v))
}

// parseISO reads the usual forms of ISO 8601; without an offset the zone's clock counts.
func parseISO(s string, zone *time.Location) (time.Time, error) {
	s = strings.TrimSpace(s)
	for _, layout := range []string{
		time.RFC3339, "2006-01-02", "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04",
		"2006-01-02 15:04:05Z07:00", "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05Z0700", "20060102",
	} {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errors.New("the text is not a date in ISO 8601; give its layout")
}

// zone finds an IANA zone or a fixed offset.
func (m *meter) zone(v any) (*time.Location, error) {
	name, ok := v.(string)
	if !ok || name == "" || name == "Local" {
		return nil, errors.New("the zone is a name such as Europe/Berlin")
	}
	if z := m.zones[name]; z != nil {
		return z, nil
	}
	z, err := time.LoadLocation(name)
	if err != nil {
		t, offsetErr := time.Parse("Z07:00", name)
		if offsetErr != nil {
			return nil, errors.New("there is no such time zone")
		}
		z = t.Location()
	}
	if m.zones == nil || len(m.zones) >= maxZones {
		m.zones = map[string]*time.Location{}
	}
	m.zones[name] = z
	return z, nil
}

// date reads a text: date(s), date(s, layout), date(s, layout, zone). An empty text is null.
func date(m *meter, a []any) (any, error) {
	zone := time.UTC
	var err error
	if len(a) == 3 && a[2] != nil {
		if zone, err = m.zone(a[2]); err != nil {
			return nil, err
		}
	}
	switch v := a[0].(type) {
	case nil:
		return nil, nil
	case time.Time:
		return v, nil
	case string:
		if v == "" {
			return nil, nil
		}
		if len(a) == 1 || a[1] == nil || a[1] == "" {
			return parseISO(v, zone)
		}
		layout, err := layoutOf(a[1])
		if err != nil {
			return nil, err
		}
		t, err := time.ParseInLocation(layout, v, zone)
		if err != nil {
			return nil, errors.New("the text is not a date in this layout")
		}
		return t, nil
	}
	return nil, fmt.Errorf("it takes a text and not %s", wordFor(a[0]))
}

func formatDate(m *meter, a []any) (any, error) {
	t, ok, err := timeOf(a[0])
	if !ok {
		return nil, err
	}
	layout, err := layoutOf(a[1])
	if err != nil {
		return nil, err
	}
	if len(a) == 3 {
		zone, err := m.zone(a[2])
		if err != nil {
			return nil, err
		}
		t = t.In(zone)
	}
	return t.Format(layout), nil
}

func toZone(m *meter, a []any) (any, error) {
	t, ok, err := timeOf(a[0])
	if !ok {
		return nil, err
	}
	zone, err := m.zone(a[1])
	if err != nil {
		return nil, err
	}
	return t.In(zone), nil
}

func addDuration(_ *meter, a []any) (any, error) {
	t, ok, err := timeOf(a[0])
	if !ok {
		return nil, err
	}
	text, _ := a[1].(string)
	d, err := time.ParseDuration(text)
	if err != nil {
		return nil, errors.New(`the duration is a text such as "1h30m"`)
	}
	return t.Add(d), nil
}

func shift(move func(t time.Time, n int) time.Time) function {
	return function{gives: other, min: 2, max: 2, call: func(_ *meter, a []any) (any, error) {
		t, ok, err := timeOf(a[0])
		if !ok || a[1] == nil {
			return nil, err
		}
		n, err := intOf(a[1])
		if err != nil {
			return nil, err
		}
		if n < -maxShift || n > maxShift {
			return nil, fmt.Errorf("a date is moved by at most %d", maxShift)
		}
		return move(t, n), nil
	}}
}

// addMonths keeps the day within the month: a month after January 31 is the last day of February.
func addMonths(t time.Time, n int) time.Time {
	first := time.Date(t.Year(), t.Month(), 1, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), t.Location()).AddDate(0, n, 0)
	last := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(t.Day(), last)-1)
}

// dateDiff counts the whole units from the second date to the first.
func dateDiff(_ *meter, a []any) (any, error) {
	to, ok, err := timeOf(a[0])
	if !ok {
		return nil, err
	}
	from, ok, err := timeOf(a[1])
	if !ok {
		return nil, err
	}
	d := to.Sub(from)
	switch a[2] {
	case "days":
		return int(d / (24 * time.Hour)), nil
	case "hours":
		return int(d / time.Hour), nil
	case "minutes":
		return int(d / time.Minute), nil
	case "seconds":
		return int(d / time.Second), nil
	}
	return nil, errors.New(`the unit is "days", "hours", "minutes" or "seconds"`)
}

// layoutOf turns Java's letters into Go's layout.
func layoutOf(v any) (string, error) {
	java, ok := v.(string)
	if !ok || java == "" {
		return "", errors.New(`the layout is a text such as "dd.MM.yyyy HH:mm"`)
	}
	var b strings.Builder
	for i := 0; i < len(java); {
		c := java[i]
		if c == '\'' {
			end := strings.IndexByte(java[i+1:], '\'')
			if end < 0 {
				return "", errors.New("the layout has a quote without its end")
			}
			literal := java[i+1 : i+1+end]
			if end == 0 {
				literal = "'"
			}
			if strings.ContainsAny(literal, "0123456789_") {
				return "", errors.New("the layout has digits between quotes")
			}
			b.WriteString(literal)
			i += end + 2
			continue
		}
		n := 1
		for i+n < len(java) && java[i+n] == c {
			n++
		}
		switch part, known := layoutPart(c, n); {
		case known:
			b.WriteString(part)
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_':
			return "", fmt.Errorf("the layout's %q is not known", strings.Repeat(string(c), n))
		default:
			b.WriteString(java[i : i+n])
		}
		i += n
	}
	return b.String(), nil
}

// layoutPart gives Go's form of n letters c.
func layoutPart(c byte, n int) (string, bool) {
	if c == 'S' && n <= 9 {
		return strings.Repeat("0", n), true
	}
	parts := map[string]string{
		"yyyy": "2006", "uuuu": "2006", "yy": "06", "M": "1", "MM": "01", "MMM": "Jan", "MMMM": "January", "d": "2", "dd": "02", "DDD": "002",
		"H": "15", "HH": "15", "h": "3", "hh": "03", "m": "4", "mm": "04", "s": "5", "ss": "05", "a": "PM", "E": "Mon", "EEE": "Mon", "EEEE": "Monday",
		"X": "Z07", "XX": "Z0700", "XXX": "Z07:00", "x": "-07", "xx": "-0700", "xxx": "-07:00", "Z": "-0700", "z": "MST",
	}
	part, known := parts[strings.Repeat(string(c), n)]
	return part, known
}
