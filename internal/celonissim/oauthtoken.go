package celonissim

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// maxTokenBody bounds the form of a token request.
const maxTokenBody = 64 << 10

// codeLifetime is how long an authorization code is good.
const codeLifetime = time.Minute

// routeOAuth adds the token endpoint, the consent of users and discovery.
func (s *Server) routeOAuth(rt *router) {
	rt.mux.HandleFunc("POST /oauth2/token", s.exchange("oauth.token", s.giveToken))
	rt.mux.HandleFunc("GET /oauth2/authorize", s.exchange("oauth.authorize", s.consent))
	rt.mux.HandleFunc("GET /.well-known/openid-configuration", s.exchange("oauth.discovery", s.discover))
}

func (s *Server) discover(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	o := s.opts.OAuth
	s.mu.Unlock()
	base := "http://" + r.Host
	if r.TLS != nil {
		base = "https://" + r.Host
	}
	switch o.Discovery {
	case DiscoveryOff:
		w.WriteHeader(http.StatusNotFound)
	case DiscoveryHTML:
		writeFamily(w, http.StatusOK, BodyHTML)
	case DiscoveryNonsense:
		writeJSON(w, http.StatusOK, []int{1, 2, 3})
	default:
		writeJSON(w, http.StatusOK, map[string]any{
			"issuer": base, "token_endpoint": orText(o.TokenEndpoint, base+"/oauth2/token"),
			"authorization_endpoint":                base + "/oauth2/authorize",
			"grant_types_supported":                 []string{GrantClientCredentials, GrantAuthorizationCode, GrantRefreshToken},
			"token_endpoint_auth_methods_supported": []string{MethodBasic, MethodPost},
			"code_challenge_methods_supported":      []string{"S256"},
		})
	}
}

// oauthError is a refusal in the form of RFC 6749, section 5.2.
type oauthError struct {
	Status      int    `json:"-"`
	Code        string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

func (e *oauthError) write(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	if e.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="oauth2"`)
	}
	writeJSON(w, e.Status, e)
}

func badToken(code, description string) *oauthError {
	return &oauthError{http.StatusBadRequest, code, description}
}

// tokenAnswer is a token in the form of RFC 6749, section 5.1.
type tokenAnswer struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in,omitempty"`
	Scope        string `json:"scope,omitempty"`
	RefreshToken string `json:"refresh_token,omitempty"`
}

func (s *Server) giveToken(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxTokenBody)
	if err := r.ParseMultipartForm(maxTokenBody); err != nil && r.PostForm == nil {
		badToken("invalid_request", "the body is not a form").write(w)
		return
	}
	s.mu.Lock()
	if to := s.opts.OAuth.Redirect; to != "" {
		s.mu.Unlock()
		http.Redirect(w, r, to, http.StatusTemporaryRedirect)
		return
	}
	answer, refused := s.tokenFor(s.teamOf(r), r)
	s.mu.Unlock()
	if refused != nil {
		refused.write(w)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, answer)
}

// tokenFor decides on a token request, with the server's mutex held. Scopes
// may stand in the form or in the query.
func (s *Server) tokenFor(t *team, r *http.Request) (tokenAnswer, *oauthError) {
	client, refused := t.oauth.authenticate(r)
	if refused != nil {
		return tokenAnswer{}, refused
	}
	note(r).Credential = client.Name
	grant := r.PostForm.Get("grant_type")
	if !client.allowsGrant(grant) {
		return tokenAnswer{}, badToken("unauthorized_client", "the client may not use this grant")
	}
	switch grant {
	case GrantClientCredentials:
		scopes, refused := grantedScopes(client, r.Form.Get("scope"))
		if refused != nil {
			return tokenAnswer{}, refused
		}
		return s.issue(t, issuedToken{client: client, scopes: scopes}), nil
	case GrantAuthorizationCode:
		return s.redeem(t, client, r.PostForm)
	case GrantRefreshToken:
		return s.refresh(t, client, r.PostForm.Get("refresh_token"))
	}
	return tokenAnswer{}, badToken("unsupported_grant_type", "this grant is not known")
}

// authenticate finds the client by its id and secret, sent in the one way that it is registered for.
func (st *oauthState) authenticate(r *http.Request) (*OAuthClient, *oauthError) {
	refused := &oauthError{http.StatusUnauthorized, "invalid_client", "client authentication failed"}
	method := MethodBasic
	id, secret, ok := r.BasicAuth()
	if ok {
		id, secret = unescaped(id), unescaped(secret)
	} else {
		method, id, secret = MethodPost, r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	c := st.client(id)
	if c == nil || secret == "" || subtle.ConstantTimeCompare([]byte(c.Secret), []byte(secret)) != 1 {
		return nil, refused
	}
	if c.Method != "" && c.Method != method {
		return nil, refused
	}
	return c, nil
}

// unescaped undoes the form encoding that RFC 6749 wants inside of Basic.
func unescaped(s string) string {
	plain, err := url.QueryUnescape(s)
	if err != nil {
		return s
	}
	return plain
}

// grantedScopes gives the asked scopes, all of the client's when none are
// asked for; a single one that the client lacks fails the whole grant.
func grantedScopes(c *OAuthClient, asked string) ([]string, *oauthError) {
	scopes := strings.Fields(asked)
	if len(scopes) == 0 {
		return c.Scopes, nil
	}
	for _, scope := range scopes {
		if !slices.Contains(c.Scopes, scope) {
			return nil, badToken("invalid_scope", "the scope "+scope+" is not allowed for this client")
		}
	}
	return scopes, nil
}

func (s *Server) issue(t *team, to issuedToken) tokenAnswer {
	o := s.opts.OAuth
	life := o.TokenLifetime
	if life == 0 {
		life = DefaultTokenLifetime
	}
	to.scopes = slices.DeleteFunc(slices.Clone(to.scopes), func(scope string) bool { return slices.Contains(o.Withheld, scope) })
	to.ends = s.now().Add(life)
	a := tokenAnswer{TokenType: "Bearer", ExpiresIn: int64(life / time.Second), Scope: strings.Join(to.scopes, " ")}
	a.AccessToken, a.RefreshToken = t.oauth.issue(to)
	if o.NoExpiresIn {
		a.ExpiresIn = 0
	}
	if o.NoScope {
		a.Scope = ""
	}
	return a
}

// consent plays the page on which a user allows or refuses; the user is quick.
func (s *Server) consent(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.teamOf(r)
	client := t.oauth.client(q.Get("client_id"))
	if client == nil || !client.allowsRedirect(q.Get("redirect_uri")) {
		writeText(w, http.StatusBadRequest, "unknown client, or a redirect address that it has not\n")
		return
	}
	back, err := url.Parse(q.Get("redirect_uri"))
	if err != nil {
		writeText(w, http.StatusBadRequest, "the redirect address cannot be read\n")
		return
	}
	answer := back.Query()
	answer.Set("state", q.Get("state"))
	if refused := s.codeFor(t, client, q, answer); refused != nil {
		answer.Set("error", refused.Code)
		answer.Set("error_description", refused.Description)
	}
	back.RawQuery = answer.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

// codeFor puts a code into the answer, or gives why there is none.
func (s *Server) codeFor(t *team, client *OAuthClient, q, answer url.Values) *oauthError {
	scopes, refused := grantedScopes(client, q.Get("scope"))
	switch {
	case q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || q.Get("code_challenge") == "":
		return badToken("invalid_request", "a code with a challenge by S256 must be asked for")
	case !client.allowsGrant(GrantAuthorizationCode):
		return badToken("unauthorized_client", "the client may not use this grant")
	case refused != nil:
		return refused
	case s.opts.OAuth.Denies:
		return badToken("access_denied", "the user refused")
	}
	code := uuid.NewString()
	t.oauth.codes[code] = &issuedCode{
		client: client, scopes: scopes, redirect: q.Get("redirect_uri"), challenge: q.Get("code_challenge"), ends: s.now().Add(codeLifetime),
	}
	answer.Set("code", code)
	return nil
}

// redeem gives tokens for a code, once.
func (s *Server) redeem(t *team, client *OAuthClient, form url.Values) (tokenAnswer, *oauthError) {
	code := t.oauth.codes[form.Get("code")]
	delete(t.oauth.codes, form.Get("code"))
	sum := sha256.Sum256([]byte(form.Get("code_verifier")))
	switch {
	case code == nil || code.client != client || s.now().After(code.ends):
		return tokenAnswer{}, badToken("invalid_grant", "the code is not known, was used or has ended")
	case code.redirect != form.Get("redirect_uri"):
		return tokenAnswer{}, badToken("invalid_grant", "the redirect address is another one")
	case code.challenge != base64.RawURLEncoding.EncodeToString(sum[:]):
		return tokenAnswer{}, badToken("invalid_grant", "the code verifier does not fit")
	}
	return s.issue(t, issuedToken{client: client, scopes: code.scopes, family: uuid.NewString()}), nil
}

// refresh gives new tokens for a refresh token, which is good once. One that is
// used again ends its whole family, as it may have been stolen.
func (s *Server) refresh(t *team, client *OAuthClient, value string) (tokenAnswer, *oauthError) {
	old := t.oauth.refresh[value]
	if old == nil || old.client != client {
		return tokenAnswer{}, badToken("invalid_grant", "the refresh token is not known, was used or has ended")
	}
	if old.used {
		ofFamily := func(x *issuedToken) bool { return x.family == old.family }
		revoke(t.oauth.refresh, ofFamily)
		revoke(t.oauth.access, ofFamily)
		return tokenAnswer{}, badToken("invalid_grant", "the refresh token was used already")
	}
	if s.opts.OAuth.RefreshStays {
		a := s.issue(t, issuedToken{client: client, scopes: old.scopes, family: old.family})
		delete(t.oauth.refresh, a.RefreshToken)
		a.RefreshToken = ""
		return a, nil
	}
	old.used = true
	return s.issue(t, issuedToken{client: client, scopes: old.scopes, family: old.family}), nil
}
