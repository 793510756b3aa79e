package app_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/access"
	"github.com/celonis-connector/connector/internal/app"
	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/testservers"
	"github.com/stretchr/testify/require"
)

// madeClient is the answer that holds a client's secret.
type madeClient struct {
	ID           string `json:"id"`
	ClientSecret string `json:"clientSecret"`
	Secrets      []struct {
		ID string `json:"id"`
	} `json:"secrets"`
}

func (s *service) newClient(name string, scopes ...string) madeClient {
	s.t.Helper()
	var made madeClient
	s.Call(http.StatusCreated, "POST", "/v1/clients", map[string]any{"name": name, "scopes": scopes}, &made)
	return made
}

// turned is a clock that a test moves on.
type turned struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *turned) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().UTC().Truncate(time.Microsecond).Add(c.ahead)
}

func (c *turned) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// openOn opens and starts a service whose API has the clock.
func openOn(t *testing.T, s *service, clock *turned) {
	t.Helper()
	log, redactor, err := app.NewLog(s.cfg, s.log)
	require.NoError(t, err)
	s.app, err = app.New(t.Context(), s.cfg, log, redactor, app.WithClock(clock.now))
	require.NoError(t, err)
	t.Cleanup(s.stop)
	require.NoError(t, s.app.Start(t.Context(), []app.Role{app.API}))
}

// TestClientsEndInEveryProcess takes every way in which a client's rights end,
// in one process, and looks at its tokens in another on the same PostgreSQL.
func TestClientsEndInEveryProcess(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	cfg.DatabaseURL = crypto.NewSecret(testservers.PostgreSQL(t))
	cfg.RedisURL = crypto.NewSecret(testservers.Redis(t))
	one := start(t, cfg, app.API)
	clock := &turned{}
	two := &service{t: t, cfg: cfg, log: &logBuffer{}}
	openOn(t, two, clock)

	for name, end := range map[string]func(c madeClient, path string){
		"disabled": func(_ madeClient, path string) {
			one.Call(http.StatusOK, "PATCH", path, map[string]any{"enabled": false}, nil)
		},
		"deleted": func(_ madeClient, path string) { one.Call(http.StatusNoContent, "DELETE", path, nil, nil) },
		"narrowed": func(_ madeClient, path string) {
			one.Call(http.StatusOK, "PATCH", path, map[string]any{"scopes": []string{"audit:read"}}, nil)
		},
		"secret ended": func(c madeClient, path string) {
			one.Call(http.StatusNoContent, "DELETE", path+"/secrets/"+c.Secrets[0].ID, nil, nil)
		},
	} {
		c := one.newClient(name, "flows:read", "audit:read")
		caller := apptest.NewClient(t, one.app.URL(), c.ID, c.ClientSecret)
		for _, at := range []*apptest.Client{caller, caller.At(two.app.URL())} {
			require.Equal(t, http.StatusOK, at.Send("GET", "/v1/flows", nil).Status, name)
		}
		end(c, "/v1/clients/"+c.ID)
		clock.add(access.CacheFor) // less than the 10 s within which every process must know
		for _, at := range []*apptest.Client{caller, caller.At(two.app.URL())} {
			a := at.Send("GET", "/v1/flows", nil)
			require.Contains(t, []int{http.StatusUnauthorized, http.StatusForbidden}, a.Status, "%s: %s", name, a.Body)
		}
	}

	c := one.newClient("revoked", "flows:read")
	caller := apptest.NewClient(t, one.app.URL(), c.ID, c.ClientSecret)
	require.Equal(t, http.StatusOK, caller.At(two.app.URL()).Send("GET", "/v1/flows", nil).Status)
	form := url.Values{"token": {caller.Token}, "client_id": {c.ID}, "client_secret": {c.ClientSecret}}
	bare := *caller
	bare.Token = ""
	a := bare.Send("POST", "/oauth/revoke", []byte(form.Encode()), "Content-Type", "application/x-www-form-urlencoded")
	require.Equal(t, http.StatusOK, a.Status, "%s", a.Body)
	clock.add(access.CacheFor)
	for _, at := range []*apptest.Client{caller, caller.At(two.app.URL())} {
		require.Equal(t, http.StatusUnauthorized, at.Send("GET", "/v1/flows", nil).Status)
	}
}

// TestClientSecretsAreShownOnce looks for a client's secrets in everything that
// the service said and kept.
func TestClientSecretsAreShownOnce(t *testing.T) {
	t.Parallel()
	s := start(t, settings(t), app.API)
	made := s.newClient("loader", "flows:read", "clients:read")
	var more madeClient
	path := "/v1/clients/" + made.ID
	s.Call(http.StatusCreated, "POST", path+"/secrets", nil, &more)
	secrets := []string{made.ClientSecret, more.ClientSecret}

	var said strings.Builder
	s.Seen = func(body []byte) { said.Write(body) }
	caller := apptest.NewClient(t, s.app.URL(), made.ID, more.ClientSecret)
	for _, what := range []string{path, "/v1/clients", "/v1/audit", "/v1/config/export", "/v1/me"} {
		s.Call(http.StatusOK, "GET", what, nil, nil)
	}
	said.Write(caller.Send("GET", path, nil).Body)
	said.Write(s.Send("PATCH", path, map[string]any{"clientSecret": made.ClientSecret}).Body)
	s.Call(http.StatusOK, "PATCH", path, map[string]any{"name": "renamed"}, nil)
	s.Call(http.StatusNoContent, "DELETE", path+"/secrets/"+made.Secrets[0].ID, nil, nil)
	for _, secret := range secrets {
		require.NotContains(t, said.String(), secret)
		require.NotContains(t, s.log.String(), secret)
	}
	s.stop()
	files := 0
	require.NoError(t, filepath.WalkDir(s.cfg.DataDir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		data, err := os.ReadFile(path)
		for _, secret := range secrets {
			require.NotContains(t, string(data), secret, path)
		}
		return err
	}))
	require.NotZero(t, files)
}
