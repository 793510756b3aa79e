package worker

import (
	"slices"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/engine"
)

// sinkOf gives the sink that a run's rows go to; those of a dry run go nowhere.
func sinkOf(r *flows.Run, sink engine.Sink) engine.Sink {
	if r.Options.DryRun {
		return engine.Dry(sink)
	}
	return sink
}

// foreseen keeps the first record errors of a dry run with the run. They are no
// errors of the flow: nothing was to be delivered, so nothing is to be mended.
func (j *tokenJournal) foreseen(c *flows.Checkpoint, errors []flows.RecordError) {
	if c.Forecast == nil {
		c.Forecast = &flows.Forecast{}
	}
	for _, e := range errors {
		if len(j.forecast) == flows.MaxForecastErrors {
			break
		}
		// A run that begins anew meets the same records again.
		if slices.ContainsFunc(j.forecast, func(f flows.ForecastError) bool { return f.Record == e.Record }) {
			continue
		}
		j.forecast = append(j.forecast, flows.ForecastError{
			Record: e.Record, Line: e.Line, Offset: e.Offset, Field: e.Field, Code: e.Code, Message: e.Message,
		})
	}
	found := *c.Forecast
	found.Errors = j.forecast
	c.Forecast = &found
}
