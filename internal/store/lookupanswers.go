package store

import (
	"context"
	"database/sql"
	"strconv"

	"github.com/celonis-connector/connector/flows"
)

var _ flows.AnswerStore = (*Store)(nil)

// questionBatch is how many questions one statement takes.
const questionBatch = 500

func scanQuestion(r row) (x flows.Question, err error) {
	return x, r.Scan(&x.Hash, &x.State, &x.Tries, &x.Fence, &x.Answer)
}

// holdRun makes the writers of a run's questions take turns, and gives the run's flow; it finds no run that another worker has (I2).
func (s *Store) holdRun(ctx context.Context, tx *sql.Tx, t flows.Token) (flowID string, err error) {
	id, err := one(ctx, tx, scanText, q("SELECT flow_id FROM runs WHERE "+held+s.dialect.lockParent, t.Workspace, t.RunID, t.Fence), lost(t))
	if err != nil {
		return "", err
	}
	return *id, nil
}

// TakeQuestions implements flows.AnswerStore.
func (s *Store) TakeQuestions(ctx context.Context, t flows.Token, lookup string, hashes []string, limit int) (found map[string]flows.Question, err error) {
	defer s.explain(&err, "TakeQuestions")
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		found = make(map[string]flows.Question, len(hashes))
		flowID, err := s.holdRun(ctx, tx, t)
		if err != nil {
			return err
		}
		if err := knownQuestions(ctx, tx, t, lookup, hashes, found); err != nil {
			return err
		}
		count := func(r row) (n int, err error) { return n, r.Scan(&n) }
		had, _, err := first(ctx, tx, count, q("SELECT COUNT(*) FROM lookup_answers WHERE run_id = $1 AND lookup = $2", t.RunID, lookup))
		if err != nil {
			return err
		}
		for _, hash := range hashes {
			if _, known := found[hash]; known || had >= limit {
				continue
			}
			had++
			found[hash] = flows.Question{Hash: hash, State: flows.QuestionNew}
			if _, err := exec(ctx, tx, q(`INSERT INTO lookup_answers (workspace, flow_id, run_id, lookup, question, state, tries, fence, answer)
				VALUES ($1, $2, $3, $4, $5, $6, 0, 0, '')`, t.Workspace, flowID, t.RunID, lookup, hash, flows.QuestionNew)); err != nil {
				return err
			}
		}
		return nil
	})
	return found, err
}

// knownQuestions finds those of the questions that the run has.
func knownQuestions(ctx context.Context, tx *sql.Tx, t flows.Token, lookup string, hashes []string, found map[string]flows.Question) error {
	for len(hashes) > 0 {
		n := min(len(hashes), questionBatch)
		args := []any{t.RunID, lookup}
		list := ""
		for i, hash := range hashes[:n] {
			if i > 0 {
				list += ", "
			}
			args = append(args, hash)
			list += "$" + strconv.Itoa(len(args))
		}
		known, err := all(ctx, tx, scanQuestion, q("SELECT question, state, tries, fence, answer FROM lookup_answers WHERE run_id = $1 AND lookup = $2 AND question IN ("+list+")", args...))
		if err != nil {
			return err
		}
		for _, x := range known {
			found[x.Hash] = x
		}
		hashes = hashes[n:]
	}
	return nil
}

// SaveQuestion implements flows.AnswerStore.
func (s *Store) SaveQuestion(ctx context.Context, t flows.Token, lookup string, x flows.Question) (err error) {
	defer s.explain(&err, "SaveQuestion")
	return s.inTx(ctx, func(tx *sql.Tx) error {
		if _, err := s.holdRun(ctx, tx, t); err != nil {
			return err
		}
		_, err := exec(ctx, tx, q("UPDATE lookup_answers SET state = $4, tries = $5, fence = $6, answer = $7 WHERE run_id = $1 AND lookup = $2 AND question = $3",
			t.RunID, lookup, x.Hash, x.State, x.Tries, x.Fence, clean(x.Answer)))
		return err
	})
}

// dropAnswers forgets what agents answered in a run, which has ended.
func dropAnswers(ctx context.Context, tx *sql.Tx, runID string) error {
	_, err := exec(ctx, tx, q("DELETE FROM lookup_answers WHERE run_id = $1", runID))
	return err
}
