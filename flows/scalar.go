package flows

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
)

// DefaultMaxErrors is how many bad records a run bears when its flow does not say.
const DefaultMaxErrors = 1000

// Scalar is a JSON string, number or boolean, kept as its text.
type Scalar string

// UnmarshalJSON takes a string, a number or a boolean.
func (s *Scalar) UnmarshalJSON(data []byte) error {
	data = bytes.TrimSpace(data)
	if len(data) > 0 && data[0] == '"' {
		var text string
		if err := json.Unmarshal(data, &text); err != nil {
			return err
		}
		*s = Scalar(text)
		return nil
	}
	if len(data) == 0 || data[0] == '{' || data[0] == '[' || string(data) == "null" {
		return fault.New(fault.RequestWrongType, "must be a string, a number or a boolean")
	}
	*s = Scalar(data)
	return nil
}

// Threshold bounds the bad records of a run: by count, or by their share of
// the records read when Percent is not 0.
type Threshold struct {
	Count   int64
	Percent float64
}

// MinPercentRecords is how many records a run reads before a percentage can
// stop it; at the source's end it counts whatever the number.
const MinPercentRecords = 1000

// UnmarshalJSON takes a count (100) or a percentage ("5%").
func (t *Threshold) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		number, isPercent := strings.CutSuffix(strings.TrimSpace(text), "%")
		p, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if !isPercent || err != nil || !(p > 0 && p <= 100) {
			return fault.New(fault.RequestFieldInvalid, "must be a count or a percentage such as \"5%%\"")
		}
		*t = Threshold{Percent: p}
		return nil
	}
	var count int64
	if err := json.Unmarshal(data, &count); err != nil || count < 0 {
		return fault.New(fault.RequestFieldInvalid, "must be a count of 0 or more, or a percentage such as \"5%%\"")
	}
	*t = Threshold{Count: count}
	return nil
}

// MarshalJSON writes what UnmarshalJSON reads.
func (t Threshold) MarshalJSON() ([]byte, error) {
	if t.Percent > 0 {
		return json.Marshal(strconv.FormatFloat(t.Percent, 'f', -1, 64) + "%")
	}
	return json.Marshal(t.Count)
}

// String is the form for messages: "1000" or "5 %".
func (t Threshold) String() string {
	if t.Percent > 0 {
		return fmt.Sprintf("%g %%", t.Percent)
	}
	return strconv.FormatInt(t.Count, 10)
}

// Exceeded reports whether errored bad records out of read are too many; final
// says that the source has ended.
func (t Threshold) Exceeded(errored, read int64, final bool) bool {
	if t.Percent <= 0 {
		return errored > t.Count
	}
	if !final && read < MinPercentRecords {
		return false
	}
	return float64(errored)*100 > t.Percent*float64(read)
}
