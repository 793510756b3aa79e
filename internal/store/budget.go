package store

import (
	"context"
	"database/sql"
	"math"
	"time"

	"github.com/celonis-connector/connector/flows/budget"
	"github.com/celonis-connector/connector/internal/fault"
)

var (
	_ budget.Store        = (*Store)(nil)
	_ budget.HistoryStore = (*Store)(nil)
)

// keptHours is how long an hour's count is kept after it.
const keptHours = 72 * time.Hour

// One statement decides and counts: two who ask at once change the row one after the other, and the second one reads what
// the first has left. The first submission of an hour makes the row.
const takePermit = `INSERT INTO push_budgets (domain, hour, used, next_at, spent_until) VALUES ($1, $2, 1, $3, 0)
	ON CONFLICT (domain, hour) DO UPDATE SET used = push_budgets.used + 1,
		next_at = CAST($4 AS BIGINT) + CASE WHEN push_budgets.next_at > $5 THEN push_budgets.next_at ELSE $5 END
	WHERE push_budgets.used < $6 AND push_budgets.spent_until <= $5 AND push_budgets.next_at <= $7
	RETURNING used, next_at`

// asking is the run that wants a permit.
type asking struct {
	id      string
	permits int64
}

func scanAsking(r row) (a asking, err error) { return a, r.Scan(&a.id, &a.permits) }

// TakePermit implements budget.Store.
func (s *Store) TakePermit(ctx context.Context, t budget.Take) (p budget.Permit, err error) {
	defer s.explain(&err, "TakePermit")
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		run, _, err := first(ctx, tx, scanAsking, q("SELECT id, push_permits FROM runs WHERE push_job_id = $1 AND "+live, t.JobID))
		if err != nil {
			return err
		}
		if p, err = grant(ctx, tx, t, run); err != nil || p.Granted {
			return err
		}
		p.Standing, err = standing(ctx, tx, t.Domain, run, t.Now)
		return err
	})
	if err != nil {
		return budget.Permit{}, err
	}
	return p, nil
}

func grant(ctx context.Context, tx *sql.Tx, t budget.Take, run asking) (p budget.Permit, err error) {
	if t.Latest.Before(t.Now) {
		return p, nil
	}
	allowed := t.Limits.FirstPerHour()
	if run.permits > 0 {
		allowed = t.Limits.PerHour
	}
	if allowed <= 0 {
		allowed = math.MaxInt64
	}
	gap, now := t.Limits.Gap(), micros(t.Now)
	scan := func(r row) (p budget.Permit, err error) {
		p.Granted = true
		return p, r.Scan(&p.Used, moment{&p.Next})
	}
	p, found, err := first(ctx, tx, scan, q(takePermit, t.Domain, micros(budget.Hour(t.Now)), micros(t.Now.Add(gap)),
		gap.Microseconds(), now, allowed, micros(t.Latest)))
	if err != nil || !found {
		return p, err
	}
	p.At = p.Next.Add(-gap)
	if p.Used == 1 {
		_, err = exec(ctx, tx, q("DELETE FROM push_budgets WHERE domain = $1 AND hour < $2", t.Domain, micros(t.Now.Add(-keptHours))))
		if err != nil {
			return p, err
		}
	}
	_, err = exec(ctx, tx, q("UPDATE runs SET push_permits = push_permits + 1 WHERE id = $1", run.id))
	return p, err
}

const hourOfTeam = "SELECT used, next_at, spent_until FROM push_budgets WHERE domain = $1 AND hour = $2"

// runsOfTeam are the runs that push into a team, by its domain $1.
const runsOfTeam = `FROM runs r JOIN flows f ON f.workspace = r.workspace AND f.id = r.flow_id
	JOIN connections c ON c.workspace = f.workspace AND c.id = f.connection_id WHERE c.domain = $1 AND ` + live

func scanCount(r row) (n int64, err error) { return n, r.Scan(&n) }

func standing(ctx context.Context, db executor, domain string, run asking, now time.Time) (budget.Standing, error) {
	scan := func(r row) (st budget.Standing, err error) {
		return st, r.Scan(&st.Used, moment{&st.Next}, moment{&st.SpentUntil})
	}
	st, _, err := first(ctx, db, scan, q(hourOfTeam, domain, micros(budget.Hour(now))))
	if err != nil {
		return st, err
	}
	if run.permits > 0 {
		st.Again = true
		return st, nil
	}
	st.Ahead, _, err = first(ctx, db, scanCount, q("SELECT COUNT(*) "+runsOfTeam+" AND r.push_permits = 0 AND r.id < $2", domain, run.id))
	return st, err
}

// Standing implements budget.Store.
func (s *Store) Standing(ctx context.Context, domain, runID string, now time.Time) (_ budget.Standing, err error) {
	defer s.explain(&err, "Standing")
	run, _, err := first(ctx, s.read, scanAsking, q("SELECT id, push_permits FROM runs WHERE id = $1", runID))
	if err != nil {
		return budget.Standing{}, err
	}
	return standing(ctx, s.read, domain, run, now)
}

const markSpent = `INSERT INTO push_budgets (domain, hour, used, next_at, spent_until) VALUES ($1, $2, 0, 0, $3)
	ON CONFLICT (domain, hour) DO UPDATE
	SET spent_until = CASE WHEN push_budgets.spent_until > $3 THEN push_budgets.spent_until ELSE $3 END`

// MarkSpent implements budget.Store; every hour that until reaches into is marked.
func (s *Store) MarkSpent(ctx context.Context, domain string, now, until time.Time) (err error) {
	defer s.explain(&err, "MarkSpent")
	return s.inTx(ctx, func(tx *sql.Tx) error {
		for hour := budget.Hour(now); hour.Before(until); hour = hour.Add(time.Hour) {
			if _, err := exec(ctx, tx, q(markSpent, domain, micros(hour), micros(until))); err != nil {
				return err
			}
		}
		return nil
	})
}

// ToldLimits implements budget.Store; the zero value when nothing is known.
func (s *Store) ToldLimits(ctx context.Context, domain string) (_ budget.Told, err error) {
	defer s.explain(&err, "ToldLimits")
	return s.told(ctx, domain)
}

func (s *Store) told(ctx context.Context, domain string) (budget.Told, error) {
	scan := func(r row) (t budget.Told, err error) {
		return t, r.Scan(&t.PerHour, &t.PerSecond, &t.Unlimited, moment{&t.At})
	}
	t, _, err := first(ctx, s.read, scan, q("SELECT per_hour, per_second, unlimited, told_at FROM push_limits WHERE domain = $1", domain))
	return t, err
}

const keepTold = `INSERT INTO push_limits (domain, per_hour, per_second, unlimited, told_at) VALUES ($1, $2, $3, $4, $5)
	ON CONFLICT (domain) DO UPDATE SET per_hour = $2, per_second = $3, unlimited = $4, told_at = $5`

// KeepTold implements budget.Store.
func (s *Store) KeepTold(ctx context.Context, domain string, t budget.Told) (err error) {
	defer s.explain(&err, "KeepTold")
	_, err = exec(ctx, s.write, q(keepTold, domain, t.PerHour, t.PerSecond, t.Unlimited, micros(t.At)))
	return err
}

// waitsForBudget is true of the runs that wait for their team's budget; it reads the beginning of a stored flows.RunError.
const waitsForBudget = `r.state = 'waiting' AND r.error LIKE '{"code":"` + string(fault.CelonisBudgetSpent) + `"%'`

// BudgetHistory implements budget.HistoryStore.
func (s *Store) BudgetHistory(ctx context.Context, workspace, domain string, since, now time.Time) (h budget.History, known bool, err error) {
	defer s.explain(&err, "BudgetHistory")
	known, err = exists(ctx, s.read, q("SELECT 1 FROM connections WHERE workspace = $1 AND domain = $2 LIMIT 1", workspace, domain))
	if err != nil || !known {
		return h, false, err
	}
	scan := func(r row) (f budget.Fire, err error) { return f, r.Scan(moment{&f.At}, &f.Pushes) }
	h.Hours, err = all(ctx, s.read, scan, q(`SELECT hour, used FROM push_budgets WHERE domain = $1 AND hour >= $2 AND used > 0
		ORDER BY hour`, domain, micros(budget.Hour(since))))
	if err != nil {
		return h, false, err
	}
	st, err := standing(ctx, s.read, domain, asking{permits: 1}, now)
	if err != nil {
		return h, false, err
	}
	h.SpentUntil = st.SpentUntil
	h.WaitingRuns, _, err = first(ctx, s.read, scanCount, q("SELECT COUNT(*) "+runsOfTeam+" AND r.workspace = $2 AND "+waitsForBudget, domain, workspace))
	if err != nil {
		return h, false, err
	}
	h.Told, err = s.told(ctx, domain)
	return h, err == nil, err
}
