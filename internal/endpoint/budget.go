package endpoint

import (
	"context"
	"net/url"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/budget"
	"github.com/celonis-connector/connector/internal/celonis"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/pace"
)

// Governor keeps the teams' push submissions within their limits; *budget.Governor is one.
type Governor interface {
	// Permit takes a submission and gives the moment at which it may go out; fault CelonisBudgetSpent when there is none.
	Permit(ctx context.Context, t budget.Team, jobID string) (time.Time, error)
	// Ready gives fault CelonisBudgetSpent when a run that begins now would find none.
	Ready(ctx context.Context, domain, runID string) error
	// Refused hears that Celonis takes no submission before a time.
	Refused(ctx context.Context, domain string, until time.Time) error
}

var _ Governor = (*budget.Governor)(nil)

// Connections tells where a connection leads; it opens no secret.
type Connections interface {
	Connection(ctx context.Context, workspace, id string) (*connections.Connection, error)
}

// teamOf is the team that a client speaks to. One team has one host.
func teamOf(target connections.Target, client *celonis.Client) (budget.Team, error) {
	base, err := url.Parse(target.BaseURL)
	if err != nil {
		return budget.Team{}, fault.Wrap(err, fault.ConnectionDomain, "the connection's base URL is not a URL")
	}
	return budget.Team{Domain: base.Host, Ask: func(ctx context.Context) (budget.Told, error) {
		l, err := client.PushLimits(ctx)
		return budget.Told{PerHour: l.PerHour, PerSecond: l.PerSecond, Unlimited: l.Unlimited}, err
	}}, nil
}

// submit executes a push job that is new, with a permit of the team's budget.
// A permit is taken for each request to submit that goes out, whatever becomes
// of it; a job that Celonis has taken already needs none.
func (d *dataPush) submit(ctx context.Context, jobID string) (celonis.Job, error) {
	at, err := d.governor.Permit(ctx, d.team, jobID)
	if err != nil {
		return celonis.Job{}, err
	}
	if wait := at.Sub(d.now()); wait > 0 {
		if err := pace.Rest(ctx, wait); err != nil {
			return celonis.Job{}, err
		}
	}
	job, err := d.push.Submit(ctx, jobID)
	if fault.Has(err, fault.CelonisRateLimited) {
		if markErr := d.governor.Refused(ctx, d.team.Domain, fault.From(err).ResumeAt); markErr != nil {
			return celonis.Job{}, markErr
		}
	}
	return job, err
}

// ready lets a run of posted records begin only when its push could be
// submitted: while it waits, it takes the records that are posted meanwhile,
// so that many small pushes become one.
func (b *Builder) ready(f *flows.Flow, r *flows.Run) func(context.Context) error {
	t := r.Token()
	return func(ctx context.Context) error {
		if f.Import.Type != flows.ImportDataPush || r.Options.DryRun {
			return nil
		}
		c, err := b.Connections.Connection(ctx, f.Workspace, f.Import.ConnectionID)
		if err != nil {
			return err
		}
		return b.Governor.Ready(ctx, c.Domain, t.RunID)
	}
}
