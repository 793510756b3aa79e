package celonissim

import (
	"crypto/subtle"
	"net/http"
	"slices"
	"strings"
)

// caller is who a request comes from.
type caller struct {
	team *team
	cred *Credential
	// token is set for a caller with an access token.
	token *issuedToken
}

// The words for the journal's kind of authorization.
const (
	authNone   = "none"
	authApp    = "AppKey"
	authBearer = "Bearer"
	authOther  = "other"
)

// authorization cuts the header into its kind and the key.
func authorization(r *http.Request) (kind, key string) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return authNone, ""
	}
	prefix, key, _ := strings.Cut(header, " ")
	switch {
	case strings.EqualFold(prefix, authApp):
		return authApp, key
	case strings.EqualFold(prefix, authBearer):
		return authBearer, key
	default:
		return authOther, ""
	}
}

func (s *Server) teamOf(r *http.Request) *team {
	for _, t := range s.teams {
		if t.host != "" && strings.EqualFold(t.host, r.Host) {
			return t
		}
	}
	return s.teams[0]
}

// authenticate finds the credential of a request, or answers 401 and says no.
// A key sent under the other kind's prefix is as unknown as any.
func (s *Server) authenticate(w http.ResponseWriter, r *http.Request) (caller, bool) {
	kind, key := authorization(r)
	if kind == authOther {
		writeText(w, http.StatusUnauthorized, prefixMessage)
		return caller{}, false
	}
	s.mu.Lock()
	t := s.teamOf(r)
	c := caller{team: t, cred: t.credential(kind, key)}
	if issued := t.oauth.access[key]; c.cred == nil && kind == authBearer && issued != nil && s.now().Before(issued.ends) {
		c.cred, c.token = &issued.client.Permissions, issued
	}
	s.mu.Unlock()
	if c.cred == nil {
		writeUnauthorized(w)
		return caller{}, false
	}
	note(r).Credential = c.cred.Name
	return c, true
}

func (t *team) credential(kind, key string) *Credential {
	want := map[string]CredentialKind{authApp: AppKey, authBearer: APIKey}[kind]
	for _, c := range t.credentials {
		if c.Kind == want && subtle.ConstantTimeCompare([]byte(c.Key), []byte(key)) == 1 && key != "" {
			return c
		}
	}
	return nil
}

func (c caller) mayPush(pool string) bool {
	return slices.ContainsFunc(c.cred.PushPools, func(id string) bool { return id == "*" || strings.EqualFold(id, pool) })
}

func (c caller) has(api API) bool { return !slices.Contains(c.team.disabled, api) }
