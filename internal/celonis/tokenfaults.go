package celonis

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
	"golang.org/x/oauth2"
)

// clientPlace is where the OAuth client is in Celonis.
const clientPlace = "in Celonis, Admin & Settings > Applications > the OAuth client"

// fault turns an error of an exchange into a fault. No sentence of it holds the secret.
func (x *exchanging) fault(ctx context.Context, err error) error {
	var refused *oauth2.RetrieveError
	var network *url.Error
	switch {
	case errors.As(err, &refused) && refused.Response != nil:
		return x.refusal(refused)
	case errors.As(err, &network), ctx.Err() != nil:
		return x.networkFault(ctx, err)
	}
	x.tokens.undiscover(x.login)
	return fault.Wrap(x.redact.quiet(err), fault.CelonisAnswer, "the answer of the token endpoint %q is not a token", x.ends.token).
		WithHint("%s", x.answerHint())
}

func (x *exchanging) answerHint() string {
	return join("; ", domainHint, x.ends.note)
}

// refusal reads an answer without a token. Celonis answers in the form of RFC
// 6749, section 5.2; a gateway before it may answer in any other.
func (x *exchanging) refusal(r *oauth2.RetrieveError) error {
	a := readAnswer(r.Response.Header.Get("Content-Type"), r.Body)
	status := r.Response.StatusCode
	code := tokenCode(status, r.ErrorCode, a)
	cause := &tokenError{statusError{
		method: http.MethodPost, path: r.Response.Request.URL.Path, status: status, family: a.family,
		code: x.redact.words(r.ErrorCode), requestID: r.Response.Request.Header.Get(requestIDHeader),
	}}
	message := x.sentence(code, status)
	if words := x.redact.words(a.words); words != "" {
		message += fmt.Sprintf(": celonis says %q", words)
	}
	e := fault.Wrap(cause, code, "%s", message)
	if hint := x.hint(code); hint != "" {
		e = e.WithHint("%s", hint)
	}
	if code == fault.CelonisAnswer {
		x.tokens.undiscover(x.login)
	}
	if at, known := resumeAt(r.Response.Header, x.tokens.cfg.Now()); known && e.Retry() != fault.Never {
		return e.WithResumeAt(at)
	}
	if code == fault.CelonisRateLimited {
		return e.WithResumeAt(x.tokens.cfg.Now().Add(unknownWait))
	}
	return e
}

// tokenError is the cause of a fault that the token endpoint told. It is no
// statusError: its status says nothing of the call that the token was for.
type tokenError struct{ answer statusError }

func (e *tokenError) Error() string { return e.answer.Error() }

// tokenCode sorts an answer without a token.
func tokenCode(status int, oauthCode string, a answer) fault.Code {
	switch {
	case status == http.StatusTooManyRequests:
		return fault.CelonisRateLimited
	case status >= http.StatusInternalServerError:
		return fault.CelonisServer
	}
	switch oauthCode {
	case "invalid_client":
		return fault.CelonisOAuthClient
	case "invalid_scope":
		return fault.CelonisOAuthScope
	case "unauthorized_client", "unsupported_grant_type", "access_denied":
		return fault.CelonisOAuthGrant
	case "invalid_grant":
		return fault.CelonisOAuthRefresh
	}
	switch {
	case a.family == familyHTML, status == http.StatusNotFound, status == http.StatusMethodNotAllowed, status < http.StatusBadRequest:
		return fault.CelonisAnswer
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return fault.CelonisOAuthClient
	}
	return fault.CelonisRejected
}

func (x *exchanging) sentence(code fault.Code, status int) string {
	client := x.login.oauth.ClientID
	switch code {
	case fault.CelonisOAuthClient:
		return fmt.Sprintf("celonis does not accept the secret of OAuth client %q", client)
	case fault.CelonisOAuthScope:
		return fmt.Sprintf("celonis does not give the OAuth client %q all of the scopes %q", client, strings.Join(x.login.oauth.Scopes, " "))
	case fault.CelonisOAuthGrant:
		return fmt.Sprintf("the OAuth client %q may not get tokens in this way", client)
	case fault.CelonisOAuthRefresh:
		return "celonis no longer accepts what the user allowed"
	case fault.CelonisRateLimited:
		return "celonis's rate limit is reached at the request for a token"
	case fault.CelonisAnswer:
		return fmt.Sprintf("the answer of the token endpoint %q (status %d) is not one of celonis", x.ends.token, status)
	}
	return fmt.Sprintf("celonis answered the request for a token with status %d", status)
}

// hint says where in Celonis to put a refusal right.
func (x *exchanging) hint(code fault.Code) string {
	switch code {
	case fault.CelonisOAuthClient:
		return "check client id, client secret and authentication method; a secret may have expired or been replaced: " + clientPlace +
			", where a new secret can be made; then give it to the OAuth client here"
	case fault.CelonisOAuthScope:
		return clientPlace + " > Define scopes: select the scopes that the connection asks for, or ask for fewer"
	case fault.CelonisOAuthGrant:
		return clientPlace + ": the client must allow the grant \"client credentials\" (or \"authorization code\" for a connection that a user authorizes)"
	case fault.CelonisOAuthRefresh:
		return "authorize the connection again: POST /v1/connections/{id}/authorize"
	case fault.CelonisAnswer:
		return x.answerHint()
	}
	return ""
}
