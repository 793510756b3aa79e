package flows

import (
	"math"

	"github.com/celonis-connector/connector/internal/fault"
)

// Retry: records that had become errors are tried again.
const Retry Trigger = "retry"

// FlowVersion says with which revision of a flow its errors are retried.
type FlowVersion string

const (
	// FlowOriginal is the revision that met the error.
	FlowOriginal FlowVersion = "original"
	// FlowCurrent is the flow as it is now.
	FlowCurrent FlowVersion = "current"
)

// ForRetry gives the flow as a retry of some of its records runs it. The rows
// are added to those that the table has:
//
//	import                     | a retry
//	dataPush replace, keys     | delta with the same keys
//	dataPush replace, no keys  | refused: the table would be left with the retried rows alone
//	dataPush delta             | as it is
//	dataPush delete            | as it is: removing by keys leaves all other rows
//	continuousPush             | as it is: it upserts
//	dataIngestion              | as it is: it upserts
//	http, webhook              | as it is: what is retried is sent under an id of its own
//	file                       | as it is: the retried rows come in a file of their own
//
// It neither widens the table nor stops at a number of bad records. Fault
// FlowRetryKeys.
func (f *Flow) ForRetry() (*Flow, error) {
	g := *f
	g.Retrying = true
	g.Export.ConnectionID = ""
	g.MaxErrors = &Threshold{Count: math.MaxInt64}
	if f.Policy() != DiscardValue {
		g.SchemaPolicy = DiscardRow
	}
	if g.Import.Type != ImportDataPush || g.Import.Mode != Replace {
		return &g, nil
	}
	if len(g.Import.Keys) == 0 {
		return nil, fault.New(fault.FlowRetryKeys, "flow %q replaces its table and has no keys, so a retry would leave the retried rows alone in it", f.Name).
			WithHint("give the import the keys that tell rows apart, then retry with the flow as it is now; or mend the source and run the flow anew")
	}
	g.Import.Mode = Delta
	return &g, nil
}
