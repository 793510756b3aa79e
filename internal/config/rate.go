package config

import (
	"encoding"
	"fmt"
	"strconv"
	"strings"
)

// Rate is a budget that fills by PerSecond up to Burst, as "50/200"; "0" is no limit.
type Rate struct {
	PerSecond float64
	Burst     int
}

var _ encoding.TextUnmarshaler = (*Rate)(nil)

// maxRate bounds a rate a second, and a burst.
const maxRate = 1_000_000

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *Rate) UnmarshalText(text []byte) error {
	if string(text) == "0" {
		*r = Rate{}
		return nil
	}
	rate, burst, _ := strings.Cut(string(text), "/")
	perSecond, err := strconv.ParseFloat(rate, 64)
	n, burstErr := strconv.Atoi(burst)
	if err != nil || burstErr != nil || !(perSecond >= 0.001 && perSecond <= maxRate) || n < 1 || n > maxRate {
		return fmt.Errorf("%q is no rate: it reads like 50/200, requests a second and at once, or 0 for no limit", text)
	}
	*r = Rate{perSecond, n}
	return nil
}
