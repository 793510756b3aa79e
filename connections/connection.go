// Package connections says what a connection to Celonis is: its fields, the
// rules between them, how its secrets are kept and what a test call tells. It
// knows no SQL, no Gin and no HTTP; those stand behind the ports of ports.go.
package connections

import (
	"time"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
)

// APIType is the side of Celonis that a connection speaks to.
type APIType string

const (
	// Intelligence takes KPIs, records and events out of Celonis.
	Intelligence APIType = "intelligence"
	// DataPush puts records into a data pool.
	DataPush APIType = "dataPush"
)

// AuthType is how a connection logs in.
type AuthType string

const (
	// Custom uses an App key: "Authorization: AppKey ...".
	Custom AuthType = "custom"
	// Token uses an API key: "Authorization: Bearer ...".
	Token AuthType = "token"
)

// SecretField names a secret of a connection.
type SecretField string

const (
	// AppKey is the secret of Custom.
	AppKey SecretField = "appKey"
	// APIKey is the secret of Token.
	APIKey SecretField = "apiKey"
)

// SecretFor gives the secret that an auth type needs; ok is false for a type that needs none.
func SecretFor(a AuthType) (field SecretField, ok bool) {
	switch a {
	case Custom:
		return AppKey, true
	case Token:
		return APIKey, true
	}
	return "", false
}

// Status says whether a connection can be used.
type Status string

const (
	// Untested: no test has run since the connection was made or changed.
	Untested Status = "untested"
	// Online: the last test went well.
	Online Status = "online"
	// Offline: the last test failed; runs of its flows wait.
	Offline Status = "offline"
)

// Connection is a stored way into one Celonis team.
type Connection struct {
	ID        string
	Workspace string
	// Revision grows by one with every change of a field; it is the ETag.
	Revision int64
	Name     string
	APIType  APIType
	// Domain is a bare host in lower case, or host:port of an endpoint that the operator allows.
	Domain   string
	AuthType AuthType
	// PoolID is the data pool of a DataPush connection, a UUID.
	PoolID string
	// Secrets are sealed; a plaintext exists only inside a caller of Service.Target (I4).
	Secrets   map[SecretField]SealedSecret
	Status    Status
	LastTest  *TestResult
	CreatedAt time.Time
	UpdatedAt time.Time
}

// SealedSecret is a secret as it is stored.
type SealedSecret struct {
	Envelope  string
	UpdatedAt time.Time
}

// Draft is what a caller writes: the body of a create, or of an update after
// the merge patch. A secret that is left out of an update is kept.
type Draft struct {
	Name     string        `json:"name" validate:"required,max=100"`
	APIType  APIType       `json:"apiType" validate:"required,oneof=intelligence dataPush"`
	Domain   string        `json:"domain" validate:"required,max=300"`
	AuthType AuthType      `json:"authType" validate:"required,oneof=custom token"`
	AppKey   crypto.Secret `json:"appKey,omitzero"`
	APIKey   crypto.Secret `json:"apiKey,omitzero"`
	PoolID   string        `json:"poolId,omitempty" validate:"max=300"`
}

// Target is everything a test call or a client needs to reach Celonis. It
// holds a plaintext key and lives inside one call (I4).
type Target struct {
	// BaseURL is scheme and host, without a trailing slash.
	BaseURL  string
	APIType  APIType
	AuthType AuthType
	Key      crypto.Secret
	PoolID   string
}

// Step is one thing that a test call looks at.
type Step struct {
	// Step is dns, tls, auth, scheme, scope, pool or permission.
	Step   string     `json:"step"`
	OK     bool       `json:"ok"`
	Code   fault.Code `json:"code,omitempty"`
	Detail string     `json:"detail,omitempty"`
	// Hint says where in Celonis to put it right.
	Hint string `json:"hint,omitempty"`
}

// TestResult is what a test call found. A failing test is a result, not an error.
type TestResult struct {
	OK        bool      `json:"ok"`
	Steps     []Step    `json:"steps"`
	LatencyMs int64     `json:"latencyMs"`
	At        time.Time `json:"at"`
}

// Usage is a flow that uses a connection.
type Usage struct {
	FlowID string `json:"flowId"`
	Name   string `json:"name"`
}
