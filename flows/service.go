package flows

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/validate"
)

// Connections looks up the connection that a flow's import names.
type Connections interface {
	Connection(ctx context.Context, workspace, id string) (*connections.Connection, error)
}

// Gate lets runs use connections; *connections.Service is one.
type Gate interface {
	// Pass gives fault ConnectionOffline, with the time to look again, while a connection is offline.
	Pass(ctx context.Context, workspace, id string) (revision int64, err error)
}

var _ Gate = (*connections.Service)(nil)

// Spool keeps the bytes of uploaded files.
type Spool interface {
	// Write stores r under id whole or not at all; fault SpoolFull when the disk is.
	Write(ctx context.Context, id string, r io.Reader) (bytes int64, sha256 string, err error)
	Remove(id string) error
}

// Deps are the rooms that a Service stands on.
type Deps struct {
	Flows      FlowStore
	Files      FileStore
	Runs       RunStore
	Records    RecordStore
	ErrorStore ErrorStore
	Watermarks WatermarkStore
	Schedules  ScheduleStore
	Links      LinkStore
	History    HistoryStore
	Statistics StatisticsStore
	// Progress may be left out; then nothing is known of how far runs are.
	Progress ProgressSource
	Webhooks WebhookStore
	// Subscriptions keep what flows listen to; PublicURL is where Celonis reaches the service, "" where that is not known.
	Subscriptions SubscriptionStore
	PublicURL     string
	// DeliverySecrets are those of imports of type webhook.
	DeliverySecrets DeliverySecretStore
	// Sealer seals the secrets of webhooks, subscriptions and deliveries.
	Sealer      Sealer
	Limits      Limits
	Connections Connections
	Gate        Gate
	Spool       Spool
	Queue       Queue
	Canceler    Canceler
	// CheckMapping lists what is wrong with a spec's mapping and keys, whatever the source holds.
	CheckMapping func(Spec) []fault.Field
	Now          func() time.Time
	NewID        func() string
	Log          *slog.Logger
}

// Service is what a caller can do with flows, runs, records and files.
type Service struct {
	Deps
	valid *validate.Validator
}

// NewService makes a Service; every member of d is needed.
func NewService(d Deps) *Service { return &Service{Deps: d, valid: validate.New()} }

// Create stores a flow, enabled. Faults: RequestInvalid with every fault of s, FlowNameTaken.
func (s *Service) Create(ctx context.Context, workspace string, spec Spec) (*Flow, error) {
	return s.create(ctx, workspace, spec, true)
}

// CreateDisabled stores a flow that starts no runs until it is enabled. Faults: those of Create.
func (s *Service) CreateDisabled(ctx context.Context, workspace string, spec Spec) (*Flow, error) {
	return s.create(ctx, workspace, spec, false)
}

// Check gives a spec as it would be stored, and stores nothing. Fault RequestInvalid with every fault of it.
func (s *Service) Check(ctx context.Context, workspace string, spec Spec) (Spec, error) {
	spec = withDefaults(spec)
	return spec, s.check(ctx, workspace, "", spec)
}

func (s *Service) create(ctx context.Context, workspace string, spec Spec, enabled bool) (*Flow, error) {
	spec, err := s.Check(ctx, workspace, spec)
	if err != nil {
		return nil, err
	}
	now := s.Now()
	f := &Flow{ID: s.NewID(), Workspace: workspace, Revision: 1, Enabled: enabled, CreatedAt: now, UpdatedAt: now, Spec: spec}
	if err := s.setHook(f, nil, !enabled); err != nil {
		return nil, err
	}
	if err := s.setDelivery(f, nil, !enabled); err != nil {
		return nil, err
	}
	if err := s.setListen(f); err != nil {
		return nil, err
	}
	if err := s.Flows.CreateFlow(ctx, f); err != nil {
		return nil, err
	}
	return f, nil
}

// Get reads a flow; fault FlowNotFound.
func (s *Service) Get(ctx context.Context, workspace, id string) (*Flow, error) {
	return s.Flows.Flow(ctx, workspace, id)
}

// GetByName reads a flow by its name, case-insensitively; fault FlowNotFound.
func (s *Service) GetByName(ctx context.Context, workspace, name string) (*Flow, error) {
	return s.Flows.FlowByName(ctx, workspace, name)
}

// List lists flows in order of creation.
func (s *Service) List(ctx context.Context, workspace string, page Page) ([]Flow, error) {
	return s.Flows.Flows(ctx, workspace, page)
}

// Update stores spec as the flow's next revision; runs that have started keep
// theirs. A revision other than 0 must be the current one. Faults:
// RequestInvalid, FlowNotFound, FlowNameTaken, RequestStale.
func (s *Service) Update(ctx context.Context, workspace, id string, spec Spec, revision int64) (*Flow, error) {
	spec = withDefaults(spec)
	if err := s.check(ctx, workspace, id, spec); err != nil {
		return nil, err
	}
	return s.change(ctx, workspace, id, revision, func(f *Flow) error {
		was := f.Spec
		f.Spec = spec
		if err := s.setHook(f, &was, false); err != nil {
			return err
		}
		return s.setDelivery(f, &was, false)
	})
}

// SetEnabled lets a flow start runs or stops it from starting any; a run that has started goes on.
func (s *Service) SetEnabled(ctx context.Context, workspace, id string, enabled bool, revision int64) (*Flow, error) {
	return s.change(ctx, workspace, id, revision, func(f *Flow) error { f.Enabled = enabled; return nil })
}

// SetPaused holds the flow's runs in the queue or lets them go on; a run that has started goes on.
func (s *Service) SetPaused(ctx context.Context, workspace, id string, paused bool, revision int64) (*Flow, error) {
	return s.change(ctx, workspace, id, revision, func(f *Flow) error { f.Paused = paused; return nil })
}

func (s *Service) change(ctx context.Context, workspace, id string, revision int64, apply func(*Flow) error) (*Flow, error) {
	f, err := s.Flows.Flow(ctx, workspace, id)
	if err != nil {
		return nil, err
	}
	if revision != 0 && revision != f.Revision {
		return nil, fault.New(fault.RequestStale, "the flow is at revision %d, not %d", f.Revision, revision)
	}
	if err := apply(f); err != nil {
		return nil, err
	}
	if err := s.setListen(f); err != nil {
		return nil, err
	}
	f.Revision++
	f.UpdatedAt = s.Now()
	if err := s.Flows.UpdateFlow(ctx, f); err != nil {
		return nil, err
	}
	return f, nil
}

// Delete removes a flow with its ended runs; fault FlowInUse while a run has not ended.
func (s *Service) Delete(ctx context.Context, workspace, id string, revision int64) error {
	return s.Flows.DeleteFlow(ctx, workspace, id, revision)
}

// UploadFile streams r into the spool. Faults: SpoolFull, RequestTooLarge from r.
func (s *Service) UploadFile(ctx context.Context, workspace, name string, r io.Reader) (*File, error) {
	f := &File{ID: s.NewID(), Workspace: workspace, Name: name, CreatedAt: s.Now()}
	var err error
	if f.Bytes, f.SHA256, err = s.Spool.Write(ctx, f.ID, r); err != nil {
		return nil, err
	}
	if err := s.Files.CreateFile(ctx, f); err != nil {
		if rmErr := s.Spool.Remove(f.ID); rmErr != nil {
			s.Log.WarnContext(ctx, "a spooled file without a row stays behind", "file", f.ID, "error", rmErr)
		}
		return nil, err
	}
	return f, nil
}

// File reads what is known of an uploaded file; fault FileNotFound.
func (s *Service) File(ctx context.Context, workspace, id string) (*File, error) {
	return s.Files.File(ctx, workspace, id)
}
