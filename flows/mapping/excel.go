package mapping

import (
	"math"

	"github.com/celonis-connector/connector/internal/columns"
)

// formatExcel is the Rule.Format of spreadsheet serial numbers: days since
// 1899-12-30 with the time of day as fraction. Numbers say nothing of being
// dates, so they are never inferred.
const formatExcel = "excel"

const (
	// excelEpoch is serial 0 of serials from 61 on, as days since 1970-01-01.
	excelEpoch = -25_569
	// excelLeap is a day that spreadsheets have and the calendar has not, 1900-02-29.
	excelLeap = 60
	// excelEnd is the serial behind 9999-12-31.
	excelEnd = 2_958_466
)

// excelConverter gives the conversion of serial numbers for a column of type t.
func excelConverter(t columns.Type) func([]byte, columns.Kind) (int64, verdict) {
	return func(b []byte, kind columns.Kind) (int64, verdict) {
		serial, is := parseFloat(b, kind)
		if is != good {
			return 0, is
		}
		whole := math.Floor(serial)
		millis := int64(math.Round((serial - whole) * day))
		if t == columns.Time {
			if whole != 0 || millis >= day {
				return 0, wrongType
			}
			return millis, good
		}
		if serial < 1 || serial >= excelEnd || whole == excelLeap {
			return 0, outOfRange
		}
		days := int64(whole) + excelEpoch
		if whole < excelLeap {
			days++
		}
		if t == columns.Date {
			return calendarDay(days)
		}
		return instant(days*day + millis)
	}
}
