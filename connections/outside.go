package connections

import (
	"context"
	"slices"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
)

// The API types of connections that lead to something else than Celonis: what
// flows read from. They are "outside" connections.
const (
	// HTTP is a REST API, or a host of files.
	HTTP APIType = "http"
	// SQL is a database.
	SQL APIType = "sql"
	// S3 is a bucket of a blob store that speaks the protocol of Amazon S3.
	S3 APIType = "s3"
)

// OutsideTypes lists the API types of outside connections.
func OutsideTypes() []APIType { return []APIType{HTTP, SQL, S3} }

// IsOutside reports whether connections of the type lead to something else than Celonis.
func (a APIType) IsOutside() bool { return slices.Contains(OutsideTypes(), a) }

// The auth types of connections of type HTTP; OAuth2 is one more, with client credentials.
const (
	// NoAuth logs in nowhere.
	NoAuth AuthType = "none"
	// Basic sends user name and password: "Authorization: Basic ...".
	Basic AuthType = "basic"
	// Bearer sends a token: "Authorization: Bearer ...".
	Bearer AuthType = "bearer"
	// HeaderAuth sends a secret in a header of its own.
	HeaderAuth AuthType = "header"
)

// The secrets of outside connections, beside AccessKeyID and SecretAccessKey of S3.
const (
	// Password is the secret of Basic, and of a user of a database.
	Password SecretField = "password"
	// BearerToken is the secret of Bearer.
	BearerToken SecretField = "token"
	// HeaderValue is the secret of HeaderAuth.
	HeaderValue SecretField = "headerValue"
)

// The dialects of connections of type SQL.
const (
	PostgreSQL = "postgres"
	MySQL      = "mysql"
	SQLServer  = "sqlserver"
	SQLite     = "sqlite"
)

// How a connection of type SQL uses TLS, the strongest first.
const (
	// TLSVerify encrypts and checks the certificate and its name.
	TLSVerify = "verify"
	// TLSRequire encrypts, whoever answers.
	TLSRequire = "require"
	// TLSOff sends everything in the clear.
	TLSOff = "off"
)

// Outside are the members of an outside connection that are no secrets.
type Outside struct {
	// BaseURL and TestPath are those of HTTP: a URL without a trailing slash, and what a test call asks for below it.
	BaseURL  string `json:"baseUrl,omitempty" validate:"max=2048"`
	TestPath string `json:"testPath,omitempty" validate:"max=2048"`
	// HeaderName is the header of HeaderAuth, TokenURL the token endpoint of OAuth2.
	HeaderName string `json:"headerName,omitempty" validate:"max=100"`
	TokenURL   string `json:"tokenUrl,omitempty" validate:"max=2048"`
	// Username is that of Basic, or of a user of a database.
	Username string `json:"username,omitempty" validate:"max=256"`
	// Dialect, Host (host:port), Database and TLS are those of SQL. For SQLite, Database is a path below the operator's folder.
	Dialect  string `json:"dialect,omitempty" validate:"omitempty,oneof=postgres mysql sqlserver sqlite"`
	Host     string `json:"host,omitempty" validate:"max=300"`
	Database string `json:"database,omitempty" validate:"max=1024"`
	TLS      string `json:"tls,omitempty" validate:"omitempty,oneof=verify require off"`
	// Endpoint (scheme and host), Region and Bucket are those of S3.
	Endpoint string `json:"endpoint,omitempty" validate:"max=300"`
	Region   string `json:"region,omitempty" validate:"max=64"`
	Bucket   string `json:"bucket,omitempty" validate:"max=63"`
}

// OutsideTarget is everything that a test call or a source needs to reach what
// an outside connection leads to. It holds plaintext secrets and lives inside
// one call (I4).
type OutsideTarget struct {
	// ID is the connection's id, "" for one that is not stored; Revision is the one that was read.
	ID       string
	Revision int64
	APIType  APIType
	AuthType AuthType
	// Outside are the members as they are stored. For SQLite, Database is the absolute path of the file.
	Outside
	// Secret is the password, the token or the value of the header; empty without one.
	Secret crypto.Secret
	// OAuth is set for OAuth2 only.
	OAuth *OutsideOAuth
	// AccessKeyID and SecretAccessKey are those of S3; both are empty for a bucket that anybody may read.
	AccessKeyID, SecretAccessKey crypto.Secret
	// HTTP is how calls are made; nil leaves everything to the service.
	HTTP *HTTPSettings
}

// OutsideOAuth is what getting access tokens by client credentials takes. It
// holds a plaintext secret and lives inside one call (I4).
type OutsideOAuth struct {
	// Client and Revision name the state of the OAuth client: tokens got in another one are not used.
	Client       string
	Revision     int64
	ClientID     string
	ClientSecret crypto.Secret
	AuthMethod   AuthMethod
	TokenURL     string
	Scopes       []string
	// ValidDomains are the only hosts that the secret, and every token got with it, may be sent to.
	ValidDomains []string
}

// Secrets lists the plaintexts that a target holds, for those who keep them out of logs.
func (t *OutsideTarget) Secrets() []crypto.Secret {
	all := []crypto.Secret{t.Secret, t.AccessKeyID, t.SecretAccessKey}
	if t.OAuth != nil {
		all = append(all, t.OAuth.ClientSecret)
	}
	return slices.DeleteFunc(all, crypto.Secret.IsZero)
}

// SQLPinger logs in to the database of an OutsideTarget of type SQL and asks
// the least there is to ask. Faults tell what is wrong: those of egress for a
// host that is not reached, SourceUnauthorized for a login that is refused.
type SQLPinger func(ctx context.Context, t OutsideTarget) error

// OutsideTarget opens what a source needs to read through a connection. It
// holds plaintext secrets: keep it inside one call (I4). Faults:
// ConnectionNotFound, ConnectionAPIType for a connection to Celonis,
// ConnectionDomain when the operator no longer allows the host, KeyringUnknown
// and SecretUnsealed when a secret cannot be opened, OAuthClientDomain.
func (s *Service) OutsideTarget(ctx context.Context, workspace, id string) (OutsideTarget, error) {
	c, err := s.deps.Repository.Connection(ctx, workspace, id)
	if err != nil {
		return OutsideTarget{}, err
	}
	if !c.APIType.IsOutside() {
		return OutsideTarget{}, fault.New(fault.ConnectionAPIType, "the connection %q is of apiType %q and leads to Celonis", c.Name, c.APIType)
	}
	return s.outsideTargetOf(ctx, c)
}
