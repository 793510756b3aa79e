package engine_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/mapping"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// receiver takes rows one by one, as an API does.
type receiver struct {
	mu         sync.Mutex
	group      int
	repeatable bool
	// took has the first column of every row delivered, in order; by number where the receiver tells repeated ones.
	took     []string
	byNumber map[string]string
	groups   []engine.Delivery
	begun    int
	commits  int
	// refuse names a fault for a row, before and after act around a delivery.
	refuse func(id string) *fault.Error
	before func(d engine.Delivery) error
	after  func(d engine.Delivery) error
}

var _ engine.Deliverer = (*receiver)(nil)

func newReceiver(group int) *receiver {
	return &receiver{
		group: group, byNumber: map[string]string{},
		refuse: func(string) *fault.Error { return nil },
		before: func(engine.Delivery) error { return nil },
		after:  func(engine.Delivery) error { return nil },
	}
}

func (r *receiver) Group() int       { return r.group }
func (r *receiver) Repeatable() bool { return r.repeatable }

func (r *receiver) Resume(_ context.Context, c flows.Checkpoint) (engine.Decision, error) {
	if c.Submitted {
		return engine.Finish, nil
	}
	return engine.GoOn, nil
}

func (r *receiver) Begin(context.Context, columns.Schema) (string, error) {
	r.begun++
	return fmt.Sprintf("push-%d", r.begun), nil
}

func (r *receiver) Encoder(columns.Schema) (columns.ChunkEncoder, error) {
	return nil, errors.New("rows are delivered, not encoded")
}
func (r *receiver) Put(context.Context, string, engine.Chunk) error {
	return errors.New("rows are delivered, not encoded")
}
func (r *receiver) Abort(context.Context, string) error { return nil }
func (r *receiver) Commit(context.Context, string) error {
	r.commits++
	return nil
}

func (r *receiver) Deliver(_ context.Context, jobID string, d engine.Delivery) ([]engine.Outcome, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.groups = append(r.groups, d)
	if err := r.before(d); err != nil {
		return nil, err
	}
	out := make([]engine.Outcome, 0, d.To-d.From)
	for row := d.From; row < d.To; row++ {
		if d.Doubtful {
			out = append(out, engine.Outcome{Done: true, Fault: fault.New(fault.DestinationInDoubt, "it is not known")})
			continue
		}
		id := string(columns.RenderValue(&d.Rows.Columns[0], row, nil))
		if f := r.refuse(id); f != nil {
			out = append(out, engine.Outcome{Done: true, Fault: f})
			continue
		}
		action := "created"
		if d.Dry {
			out = append(out, engine.Outcome{Done: true, Action: action})
			continue
		}
		r.took = append(r.took, id)
		r.byNumber[fmt.Sprintf("%s/%d", jobID, d.First+int64(row-d.From))] = id
		out = append(out, engine.Outcome{Done: true, Action: action})
	}
	return out, r.after(d)
}

func ids(rows int) (out []string) {
	for i := range rows {
		out = append(out, fmt.Sprint(i))
	}
	return out
}

func deliverJob(body string, r engine.Sink, j *memoryJournal) engine.Job {
	return engine.Job{Source: csvText(body), Sink: r, Journal: j, Rules: rules(), MaxErrors: flows.Threshold{Count: 1_000_000}, Checkpoint: j.last()}
}

func TestRowsAreDeliveredInOrder(t *testing.T) {
	t.Parallel()
	const rows = 2_000
	sink, journal := newReceiver(7), &memoryJournal{}
	ledger, err := small().Run(t.Context(), deliverJob(text(rows), sink, journal))
	require.NoError(t, err)
	require.Equal(t, flows.Ledger{Read: rows, Pushed: rows}, ledger)
	require.Equal(t, ids(rows), sink.took)
	c := journal.last()
	require.True(t, c.Submitted)
	require.True(t, c.Visible)
	require.Equal(t, map[string]int64{"created": rows}, c.Actions)
	require.Equal(t, 1, sink.commits)
	require.EqualValues(t, len(sink.groups), c.Chunks)
	next := int64(0)
	for _, d := range sink.groups {
		require.LessOrEqual(t, d.To-d.From, 7)
		require.Equal(t, next, d.First)
		next += int64(d.To - d.From)
	}
}

func TestRefusedRowsBecomeRecordErrorsWithTheirRecord(t *testing.T) {
	t.Parallel()
	body := "ID,NAME,AMOUNT\n1,a,1\nx,b,2\n3,c,3\n4,d,4\n5,e,nope\n6,f,6\n"
	sink, journal := newReceiver(2), &memoryJournal{}
	sink.refuse = func(id string) *fault.Error {
		if id == "3" || id == "6" {
			return fault.New(fault.DestinationRefused, "status 422 for %s", id)
		}
		return nil
	}
	ledger, err := small().Run(t.Context(), deliverJob(body, sink, journal))
	require.NoError(t, err)
	require.Equal(t, flows.Ledger{Read: 6, Pushed: 2, Errored: 4}, ledger)
	byRecord := map[int64]flows.RecordError{}
	for _, e := range journal.errors {
		byRecord[e.Record] = e
	}
	require.ElementsMatch(t, []int64{2, 3, 5, 6}, slices.Collect(maps.Keys(byRecord)))
	third := byRecord[3]
	require.Equal(t, fault.DestinationRefused, third.Code)
	require.Equal(t, "status 422 for 3", third.Message)
	require.Equal(t, "3,c,3", strings.TrimSpace(string(third.Data)))
	require.JSONEq(t, `{"ID":"3","NAME":"c","AMOUNT":"3"}`, string(third.Object))
	require.EqualValues(t, 4, third.Line)
	require.EqualValues(t, strings.Index(body, "3,c"), third.Offset)
	require.Equal(t, fault.ValueType, byRecord[2].Code)
	require.EqualValues(t, 7, byRecord[6].Line)
}

func TestFilteredRecordsKeepTheirPlaces(t *testing.T) {
	t.Parallel()
	sink, journal := newReceiver(3), &memoryJournal{}
	sink.refuse = func(id string) *fault.Error {
		if id == "7" {
			return fault.New(fault.DestinationRefused, "no")
		}
		return nil
	}
	job := deliverJob(text(12), sink, journal)
	job.Shape = mapping.ShapeOf(flows.Spec{Filter: `record["ID"] in ["1", "3", "5", "7", "9", "11"]`})
	ledger, err := small().Run(t.Context(), job)
	require.NoError(t, err)
	require.Equal(t, flows.Ledger{Read: 12, Filtered: 6, Pushed: 5, Errored: 1}, ledger)
	require.Len(t, journal.errors, 1)
	require.EqualValues(t, 8, journal.errors[0].Record)
	require.Equal(t, "7,name 7,7.5", strings.TrimSpace(string(journal.errors[0].Data)))
}

func TestTooManyRefusedRowsEndTheRun(t *testing.T) {
	t.Parallel()
	sink, journal := newReceiver(10), &memoryJournal{}
	sink.refuse = func(id string) *fault.Error { return fault.New(fault.DestinationRefused, "no") }
	job := deliverJob(text(500), sink, journal)
	job.MaxErrors = flows.Threshold{Count: 25}
	_, err := small().Run(t.Context(), job)
	require.True(t, fault.Has(err, fault.RunTooManyErrors), "%v", err)
	require.EqualValues(t, 30, journal.last().Ledger.Errored)
	require.Len(t, journal.errors, 30)
	require.Len(t, sink.groups, 3)
}

func TestAnAttemptGoesOnWhereTheOneBeforeWas(t *testing.T) {
	t.Parallel()
	const rows = 300
	for _, repeatable := range []bool{true, false} {
		for stop := 1; stop <= rows/5; stop += 3 {
			sink, journal := newReceiver(5), &memoryJournal{}
			sink.repeatable = repeatable
			calls := 0
			sink.before = func(engine.Delivery) error {
				if calls++; calls == stop {
					return fault.New(fault.DestinationUnavailable, "not now").WithRetry(fault.Later)
				}
				return nil
			}
			_, err := small().Run(t.Context(), deliverJob(text(rows), sink, journal))
			require.True(t, fault.Has(err, fault.DestinationUnavailable))
			c := journal.last()
			require.True(t, c.Ledger.Balanced())
			require.EqualValues(t, len(sink.took), c.Ledger.Pushed)
			ledger, err := small().Run(t.Context(), deliverJob(text(rows), sink, journal))
			require.NoError(t, err)
			require.Equal(t, flows.Ledger{Read: rows, Pushed: rows}, ledger)
			require.Equal(t, ids(rows), sink.took)
			require.Equal(t, 1, sink.begun, "the push goes on under its id")
			for _, d := range sink.groups {
				require.False(t, d.Doubtful, "nothing was sent of the group")
			}
		}
	}
}

// A worker dies after the group went out and before that is on record.
func TestAGroupUnderWayIsDoubtful(t *testing.T) {
	t.Parallel()
	sink, journal := newReceiver(5), &memoryJournal{}
	died := errors.New("killed")
	calls := 0
	dying := &dyingJournal{memoryJournal: journal, die: func(c flows.Checkpoint) error {
		if calls == 4 && c.Ledger.Pushed == 20 {
			return died
		}
		return nil
	}}
	sink.after = func(engine.Delivery) error { calls++; return nil }
	job := deliverJob(text(40), sink, journal)
	job.Journal = dying
	_, err := small().Run(t.Context(), job)
	require.ErrorIs(t, err, died)
	require.Len(t, sink.took, 20)

	ledger, err := small().Run(t.Context(), deliverJob(text(40), sink, journal))
	require.NoError(t, err)
	require.Equal(t, flows.Ledger{Read: 40, Pushed: 35, Errored: 5}, ledger)
	require.Equal(t, ids(40), sink.took, "none was sent twice")
	require.Len(t, journal.errors, 5)
	require.Equal(t, fault.DestinationInDoubt, journal.errors[0].Code)
	require.EqualValues(t, 16, journal.errors[0].Record)
}

type dyingJournal struct {
	*memoryJournal
	die func(flows.Checkpoint) error
}

func (j *dyingJournal) Save(ctx context.Context, c flows.Checkpoint, found []flows.RecordError) error {
	if err := j.die(c); err != nil {
		return err
	}
	return j.memoryJournal.Save(ctx, c, found)
}

func TestOutcomesBeforeAFaultCount(t *testing.T) {
	t.Parallel()
	at := time.Now().Add(time.Hour)
	sink, journal := &partial{receiver: newReceiver(10)}, &memoryJournal{}
	sink.fault = fault.New(fault.DestinationRateLimited, "wait").WithResumeAt(at)
	_, err := small().Run(t.Context(), deliverJob(text(25), sink, journal))
	require.Equal(t, fault.Wait, fault.RetryOf(err))
	require.Equal(t, at, fault.From(err).ResumeAt)
	require.EqualValues(t, 4, journal.last().Ledger.Pushed)
	ledger, err := small().Run(t.Context(), deliverJob(text(25), sink, journal))
	require.NoError(t, err)
	require.EqualValues(t, 25, ledger.Pushed)
	require.Equal(t, ids(25), sink.took)
}

// partial decides four rows of the first group.
type partial struct {
	*receiver
	fault error
}

func (p *partial) Deliver(ctx context.Context, jobID string, d engine.Delivery) ([]engine.Outcome, error) {
	if p.fault == nil {
		return p.receiver.Deliver(ctx, jobID, d)
	}
	err := p.fault
	p.fault = nil
	d.To = d.From + 4
	out, _ := p.receiver.Deliver(ctx, jobID, d)
	return append(out, engine.Outcome{}, engine.Outcome{Done: true}), err
}

func TestACancelInTheMiddleKeepsWhatIsDecided(t *testing.T) {
	t.Parallel()
	for _, repeatable := range []bool{true, false} {
		ctx, cancel := context.WithCancelCause(t.Context())
		stop := fault.New(fault.RunReleased, "stopping")
		sink, journal := newReceiver(10), &memoryJournal{}
		sink.repeatable = repeatable
		sink.after = func(d engine.Delivery) error {
			if d.First == 20 {
				cancel(stop)
			}
			return nil
		}
		_, err := small().Run(ctx, deliverJob(text(60), sink, journal))
		require.ErrorIs(t, err, stop)
		require.EqualValues(t, 30, journal.last().Ledger.Pushed)
		sink.after = func(engine.Delivery) error { return nil }
		ledger, err := small().Run(t.Context(), deliverJob(text(60), sink, journal))
		require.NoError(t, err)
		require.EqualValues(t, 60, ledger.Pushed)
		require.Equal(t, ids(60), sink.took)
	}
}

// The records before the cursor are an unbroken beginning, those that became no row among them.
func TestTheLedgerIsAnUnbrokenBeginning(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("ID,NAME,AMOUNT\n")
	for i := range 60 {
		switch i % 6 {
		case 1:
			fmt.Fprintf(&b, "x%d,bad,1\n", i)
		case 3:
			fmt.Fprintf(&b, "%d,out,1\n", i)
		default:
			fmt.Fprintf(&b, "%d,in,1\n", i)
		}
	}
	for stop := 1; stop < 14; stop++ {
		sink, journal := newReceiver(3), &memoryJournal{}
		calls := 0
		sink.before = func(engine.Delivery) error {
			if calls++; calls == stop {
				return fault.New(fault.DestinationUnavailable, "not now")
			}
			return nil
		}
		job := func() engine.Job {
			job := deliverJob(b.String(), sink, journal)
			job.Shape = mapping.ShapeOf(flows.Spec{Filter: `record["NAME"] != "out"`})
			return job
		}
		_, err := small().Run(t.Context(), job())
		require.Error(t, err)
		c := journal.last()
		require.True(t, c.Ledger.Balanced())
		require.Equal(t, c.Ledger.Read, c.Consumed)
		if len(sink.took) > 0 {
			last := sink.took[len(sink.took)-1]
			require.Equal(t, last, fmt.Sprint(c.Consumed-1), "the last record consumed is the last one delivered")
			for _, e := range journal.errors {
				require.LessOrEqual(t, e.Record, c.Consumed)
			}
		}
		ledger, err := small().Run(t.Context(), job())
		require.NoError(t, err)
		require.Equal(t, flows.Ledger{Read: 60, Filtered: 10, Pushed: 40, Errored: 10}, ledger)
		require.Len(t, journal.errors, 10)
		require.Len(t, sink.took, 40)
	}
}

// A run that is canceled in the middle of a call leaves its rows to a person.
func TestACanceledRunHasNoDoubtLeft(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	sink, journal := newReceiver(10), &memoryJournal{}
	sink.before = func(d engine.Delivery) error {
		if d.First == 20 {
			cancel(fault.New(fault.RunCanceled, "canceled"))
			return errors.New("cut off")
		}
		return nil
	}
	_, err := small().Run(ctx, deliverJob(text(60), sink, journal))
	require.True(t, fault.Has(err, fault.RunCanceled))
	require.Equal(t, flows.Ledger{Read: 30, Pushed: 20, Errored: 10}, journal.last().Ledger)
	require.Len(t, journal.errors, 10)
	require.Equal(t, fault.DestinationInDoubt, journal.errors[0].Code)
}

// What is cut off in the middle of a call, of which nobody knows, is doubtful for the next attempt.
func TestAGroupCutOffIsDoubtful(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	sink, journal := newReceiver(10), &memoryJournal{}
	sink.before = func(d engine.Delivery) error {
		if d.First == 20 && !d.Doubtful {
			cancel(fault.New(fault.RunReleased, "stopping"))
			return errors.New("cut off")
		}
		return nil
	}
	_, err := small().Run(ctx, deliverJob(text(60), sink, journal))
	require.True(t, fault.Has(err, fault.RunReleased))
	ledger, err := small().Run(t.Context(), deliverJob(text(60), sink, journal))
	require.NoError(t, err)
	require.Equal(t, flows.Ledger{Read: 60, Pushed: 50, Errored: 10}, ledger)
}

func TestTypesWidenWithoutDeliveringAgain(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("ID,V\n")
	for i := range 60_000 {
		if i == 59_000 {
			b.WriteString("59000,many\n")
			continue
		}
		fmt.Fprintf(&b, "%d,%d\n", i, i)
	}
	sink, journal := newReceiver(500), &memoryJournal{}
	job := deliverJob(b.String(), sink, journal)
	job.Rules, job.Policy = nil, flows.Evolve
	ledger, err := small().Run(t.Context(), job)
	require.NoError(t, err)
	require.EqualValues(t, 60_000, ledger.Pushed)
	require.Equal(t, ids(60_000), sink.took)
	require.Equal(t, 1, sink.begun)
}

func TestAnotherSourceIsNotDeliveredOnTop(t *testing.T) {
	t.Parallel()
	for _, repeatable := range []bool{true, false} {
		sink, journal := newReceiver(5), &memoryJournal{}
		sink.repeatable = repeatable
		sink.before = func(d engine.Delivery) error {
			if d.First == 10 && sink.begun == 1 {
				return fault.New(fault.DestinationUnavailable, "not now")
			}
			return nil
		}
		job := deliverJob(text(30), sink, journal)
		job.Source = identified{job.Source, "first"}
		_, err := small().Run(t.Context(), job)
		require.Error(t, err)
		again := deliverJob(text(30), sink, journal)
		again.Source = identified{again.Source, "second"}
		_, err = small().Run(t.Context(), again)
		if repeatable {
			require.NoError(t, err)
			require.Equal(t, append(ids(10), ids(30)...), sink.took, "it does no harm to deliver them again")
			continue
		}
		require.True(t, fault.Has(err, fault.RunHalfDelivered), "%v", err)
		require.Equal(t, ids(10), sink.took)
	}
}

// identified is a source whose readings may have other records.
type identified struct {
	engine.Source
	identity string
}

func (s identified) Open(ctx context.Context, want []string) (*engine.Stream, error) {
	stream, err := s.Source.Open(ctx, want)
	if err == nil {
		stream.Identity = s.identity
	}
	return stream, err
}

func TestADryRunSendsNothing(t *testing.T) {
	t.Parallel()
	sink, journal := newReceiver(5), &memoryJournal{}
	sink.refuse = func(id string) *fault.Error {
		if id == "3" {
			return fault.New(fault.DestinationRefused, "no")
		}
		return nil
	}
	ledger, err := small().Run(t.Context(), deliverJob(text(30), engine.Dry(sink), journal))
	require.NoError(t, err)
	require.Equal(t, flows.Ledger{Read: 30, Pushed: 29, Errored: 1}, ledger)
	require.Empty(t, sink.took)
	require.Zero(t, sink.commits)
	c := journal.last()
	require.False(t, c.Visible)
	require.Equal(t, map[string]int64{"created": 29}, c.Actions)
	for _, d := range sink.groups {
		require.True(t, d.Dry)
	}
}

// surveyor knows every row before the first is delivered, and does more when all are.
type surveyor struct {
	*receiver
	seen     []string
	surveyed int
	fault    error
}

func (s *surveyor) Surveys() bool { return true }
func (s *surveyor) Survey(_ context.Context, rows *columns.Batch) error {
	for row := range rows.Rows {
		s.seen = append(s.seen, string(columns.RenderValue(&rows.Columns[0], row, nil)))
	}
	return nil
}
func (s *surveyor) Surveyed(context.Context) error {
	s.surveyed++
	return s.fault
}
func (s *surveyor) Acted() map[string]int64 { return map[string]int64{"deactivated": 3} }

func TestASurveyComesFirst(t *testing.T) {
	t.Parallel()
	body := "ID,NAME,AMOUNT\n1,a,1\nx,b,2\n3,c,3\n"
	sink, journal := &surveyor{receiver: newReceiver(5)}, &memoryJournal{}
	sink.before = func(engine.Delivery) error {
		if sink.surveyed != 1 {
			return errors.New("a row came before the survey's end")
		}
		return nil
	}
	_, err := small().Run(t.Context(), deliverJob(body, sink, journal))
	require.NoError(t, err)
	require.Equal(t, []string{"1", "3"}, sink.seen)
	require.Equal(t, map[string]int64{"created": 2, "deactivated": 3}, journal.last().Actions)

	stopped, other := &surveyor{receiver: newReceiver(5), fault: fault.New(fault.ScimGuard, "no")}, &memoryJournal{}
	_, err = small().Run(t.Context(), deliverJob(body, stopped, other))
	require.True(t, fault.Has(err, fault.ScimGuard))
	require.Empty(t, stopped.took)

	// Only the commit is left: the rows are surveyed for it once more.
	late := &surveyor{receiver: newReceiver(5)}
	_, err = small().Run(t.Context(), deliverJob(body, late, &memoryJournal{checkpoint: withoutActions(journal.last())}))
	require.NoError(t, err)
	require.Equal(t, []string{"1", "3"}, late.seen)
	require.Empty(t, late.took)
	require.Equal(t, 1, late.commits)
}

func withoutActions(c flows.Checkpoint) flows.Checkpoint {
	c.Actions = nil
	return c
}

// Whatever fails and dies, a receiver that tells repeated rows has each row once.
func TestEachRowArrivesOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.IntRange(1, 900).Draw(t, "rows")
		bad := rapid.IntRange(2, 50).Draw(t, "every so many a row is refused")
		sink, journal := newReceiver(rapid.IntRange(1, 40).Draw(t, "group")), &memoryJournal{}
		sink.repeatable = true
		sink.refuse = func(id string) *fault.Error {
			if len(id) > 1 && int(id[len(id)-1]+id[0])%bad == 0 {
				return fault.New(fault.DestinationRefused, "no")
			}
			return nil
		}
		calls, trouble := 0, map[int]string{}
		for range rapid.IntRange(0, 6).Draw(t, "troubles") {
			trouble[rapid.IntRange(1, 60).Draw(t, "at")] = rapid.SampledFrom([]string{"before", "lost", "dies"}).Draw(t, "what")
		}
		sink.before = func(engine.Delivery) error {
			if calls++; trouble[calls] == "before" {
				return fault.New(fault.DestinationUnavailable, "down")
			}
			return nil
		}
		sink.after = func(engine.Delivery) error { return nil }
		died := errors.New("killed")
		dying := &dyingJournal{memoryJournal: journal, die: func(flows.Checkpoint) error {
			if trouble[calls] == "dies" {
				delete(trouble, calls)
				return died
			}
			return nil
		}}
		lost := &losing{receiver: sink, lose: func() bool { return trouble[calls] == "lost" }}
		var ledger flows.Ledger
		err := errors.New("not yet run")
		for attempt := 0; err != nil && attempt < 10; attempt++ {
			job := deliverJob(text(rows), lost, journal)
			job.Journal = dying
			ledger, err = small().Run(context.Background(), job)
		}
		require.NoError(t, err)
		require.True(t, ledger.Balanced())
		require.EqualValues(t, rows, ledger.Read)
		taken := slices.Collect(maps.Values(sink.byNumber))
		require.EqualValues(t, len(taken), ledger.Pushed)
		slices.Sort(taken)
		require.Len(t, slices.Compact(taken), int(ledger.Pushed), "a row has one number in every attempt")
		require.Len(t, journal.errors, int(ledger.Errored))
	})
}

// losing loses the answer of a delivery that was taken.
type losing struct {
	*receiver
	lose func() bool
}

func (l *losing) Deliver(ctx context.Context, jobID string, d engine.Delivery) ([]engine.Outcome, error) {
	out, err := l.receiver.Deliver(ctx, jobID, d)
	if err == nil && l.lose() {
		return nil, fault.New(fault.DestinationUnavailable, "the answer was lost")
	}
	return out, err
}
