package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
)

// IdempotentFor is how long a request may stay unanswered before its key is
// free again: the process that took it has died.
const IdempotentFor = time.Minute

// IdempotencyKey is a client's key for a request, with what the request was.
type IdempotencyKey struct {
	Workspace string
	// Client is the id of the API client.
	Client string
	Key    string
	Route  string
	// BodyHash is a digest of the body as text.
	BodyHash string
	// Now is when the request came; the methods that end it take the same.
	Now time.Time
	// Expires is when the key is forgotten.
	Expires time.Time
	// Within takes the place of IdempotentFor where it is longer.
	Within time.Duration
}

// IdempotentResponse is the answer that a repeated request gets.
type IdempotentResponse struct {
	Status int
	Header map[string]string
	Body   []byte
}

// pending is a row of idempotency_keys.
type pending struct {
	route, bodyHash    string
	started, expires   time.Time
	IdempotentResponse // Status 0 while unanswered
}

func scanPending(r row) (p pending, err error) {
	return p, r.Scan(&p.route, &p.bodyHash, &p.Status, document{&p.Header}, &p.Body, moment{&p.started}, moment{&p.expires})
}

// BeginIdempotent takes the key for a request and gives nil, or the answer of
// the same request when it has one. Fault RequestIdempotencyReuse when the key
// was used for another route or body, RequestIdempotencyBusy while the first
// request is unanswered and younger than IdempotentFor, or k.Within.
func (s *Store) BeginIdempotent(ctx context.Context, k IdempotencyKey) (answer *IdempotentResponse, err error) {
	defer s.explain(&err, "BeginIdempotent")
	err = s.inTx(ctx, func(tx *sql.Tx) error {
		answer = nil
		n, err := exec(ctx, tx, q(`INSERT INTO idempotency_keys (workspace, client, key, route, body_hash, started_at, expires_at,
			status, header, body) VALUES `+placeholders(1, 10)+" ON CONFLICT DO NOTHING",
			k.Workspace, k.Client, k.Key, k.Route, k.BodyHash, micros(k.Now), micros(k.Expires), 0, "{}", []byte{}))
		if err != nil || n > 0 {
			return err
		}
		was, err := one(ctx, tx, scanPending, q(`SELECT route, body_hash, status, header, body, started_at, expires_at
			FROM idempotency_keys WHERE workspace = $1 AND client = $2 AND key = $3`+s.dialect.lockRow,
			k.Workspace, k.Client, k.Key), busy(k))
		if err != nil {
			return err
		}
		if answer, err = k.meets(was); answer != nil || err != nil {
			return err
		}
		_, err = exec(ctx, tx, q(`UPDATE idempotency_keys SET route = $4, body_hash = $5, started_at = $6, expires_at = $7,
			status = 0, header = '{}' WHERE workspace = $1 AND client = $2 AND key = $3`,
			k.Workspace, k.Client, k.Key, k.Route, k.BodyHash, micros(k.Now), micros(k.Expires)))
		return err
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// meets decides on a request whose key is there: an answer or a fault, or neither when the row may be taken over.
func (k IdempotencyKey) meets(was *pending) (*IdempotentResponse, error) {
	switch {
	case !was.expires.After(k.Now):
		return nil, nil
	case was.route != k.Route || was.bodyHash != k.BodyHash:
		return nil, fault.New(fault.RequestIdempotencyReuse, "the idempotency key %q was used for another request", k.Key)
	case was.Status != 0:
		return &was.IdempotentResponse, nil
	case was.started.Add(max(IdempotentFor, k.Within)).After(k.Now):
		return nil, busy(k)
	}
	return nil, nil
}

func busy(k IdempotencyKey) *fault.Error {
	return fault.New(fault.RequestIdempotencyBusy, "the first request with the idempotency key %q is not answered yet", k.Key)
}

// FinishIdempotent stores the answer, until the key expires, unless another
// request has taken the key over since.
func (s *Store) FinishIdempotent(ctx context.Context, k IdempotencyKey, answer IdempotentResponse) (err error) {
	defer s.explain(&err, "FinishIdempotent")
	header, err := jsonText(answer.Header)
	if err != nil {
		return err
	}
	_, err = exec(ctx, s.write, q(`UPDATE idempotency_keys SET status = $6, header = $7, body = $8
		WHERE workspace = $1 AND client = $2 AND key = $3 AND body_hash = $4 AND started_at = $5 AND status = 0`,
		k.Workspace, k.Client, k.Key, k.BodyHash, micros(k.Now), answer.Status, header, notNil(answer.Body)))
	return err
}

// ForgetIdempotent frees the key of a request that failed for no fault of its own, so that it may be repeated.
func (s *Store) ForgetIdempotent(ctx context.Context, k IdempotencyKey) (err error) {
	defer s.explain(&err, "ForgetIdempotent")
	_, err = exec(ctx, s.write, q(`DELETE FROM idempotency_keys
		WHERE workspace = $1 AND client = $2 AND key = $3 AND body_hash = $4 AND started_at = $5 AND status = 0`,
		k.Workspace, k.Client, k.Key, k.BodyHash, micros(k.Now)))
	return err
}

// SweepIdempotent removes the keys, those of posted records among them, that
// have expired at now, and the webhooks' tokens that have, and tells how many there were.
func (s *Store) SweepIdempotent(ctx context.Context, now time.Time) (removed int64, err error) {
	defer s.explain(&err, "SweepIdempotent")
	for _, due := range []string{
		"idempotency_keys WHERE expires_at <= $1", "record_receipts WHERE expires_at <= $1",
		"webhook_tokens WHERE expires_at > 0 AND expires_at <= $1",
		"delivery_secrets WHERE expires_at > 0 AND expires_at <= $1",
	} {
		n, err := exec(ctx, s.write, q("DELETE FROM "+due, micros(now)))
		if err != nil {
			return removed, err
		}
		removed += n
	}
	return removed, nil
}
