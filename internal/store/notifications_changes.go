package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/budget"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/google/uuid"
)

// A change of state is found by one statement that changes a row or leaves it:
// of all who see the same change at once, only one has changed it. The notices
// are written in the same transaction, so there is one for each change.
const (
	flowFails = `INSERT INTO flow_standings (workspace, flow_id, state, since) VALUES ($1, $2, 'failing', $3)
		ON CONFLICT (workspace, flow_id) DO UPDATE SET state = 'failing', since = excluded.since WHERE flow_standings.state <> 'failing'`
	flowRecovers = "UPDATE flow_standings SET state = 'ok', since = $3 WHERE workspace = $1 AND flow_id = $2 AND state = 'failing'"

	connectionFails = `INSERT INTO connection_standings (workspace, connection_id, state, since) VALUES ($1, $2, 'offline', $3)
		ON CONFLICT (workspace, connection_id) DO UPDATE SET state = 'offline', since = excluded.since WHERE connection_standings.state <> 'offline'`
	connectionRecovers = "UPDATE connection_standings SET state = 'online', since = $3 WHERE workspace = $1 AND connection_id = $2 AND state = 'offline'"

	budgetSpent = `INSERT INTO budget_notices (workspace, domain, hour) VALUES ($1, $2, $3)
		ON CONFLICT (workspace, domain) DO UPDATE SET hour = excluded.hour WHERE budget_notices.hour < excluded.hour`
)

// noteEnd tells of what the end of an attempt changes: the flow begins to fail
// or succeeds again, or its team's push submissions are spent. Runs that send
// nothing and retries of single records say nothing of a flow.
func (s *Store) noteEnd(ctx context.Context, tx *sql.Tx, t flows.Token, state flows.State, e flows.Settlement) error {
	short := state == flows.Waiting && e.Error != nil && e.Error.Code == fault.CelonisBudgetSpent
	if state != flows.Succeeded && state != flows.Failed && !short {
		return nil
	}
	run, err := one(ctx, tx, scanRun, q("SELECT "+runColumns+" FROM runs WHERE id = $1", t.RunID), noRun(t.RunID))
	if err != nil || run.Options.DryRun || run.Trigger == flows.Retry {
		return err
	}
	if short {
		return s.noteShort(ctx, tx, run, e)
	}
	event, statement := flows.RunRecovered, flowRecovers
	if state == flows.Failed {
		event, statement = flows.RunFailed, flowFails
	}
	changed, err := exec(ctx, tx, q(statement, run.Workspace, run.FlowID, micros(e.Now)))
	if err != nil || changed == 0 {
		return err
	}
	notice := flows.Notice{Event: event, At: e.Now, Workspace: run.Workspace, Run: noticeRun(run)}
	if e.Error != nil && state == flows.Failed {
		notice.Error = flows.NoticeErrorOf(e.Error.Code, e.Error.Hint)
	}
	return s.tellOfFlow(ctx, tx, run.FlowID, notice)
}

func noticeRun(r *flows.Run) *flows.NoticeRun {
	return &flows.NoticeRun{ID: r.ID, Trigger: r.Trigger, State: r.State, Attempt: r.Attempt, Ledger: r.Ledger}
}

// noteShort tells once for each team and hour that a run waits for the budget.
func (s *Store) noteShort(ctx context.Context, tx *sql.Tx, run *flows.Run, e flows.Settlement) error {
	domain, found, err := first(ctx, tx, scanText, q(`SELECT c.domain FROM flows f
		JOIN connections c ON c.workspace = f.workspace AND c.id = f.connection_id WHERE f.workspace = $1 AND f.id = $2`, run.Workspace, run.FlowID))
	if err != nil || !found {
		return err
	}
	changed, err := exec(ctx, tx, q(budgetSpent, run.Workspace, domain, micros(budget.Hour(e.Now))))
	if err != nil || changed == 0 {
		return err
	}
	return s.tellOfFlow(ctx, tx, run.FlowID, flows.Notice{
		Event: flows.BudgetShort, At: e.Now, Workspace: run.Workspace, Run: noticeRun(run),
		Team: &flows.NoticeTeam{Domain: domain, ResumeAt: e.ResumeAt}, Error: flows.NoticeErrorOf(e.Error.Code, e.Error.Hint),
	})
}

func (s *Store) tellOfFlow(ctx context.Context, tx *sql.Tx, flowID string, notice flows.Notice) error {
	name, _, err := first(ctx, tx, scanText, q("SELECT name FROM flows WHERE workspace = $1 AND id = $2", notice.Workspace, flowID))
	if err != nil {
		return err
	}
	notice.Flow = &flows.NamedThing{ID: flowID, Name: name}
	return tell(ctx, tx, notice, []string{flowID})
}

// noteStanding tells that a connection went offline or came back.
func (s *Store) noteStanding(ctx context.Context, tx *sql.Tx, c *connections.Connection, now time.Time) error {
	event, statement := flows.ConnectionOnline, connectionRecovers
	switch c.Status {
	case connections.Offline:
		event, statement = flows.ConnectionOffline, connectionFails
	case connections.Online:
	default:
		return nil
	}
	changed, err := exec(ctx, tx, q(statement, c.Workspace, c.ID, micros(now)))
	if err != nil || changed == 0 {
		return err
	}
	notice := flows.Notice{Event: event, At: now, Workspace: c.Workspace, Connection: &flows.NamedThing{ID: c.ID, Name: c.Name}}
	if event == flows.ConnectionOffline {
		notice.Error = whyOffline(c.LastTest)
	}
	used, err := all(ctx, tx, scanText, q("SELECT flow_id FROM flow_connections WHERE workspace = $1 AND connection_id = $2", c.Workspace, c.ID))
	if err != nil {
		return err
	}
	return tell(ctx, tx, notice, used)
}

// whyOffline is the step of a test that failed.
func whyOffline(t *connections.TestResult) *flows.NoticeError {
	if t == nil {
		return nil
	}
	for _, step := range t.Steps {
		if !step.OK {
			return flows.NoticeErrorOf(step.Code, step.Hint)
		}
	}
	return nil
}

const insertDelivery = "INSERT INTO notification_deliveries (id, workspace, notification_id, subject, notice, attempts, next_at, created_at) VALUES "

// tell writes a notice for each notification that is about it.
func tell(ctx context.Context, tx *sql.Tx, notice flows.Notice, flowIDs []string) error {
	list, err := all(ctx, tx, scanNotification, q(selectNotifications+" WHERE n.workspace = $1 AND n.enabled ORDER BY n.id", notice.Workspace))
	if err != nil {
		return err
	}
	for i := range list {
		n := &list[i]
		if !n.Wants(notice.Event, flowIDs) {
			continue
		}
		id, err := uuid.NewV7()
		if err != nil {
			return err
		}
		notice.ID = id.String()
		text, err := jsonText(notice)
		if err != nil {
			return err
		}
		_, err = exec(ctx, tx, q(insertDelivery+placeholders(1, 8), notice.ID, notice.Workspace, n.ID, notice.Subject(), text, 0,
			micros(notice.At), micros(notice.At)))
		if err != nil {
			return err
		}
	}
	return nil
}
