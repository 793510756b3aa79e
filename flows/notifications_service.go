package flows

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/validate"
	"golang.org/x/time/rate"
)

// NotificationDeps are what a NotificationService stands on; every member is needed.
type NotificationDeps struct {
	Notifications NotificationStore
	Flows         FlowStore
	Sealer        NotificationSealer
	Sender        NoticeSender
	// AllowURL tells whether a webhook may go to a URL.
	AllowURL func(string) error
	// Email says that the service can send e-mail.
	Email bool
	Now   func() time.Time
	NewID func() string
}

// samplesPerMinute bounds the samples that a workspace may have sent; each process counts for itself.
const samplesPerMinute = 20

// NotificationService keeps who is told of what. It is safe for concurrent use.
type NotificationService struct {
	NotificationDeps
	valid *validate.Validator

	mu      sync.Mutex
	samples map[string]*rate.Limiter
}

// NewNotificationService makes a NotificationService.
func NewNotificationService(d NotificationDeps) *NotificationService {
	return &NotificationService{NotificationDeps: d, valid: validate.New(), samples: map[string]*rate.Limiter{}}
}

// Create stores a notification. Faults: RequestInvalid with every fault of d,
// NotificationNameTaken, NotificationsFull.
func (s *NotificationService) Create(ctx context.Context, workspace string, d NotificationDraft) (*Notification, error) {
	d, err := s.check(ctx, workspace, d, nil)
	if err != nil {
		return nil, err
	}
	n := &Notification{ID: s.NewID(), Workspace: workspace, Revision: 1, CreatedAt: s.Now()}
	if err := s.apply(n, d); err != nil {
		return nil, err
	}
	if err := s.Notifications.CreateNotification(ctx, n); err != nil {
		return nil, err
	}
	return n, nil
}

// Check gives a draft as it would be stored in the place of current, nil for a
// new notification. Fault RequestInvalid with every fault of d.
func (s *NotificationService) Check(ctx context.Context, workspace string, current *Notification, d NotificationDraft) (NotificationDraft, error) {
	return s.check(ctx, workspace, d, current)
}

// Get reads a notification; fault NotificationNotFound.
func (s *NotificationService) Get(ctx context.Context, workspace, id string) (*Notification, error) {
	return s.Notifications.Notification(ctx, workspace, id)
}

// List lists notifications in order of creation.
func (s *NotificationService) List(ctx context.Context, workspace string, page Page) ([]Notification, error) {
	return s.Notifications.Notifications(ctx, workspace, page)
}

// Update stores d, the whole new state, where the revision is the given one (0
// = any); a secret that d leaves out is kept. Faults: those of Create,
// NotificationNotFound, RequestStale.
func (s *NotificationService) Update(ctx context.Context, workspace, id string, d NotificationDraft, revision int64) (*Notification, error) {
	current, err := s.Notifications.Notification(ctx, workspace, id)
	if err != nil {
		return nil, err
	}
	if revision != 0 && revision != current.Revision {
		return nil, fault.New(fault.RequestStale, "the notification is at revision %d, not %d", current.Revision, revision)
	}
	if d, err = s.check(ctx, workspace, d, current); err != nil {
		return nil, err
	}
	n := *current
	n.Revision++
	if err := s.apply(&n, d); err != nil {
		return nil, err
	}
	if err := s.Notifications.UpdateNotification(ctx, &n); err != nil {
		return nil, err
	}
	return &n, nil
}

// Delete removes a notification; what is on its way to it is not sent any more. Faults: NotificationNotFound, RequestStale.
func (s *NotificationService) Delete(ctx context.Context, workspace, id string, revision int64) error {
	return s.Notifications.DeleteNotification(ctx, workspace, id, revision)
}

// apply writes a checked draft into n.
func (s *NotificationService) apply(n *Notification, d NotificationDraft) error {
	n.Name, n.Type, n.Enabled, n.UpdatedAt = d.Name, d.Type, *d.Enabled, s.Now()
	n.Events, n.FlowIDs, n.To, n.URL = slices.Clone(d.Events), slices.Clone(d.FlowIDs), d.To, d.URL
	if n.Type == ByEmail {
		n.Secret = nil
	}
	if d.Secret.IsZero() {
		return nil
	}
	envelope, err := s.Sealer.Seal(d.Secret, n.place())
	if err != nil {
		return fault.Wrap(err, fault.Internal, "the secret cannot be sealed")
	}
	n.Secret = &SealedText{Envelope: envelope, UpdatedAt: n.UpdatedAt}
	return nil
}

// SendSample sends a sample at once and tells how that went; the notification
// need not be enabled. Faults: NotificationNotFound, ConnectionTestLimited.
func (s *NotificationService) SendSample(ctx context.Context, workspace, id string) (DeliveryOutcome, error) {
	n, err := s.Notifications.Notification(ctx, workspace, id)
	if err != nil {
		return DeliveryOutcome{}, err
	}
	if err := s.takeSample(workspace); err != nil {
		return DeliveryOutcome{}, err
	}
	if err := s.Notifications.NoteNotificationTest(ctx, n); err != nil {
		return DeliveryOutcome{}, err
	}
	notice := Notice{ID: s.NewID(), Event: Sample, At: s.Now(), Workspace: workspace}
	return OutcomeOf(notice.Event, s.Sender.SendNotice(ctx, n, notice), s.Now()), nil
}

// takeSample lets one sample pass.
func (s *NotificationService) takeSample(workspace string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.samples[workspace]
	if !ok {
		b = rate.NewLimiter(rate.Every(time.Minute/samplesPerMinute), samplesPerMinute)
		s.samples[workspace] = b
	}
	now := s.Now()
	r := b.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait <= 0 {
		return nil
	}
	r.CancelAt(now)
	return fault.New(fault.ConnectionTestLimited, "more than %d samples in a minute", samplesPerMinute).WithResumeAt(now.Add(wait))
}

// OutcomeOf tells how an attempt to deliver went.
func OutcomeOf(event NotificationEvent, err error, at time.Time) DeliveryOutcome {
	o := DeliveryOutcome{At: at, Event: event, OK: err == nil}
	if err != nil {
		o.Error = fault.From(err).Message
	}
	return o
}

// OpenSecret gives the plaintext that signs a webhook. It must not outlive the
// caller's call (I4). Fault SecretUnsealed.
func (n *Notification) OpenSecret(s NotificationSealer) (crypto.Secret, error) {
	if n.Secret == nil {
		return crypto.Secret{}, fault.New(fault.SecretUnsealed, "the notification %q has no secret", n.Name)
	}
	secret, err := s.Open(n.Secret.Envelope, n.place())
	if err != nil {
		return crypto.Secret{}, fault.Wrap(err, fault.SecretUnsealed, "the secret of the notification %q cannot be opened", n.Name).
			WithHint("give the secret again in the notification's field secret")
	}
	return secret, nil
}
