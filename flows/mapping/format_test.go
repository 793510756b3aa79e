package mapping_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/mapping"
	"github.com/celonis-connector/connector/internal/fault"
)

func TestDateTimeFormats(t *testing.T) {
	t.Parallel()
	rows := []struct {
		format, in string
		want       any
		code       fault.Code
	}{
		{format: "dd.MM.yyyy HH:mm:ss", in: "11.10.2011 13:45:40", want: at("2011-10-11T13:45:40Z")},
		{format: "dd.MM.yyyy HH:mm:ss", in: " 11.10.2011 13:45:40 ", want: at("2011-10-11T13:45:40Z")},
		{format: "dd.MM.yyyy HH:mm:ss", in: "", want: nil},
		{format: "dd.MM.yyyy HH:mm:ss", in: "1.10.2011 13:45:40", code: fault.ValueType},
		{format: "dd.MM.yyyy HH:mm:ss", in: "11.10.2011 13:45", code: fault.ValueType},
		{format: "dd.MM.yyyy HH:mm:ss", in: "11.10.2011 13:45:40 x", code: fault.ValueType},
		{format: "dd.MM.yyyy", in: "30.02.2024", code: fault.ValueType},
		{format: "dd.MM.yyyy", in: "01.13.2024", code: fault.ValueType},
		{format: "dd.MM.yyyy", in: "00.12.2024", code: fault.ValueType},
		{format: "dd.MM.yyyy", in: "01.01.1399", code: fault.ValueOutOfRange},
		{format: "d.M.yyyy", in: "1.5.2024", want: at("2024-05-01T00:00:00Z")},
		{format: "d.M.yyyy", in: "11.12.2024", want: at("2024-12-11T00:00:00Z")},
		{format: "d.M.y", in: "1.5.2024", want: at("2024-05-01T00:00:00Z")},
		{format: "yyyyMMddHHmmss", in: "20111011134540", want: at("2011-10-11T13:45:40Z")},
		{format: "yyyyMMddHHmmssSSS", in: "20111011134540276", want: at("2011-10-11T13:45:40.276Z")},
		{format: "yyyyMMdd", in: "2011101", code: fault.ValueType},
		{format: "yyyyDDD", in: "2024366", want: at("2024-12-31T00:00:00Z")},
		{format: "yyyyDDD", in: "2023366", code: fault.ValueType},
		{format: "yyyyDDD", in: "2023000", code: fault.ValueType},
		{format: "yy-MM-dd", in: "68-01-01", want: at("2068-01-01T00:00:00Z")},
		{format: "yy-MM-dd", in: "69-01-01", want: at("1969-01-01T00:00:00Z")},
		{format: "MM/dd/yyyy hh:mm a", in: "10/11/2011 01:45 PM", want: at("2011-10-11T13:45:00Z")},
		{format: "MM/dd/yyyy hh:mm a", in: "10/11/2011 12:00 am", want: at("2011-10-11T00:00:00Z")},
		{format: "MM/dd/yyyy h:mm a", in: "10/11/2011 12:00 pm", want: at("2011-10-11T12:00:00Z")},
		{format: "MM/dd/yyyy hh:mm a", in: "10/11/2011 13:00 pm", code: fault.ValueType},
		{format: "MM/dd/yyyy hh:mm a", in: "10/11/2011 00:00 pm", code: fault.ValueType},
		{format: "MM/dd/yyyy hh:mm a", in: "10/11/2011 01:00 xm", code: fault.ValueType},
		{format: "MM/dd/yyyy hh:mm a", in: "10/11/2011 01:00 p", code: fault.ValueType},
		{format: "yyyy-MM-dd KK a", in: "2011-10-11 00 PM", want: at("2011-10-11T12:00:00Z")},
		{format: "yyyy-MM-dd kk", in: "2011-10-11 24", want: at("2011-10-11T00:00:00Z")},
		{format: "yyyy-MM-dd HH", in: "2011-10-11 24", code: fault.ValueType},
		{format: "yyyy-MM-dd HH:mm", in: "2011-10-11 23:60", code: fault.ValueType},
		{format: "yyyy-MM-dd HH:mm:ss", in: "2011-10-11 23:59:60", code: fault.ValueType},
		{format: "yyyy-MM-dd'T'HH:mm:ss.SSSXXX", in: "2011-10-11T13:45:40.276+02:00", want: at("2011-10-11T11:45:40.276Z")},
		{format: "yyyy-MM-dd'T'HH:mm:ss.SSSXXX", in: "2011-10-11T13:45:40.276Z", want: at("2011-10-11T13:45:40.276Z")},
		{format: "yyyy-MM-dd'T'HH:mm:ssZ", in: "2011-10-11T13:45:40-0230", want: at("2011-10-11T16:15:40Z")},
		{format: "yyyy-MM-dd'T'HH:mm:ssX", in: "2011-10-11T13:45:40+02", want: at("2011-10-11T11:45:40Z")},
		{format: "yyyy-MM-dd'T'HH:mm:ssX", in: "2011-10-11T13:45:40", code: fault.ValueType},
		{format: "yyyy-MM-dd HH:mm:ss.S", in: "2011-10-11 13:45:40.5", want: at("2011-10-11T13:45:40.5Z")},
		{format: "yyyy-MM-dd HH:mm:ss.S", in: "2011-10-11 13:45:40.123456789", want: at("2011-10-11T13:45:40.123Z")},
		{format: "yyyy-MM-dd HH:mm:ss.SS", in: "2011-10-11 13:45:40.05", want: at("2011-10-11T13:45:40.05Z")},
		{format: "yyyy-MM-dd HH:mm:ss.SSSSSS", in: "2011-10-11 13:45:40.276999", want: at("2011-10-11T13:45:40.276Z")},
		{format: "EEE, d MMM yyyy HH:mm:ss Z", in: "Tue, 1 Oct 2011 13:45:40 +0200", want: at("2011-10-01T11:45:40Z")},
		{format: "EEEE d MMMM uuuu", in: "TUESDAY 1 october 2011", want: at("2011-10-01T00:00:00Z")},
		{format: "d MMM yyyy", in: "1 May 2011", want: at("2011-05-01T00:00:00Z")},
		{format: "d MMM yyyy", in: "1 Mai 2011", code: fault.ValueType},
		{format: "EEE d MMM yyyy", in: "Die 1 May 2011", code: fault.ValueType},
		{format: "yyyy-MM-dd[ HH:mm[:ss]]", in: "2011-10-11", want: at("2011-10-11T00:00:00Z")},
		{format: "yyyy-MM-dd[ HH:mm[:ss]]", in: "2011-10-11 13:45", want: at("2011-10-11T13:45:00Z")},
		{format: "yyyy-MM-dd[ HH:mm[:ss]]", in: "2011-10-11 13:45:40", want: at("2011-10-11T13:45:40Z")},
		{format: "yyyy-MM-dd[ HH:mm[:ss]]", in: "2011-10-11 13", code: fault.ValueType},
		{format: "yyyy-MM-dd HH:mm:ss[.SSSSSS][.SSS]", in: "2011-10-11 13:45:40.276", want: at("2011-10-11T13:45:40.276Z")},
		{format: "yyyy-MM-dd[' at' HH]' o''clock'", in: "2011-10-11 at 13 o'clock", want: at("2011-10-11T13:00:00Z")},
		{format: "yyyy-MM-dd[' at' HH]' o''clock'", in: "2011-10-11 o'clock", want: at("2011-10-11T00:00:00Z")},
		{format: "yyyy''MM''dd", in: "2011'10'11", want: at("2011-10-11T00:00:00Z")},
		{format: "yyyy年MM月dd日", in: "2011年10月11日", want: at("2011-10-11T00:00:00Z")},
		{format: "yyyy-MM-dd HH:mm:ss 'UTC'", in: "2011-10-11 13:45:40 UTC", want: at("2011-10-11T13:45:40Z")},
	}
	for _, row := range rows {
		o := newOne(t, flows.Rule{Type: "datetime", Format: row.format})
		got, code := o.convert(text(row.in))
		require.Equalf(t, row.code, code, "%q as %q", row.in, row.format)
		require.Equalf(t, row.want, got, "%q as %q", row.in, row.format)
	}
}

func TestFormatsOfDateAndTime(t *testing.T) {
	t.Parallel()
	check(t, flows.Rule{Type: "date", Format: "yyyyMMdd"}, []conversion{
		{in: text("20240501"), want: on("2024-05-01")},
		{in: number("20240501"), want: on("2024-05-01")},
		{in: text("20240532"), code: fault.ValueType},
		{in: text("20240431"), code: fault.ValueType},
		{in: text("13990501"), code: fault.ValueOutOfRange},
		{in: truth("true"), code: fault.ValueType},
	})
	// The day and the time of day are those written, whatever the offset.
	check(t, flows.Rule{Type: "date", Format: "yyyy-MM-dd HH:mm XXX"}, []conversion{
		{in: text("2024-05-01 23:30 -05:00"), want: on("2024-05-01")},
	})
	check(t, flows.Rule{Type: "time", Format: "HHmm"}, []conversion{
		{in: text("1345"), want: millisAt1345},
		{in: text("2400"), code: fault.ValueType},
	})
	check(t, flows.Rule{Type: "time", Format: "yyyy-MM-dd hh:mm a X"}, []conversion{
		{in: text("2024-05-01 01:45 pm +05"), want: millisAt1345},
	})
}

func TestFormatFaults(t *testing.T) {
	t.Parallel()
	rows := []struct{ kind, format, detail, hint string }{
		{"datetime", "YYYY-MM-dd", `format "YYYY-MM-dd", position 1: "YYYY" is not supported`, "calendar year is y"},
		{"datetime", "yyyy-MM-ddTHH:mm", `position 11: "T" is not supported`, "single quotes"},
		{"datetime", "yyyy-MM-dd z", `position 12: "z" is not supported`, "offset is X"},
		{"datetime", "yyyy-MM-dd Q", `position 12: "Q" is not supported`, "supported letters are"},
		{"datetime", "yyy-MM-dd", `position 1: "yyy" is not supported`, `'y' cannot be written 3 times`},
		{"datetime", "yyyy-DD", `position 6: "DD" is not supported`, ""},
		{"datetime", "yyyy-MMMMM-dd", `"MMMMM" is not supported`, ""},
		{"datetime", "yyyy-MM-dd HHH", `"HHH" is not supported`, ""},
		{"datetime", "yyyy-MM-dd SSSSSSSSSS", `"SSSSSSSSSS" is not supported`, ""},
		{"datetime", "yyyy-MM-dd 'x", "position 12: a single quote is not closed", ""},
		{"datetime", "yyyy-MM-dd [HH", `a "[" is not closed`, ""},
		{"datetime", "yyyy-MM-dd HH]", `a "]" closes nothing`, ""},
		{"datetime", "yyyy-MM-dd {", "is reserved", ""},
		{"datetime", "yyyy-MM-dd MM", `'M' is read twice`, ""},
		{"datetime", "yMMdd", "a number of variable length stands right before", ""},
		{"datetime", "d[M]yyyy-MM", "a number of variable length stands right before", ""},
		{"datetime", "HH:mm", "needs year, month and day", ""},
		{"date", "yyyy[-MM-dd]", "needs year, month and day", ""},
		{"time", "mm:ss", "needs an hour", ""},
		{"time", "hh:mm", "needs an hour", ""},
		{"datetime", "yyyy-MM-dd hh:mm", "hour of half a day without a", ""},
		{"datetime", "yyyy-MM-dd hh HH a", "reads the hour twice", ""},
		{"datetime", "yyyy-MM-dd D", "day of the year (D) beside month or day", ""},
		{"string", "yyyy", "a string column takes no format", "give the rule a type"},
		{"boolean", "x", "a boolean column takes no format", ""},
		{"integer", "#,##0", `the format "#,##0" is not one of numbers`, `"comma"`},
	}
	for _, row := range rows {
		_, err := mapping.Compile([]flows.Rule{{To: "F", Type: row.kind, Format: row.format}}, nil, mapping.Options{})
		require.Truef(t, fault.Has(err, fault.MappingRule), "%q: %v", row.format, err)
		f := fault.From(err)
		require.Contains(t, f.Message, row.detail, row.format)
		require.Contains(t, f.Hint, row.hint, row.format)
		require.Equal(t, "/mapping/0/format", f.Fields[0].Pointer)
	}
}

// spellings pairs formats with Go's layouts for them.
var spellings = map[string]string{
	"dd.MM.yyyy HH:mm:ss.SSS":             "02.01.2006 15:04:05.000",
	"d/M/yyyy h:mm:ss.SSS a":              "2/1/2006 3:04:05.000 PM",
	"EEE, dd MMM yyyy HH:mm:ss,SSS Z":     "Mon, 02 Jan 2006 15:04:05,000 -0700",
	"EEEE MMMM d yyyy hh:mm:ss.SSSSSS aX": "Monday January 2 2006 03:04:05.000000 PMZ07",
	"yyyyMMddHHmmss.S":                    "20060102150405.000",
	"yyyy-DDD'T'HH:mm:ss.SSSXXX":          "2006-002T15:04:05.000Z07:00",
	"uu-MM-dd HH:mm:ss[.SSS][ XX]":        "06-01-02 15:04:05.000 Z0700",
}

func TestFormatsRoundTrip(t *testing.T) {
	t.Parallel()
	for format, layout := range spellings {
		o := newOne(t, flows.Rule{Type: "datetime", Format: format})
		rapid.Check(t, func(t *rapid.T) {
			want := time.UnixMilli(rapid.Int64Range(at("1969-01-01T00:00:00Z"), at("2068-12-31T00:00:00Z")).Draw(t, "millis")).UTC()
			got, code := o.convert(text(want.Format(layout)))
			require.Empty(t, code, want.Format(layout))
			require.Equal(t, want.UnixMilli(), got, want.Format(layout))
		})
	}
}

func FuzzFormat(f *testing.F) {
	for format, layout := range spellings {
		f.Add(format, time.UnixMilli(1318333540276).UTC().Format(layout))
	}
	f.Add("yyyy-MM-dd[ HH[:mm]]['x''y']", "2011-10-11 13:45x'y")
	f.Fuzz(func(t *testing.T, format, value string) {
		plan, err := mapping.Compile([]flows.Rule{{To: "F", Type: "datetime", Format: format}}, nil, mapping.Options{})
		if err != nil {
			require.NotEmpty(t, fault.From(err).Fields)
			return
		}
		out, errs := apply(plan, block([]string{"F"}, []cell{text(value)}))
		require.Equal(t, 1, out.Rows+len(errs))
	})
}
