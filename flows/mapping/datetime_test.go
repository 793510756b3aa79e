package mapping_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

// at gives the milliseconds of an instant in RFC 3339.
func at(s string) int64 {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return t.UnixMilli()
}

// on gives the days of a date.
func on(s string) int64 { return at(s+"T00:00:00Z") / (24 * 3600 * 1000) }

const millisAt1345 = int64((13*3600 + 45*60) * 1000)

func TestDateTime(t *testing.T) {
	t.Parallel()
	check(t, flows.Rule{Type: "datetime"}, []conversion{
		{in: null},
		{in: text("")},
		{in: text(" ")},
		{in: text("2011-10-11 13:45:40.276000+02:00"), want: at("2011-10-11T11:45:40.276Z")},
		{in: text("2011-10-11T13:45:40Z"), want: at("2011-10-11T13:45:40Z")},
		{in: text("2011-10-11t13:45:40z"), want: at("2011-10-11T13:45:40Z")},
		{in: text("2011-10-11T13:45:40"), want: at("2011-10-11T13:45:40Z")},
		{in: text("2011-10-11T13:45"), want: at("2011-10-11T13:45:00Z")},
		{in: text("2011-10-11T13:45+0100"), want: at("2011-10-11T12:45:00Z")},
		{in: text("2011-10-11 13:45:40,5-01"), want: at("2011-10-11T14:45:40.5Z")},
		{in: text("2011-10-11 13:45:40 +0530"), want: at("2011-10-11T08:15:40Z")},
		{in: text("2011-10-11 13:45:40 UTC"), want: at("2011-10-11T13:45:40Z")},
		{in: text("2011-10-11 13:45:40.123456789"), want: at("2011-10-11T13:45:40.123Z")},
		{in: text("2011-10-11 13:45:40.9999999999999999999999"), want: at("2011-10-11T13:45:40.999Z")},
		{in: text("1969-12-31T23:59:59.9999Z"), want: int64(-1)},
		{in: text(" 2011-10-11 "), want: at("2011-10-11T00:00:00Z")},
		{in: text("2024-02-29"), want: at("2024-02-29T00:00:00Z")},
		{in: text("2000-02-29T00:00Z"), want: at("2000-02-29T00:00:00Z")},
		{in: text("1400-01-01T00:00:00Z"), want: at("1400-01-01T00:00:00Z")},
		{in: text("9999-12-31T23:59:59.999Z"), want: at("9999-12-31T23:59:59.999Z")},
		{in: number("1318333540276"), want: int64(1318333540276)},
		{in: number("-1"), want: int64(-1)},
		{in: number("1.5e3"), want: int64(1500)},
		{in: number("1318333540276.75"), want: int64(1318333540276)},
		{in: number("-0.5"), want: int64(-1)},
		{in: number("1e300"), code: fault.ValueOutOfRange},
		{in: number("-1.5e200"), code: fault.ValueOutOfRange},
		{in: number("1318333540276000"), code: fault.ValueOutOfRange},
		{in: text("1399-12-31T23:59:59.999Z"), code: fault.ValueOutOfRange},
		{in: text("1400-01-01T00:00:00+01:00"), code: fault.ValueOutOfRange},
		{in: text("9999-12-31T23:59:59-01:00"), code: fault.ValueOutOfRange},
		{in: text("0001-01-01T00:00:00Z"), code: fault.ValueOutOfRange},
		{in: text("0000-01-01"), code: fault.ValueOutOfRange},
		{in: text("10000-01-01"), code: fault.ValueOutOfRange},
		{in: text("-0001-01-01"), code: fault.ValueOutOfRange},
		{in: text("+12345-01-01T00:00:00Z"), code: fault.ValueOutOfRange},
		{in: text("2023-02-29"), code: fault.ValueType},
		{in: text("1900-02-29"), code: fault.ValueType},
		{in: text("2024-02-30"), code: fault.ValueType},
		{in: text("2024-04-31"), code: fault.ValueType},
		{in: text("2024-13-01"), code: fault.ValueType},
		{in: text("2024-00-01"), code: fault.ValueType},
		{in: text("2024-01-00"), code: fault.ValueType},
		{in: text("2024-01-01T24:00:00"), code: fault.ValueType},
		{in: text("2024-01-01T23:60"), code: fault.ValueType},
		{in: text("2024-01-01T23:59:60"), code: fault.ValueType},
		{in: text("2024-01-01T23:59:5"), code: fault.ValueType},
		{in: text("2024-01-01T23:59:"), code: fault.ValueType},
		{in: text("2024-01-01T23:59:59."), code: fault.ValueType},
		{in: text("2024-01-01T23"), code: fault.ValueType},
		{in: text("2024-01-01T"), code: fault.ValueType},
		{in: text("2024-01-01X10:00"), code: fault.ValueType},
		{in: text("2024-01-01T10:00:00+19:00"), code: fault.ValueType},
		{in: text("2024-01-01T10:00:00+01:60"), code: fault.ValueType},
		{in: text("2024-01-01T10:00:00+1"), code: fault.ValueType},
		{in: text("2024-01-01T10:00:00+01:0"), code: fault.ValueType},
		{in: text("2024-01-01T10:00:00Zz"), code: fault.ValueType},
		{in: text("2024-01-01T10:00:00 CET"), code: fault.ValueType},
		{in: text("2024/01/01"), code: fault.ValueType},
		{in: text("20240101"), code: fault.ValueType},
		{in: text("1318333540276"), code: fault.ValueType},
		{in: text("yesterday, or so"), code: fault.ValueType},
		{in: text("-"), code: fault.ValueType},
		{in: truth("true"), code: fault.ValueType},
		{in: nested("[]"), code: fault.ValueType},
	})
}

func TestDate(t *testing.T) {
	t.Parallel()
	check(t, flows.Rule{Type: "date"}, []conversion{
		{in: null},
		{in: text(" ")},
		{in: text("1970-01-01"), want: int64(0)},
		{in: text("1969-12-31"), want: int64(-1)},
		{in: text("2024-12-31"), want: on("2024-12-31")},
		{in: text("1400-01-01"), want: on("1400-01-01")},
		{in: text("9999-12-31"), want: on("9999-12-31")},
		{in: text("2024-05-01 00:00:00"), want: on("2024-05-01")},
		{in: text("2024-05-01T00:00:00.000+02:00"), want: on("2024-05-01")},
		{in: text("1399-12-31"), code: fault.ValueOutOfRange},
		{in: text("12024-05-01"), code: fault.ValueOutOfRange},
		{in: text("2024-05-01T12:00:00Z"), code: fault.ValueType},
		{in: text("2024-05-01T00:00:00Q"), code: fault.ValueType},
		{in: text("2024-05-01T99:00:00"), code: fault.ValueType},
		{in: text("2024-02-30"), code: fault.ValueType},
		{in: text("01.05.2024"), code: fault.ValueType},
		{in: number("0"), code: fault.ValueType},
		{in: truth("true"), code: fault.ValueType},
	})
}

func TestTimeOfDay(t *testing.T) {
	t.Parallel()
	check(t, flows.Rule{Type: "time"}, []conversion{
		{in: null},
		{in: text(" ")},
		{in: text("00:00"), want: int64(0)},
		{in: text("13:45"), want: millisAt1345},
		{in: text(" 13:45:00.5 "), want: millisAt1345 + 500},
		{in: text("23:59:59.9999"), want: int64(86_399_999)},
		{in: text("24:00"), code: fault.ValueType},
		{in: text("1:30"), code: fault.ValueType},
		{in: text("13:45Z"), code: fault.ValueType},
		{in: text("noon"), code: fault.ValueType},
		{in: number("5"), code: fault.ValueType},
	})
}

// isoLayouts are Go's spellings of what both we and time.Parse read.
var isoLayouts = []string{
	"2006-01-02T15:04:05Z07:00", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05", "2006-01-02T15:04:05",
	"2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07", "2006-01-02T15:04", "2006-01-02 15:04:05 -0700", "2006-01-02",
}

func TestDateTimesRoundTrip(t *testing.T) {
	t.Parallel()
	o := newOne(t, flows.Rule{Type: "datetime"})
	rapid.Check(t, func(t *rapid.T) {
		millis := rapid.Int64Range(at("1400-01-02T00:00:00Z"), at("9999-12-30T00:00:00Z")).Draw(t, "millis")
		zone := time.FixedZone("", 60*rapid.IntRange(-18*60, 18*60).Draw(t, "zone"))
		written := time.UnixMilli(millis).In(zone)
		for _, layout := range []string{"2006-01-02T15:04:05.000Z07:00", "2006-01-02 15:04:05.000000 -0700", "2006-01-02 15:04:05,000-07:00"} {
			got, code := o.convert(text(written.Format(layout)))
			require.Empty(t, code, written.Format(layout))
			require.Equal(t, millis, got, written.Format(layout))
		}
	})
}

func FuzzDateTime(f *testing.F) {
	for _, s := range []string{"2011-10-11 13:45:40.276000+02:00", "2011-10-11T13:45:40Z", "2011-10-11", "0001-01-01T00:00:00Z",
		"2024-02-30T00:00:00Z", "2011-10-11 13:45:40 +0530", "2011-10-11T13:45", "9999-12-31T23:59:59-23:59", "1969-12-31T23:59:59.9999"} {
		f.Add(s)
	}
	o := newOne(f, flows.Rule{Type: "datetime"})
	f.Fuzz(func(t *testing.T, s string) {
		got, code := o.convert(text(s))
		for _, layout := range isoLayouts {
			want, err := time.Parse(layout, strings.TrimSpace(s))
			if err != nil || code != "" && code != fault.ValueOutOfRange {
				continue
			}
			if want.UTC().Year() < 1400 || want.UTC().Year() > 9999 {
				require.Equal(t, fault.ValueOutOfRange, code, s)
				continue
			}
			require.Equal(t, want.UnixMilli(), got, s)
		}
	})
}
