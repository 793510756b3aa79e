package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/celonis-connector/connector/flows/budget"
)

var _ budget.RequestStore = (*Store)(nil)

// keptDays is how long a day's count is kept after it.
const keptDays = 72 * time.Hour

// As with push submissions, one statement decides and counts; its lock on the row lets one lease of a team be taken after
// the other.
const leaseRequests = `INSERT INTO intelligence_budgets (domain, day, used, next_at, spent_until) VALUES ($1, $2, $3, $4, 0)
	ON CONFLICT (domain, day) DO UPDATE SET used = intelligence_budgets.used + CAST($3 AS BIGINT),
		next_at = CAST($5 AS BIGINT) + CASE WHEN intelligence_budgets.next_at > $6 THEN intelligence_budgets.next_at ELSE $6 END
	WHERE intelligence_budgets.used + CAST($3 AS BIGINT) <= $7 AND intelligence_budgets.spent_until <= $6
	RETURNING used, next_at`

const countRequests = `INSERT INTO intelligence_runs (domain, run_id, taken, expected, updated_at) VALUES ($1, $2, $3, $4, $5)
	ON CONFLICT (domain, run_id) DO UPDATE SET taken = intelligence_runs.taken + CAST($3 AS BIGINT), expected = $4, updated_at = $5`

// errNoSlot undoes a lease of a run that finds too many others.
var errNoSlot = errors.New("as many runs read as may at once")

// LeaseRequests implements budget.RequestStore.
func (s *Store) LeaseRequests(ctx context.Context, t budget.RequestTake) (l budget.RequestLease, err error) {
	defer s.explain(&err, "LeaseRequests")
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		l = budget.RequestLease{}
		for _, n := range []int64{t.Want, 1} {
			if granted, err := leaseSome(ctx, tx, t, n, &l); err != nil || granted {
				return err
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, errNoSlot) {
		return budget.RequestLease{}, err
	}
	if l.Granted == 0 || err != nil {
		l = budget.RequestLease{}
		l.RequestStanding, err = requestStanding(ctx, s.read, t.Domain, t.RunID, t.Now)
	}
	return l, err
}

func leaseSome(ctx context.Context, tx *sql.Tx, t budget.RequestTake, n int64, l *budget.RequestLease) (granted bool, err error) {
	span, now := time.Duration(n)*t.Limits.Gap(), micros(t.Now)
	if n > t.Limits.PerDay {
		return false, nil
	}
	scan := func(r row) (l budget.RequestLease, err error) { return l, r.Scan(&l.Used, moment{&l.At}) }
	got, found, err := first(ctx, tx, scan, q(leaseRequests, t.Domain, micros(budget.Day(t.Now)), n, micros(t.Now.Add(span)), span.Microseconds(), now, t.Limits.PerDay))
	if err != nil || !found {
		return false, err
	}
	known, err := exists(ctx, tx, q("SELECT 1 FROM intelligence_runs WHERE domain = $1 AND run_id = $2", t.Domain, t.RunID))
	if err != nil {
		return false, err
	}
	if !known {
		others, err := otherReaders(ctx, tx, t.Domain, t.RunID, t.Now)
		if err != nil {
			return false, err
		}
		if others.OtherRuns >= t.Limits.Runs() {
			return false, errNoSlot
		}
	}
	if _, err := exec(ctx, tx, q(countRequests, t.Domain, t.RunID, n, t.Expect, now)); err != nil {
		return false, err
	}
	if got.Used == n {
		if _, err := exec(ctx, tx, q("DELETE FROM intelligence_budgets WHERE domain = $1 AND day < $2", t.Domain, micros(t.Now.Add(-keptDays)))); err != nil {
			return false, err
		}
	}
	got.Granted, got.At = n, got.At.Add(-span)
	*l = got
	return true, nil
}

// otherReaders counts the runs that have read lately; the rest of them have ended without a word.
func otherReaders(ctx context.Context, db executor, domain, runID string, now time.Time) (budget.RequestStanding, error) {
	scan := func(r row) (st budget.RequestStanding, err error) { return st, r.Scan(&st.OtherRuns, &st.OtherExpect) }
	st, _, err := first(ctx, db, scan, q(`SELECT COUNT(*), CAST(COALESCE(SUM(CASE WHEN expected > taken THEN expected - taken ELSE 0 END), 0) AS BIGINT)
		FROM intelligence_runs WHERE domain = $1 AND run_id <> $2 AND updated_at > $3`, domain, runID, micros(now.Add(-budget.RunForgotten))))
	return st, err
}

func requestStanding(ctx context.Context, db executor, domain, runID string, now time.Time) (budget.RequestStanding, error) {
	st, err := otherReaders(ctx, db, domain, runID, now)
	if err != nil {
		return st, err
	}
	scan := func(r row) (day budget.RequestStanding, err error) {
		return day, r.Scan(&day.Used, moment{&day.SpentUntil})
	}
	day, _, err := first(ctx, db, scan, q("SELECT used, spent_until FROM intelligence_budgets WHERE domain = $1 AND day = $2", domain, micros(budget.Day(now))))
	st.Used, st.SpentUntil = day.Used, day.SpentUntil
	return st, err
}

// Requests implements budget.RequestStore.
func (s *Store) Requests(ctx context.Context, domain, runID string, now time.Time) (_ budget.RequestStanding, err error) {
	defer s.explain(&err, "Requests")
	return requestStanding(ctx, s.read, domain, runID, now)
}

// EndRequests implements budget.RequestStore.
func (s *Store) EndRequests(ctx context.Context, domain, runID string, day time.Time, unused int64) (err error) {
	defer s.explain(&err, "EndRequests")
	return s.inTx(ctx, func(tx *sql.Tx) error {
		if _, err := exec(ctx, tx, q("DELETE FROM intelligence_runs WHERE domain = $1 AND run_id = $2", domain, runID)); err != nil {
			return err
		}
		_, err := exec(ctx, tx, q("UPDATE intelligence_budgets SET used = used - CAST($3 AS BIGINT) WHERE domain = $1 AND day = $2 AND used >= CAST($3 AS BIGINT)", domain, micros(day), unused))
		return err
	})
}

const refuseRequests = `INSERT INTO intelligence_budgets (domain, day, used, next_at, spent_until) VALUES ($1, $2, 0, 0, $3)
	ON CONFLICT (domain, day) DO UPDATE SET spent_until =
		CASE WHEN intelligence_budgets.spent_until > $3 THEN intelligence_budgets.spent_until ELSE $3 END`

// RefuseRequests implements budget.RequestStore; every day that until reaches into is marked.
func (s *Store) RefuseRequests(ctx context.Context, domain string, now, until time.Time) (err error) {
	defer s.explain(&err, "RefuseRequests")
	return s.inTx(ctx, func(tx *sql.Tx) error {
		for day := budget.Day(now); day.Before(until); day = day.Add(24 * time.Hour) {
			if _, err := exec(ctx, tx, q(refuseRequests, domain, micros(day), micros(until))); err != nil {
				return err
			}
		}
		return nil
	})
}
