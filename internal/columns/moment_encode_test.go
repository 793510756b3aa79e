package columns

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// byTheBook writes a value as the time package does.
func byTheBook(t Type, v int64) string {
	switch t {
	case Date:
		return time.Unix(0, 0).UTC().AddDate(0, 0, int(v)).Format("2006-01-02")
	case DateTime:
		return time.UnixMilli(v).UTC().Format("2006-01-02T15:04:05.000Z")
	}
	return time.UnixMilli(v).UTC().Format("15:04:05.000")
}

func TestEveryDayIsWrittenByTheBook(t *testing.T) {
	t.Parallel()
	at := time.Unix(0, 0).UTC().AddDate(0, 0, firstDay)
	for day := int64(firstDay); day <= lastDay; day++ {
		if got := string(appendDay(nil, day)); got != at.Format("2006-01-02") {
			require.Equal(t, at.Format("2006-01-02"), got)
		}
		at = at.AddDate(0, 0, 1)
	}
}

// FuzzMoments: what is written is what the time package writes.
func FuzzMoments(f *testing.F) {
	for _, v := range []int64{0, -1, 1, dayMillis - 1, dayMillis, -dayMillis, 1_700_000_000_123, -17_987_443_200_000, 253_402_300_799_999, firstDay * dayMillis} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v int64) {
		v %= 1 << 50
		for _, kind := range []Type{DateTime, Time} {
			require.Equal(t, byTheBook(kind, v), string(appendMoment(nil, kind, v)))
		}
		v %= 1 << 24
		require.Equal(t, byTheBook(Date, v), string(appendMoment(nil, Date, v)))
	})
}
