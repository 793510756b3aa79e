package connections

import (
	"time"

	"github.com/celonis-connector/connector/crypto"
)

// OAuth2 uses access tokens of an OAuth client: "Authorization: Bearer ...".
const OAuth2 AuthType = "oauth2"

// The secrets of OAuth.
const (
	// ClientSecret is the secret of an OAuth client.
	ClientSecret SecretField = "clientSecret"
	// GrantTokens are the tokens that a user granted to a connection.
	GrantTokens SecretField = "grantTokens"
	// CodeVerifier proves that a code belongs to the authorization that asked for it (PKCE).
	CodeVerifier SecretField = "codeVerifier"
)

// The kinds of rows that OAuth's envelopes are bound to.
const (
	SealedOAuthClient = "oauthClient"
	SealedOAuthGrant  = "oauthGrant"
	SealedOAuthState  = "oauthState"
)

// AuthMethod is how an OAuth client proves itself at the token endpoint. It is
// a property of the client as it is registered in Celonis.
type AuthMethod string

const (
	// ClientSecretBasic sends id and secret by HTTP Basic.
	ClientSecretBasic AuthMethod = "clientSecretBasic"
	// ClientSecretPost sends id and secret in the form.
	ClientSecretPost AuthMethod = "clientSecretPost"
)

// Grant is how a connection comes by access tokens.
type Grant string

const (
	// ClientCredentials logs in as the OAuth client itself.
	ClientCredentials Grant = "clientCredentials"
	// AuthorizationCode acts for a user, who allows it once in the browser.
	AuthorizationCode Grant = "authorizationCode"
)

// OAuthClient is how we log in to Celonis by OAuth: the client that an admin
// registered there. Any number of connections may use it.
type OAuthClient struct {
	ID        string
	Workspace string
	// Revision grows by one with every change of a field; it is the ETag.
	Revision int64
	Name     string
	// ClientID is the id that Celonis gave; it is no secret.
	ClientID   string
	AuthMethod AuthMethod
	// ValidDomains are the only hosts that the secret, and every token got with
	// it, may be sent to, in the form of Connection.Domain. Those under celonis.cloud and others do not mix.
	ValidDomains []string
	// AllowedScopes are the scopes that the client has, those of Celonis in the catalog's order.
	AllowedScopes []string
	Secret        SealedSecret
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

// OAuthClientDraft is what a caller writes of an OAuth client. A secret that is
// left out of an update is kept.
type OAuthClientDraft struct {
	Name          string        `json:"name" validate:"required,max=100"`
	ClientID      string        `json:"clientId" validate:"required,max=200"`
	ClientSecret  crypto.Secret `json:"clientSecret,omitzero"`
	AuthMethod    AuthMethod    `json:"authMethod,omitempty" validate:"omitempty,oneof=clientSecretBasic clientSecretPost"`
	ValidDomains  []string      `json:"validDomains" validate:"required,min=1,max=20,dive,max=300"`
	AllowedScopes []string      `json:"allowedScopes" validate:"required,max=100,dive,max=100"`
}

// Draft gives what a caller may write of the client, as it is, without the secret.
func (c *OAuthClient) Draft() OAuthClientDraft {
	return OAuthClientDraft{
		Name: c.Name, ClientID: c.ClientID, AuthMethod: c.AuthMethod, ValidDomains: c.ValidDomains, AllowedScopes: c.AllowedScopes,
	}
}

// ConnectionUse is a connection that uses an OAuth client.
type ConnectionUse struct {
	ConnectionID string `json:"connectionId"`
	Name         string `json:"name"`
}

// OAuthTarget is what getting access tokens takes. It holds plaintext secrets
// and lives inside one call (I4).
type OAuthTarget struct {
	// Workspace and ConnectionID name the connection; ConnectionID is "" for one that is not stored.
	Workspace, ConnectionID string
	// Client and Revision name the state of the OAuth client: tokens got in another one are not used.
	Client   string
	Revision int64
	// ClientID and ClientSecret are sent as AuthMethod says.
	ClientID     string
	ClientSecret crypto.Secret
	AuthMethod   AuthMethod
	Grant        Grant
	// Scopes are asked for, in the catalog's order.
	Scopes []string
	// ValidOrigins are the origins (scheme and host) of the client's valid
	// domains; the secret and the tokens go nowhere else.
	ValidOrigins []string
}

// Secrets lists the plaintexts that a target holds, for those who keep them out of logs.
func (t *Target) Secrets() []crypto.Secret {
	secrets := []crypto.Secret{t.Key}
	if t.OAuth != nil {
		secrets[0] = t.OAuth.ClientSecret
	}
	if t.Ingestion != nil {
		secrets = append(secrets, t.Ingestion.AccessKeyID, t.Ingestion.SecretAccessKey)
	}
	return secrets
}
