// Package scimgate is the SCIM service that identity providers provision
// through: each request is read leniently, held against the schemas, and sent
// on to the Celonis team of a connection. While Celonis is down, writes are
// stored and sent later, in their order. It knows no SQL and no HTTP.
package scimgate

import (
	"context"
	"log/slog"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/scim"
)

const (
	// MaxResults bounds the resources of one answer; DefaultCount is how many come when the caller does not say.
	MaxResults   = 500
	DefaultCount = 100
	// MaxScanned bounds the resources that are looked through for an answer that Celonis cannot give by itself.
	MaxScanned = 100_000
	// MaxQueued bounds the operations of one connection that wait.
	MaxQueued = 10_000
)

// Place is where a request goes: a connection of a workspace.
type Place struct {
	Workspace, ConnectionID string
}

// Deps are what a Service needs.
type Deps struct {
	Directories Directories
	Store       Store
	Sealer      Sealer
	Log         *slog.Logger
	Now         func() time.Time
	// NewID makes ids that grow with time.
	NewID func() string
}

// Service takes the requests of identity providers. It is safe for concurrent use.
type Service struct {
	deps  Deps
	turns turns
	// wake tells Run that something was queued.
	wake chan struct{}
}

// New makes a Service.
func New(d Deps) *Service {
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{deps: d, turns: turns{held: map[string]*turn{}}, wake: make(chan struct{}, 1)}
}

// Answer is a resource as the caller sees it.
type Answer struct {
	// Resource is nil where what becomes of it is not known yet: a change of something that Celonis cannot show now.
	Resource scim.Resource
	// Version is an entity tag with its quotation marks.
	Version string
	// Queued says that the write waits until Celonis is back.
	Queued bool
}

// Get gives a resource. Fault ScimNotFound, and those of Celonis.
func (s *Service) Get(ctx context.Context, at Place, k scim.Kind, id string) (Answer, error) {
	d, err := s.deps.Directories.Directory(ctx, at.Workspace, at.ConnectionID)
	if err != nil {
		return Answer{}, err
	}
	v, err := s.look(ctx, d, at, k, id, nil)
	if err != nil {
		return Answer{}, err
	}
	if v.unknown != nil {
		return Answer{}, v.unknown
	}
	return answerOf(v.now), nil
}

func answerOf(r scim.Resource) Answer { return Answer{Resource: r, Version: scim.VersionOf(r)} }

// down reports whether Celonis could not be asked, so that asking later can help.
func down(err error) bool {
	switch fault.CodeOf(err) {
	case fault.EgressUnreachable, fault.EgressTimeout, fault.EgressDNS, fault.EgressTLS,
		fault.CelonisServer, fault.CelonisDisconnected, fault.CelonisRateLimited, fault.CelonisAnswer, fault.CelonisInDoubt:
		return fault.RetryOf(err) != fault.Never
	}
	return false
}

// notFound is the fault of a resource that is not there.
func notFound(k scim.Kind, id string) error {
	return fault.New(fault.ScimNotFound, "there is no %s %q", k, id)
}

// refusal puts what Celonis answers to a write into the words of SCIM.
func refusal(err error, k scim.Kind, id string) error {
	f := fault.From(err)
	code := f.Code
	switch f.Code {
	case fault.CelonisNotFound:
		if id != "" {
			return notFound(k, id)
		}
		code = fault.ScimValue
	case fault.CelonisNotUnique, fault.CelonisConflict:
		code = fault.ScimUniqueness
	case fault.CelonisMailFixed:
		code = fault.ScimMutability
	case fault.CelonisRejected, fault.CelonisLicenses, fault.CelonisTooLarge:
		code = fault.ScimValue
	case fault.CelonisStale:
		code = fault.RequestStale
	}
	if code == f.Code {
		return err
	}
	return fault.Wrap(err, code, "%s", f.Message).WithHint("%s", f.Hint)
}
