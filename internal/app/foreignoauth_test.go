package app_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/go-oauth2/oauth2/v4"
	"github.com/go-oauth2/oauth2/v4/manage"
	"github.com/go-oauth2/oauth2/v4/models"
	"github.com/go-oauth2/oauth2/v4/server"
	"github.com/stretchr/testify/require"
)

// foreignTokens keeps the tokens of the foreign server.
type foreignTokens struct {
	mu   sync.Mutex
	rows []oauth2.TokenInfo
}

var _ oauth2.TokenStore = (*foreignTokens)(nil)

var errNoToken = errors.New("no such token")

func (f *foreignTokens) find(is func(oauth2.TokenInfo) bool) (oauth2.TokenInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, row := range f.rows {
		if is(row) {
			return row, nil
		}
	}
	return nil, errNoToken
}

func (f *foreignTokens) remove(is func(oauth2.TokenInfo) bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rows = slices.DeleteFunc(f.rows, is)
	return nil
}

func (f *foreignTokens) Create(_ context.Context, t oauth2.TokenInfo) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rows = append(f.rows, t)
	return nil
}

func (f *foreignTokens) RemoveByCode(_ context.Context, v string) error {
	return f.remove(func(t oauth2.TokenInfo) bool { return v != "" && t.GetCode() == v })
}

func (f *foreignTokens) RemoveByAccess(_ context.Context, v string) error {
	return f.remove(func(t oauth2.TokenInfo) bool { return v != "" && t.GetAccess() == v && t.GetRefresh() == "" })
}

func (f *foreignTokens) RemoveByRefresh(_ context.Context, v string) error {
	return f.remove(func(t oauth2.TokenInfo) bool { return v != "" && t.GetRefresh() == v })
}

func (f *foreignTokens) GetByCode(_ context.Context, v string) (oauth2.TokenInfo, error) {
	return f.find(func(t oauth2.TokenInfo) bool { return v != "" && t.GetCode() == v })
}

func (f *foreignTokens) GetByAccess(_ context.Context, v string) (oauth2.TokenInfo, error) {
	return f.find(func(t oauth2.TokenInfo) bool { return v != "" && t.GetAccess() == v })
}

func (f *foreignTokens) GetByRefresh(_ context.Context, v string) (oauth2.TokenInfo, error) {
	return f.find(func(t oauth2.TokenInfo) bool { return v != "" && t.GetRefresh() == v })
}

// foreignClients knows one client.
type foreignClients struct{ models.Client }

func (f *foreignClients) GetByID(_ context.Context, id string) (oauth2.ClientInfo, error) {
	if id != f.ID {
		return nil, errors.New("no such client")
	}
	return &f.Client, nil
}

// foreign is Celonis with the authorization server of another house before
// it: that one gives the tokens and checks them, the simulator does the work.
type foreign struct {
	*httptest.Server
	client  *foreignClients
	tokens  *foreignTokens
	granted atomic.Int64
}

func startForeign(t testing.TB, sim *apptest.Sim, credentials func(*http.Request) (string, string, error)) *foreign {
	f := &foreign{tokens: &foreignTokens{}, client: &foreignClients{models.Client{ID: "foreign-client", Secret: "foreign-secret-0123456789", Domain: publicURL}}}
	manager := manage.NewDefaultManager()
	manager.MapTokenStorage(f.tokens)
	manager.MapClientStorage(f.client)
	manager.SetClientTokenCfg(&manage.Config{AccessTokenExp: 15 * time.Minute})
	manager.SetAuthorizeCodeTokenCfg(&manage.Config{AccessTokenExp: 15 * time.Minute, RefreshTokenExp: time.Hour, IsGenerateRefresh: true})
	house := server.NewServer(&server.Config{
		TokenType: "Bearer", ForcePKCE: true, AllowedResponseTypes: []oauth2.ResponseType{oauth2.Code},
		AllowedGrantTypes:           []oauth2.GrantType{oauth2.AuthorizationCode, oauth2.ClientCredentials, oauth2.Refreshing},
		AllowedCodeChallengeMethods: []oauth2.CodeChallengeMethod{oauth2.CodeChallengeS256},
	}, manager)
	house.SetClientInfoHandler(credentials)
	house.SetUserAuthorizationHandler(func(http.ResponseWriter, *http.Request) (string, error) { return "a-user", nil })
	house.SetClientScopeHandler(func(r *oauth2.TokenGenerateRequest) (bool, error) { return r.Scope == pushScope, nil })
	mux := http.NewServeMux()
	mux.HandleFunc("/oauth2/authorize", func(w http.ResponseWriter, r *http.Request) { _ = house.HandleAuthorizeRequest(w, r) })
	mux.HandleFunc("/oauth2/token", func(w http.ResponseWriter, r *http.Request) {
		f.granted.Add(1)
		_ = house.HandleTokenRequest(w, r)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		token, err := house.ValidationBearerToken(r)
		if err != nil || !strings.Contains(token.GetScope(), pushScope) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		r.Header.Set("Authorization", "AppKey "+sim.AppKey)
		sim.ServeHTTP(w, r)
	})
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	return f
}

// end makes every access token in the wild unknown; refresh tokens stay good.
func (f *foreign) end() {
	f.tokens.mu.Lock()
	defer f.tokens.mu.Unlock()
	for _, t := range f.tokens.rows {
		t.SetAccess("ended")
	}
}

// An authorization server of another house is taken as the token endpoint, in
// both ways to authenticate and with both grants.
func TestAnAuthorizationServerOfAnotherHouse(t *testing.T) {
	t.Parallel()
	for method, credentials := range map[string]func(*http.Request) (string, string, error){
		"clientSecretBasic": server.ClientBasicHandler, "clientSecretPost": server.ClientFormHandler,
	} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			sim := apptest.NewSim(t)
			f := startForeign(t, sim, credentials)
			cfg := settings(t, f.URL)
			cfg.PublicURL = publicURL
			s := start(t, cfg)
			front := &apptest.Sim{Host: strings.TrimPrefix(f.URL, "http://"), Pool: sim.Pool}
			client := s.oauthClient("foreign", front, celonissim.OAuthClient{ID: f.client.ID, Secret: f.client.Secret, Scopes: []string{pushScope, modelScope}},
				map[string]any{"authMethod": method})

			c := s.connectByOAuth(byOAuth(front, "by itself", client))
			require.Equal(t, "online", c.Status, "%+v", c.LastTest)
			flow := s.fileFlow(c.ID, "FOREIGN", "csv", "ID\n1\n2\n")
			apptest.RequireWhole(t, s.Do(flow), 2)
			f.end()
			apptest.RequireWhole(t, s.Do(flow), 2)
			require.EqualValues(t, 2, f.granted.Load(), "one token for the test and the run, one after it ended")

			user := s.connectByOAuth(byOAuth(front, "by a user", client, byUser))
			page, status := s.allow(user.ID)
			require.Equal(t, http.StatusOK, status, page)
			user = s.byOAuthNow(user.ID)
			require.Equal(t, "online", user.Status, "%+v", user.LastTest)
			byHer := s.fileFlow(user.ID, "FOREIGN_USER", "csv", "ID\n1\n2\n3\n")
			for range 3 {
				apptest.RequireWhole(t, s.Do(byHer), 3)
				f.end()
			}

			for code, change := range map[string]map[string]any{
				"celonis.oauth_scope_refused": {"scopes": []string{pushScope, modelScope}},
			} {
				var result apptest.TestResult
				s.Call(http.StatusOK, "POST", "/v1/connections/test", byOAuth(front, "x", client, change), &result)
				require.Equal(t, code, result.Last().Code, "%+v", result)
			}
			wrong := s.oauthClient("wrong", front, celonissim.OAuthClient{ID: f.client.ID, Secret: "not-the-secret-of-it", Scopes: []string{pushScope}},
				map[string]any{"authMethod": method})
			var result apptest.TestResult
			s.Call(http.StatusOK, "POST", "/v1/connections/test", byOAuth(front, "x", wrong), &result)
			require.Equal(t, "celonis.oauth_client_refused", result.Last().Code, "%+v", result)
			other := map[string]string{"clientSecretBasic": "clientSecretPost", "clientSecretPost": "clientSecretBasic"}[method]
			mistaken := s.oauthClient("mistaken", front, celonissim.OAuthClient{ID: f.client.ID, Secret: f.client.Secret, Scopes: []string{pushScope}},
				map[string]any{"authMethod": other})
			s.Call(http.StatusOK, "POST", "/v1/connections/test", byOAuth(front, "x", mistaken), &result)
			require.Equal(t, "celonis.oauth_wrong_method", result.Last().Code, "%+v", result)
		})
	}
}
