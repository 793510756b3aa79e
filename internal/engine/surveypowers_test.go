package engine_test

import (
	"context"
	"testing"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

// attentive is a surveyor that hears of bad records and tells what it would change.
type attentive struct {
	*surveyor
	lost []flows.RecordError
}

var (
	_ engine.Regretter  = (*attentive)(nil)
	_ engine.Foreteller = (*attentive)(nil)
)

func (a *attentive) Regret(_ context.Context, errors []flows.RecordError) error {
	a.lost = append(a.lost, errors...)
	return nil
}

func (a *attentive) Foretold() []flows.ForecastChange {
	return []flows.ForecastChange{{Action: "created", Key: "1"}}
}

func TestASurveyHearsOfBadRecords(t *testing.T) {
	t.Parallel()
	body := "ID,NAME,AMOUNT\n1,a,1\nx,b,2\n3,c,3\ny,d,4\n"
	sink := &attentive{surveyor: &surveyor{receiver: newReceiver(5)}}
	journal := &memoryJournal{}
	_, err := small().Run(t.Context(), deliverJob(body, sink, journal))
	require.NoError(t, err)
	require.Len(t, sink.lost, 2)
	require.Equal(t, []int64{2, 4}, []int64{sink.lost[0].Record, sink.lost[1].Record})
	require.Nil(t, journal.last().Forecast, "only a dry run foretells")

	dry, journal := &attentive{surveyor: &surveyor{receiver: newReceiver(5)}}, &memoryJournal{}
	dry.refuse = func(id string) *fault.Error {
		if id == "3" {
			return fault.New(fault.ScimValue, "no").WithFields(fault.Field{Pointer: "userName"})
		}
		return nil
	}
	_, err = small().Run(t.Context(), deliverJob(body, engine.Dry(dry), journal))
	require.NoError(t, err)
	require.Equal(t, []flows.ForecastChange{{Action: "created", Key: "1"}}, journal.last().Forecast.Changes)
	require.Empty(t, dry.took)
}
