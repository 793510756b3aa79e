package scimgate

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
)

const (
	// firstPause and longestPause bound the growing pauses between attempts, whose means they are.
	firstPause, longestPause = time.Second, 5 * time.Minute
	// waitPause is between two looks whether the users of a group are there; one that comes wakes the group at once.
	waitPause = 30 * time.Second
	// giveUp is the age at which an operation that Celonis never took fails.
	giveUp = 7 * 24 * time.Hour
	// lease is how long an operation stays with a process that does not answer any more; attemptTime bounds an attempt.
	lease, attemptTime = 3 * time.Minute, 2 * time.Minute
	// endTime bounds the writing of an attempt's end, also while the process stops.
	endTime = 5 * time.Second
	// atOnce is how many operations one process sends at the same time.
	atOnce = 4
)

// Run sends what waits until ctx ends; it looks every so often, and at once when something is queued.
func (s *Service) Run(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if _, err := s.Deliver(ctx); err != nil && ctx.Err() == nil {
			s.deps.Log.ErrorContext(ctx, "the look for SCIM operations that are due failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-s.wake:
		}
	}
}

// Deliver makes an attempt of every operation that is due, and tells how many these were.
func (s *Service) Deliver(ctx context.Context) (attempts int, err error) {
	for ctx.Err() == nil {
		now := s.deps.Now()
		due, err := s.deps.Store.TakeSCIM(ctx, now, now.Add(lease), atOnce)
		if err != nil || len(due) == 0 {
			return attempts, err
		}
		attempts += len(due)
		var sending sync.WaitGroup
		for i := range due {
			sending.Go(func() { s.attempt(ctx, &due[i]) })
		}
		sending.Wait()
	}
	return attempts, nil
}

// attempt sends one operation and writes how that went. When the process stops
// meanwhile the operation is given back, uncounted; what may have been done is
// found when it is sent again.
func (s *Service) attempt(ctx context.Context, o *Operation) {
	log := s.deps.Log.With("scimOperation", o.ID, "connection", o.ConnectionID, "verb", string(o.Verb), "attempt", o.Attempts)
	ctx = audit.As(ctx, audit.Actor{ID: o.Actor, RequestID: o.RequestID})
	within, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	celonisID, fields, err := s.send(within, o)
	end, sealErr := s.end(o, celonisID, fields, err)
	if sealErr != nil {
		log.ErrorContext(ctx, "what went wrong with a SCIM operation cannot be kept", "error", sealErr)
	}
	if err != nil && ctx.Err() != nil {
		end = End{Free: true, Next: s.deps.Now(), Code: o.Code, Now: s.deps.Now()}
	}
	closing, done := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer done()
	if err := s.deps.Store.EndSCIM(closing, o, end); err != nil {
		log.WarnContext(ctx, "the end of a SCIM operation could not be written; it may be sent again", "error", err)
		return
	}
	switch {
	case err == nil:
		log.InfoContext(ctx, "a SCIM operation was sent on")
	case !end.Free:
		log.WarnContext(ctx, "a SCIM operation was not taken", "code", string(fault.CodeOf(err)), "failed", end.Failed, "next", end.Next)
	}
}

// send does what an operation says, as often as it is asked with the same result.
func (s *Service) send(ctx context.Context, o *Operation) (celonisID string, fields []string, err error) {
	p, err := s.open(o)
	if err != nil {
		return "", nil, err
	}
	d, err := s.deps.Directories.Directory(ctx, o.Workspace, o.ConnectionID)
	if err != nil {
		return "", nil, err
	}
	t, err := s.ids(ctx, o.Place)
	if err != nil {
		return "", nil, err
	}
	w := write{Write: Write{Place: o.Place, Kind: o.Kind, ID: o.ResourceID}, verb: o.Verb, body: p.Resource, patch: p.Patch, d: d}
	w.view.ids, w.view.id = t, o.ResourceID
	if err := s.membersThere(ctx, &w); err != nil {
		return "", nil, err
	}
	if o.Verb == Create {
		return s.sendCreate(ctx, &w)
	}
	if w.view.celonisID, _ = t.celonis(o.ResourceID); w.view.celonisID == "" {
		return "", nil, notFound(o.Kind, o.ResourceID)
	}
	if o.Verb == Delete {
		if err := d.Delete(ctx, o.Kind, w.view.celonisID); !fault.Has(err, fault.CelonisNotFound) {
			return "", nil, err
		}
		return "", nil, nil // gone already, by an attempt whose answer was lost or by somebody else
	}
	was, now, err := s.changeNow(ctx, &w)
	return "", changedNames(was, now), err
}

// membersThere gives waitsError while users that a group names wait to be
// created, and fault ScimValue for one that never will be.
func (s *Service) membersThere(ctx context.Context, w *write) error {
	missing := s.missingNames(w)
	for _, id := range missing {
		list, err := s.deps.Store.SCIMOperations(ctx, OperationQuery{Place: w.Place, ResourceID: id, Limit: 1})
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return fault.New(fault.ScimValue, "members: the user %q was never created", id)
		}
	}
	if len(missing) > 0 {
		return waitsError{}
	}
	return nil
}

// sendCreate makes a resource unless an attempt before has made it: the look
// comes first, so that nobody is invited twice.
func (s *Service) sendCreate(ctx context.Context, w *write) (celonisID string, fields []string, err error) {
	there, found, err := w.d.Find(ctx, w.Kind, w.body.Text(w.Kind.NameAttribute()))
	if err != nil {
		return "", nil, err
	}
	body := w.body.Clone()
	for _, name := range []string{"id", "meta"} {
		body.Delete(name)
	}
	if found {
		id := there.Text("id")
		if alias := w.view.ids.caller(id); alias != id && alias != w.view.id {
			return "", nil, taken(w.Kind) // another caller's
		}
		w.view.celonisID, w.verb, w.body = id, Replace, body
		if _, _, err := s.changeNow(ctx, w); err != nil {
			return "", nil, err
		}
		return id, changedNames(nil, body), nil
	}
	sent, _ := w.view.ids.sent(body)
	made, err := w.d.Create(ctx, w.Kind, sent)
	if err != nil {
		return "", nil, err
	}
	return made.Text("id"), changedNames(nil, body), nil
}

// end decides what follows an attempt.
func (s *Service) end(o *Operation, celonisID string, fields []string, err error) (End, error) {
	now := s.deps.Now()
	event := audit.Event{
		Workspace: o.Workspace, Action: o.Verb.action(), Kind: kindOf(o.Kind), ObjectID: o.ResourceID,
		Name: string(o.Verb) + " " + o.ConnectionID, Fields: fields,
	}
	if err == nil {
		return End{Done: true, CelonisID: celonisID, Event: &event, Now: now}, nil
	}
	if errors.As(err, &waitsError{}) && now.Sub(o.CreatedAt) < giveUp {
		return End{Free: true, Next: now.Add(waitPause), Now: now, Code: o.Code}, nil
	}
	f := fault.From(refusal(err, o.Kind, o.ResourceID))
	end := End{Code: string(f.Code), Now: now, Away: down(err), Next: now.Add(pauseAfter(o.Attempts, rand.Float64()))}
	if f.ResumeAt.After(end.Next) {
		end.Next = f.ResumeAt
	}
	if final(err) || now.Sub(o.CreatedAt) >= giveUp {
		event.Action = audit.Refused
		end.Failed, end.Event, end.Next = true, &event, time.Time{}
	}
	p, sealErr := s.open(o)
	if sealErr != nil {
		return end, sealErr
	}
	p.Problem = &Problem{f.Code, f.Message, f.Hint}
	envelope, sealErr := s.seal(o, p)
	if sealErr == nil {
		end.Envelope = envelope
	}
	return end, sealErr
}

// final reports whether Celonis will not take the same again. What is wrong
// with the connection, its key or the team's settings is somebody's to put
// right, and then the operation goes on by itself.
func final(err error) bool {
	switch fault.CodeOf(err) {
	case fault.CelonisUnauthorized, fault.CelonisSchemeMixup, fault.CelonisForbidden, fault.CelonisAPIDisabled, fault.CelonisSCIMOff,
		fault.CelonisOAuthClient, fault.CelonisOAuthMethod, fault.CelonisOAuthScope, fault.CelonisOAuthGrant, fault.CelonisOAuthRefresh,
		fault.CelonisScopeMissing, fault.ConnectionUnauthorized, fault.ConnectionSecretRequired, fault.SecretUnsealed, fault.KeyringUnknown,
		fault.OAuthClientDomain, fault.OAuthScopeNotAllowed, fault.EgressRefused, fault.ConnectionDomain:
		return false
	case fault.CelonisLicenses:
		return true
	}
	return fault.RetryOf(err) == fault.Never
}

// pauseAfter gives the pause that follows an attempt; the jitter keeps operations apart that failed together.
func pauseAfter(attempts int, roll float64) time.Duration {
	const most = 16
	d := min(firstPause<<min(max(attempts-1, 0), most), longestPause)
	return d/2 + time.Duration(roll*float64(d))
}

// Detail gives what an operation is about beside its row: its problem. It opens the envelope.
func (s *Service) Detail(o *Operation) (*Problem, error) {
	p, err := s.open(o)
	return p.Problem, err
}

// Operations lists the operations of a connection in order.
func (s *Service) Operations(ctx context.Context, q OperationQuery) ([]Operation, error) {
	return s.deps.Store.SCIMOperations(ctx, q)
}

// Operation finds an operation; fault ScimOperationNotFound.
func (s *Service) Operation(ctx context.Context, workspace, id string) (*Operation, error) {
	return s.deps.Store.SCIMOperation(ctx, workspace, id)
}

// Retry makes a failed operation wait again. Faults ScimOperationNotFound, ScimOperationState.
func (s *Service) Retry(ctx context.Context, workspace, id string) (*Operation, error) {
	o, err := s.deps.Store.RetrySCIM(ctx, workspace, id, s.deps.Now())
	if err == nil {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
	return o, err
}

// Discard drops an operation, so that Celonis never hears of it. Faults
// ScimOperationNotFound, ScimOperationState while it is being sent.
func (s *Service) Discard(ctx context.Context, workspace, id string) error {
	return s.deps.Store.DiscardSCIM(ctx, workspace, id, s.deps.Now())
}
