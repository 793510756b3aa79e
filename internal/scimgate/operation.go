package scimgate

import (
	"encoding/json"
	"time"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/scim"
)

// Verb is what an operation does.
type Verb string

// The verbs.
const (
	Create  Verb = "create"
	Replace Verb = "replace"
	Patch   Verb = "patch"
	Delete  Verb = "delete"
)

// State is how an operation stands.
type State string

// The states. An operation that is done is no more.
const (
	// Pending: it is sent as soon as Celonis can be asked.
	Pending State = "pending"
	// Failed: Celonis refused it for good, and somebody must retry or discard it.
	Failed State = "failed"
)

const (
	// SealedOperation is the kind of sealed operations, SealedPayload the field of what they hold.
	SealedOperation = "scimOperation"
	SealedPayload   = "payload"
)

// Operation is a write that waits for Celonis.
type Operation struct {
	ID string
	Place
	Kind scim.Kind
	// ResourceID is the id that the caller knows the resource by.
	ResourceID string
	Verb       Verb
	State      State
	Attempts   int
	// Envelope seals the payload.
	Envelope string
	// Code is that of the last fault, "" while there was none.
	Code string
	// Actor and RequestID are those of the request.
	Actor, RequestID string
	// NextAt is when the next attempt is due; LeasedUntil is when a worker that has it loses it, zero when none has.
	NextAt, LeasedUntil  time.Time
	CreatedAt, UpdatedAt time.Time
}

// Alias is an id of ours for a resource that Celonis did not have when its
// caller needed one. It stays for good.
type Alias struct {
	Place
	ID   string
	Kind scim.Kind
	// CelonisID is "" until the resource is there.
	CelonisID string
	CreatedAt time.Time
}

// Problem is what went wrong with an operation.
type Problem struct {
	Code    fault.Code `json:"code"`
	Message string     `json:"message"`
	Hint    string     `json:"hint,omitempty"`
}

// payload is what an operation holds, sealed since it is about a person.
type payload struct {
	Resource scim.Resource      `json:"resource,omitempty"`
	Patch    *scim.PatchRequest `json:"patch,omitempty"`
	// Problem is what the last attempt found; nil while there was none.
	Problem *Problem `json:"problem,omitempty"`
}

func (o *Operation) aad() crypto.AAD {
	return crypto.AAD{Workspace: o.Workspace, Kind: SealedOperation, ID: o.ID, Field: SealedPayload}
}

func (s *Service) seal(o *Operation, p payload) (string, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return "", fault.Wrap(err, fault.Internal, "a SCIM operation cannot be written")
	}
	return s.deps.Sealer.Seal(crypto.NewSecret(string(text)), o.aad())
}

func (s *Service) open(o *Operation) (payload, error) {
	plain, err := s.deps.Sealer.Open(o.Envelope, o.aad())
	if err != nil {
		return payload{}, err
	}
	var p struct {
		Resource scim.Resource   `json:"resource"`
		Patch    json.RawMessage `json:"patch"`
		Problem  *Problem        `json:"problem"`
	}
	if err := json.Unmarshal([]byte(plain.Reveal()), &p); err != nil {
		return payload{}, fault.Wrap(err, fault.SecretUnsealed, "a stored SCIM operation cannot be read")
	}
	out := payload{Resource: p.Resource, Problem: p.Problem}
	if len(p.Patch) > 0 {
		patch, err := scim.ParsePatch(p.Patch)
		if err != nil {
			return payload{}, err
		}
		out.Patch = &patch
	}
	return out, nil
}

// kindOf is the noun of a resource on the record of changes.
func kindOf(k scim.Kind) audit.Kind {
	if k == scim.KindGroup {
		return audit.ScimGroup
	}
	return audit.ScimUser
}

// actionOf is what a verb does, on the record of changes.
func (v Verb) action() audit.Action {
	switch v {
	case Create:
		return audit.Created
	case Delete:
		return audit.Deleted
	}
	return audit.Updated
}
