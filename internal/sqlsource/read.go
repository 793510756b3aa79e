package sqlsource

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/sqlsource/query"
)

const (
	// DefaultTimeout is how long a query may take.
	DefaultTimeout = 30 * time.Minute
	// MaxPartitions is how many connections one read may use at once.
	MaxPartitions = 8
	// defaultPartitions are used where the engine lets connections share one snapshot.
	defaultPartitions = 4
)

// Request says what to read.
type Request struct {
	Query string
	// PartitionBy names a column of the query whose values share the rows out over connections; "" reads in one stream.
	PartitionBy string
	// Partitions is how many connections read at once, at most MaxPartitions. 0 is four with PostgreSQL, whose connections
	// see the same moment, and one with the others, where each connection sees a moment of its own.
	Partitions int
	// Watch names the column whose highest value becomes the watermark, in this order; "" for none.
	Watch string
	Order Order
	// Typed says that Order is the type of From and To, too; otherwise each is an integer, else an RFC 3339 time, else text, as it looks.
	Typed bool
	// From and To are what {{watermark}} and {{until}} stand for; "" is open. A query without {{watermark}} is bounded by
	// the watched column: above From, up to and with To.
	From, To string
	// Timeout bounds every statement; 0 is DefaultTimeout.
	Timeout time.Duration
	// Looked, when set, hears of every statement that reads rows, before it is made.
	Looked func(Statement)
}

// Statement is SQL as the database gets it, with its values as texts in the order of their places.
type Statement struct {
	SQL   string
	Binds []string
}

// shown gives the statement for those who look on.
func (s statement) shown(d query.Dialect) Statement {
	out := Statement{SQL: s.sql, Binds: make([]string, len(s.args))}
	for i, a := range s.args {
		switch v := a.value(d).(type) {
		case time.Time:
			out.Binds[i] = v.Format(time.RFC3339Nano)
		default:
			out.Binds[i] = fmt.Sprint(v)
		}
	}
	return out
}

// Part takes the records of one partition, JSON objects, in order. Its error ends the read.
type Part interface {
	Append(record []byte) error
}

// Read hands over every row of a query and gives the highest values of the
// watched column, one of each partition that had any. Each call of part begins
// another partition; the partitions are filled side by side. It returns the error of a
// Part as it is, the cause of a canceled ctx, and the faults SourceQuery,
// SourceUnauthorized, SourceNotFound, SourceUnavailable, SourceRead,
// SourceTimeout, SourceHeader, SourceWatermark and those of dialing.
func (d *Databases) Read(ctx context.Context, t Target, r Request, part func() (Part, error)) (marks []string, err error) {
	w, err := r.writer(t.Dialect)
	if err != nil {
		return nil, err
	}
	read := &reading{databases: d, target: t, request: r, writer: w, part: part}
	if read.request.Timeout == 0 {
		read.request.Timeout = DefaultTimeout
	}
	return read.run(ctx)
}

// Check parses the query as the target's dialect does; fault SourceQuery with the place.
func Check(d query.Dialect, text string) (*query.Query, error) {
	q, err := query.Parse(d, text)
	var bad *query.Error
	if errors.As(err, &bad) {
		return nil, fault.New(fault.SourceQuery, "the query cannot be used at %s", bad.Error()).WithHint("%s", bad.Hint)
	}
	return q, err
}

// writer makes the request's statements.
func (r Request) writer(d query.Dialect) (*writer, error) {
	q, err := Check(d, r.Query)
	if err != nil {
		return nil, err
	}
	w := &writer{dialect: d, query: q, bounds: map[string]arg{
		query.Watermark: r.arg(query.Watermark, r.From), query.Until: r.arg(query.Until, r.To),
	}}
	if r.Watch != "" && !q.Uses(query.Watermark) {
		if r.From != "" {
			w.always = append(w.always, condition{r.Watch, ">", r.arg("", r.From)})
		}
		if r.To != "" && !q.Uses(query.Until) {
			w.always = append(w.always, condition{r.Watch, "<=", r.arg("", r.To)})
		}
	}
	if d == query.SQLServer && q.IsWith() && (r.PartitionBy != "" || len(w.always) > 0) {
		return nil, fault.New(fault.SourceQuery, "a query that begins with WITH cannot be bounded or shared out on SQL Server").
			WithHint("write it with a subquery instead, or use {{watermark}} in it and no export.partitionBy")
	}
	return w, nil
}

func (r Request) arg(name, text string) arg {
	a := arg{name: name, text: text, kind: kindOf(text)}
	if text == "" {
		a.lowest, a.highest = name == query.Watermark, name == query.Until
		a.kind = kindOf(r.From + r.To)
	}
	if r.Typed || text == "" && r.From+r.To == "" {
		a.kind = [...]kind{ByTime: timeValue, ByNumber: numberValue, ByText: textValue}[r.Order]
	}
	return a
}

// reading is one Read.
type reading struct {
	databases *Databases
	target    Target
	request   Request
	writer    *writer
	part      func() (Part, error)
}

func (r *reading) run(ctx context.Context) ([]string, error) {
	first, err := r.databases.open(ctx, r.target, r.options(""))
	if err != nil {
		return nil, err
	}
	defer first.close()
	if r.request.PartitionBy == "" || r.workers() == 1 {
		return r.one(ctx, first)
	}
	ranges, err := r.ranges(ctx, first)
	if err != nil {
		return nil, err
	}
	if len(ranges) == 1 {
		return r.one(ctx, first)
	}
	snapshot := ""
	if s, ok := first.(*pgSession); ok {
		if snapshot, err = s.share(ctx); err != nil {
			return nil, classify(ctx, err, r.target, nil)
		}
	}
	return r.shared(ctx, first, snapshot, ranges)
}

func (r *reading) options(snapshot string) sessionOptions {
	return sessionOptions{snapshot: snapshot, timeout: r.request.Timeout}
}

// workers is how many connections read.
func (r *reading) workers() int {
	switch n := min(r.request.Partitions, MaxPartitions); {
	case n > 0:
		return n
	case r.target.Dialect == query.PostgreSQL:
		return defaultPartitions
	}
	return 1
}

// one reads everything in one stream.
func (r *reading) one(ctx context.Context, s session) ([]string, error) {
	p, err := r.part()
	if err != nil {
		return nil, err
	}
	mark, err := r.fill(ctx, s, p, r.writer.statement("", ""))
	return keep(nil, mark), err
}

func keep(marks []string, mark string) []string {
	if mark == "" {
		return marks
	}
	return append(marks, mark)
}

// shared lets several connections take ranges, one after another, until none is
// left. The parts are made first, so that records are in the order of the ranges.
func (r *reading) shared(ctx context.Context, first session, snapshot string, ranges [][]condition) ([]string, error) {
	parts, marks := make([]Part, len(ranges)), make([]string, len(ranges))
	work := make(chan int, len(ranges))
	for i := range ranges {
		var err error
		if parts[i], err = r.part(); err != nil {
			return nil, err
		}
		work <- i
	}
	close(work)
	group, ctx := errgroup.WithContext(ctx)
	for n := range min(r.workers(), len(ranges)) {
		group.Go(func() error {
			s := first
			if n > 0 {
				var err error
				if s, err = r.databases.open(ctx, r.target, r.options(snapshot)); err != nil {
					return err
				}
				defer s.close()
			}
			for i := range work {
				var err error
				if marks[i], err = r.fill(ctx, s, parts[i], r.writer.statement("", "", ranges[i]...)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := group.Wait()
	var found []string
	for _, m := range marks {
		found = keep(found, m)
	}
	return found, err
}

// taken marks an error of a part, which is passed on as it is.
type taken struct{ error }

// fill reads one statement into a part.
func (r *reading) fill(ctx context.Context, s session, p Part, st statement) (mark string, err error) {
	out := &rows{watch: r.request.Watch, order: r.request.Order, take: func(record []byte) error {
		if err := p.Append(record); err != nil {
			return taken{err}
		}
		return nil
	}}
	err = r.stream(ctx, s, st, out)
	return out.mark(), err
}

// stream runs a statement within its time.
func (r *reading) stream(ctx context.Context, s session, st statement, out *rows) error {
	if r.request.Looked != nil {
		r.request.Looked(st.shown(r.target.Dialect))
	}
	slow := r.target.tooSlow(context.DeadlineExceeded)
	bounded, cancel := context.WithTimeoutCause(ctx, r.request.Timeout, slow)
	defer cancel()
	err := s.stream(bounded, st, out)
	var own taken
	if errors.As(err, &own) {
		return own.error
	}
	return classify(bounded, err, r.target, &st)
}
