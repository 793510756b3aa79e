package engine

import (
	"context"

	"github.com/celonis-connector/connector/flows"
)

// Regretter is a Surveyor that hears of records that became no row, too: they
// are in the source all the same.
type Regretter interface {
	// Regret takes the errors of a block, one for each such record; they are valid until it returns.
	Regret(ctx context.Context, errors []flows.RecordError) error
}

// regret tells a survey of the records that became no row.
func regret(ctx context.Context, s Surveyor, errors []flows.RecordError) error {
	r, ok := s.(Regretter)
	if !ok || len(errors) == 0 {
		return nil
	}
	return r.Regret(ctx, errors)
}

// Foreteller is a Deliverer that knows what in single a dry run would change.
type Foreteller interface {
	// Foretold lists the first changes, at most flows.MaxForecastChanges.
	Foretold() []flows.ForecastChange
}

// foretell keeps with a dry run what it would change.
func foretell(ctx context.Context, job *Job, j *journal) error {
	d, dry := delivererOf(job.Sink)
	f, ok := d.(Foreteller)
	if !ok || !dry {
		return nil
	}
	changes := f.Foretold()
	if len(changes) == 0 {
		return nil
	}
	return j.change(ctx, nil, func(c *flows.Checkpoint) {
		told := flows.Forecast{}
		if c.Forecast != nil {
			told = *c.Forecast
		}
		told.Changes = changes
		c.Forecast = &told
	})
}
