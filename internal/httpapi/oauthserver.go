package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/celonis-connector/connector/internal/access"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/gin-gonic/gin"
)

// TokenServer tells of tokens and ends them; *access.Service is one.
type TokenServer interface {
	Introspect(ctx context.Context, by access.Principal, raw string) (access.TokenState, error)
	RevokeToken(ctx context.Context, l access.Login, raw string) error
	PublicKeys() []access.Key
}

var _ TokenServer = (*access.Service)(nil)

// The paths that the metadata names.
const (
	tokenPath      = "/oauth/token"
	revokePath     = "/oauth/revoke"
	introspectPath = "/oauth/introspect"
	keysPath       = "/.well-known/jwks.json"
	metadataPath   = "/.well-known/oauth-authorization-server"
)

// oauthError is a fault of the OAuth endpoints, in the form of RFC 6749, section 5.2.
type oauthError struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

func (e *oauthError) Error() string { return e.Code + ": " + e.Description }

// answerOAuth answers 200; nothing of it may be kept (RFC 6749, section 5.1).
func (a *api) answerOAuth(c *gin.Context, v any) {
	body, err := encode(v)
	if err != nil {
		a.fail(c, err)
		return
	}
	c.Header("Pragma", "no-cache")
	write(c, http.StatusOK, mediaJSON, body)
}

// refuseOAuth answers with a fault: an oauthError in its own form, any other as a problem.
func (a *api) refuseOAuth(c *gin.Context, err error) {
	c.Header("Pragma", "no-cache")
	var refused *oauthError
	if !errors.As(err, &refused) {
		a.fail(c, err)
		return
	}
	status := http.StatusBadRequest
	switch refused.Code {
	case "invalid_client":
		status = http.StatusUnauthorized
		c.Header("WWW-Authenticate", fmt.Sprintf(`Basic realm="%s", charset="UTF-8"`, realm))
	case "invalid_token":
		status = http.StatusUnauthorized
		c.Header("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s", error="invalid_token", error_description="%s"`, realm, quotable(refused.Description)))
	}
	body, encodeErr := encode(refused)
	if encodeErr != nil {
		a.fail(c, encodeErr)
		return
	}
	write(c, status, mediaJSON, body)
}

// tokenParameter is the token that a request is about.
func tokenParameter(form url.Values) (string, error) {
	if raw := form.Get("token"); raw != "" {
		return raw, nil
	}
	return "", &oauthError{"invalid_request", "token is missing"}
}

// revokeToken is the revocation endpoint of RFC 7009.
func (a *api) revokeToken(c *gin.Context) {
	if err := a.revoke(c); err != nil {
		a.refuseOAuth(c, err)
		return
	}
	c.Header("Pragma", "no-cache")
	write(c, http.StatusOK, mediaJSON, nil)
}

func (a *api) revoke(c *gin.Context) error {
	form, err := tokenForm(c)
	if err != nil {
		return err
	}
	login, err := a.login(c, form)
	if err != nil {
		return err
	}
	raw, err := tokenParameter(form)
	if err != nil {
		return err
	}
	err = a.TokenServer.RevokeToken(c.Request.Context(), login, raw)
	switch {
	case fault.Has(err, fault.AccessForbidden):
		return &oauthError{"unauthorized_client", fault.From(err).Message}
	case fault.Has(err, fault.AccessNotRevocable):
		return &oauthError{"unsupported_token_type", fault.From(err).Message}
	}
	return err
}

// introspection is the answer of RFC 7662, section 2.2; "active" alone when the token is not.
type introspection struct {
	Active    bool   `json:"active"`
	Scope     string `json:"scope,omitempty"`
	ClientID  string `json:"client_id,omitempty"`
	TokenType string `json:"token_type,omitempty"`
	ExpiresAt int64  `json:"exp,omitempty"`
	IssuedAt  int64  `json:"iat,omitempty"`
	Subject   string `json:"sub,omitempty"`
	Audience  string `json:"aud,omitempty"`
	Issuer    string `json:"iss,omitempty"`
	ID        string `json:"jti,omitempty"`
	Workspace string `json:"workspace,omitempty"`
}

// introspectToken is the introspection endpoint of RFC 7662.
func (a *api) introspectToken(c *gin.Context) {
	state, err := a.introspect(c)
	if err != nil {
		a.refuseOAuth(c, err)
		return
	}
	if !state.Active {
		a.answerOAuth(c, introspection{})
		return
	}
	p := state.Principal
	out := introspection{
		Active: true, Scope: access.JoinScopes(p.Scopes), ClientID: p.ClientID, TokenType: "Bearer", ExpiresAt: state.ExpiresAt.Unix(),
		Subject: p.ClientID, Audience: state.Audience, Issuer: state.Issuer, ID: state.ID, Workspace: p.Workspace,
	}
	if !state.IssuedAt.IsZero() {
		out.IssuedAt = state.IssuedAt.Unix()
	}
	a.answerOAuth(c, out)
}

func (a *api) introspect(c *gin.Context) (access.TokenState, error) {
	form, err := tokenForm(c)
	if err != nil {
		return access.TokenState{}, err
	}
	by, err := a.asker(c, form)
	if err != nil {
		return access.TokenState{}, err
	}
	raw, err := tokenParameter(form)
	if err != nil {
		return access.TokenState{}, err
	}
	return a.TokenServer.Introspect(c.Request.Context(), by, raw)
}

// asker is who asks about a token: a client by its secret, or whoever has a token.
func (a *api) asker(c *gin.Context, form url.Values) (access.Principal, error) {
	scheme, token, _ := strings.Cut(c.GetHeader("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		login, err := a.login(c, form)
		return login.Principal(), err
	}
	who, err := a.Access.VerifyToken(c.Request.Context(), strings.TrimSpace(token))
	if fault.Has(err, fault.AccessUnauthenticated) {
		return access.Principal{}, a.refused(c, "", &oauthError{"invalid_token", fault.From(err).Message})
	}
	if err == nil {
		exchangeOf(c).clientID = who.ClientID
	}
	return who, err
}

// serverMetadata is that of RFC 8414, section 2.
type serverMetadata struct {
	Issuer        string   `json:"issuer"`
	Token         string   `json:"token_endpoint"`
	Revocation    string   `json:"revocation_endpoint"`
	Introspection string   `json:"introspection_endpoint"`
	Keys          string   `json:"jwks_uri"`
	Scopes        []string `json:"scopes_supported"`
	// ResponseTypes must be there and must not be empty; "none" is the registered one that gives nothing.
	ResponseTypes     []string `json:"response_types_supported"`
	GrantTypes        []string `json:"grant_types_supported"`
	TokenAuth         []string `json:"token_endpoint_auth_methods_supported"`
	RevocationAuth    []string `json:"revocation_endpoint_auth_methods_supported"`
	IntrospectionAuth []string `json:"introspection_endpoint_auth_methods_supported"`
	Documentation     string   `json:"service_documentation"`
}

// getServerMetadata tells OAuth libraries where everything is.
func (a *api) getServerMetadata(c *gin.Context) {
	base, methods := a.base(c.Request), []string{"client_secret_basic", "client_secret_post"}
	scopes := access.AllScopes()
	words := make([]string, len(scopes))
	for i, s := range scopes {
		words[i] = string(s)
	}
	a.answerOAuth(c, serverMetadata{
		Issuer: base, Token: base + tokenPath, Revocation: base + revokePath, Introspection: base + introspectPath, Keys: base + keysPath,
		Scopes: words, ResponseTypes: []string{"none"}, GrantTypes: []string{"client_credentials"},
		TokenAuth: methods, RevocationAuth: methods, IntrospectionAuth: methods, Documentation: base + "/docs",
	})
}

// base is the service's address without a slash at its end.
func (a *api) base(r *http.Request) string {
	if a.PublicURL != "" {
		return a.PublicURL
	}
	if a.isHTTPS(r) {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// keySet is that of RFC 7517, section 5.
type keySet struct {
	Keys []access.Key `json:"keys"`
}

// getKeys gives the public keys of the tokens.
func (a *api) getKeys(c *gin.Context) {
	a.answerOAuth(c, keySet{list(a.TokenServer.PublicKeys())})
}
