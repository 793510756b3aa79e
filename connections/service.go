package connections

import (
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"time"

	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/pace"
	"github.com/celonis-connector/connector/internal/validate"
	"github.com/google/uuid"
)

// updateTries bounds how often an update without a revision is done over
// because another one came between.
const updateTries = 3

// Deps are what a Service needs. Logger, Runs, SecretRefs, TestLimits, Pace, Roll, Now and NewID may be left out.
type Deps struct {
	Repository Repository
	// OAuthClients are read only.
	OAuthClients OAuthClientRepository
	Sealer       Sealer
	Tester       Tester
	// Outside tests outside connections; without it, their tests say that they cannot be made here.
	Outside OutsideTester
	Domains *DomainPolicy
	Logger  *slog.Logger
	// Uses tells what flows do with connections; without it, what every connection of its API type does is all there is.
	Uses OperationUses
	// Runs is told of runs that may go on; the sweep finds them when it is nil.
	Runs RunQueue
	// SecretUses puts on record that secrets are opened; nil records nothing.
	SecretUses *audit.Uses
	// SecretRefs finds secrets that are kept elsewhere; none may be when it is nil.
	SecretRefs SecretRefs
	// TestLimits bound the tests that callers ask for; DefaultTestLimits when zero.
	TestLimits TestLimits
	// Pace bounds the pauses between probes; DefaultPace when zero.
	Pace Pace
	// Roll gives random numbers from 0 to 1 for the jitter of probes.
	Roll func() float64
	Now  func() time.Time
	// NewID makes ids that grow with time; UUIDs of version 7 when nil.
	NewID func() string
}

// Service creates, changes, tests and hands out connections. It is safe for
// concurrent use.
type Service struct {
	deps      Deps
	validator *validate.Validator
	tests     pace.Keys
}

// NewService makes a Service.
func NewService(d Deps) *Service {
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.SecretRefs == nil {
		d.SecretRefs = noRefs{}
	}
	if d.Outside == nil {
		d.Outside = noOutside{d.Now}
	}
	d.Sealer = resolving{d.Sealer, d.SecretRefs}
	if d.TestLimits == (TestLimits{}) {
		d.TestLimits = DefaultTestLimits()
	}
	if d.Pace == (Pace{}) {
		d.Pace = DefaultPace()
	}
	if d.Roll == nil {
		d.Roll = rand.Float64
	}
	if d.NewID == nil {
		d.NewID = func() string { return uuid.Must(uuid.NewV7()).String() }
	}
	return &Service{deps: d, validator: validate.New()}
}

// CreateOptions are the choices of a create.
type CreateOptions struct {
	// SkipTest leaves the new connection untested.
	SkipTest bool
	// Keyless stores the connection, untested, although its secret is not given: it is offline until it gets one.
	Keyless bool
}

// Create stores a new connection and tests it at once; it is stored whatever
// the test finds. Faults: RequestInvalid with every fault of d, ConnectionNameTaken.
func (s *Service) Create(ctx context.Context, workspace string, d Draft, opt CreateOptions) (*Connection, error) {
	p, err := s.check(ctx, workspace, d, nil)
	if opt.Keyless {
		err = withoutSecretFaults(err)
	}
	if err != nil {
		return nil, err
	}
	now := s.deps.Now()
	c := &Connection{
		ID: s.deps.NewID(), Workspace: workspace, Revision: 1,
		Secrets: map[SecretField]SealedSecret{}, Status: Untested, CreatedAt: now,
	}
	if _, err := s.apply(c, p); err != nil {
		return nil, err
	}
	if c.lacksKey() {
		c.Status = Offline
	}
	if err := s.deps.Repository.CreateConnection(ctx, c); err != nil {
		return nil, err
	}
	if !opt.SkipTest && !opt.Keyless {
		s.testAfterWrite(ctx, c)
	}
	return c, nil
}

// Get gives a connection; fault ConnectionNotFound.
func (s *Service) Get(ctx context.Context, workspace, id string) (*Connection, error) {
	return s.deps.Repository.Connection(ctx, workspace, id)
}

// List gives a part of a workspace's connections, in order of creation.
func (s *Service) List(ctx context.Context, workspace string, page Page) ([]Connection, error) {
	return s.deps.Repository.Connections(ctx, workspace, page)
}

// Update stores d, the whole new state, where the revision is the given one (0
// = any), and tests the connection again when anything changed that a test
// looks at. A secret that d leaves out is kept, unless domain or auth type
// change. Faults: RequestInvalid, RequestStale, ConnectionNotFound, ConnectionNameTaken.
func (s *Service) Update(ctx context.Context, workspace, id string, d Draft, revision int64) (*Connection, error) {
	for try := 1; ; try++ {
		c, retest, err := s.update(ctx, workspace, id, d, revision)
		if fault.Has(err, fault.RequestStale) && revision == 0 && try < updateTries {
			continue
		}
		if err != nil {
			return nil, err
		}
		if retest {
			s.testAfterWrite(ctx, c)
		}
		return c, nil
	}
}

func (s *Service) update(ctx context.Context, workspace, id string, d Draft, revision int64) (c *Connection, retest bool, err error) {
	current, err := s.deps.Repository.Connection(ctx, workspace, id)
	if err != nil {
		return nil, false, err
	}
	if revision != 0 && current.Revision != revision {
		return nil, false, fault.New(fault.RequestStale, "the connection is at revision %d, not %d", current.Revision, revision).
			WithHint("read the connection again and repeat the change on what it is now")
	}
	p, err := s.check(ctx, workspace, d, current)
	if err != nil {
		return nil, false, err
	}
	c = copyOf(current)
	retest, err = s.apply(c, p)
	if err != nil {
		return nil, false, err
	}
	if !retest && c.Name == current.Name {
		return current, false, nil
	}
	c.Revision++
	if retest {
		c.Status, c.LastTest, c.Recovery = Untested, nil, Recovery{}
	}
	if c.lacksKey() {
		c.Status, retest = Offline, false
	}
	if err := s.deps.Repository.UpdateConnection(ctx, c); err != nil {
		return nil, false, err
	}
	return c, retest, nil
}

// apply writes a plan into c; changed tells whether anything is new that a test looks at.
func (s *Service) apply(c *Connection, p plan) (changed bool, err error) {
	if p.outside != nil {
		return s.applyOutside(c, p)
	}
	changed = applyOAuth(c, p) || !c.HTTP.Equal(p.http) || c.Domain != p.domain.Host || c.AuthType != p.authType || c.APIType != p.apiType || c.PoolID != p.poolID
	c.Name, c.APIType, c.Domain, c.AuthType, c.PoolID, c.HTTP, c.MaxRuns = p.name, p.apiType, p.domain.Host, p.authType, p.poolID, p.http, p.maxRuns
	c.UpdatedAt = s.deps.Now()
	maps.DeleteFunc(c.Secrets, func(f SecretField, _ SealedSecret) bool { return f != p.field && !(p.ingestionKept && isIngestion(f)) })
	renewed, err := applyIngestion(s.deps.Sealer, c, p)
	changed = changed || renewed
	if p.secret.IsZero() || err != nil {
		return changed, err
	}
	return true, sealSecret(s.deps.Sealer, c, p.field, p.kept(p.field, p.secret), c.UpdatedAt)
}

func copyOf(c *Connection) *Connection {
	d := *c
	d.Secrets = maps.Clone(c.Secrets)
	if d.Secrets == nil {
		d.Secrets = map[SecretField]SealedSecret{}
	}
	return &d
}

// Delete removes a connection where the revision is the given one (0 = any).
// Faults: ConnectionNotFound, ConnectionInUse, RequestStale.
func (s *Service) Delete(ctx context.Context, workspace, id string, revision int64) error {
	return s.deps.Repository.DeleteConnection(ctx, workspace, id, revision)
}

// UsedBy lists the flows that use a connection; fault ConnectionNotFound.
func (s *Service) UsedBy(ctx context.Context, workspace, id string) ([]Usage, error) {
	if _, err := s.deps.Repository.Connection(ctx, workspace, id); err != nil {
		return nil, err
	}
	return s.deps.Repository.ConnectionUsers(ctx, workspace, id)
}
