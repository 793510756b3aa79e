package httpapi

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/access"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/gin-gonic/gin"
)

const (
	mediaForm = "application/x-www-form-urlencoded"
	// maxTokenBody bounds a token request, in bytes.
	maxTokenBody = 64 << 10
)

// tokenAnswer is the answer of RFC 6749, section 5.1.
type tokenAnswer struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int64  `json:"expires_in"`
	Scope       string `json:"scope"`
}

// createToken is the token endpoint: client credentials only.
func (a *api) createToken(c *gin.Context) {
	token, err := a.token(c)
	if err != nil {
		a.refuseOAuth(c, err)
		return
	}
	// The one place where a token is written: into the answer for its owner.
	a.answerOAuth(c, tokenAnswer{
		token.AccessToken.Reveal(), "Bearer", int64(token.ExpiresIn.Seconds()), access.JoinScopes(token.Scopes),
	})
}

func (a *api) token(c *gin.Context) (access.Token, error) {
	form, err := tokenForm(c)
	if err != nil {
		return access.Token{}, err
	}
	if grant := form.Get("grant_type"); grant != "client_credentials" {
		if grant == "" {
			return access.Token{}, &oauthError{"invalid_request", "grant_type is missing"}
		}
		return access.Token{}, &oauthError{"unsupported_grant_type", "the only grant is client_credentials"}
	}
	login, err := a.login(c, form)
	if err != nil {
		return access.Token{}, err
	}
	token, err := a.Access.IssueToken(c.Request.Context(), login, strings.Fields(form.Get("scope")))
	if fault.Has(err, fault.AccessForbidden) || fault.Has(err, fault.RequestFieldInvalid) {
		return access.Token{}, &oauthError{"invalid_scope", fault.From(err).Message}
	}
	return token, err
}

// login takes the client's credentials and checks them.
func (a *api) login(c *gin.Context, form url.Values) (access.Login, error) {
	id, secret, err := clientCredentials(c.Request, form)
	if err != nil {
		return access.Login{}, err
	}
	login, err := a.Access.Authenticate(c.Request.Context(), id, secret)
	if fault.Has(err, fault.AccessUnauthenticated) {
		return access.Login{}, a.refused(c, id, &oauthError{"invalid_client", fault.From(err).Message})
	}
	if err != nil {
		return access.Login{}, err
	}
	exchangeOf(c).clientID = login.ID
	return login, a.loggedIn(c, login)
}

// tokenForm reads the form. A parameter must not be there twice, and one
// without a value counts as left out (RFC 6749, section 3.2).
func tokenForm(c *gin.Context) (url.Values, error) {
	if media, _ := parseMediaType(c.GetHeader("Content-Type")); media != mediaForm {
		return nil, &oauthError{"invalid_request", "the Content-Type must be " + mediaForm}
	}
	r := call{Context: c}
	r.Request.Body = http.MaxBytesReader(c.Writer, r.Request.Body, maxTokenBody)
	body, err := r.body()
	if err != nil {
		return nil, &oauthError{"invalid_request", fault.From(err).Message}
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, &oauthError{"invalid_request", "the form cannot be read"}
	}
	for name, values := range form {
		if len(values) > 1 {
			return nil, &oauthError{"invalid_request", "the parameter " + quotable(name) + " is given twice"}
		}
	}
	return form, nil
}

// quotable leaves of a foreign name what RFC 6749 allows in error_description.
func quotable(name string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return '?'
		}
		return r
	}, shorten(name))
}

// clientCredentials takes id and secret from HTTP Basic or from the form
// (RFC 6749, section 2.3.1); both at once is refused.
func clientCredentials(r *http.Request, form url.Values) (id string, secret crypto.Secret, err error) {
	if r.Header.Get("Authorization") == "" {
		if form.Get("client_id") == "" || form.Get("client_secret") == "" {
			return "", crypto.Secret{}, &oauthError{"invalid_client", "client_id or client_secret is missing"}
		}
		return form.Get("client_id"), crypto.NewSecret(form.Get("client_secret")), nil
	}
	if form.Get("client_secret") != "" {
		return "", crypto.Secret{}, &oauthError{"invalid_request", "the client's secret must be in HTTP Basic or in the form, not in both"}
	}
	user, password, ok := r.BasicAuth()
	id, idErr := url.QueryUnescape(user)
	plain, secretErr := url.QueryUnescape(password)
	if !ok || idErr != nil || secretErr != nil {
		return "", crypto.Secret{}, &oauthError{"invalid_client", "the Authorization header is not HTTP Basic with form-url-encoded parts"}
	}
	if given := form.Get("client_id"); given != "" && given != id {
		return "", crypto.Secret{}, &oauthError{"invalid_request", "client_id differs from the one in HTTP Basic"}
	}
	return id, crypto.NewSecret(plain), nil
}
