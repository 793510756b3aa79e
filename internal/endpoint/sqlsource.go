package endpoint

import (
	"context"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/sqlsource"
	"github.com/celonis-connector/connector/internal/sqlsource/query"
)

// sqlFetcher brings the rows of a database.
type sqlFetcher struct {
	*Builder
	workspace string
	export    flows.Export
	window    flows.Window
	start     time.Time
	looked    func(sqlsource.Statement)
}

var _ Fetcher = (*sqlFetcher)(nil)

// database makes the source of an export of type sql.
func (b *Builder) database(f *flows.Flow, r *flows.Run) (engine.Source, error) {
	fetcher := &sqlFetcher{Builder: b, workspace: f.Workspace, export: f.Export, start: r.StartedAt}
	if r.Options.Window != nil {
		fetcher.window = *r.Options.Window
	}
	if fetcher.start.IsZero() {
		fetcher.start = b.Now()
	}
	return b.newCaptured(fetcher, r), nil
}

// Fetch implements Fetcher. Faults: those of OutsideTargets and of sqlsource.Databases.Read.
func (f *sqlFetcher) Fetch(ctx context.Context, out *Capture) error {
	target, err := f.Outside.OutsideTarget(ctx, f.workspace, f.export.ConnectionID)
	if err != nil {
		return err
	}
	if target.APIType != connections.SQL {
		return fault.New(fault.ConnectionAPIType, "the connection of the export is of apiType %q, not %q", target.APIType, connections.SQL)
	}
	part := func() (sqlsource.Part, error) { return out.Part() }
	marks, err := f.Databases.Read(ctx, SQLTarget(target), f.request(), part)
	if err != nil {
		return err
	}
	return f.mark(out, marks)
}

func (f *sqlFetcher) request() sqlsource.Request {
	r := sqlsource.Request{
		Query: f.export.Query, PartitionBy: f.export.PartitionBy, Partitions: f.export.Partitions,
		From: f.window.From, To: f.window.To, Timeout: time.Duration(f.export.QueryTimeout) * time.Second,
		Looked: f.looked,
	}
	r.Watch, _ = f.export.WatermarkColumn()
	if d := f.export.Delta; d.Follows() {
		r.Typed = true
		r.Order = map[flows.MarkType]sqlsource.Order{
			flows.MarkTime: sqlsource.ByTime, flows.MarkInteger: sqlsource.ByNumber, flows.MarkText: sqlsource.ByText,
		}[d.Kind()]
	}
	return r
}

// mark says how far the source has come: to the highest of the partitions'
// values or, where the query alone knows what is new, to the run's start.
func (f *sqlFetcher) mark(out *Capture, marks []string) error {
	d := f.export.Delta
	switch {
	case !d.Follows():
		return nil
	case d.Field == "":
		out.SetWatermark(f.start.UTC().Format(time.RFC3339Nano))
		return nil
	}
	furthest := d.NewFurthest()
	for _, m := range marks {
		furthest.Observe(m)
	}
	mark, err := furthest.Mark(out.Records())
	if err != nil {
		return err
	}
	out.SetWatermark(mark)
	return nil
}

// SQLTarget gives the database of a connection of type sql.
func SQLTarget(t connections.OutsideTarget) sqlsource.Target {
	return sqlsource.Target{
		Dialect: query.Dialect(t.Dialect), Host: t.Host, Database: t.Database, Username: t.Username, Password: t.Secret, TLS: t.TLS,
	}
}
