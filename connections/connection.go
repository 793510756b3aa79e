// Package connections says what a connection is, to Celonis or to what flows
// read from: its fields, the
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
	// Offline: Celonis refused the login in a test or a run, or no test was ever good; runs of its flows wait.
	Offline Status = "offline"
)

// Connection is a stored way into one Celonis team, or to one outside system.
type Connection struct {
	ID        string
	Workspace string
	// Revision grows by one with every change of a field; it is the ETag.
	Revision int64
	Name     string
	APIType  APIType
	// Domain is a bare host in lower case, or host:port of an endpoint that the operator allows.
	// It is "" for an outside connection.
	Domain string
	// AuthType is "" for connections of type SQL and S3, whose members say how they log in.
	AuthType AuthType
	// Outside is set for an outside connection only.
	Outside *Outside
	// PoolID is the data pool of a DataPush connection, a UUID.
	PoolID string
	// OAuthClientID, Scopes and Grant are those of an OAuth2 connection.
	OAuthClientID string
	// Scopes are asked for, in the catalog's order.
	Scopes []string
	Grant  Grant
	// HTTP is how calls are made; nil leaves everything to the service.
	HTTP *HTTPSettings
	// MaxRuns is how many runs may use the connection at once, at most 50; 0 is no bound.
	MaxRuns int
	// AuthorizedAt is when a user last allowed an AuthorizationCode connection; zero when none has, or no longer.
	AuthorizedAt time.Time
	// Secrets are sealed; a plaintext exists only inside a caller of Service.Target (I4).
	Secrets  map[SecretField]SealedSecret
	Status   Status
	LastTest *TestResult
	Recovery
	CreatedAt time.Time
	UpdatedAt time.Time
}

// SealedSecret is a secret as it is stored.
type SealedSecret struct {
	Envelope string
	// Ref names where the secret is found, when the envelope seals that name and not the secret itself; "" else.
	Ref       string
	UpdatedAt time.Time
}

// Draft is what a caller writes: the body of a create, or of an update after
// the merge patch. A secret that is left out of an update is kept.
type Draft struct {
	Name     string        `json:"name" validate:"required,max=100"`
	APIType  APIType       `json:"apiType" validate:"required,oneof=intelligence dataPush http sql s3"`
	Domain   string        `json:"domain,omitempty" validate:"max=300"`
	AuthType AuthType      `json:"authType,omitempty" validate:"omitempty,oneof=custom token oauth2 none basic bearer header"`
	AppKey   crypto.Secret `json:"appKey,omitzero"`
	APIKey   crypto.Secret `json:"apiKey,omitzero"`
	// Password, BearerToken and HeaderValue are those of outside connections.
	Password    crypto.Secret `json:"password,omitzero"`
	BearerToken crypto.Secret `json:"token,omitzero"`
	HeaderValue crypto.Secret `json:"headerValue,omitzero"`
	// AccessKeyID and SecretAccessKey are optional and come together.
	AccessKeyID     crypto.Secret `json:"accessKeyId,omitzero"`
	SecretAccessKey crypto.Secret `json:"secretAccessKey,omitzero"`
	PoolID          string        `json:"poolId,omitempty" validate:"max=300"`

	OAuthClientID string   `json:"oauthClientId,omitempty" validate:"max=64"`
	Scopes        []string `json:"scopes,omitempty" validate:"max=100,dive,max=100"`
	Grant         Grant    `json:"grant,omitempty" validate:"omitempty,oneof=clientCredentials authorizationCode"`

	// HTTP is the HTTP view of the same connection.
	HTTP *HTTPSettings `json:"http,omitempty"`
	// MaxRuns is how many runs may use the connection at once; absent is no bound.
	MaxRuns int `json:"maxRuns,omitempty" validate:"min=0,max=50"`

	// Outside are the members of outside connections.
	Outside
}

// Draft gives what a caller may write of the connection, as it is, without secrets.
func (c *Connection) Draft() Draft {
	d := Draft{
		Name: c.Name, APIType: c.APIType, Domain: c.Domain, AuthType: c.AuthType, PoolID: c.PoolID,
		OAuthClientID: c.OAuthClientID, Scopes: c.Scopes, Grant: c.Grant, HTTP: c.HTTP, MaxRuns: c.MaxRuns,
	}
	if c.Outside != nil {
		d.Outside, d.Grant = *c.Outside, ""
	}
	return d
}

// Target is everything a test call or a client needs to reach Celonis. It
// holds a plaintext key and lives inside one call (I4).
type Target struct {
	// ID is the connection's id, "" for one that is not stored.
	ID string
	// BaseURL is scheme and host, without a trailing slash.
	BaseURL  string
	APIType  APIType
	AuthType AuthType
	// Key is the App key or the API key; empty for OAuth2.
	Key    crypto.Secret
	PoolID string
	// HTTP is how calls are made; nil leaves everything to the client.
	HTTP *HTTPSettings
	// OAuth is set for OAuth2 only.
	OAuth *OAuthTarget
	// Ingestion is the access key for data ingestion; nil without one.
	Ingestion *IngestionKey
}

// Step is one thing that a test call looks at.
type Step struct {
	// Step is dns, tls, auth, scheme, scope, pool, permission or scim; of an outside connection dns, tls, auth, permission, bucket,
	// database or answer.
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
