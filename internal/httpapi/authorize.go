package httpapi

import (
	"errors"
	"fmt"
	"strings"

	"github.com/celonis-connector/connector/internal/access"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/gin-gonic/gin"
)

// realm names what a token opens.
const realm = "celonis-connector"

// tokenError is AccessUnauthenticated for a token that was there and is bad;
// scopeError is AccessForbidden with the scope that is missing.
type (
	tokenError struct{ error }
	scopeError struct {
		error
		scope access.Scope
	}
)

func (e tokenError) Unwrap() error { return e.error }
func (e scopeError) Unwrap() error { return e.error }

// authorize finds out who calls and whether they may. Faults:
// AccessUnauthenticated, AccessForbidden.
func (a *api) authorize(r *call) error {
	scheme, token, _ := strings.Cut(r.GetHeader("Authorization"), " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return fault.New(fault.AccessUnauthenticated, "the request has no token").
			WithHint("get one with POST /oauth/token and send it as \"Authorization: Bearer ...\"")
	}
	verify, claimed := a.Access.VerifyToken, ""
	if r.route.scim { // an identity provider may know no way to get a token
		if id, _, is := access.SplitBearer(token); is {
			verify, claimed = a.Access.VerifyBearer, id
		}
	}
	who, err := verify(r.ctx(), token)
	if fault.Has(err, fault.AccessUnauthenticated) {
		return a.refused(r.Context, claimed, tokenError{err})
	}
	if err != nil {
		return err
	}
	r.who = who
	x := exchangeOf(r.Context)
	x.clientID = who.ClientID
	r.acting = audit.As(r.ctx(), audit.Actor{ID: who.ClientID, RequestID: x.requestID, From: x.address})
	for _, scope := range r.route.Scopes() {
		if !who.Has(scope) {
			return scopeError{fault.New(fault.AccessForbidden, "the token does not carry the scope %q", scope).
				WithHint("ask for a token with this scope; the API client must have it"), scope}
		}
	}
	return nil
}

// challenge adds the WWW-Authenticate header of RFC 6750, section 3.
func challenge(c *gin.Context, err error, f *fault.Error) {
	var lacking scopeError
	var bad tokenError
	switch {
	case errors.As(err, &lacking):
		c.Header("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s", error="insufficient_scope", scope="%s"`, realm, lacking.scope))
	case errors.As(err, &bad):
		c.Header("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s", error="invalid_token", error_description="%s"`, realm, quotable(f.Message)))
	case f.Code == fault.AccessScopeNotHeld:
		c.Header("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s", error="insufficient_scope"`, realm))
	case f.Code == fault.AccessUnauthenticated:
		c.Header("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s"`, realm))
	}
}

// me is the caller as it sees itself.
type me struct {
	ID        string         `json:"id"`
	Name      string         `json:"name"`
	Workspace string         `json:"workspace"`
	Scopes    []access.Scope `json:"scopes"`
}

func (a *api) getMe(r *call) (reply, error) {
	return ok(me{r.who.ClientID, r.who.Name, r.who.Workspace, list(r.who.Scopes)})
}

// list gives an empty list for nil, which JSON would write as null.
func list[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}
