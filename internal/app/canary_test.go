package app_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/celonis-connector/connector/internal/config"
	"github.com/celonis-connector/connector/internal/testservers"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// marked are keys that cannot be mistaken for anything else. Their signs look
// different in a URL, in JSON and in base64.
const (
	markedAppKey = "canary/app+key==aXbYcZ01&<mark>"
	markedAPIKey = "canary/api+key==QqRrSs02&<mark>"
)

// haystack is everything that the service wrote or said, by where it stands.
type haystack map[string][]byte

// forms are the shapes in which a text may appear. In base64 a text looks
// different at each of three places within what is encoded; the letters at the
// edges depend on the neighbors and are left out.
func forms(text string) map[string]string {
	quoted, _ := json.Marshal(text)
	all := map[string]string{
		"raw": text, "query": url.QueryEscape(text), "path": url.PathEscape(text), "hex": hex.EncodeToString([]byte(text)),
		"JSON": strings.Trim(string(quoted), `"`), "Go": strings.Trim(fmt.Sprintf("%q", text), `"`),
	}
	for shift := range 3 {
		for name, encoding := range map[string]*base64.Encoding{"base64": base64.StdEncoding, "base64url": base64.URLEncoding} {
			encoded := encoding.EncodeToString([]byte(strings.Repeat("x", shift) + text))
			all[fmt.Sprintf("%s at %d", name, shift)] = encoded[4 : len(encoded)-4]
		}
	}
	return all
}

// find lists the places and forms in which a text appears.
func (h haystack) find(text string) (found []string) {
	for form, needle := range forms(text) {
		for place, data := range h {
			if bytes.Contains(data, []byte(needle)) {
				found = append(found, place+" ("+form+")")
			}
		}
	}
	return found
}

// echo is a Celonis that tells everything it was sent in its errors, as some proxies do.
type echo struct {
	sim http.Handler
	// status is what it answers, 0 to let the simulator answer.
	status atomic.Int64
	told   atomic.Int64
}

// ServeHTTP implements http.Handler.
func (e *echo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status := int(e.status.Load())
	if status == 0 {
		e.sim.ServeHTTP(w, r)
		return
	}
	_, _ = io.Copy(io.Discard, r.Body)
	_, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	e.told.Add(1)
	words := fmt.Sprintf("request refused: %s %s headers %v key %s query %s base64 %s and %s",
		r.Method, r.URL, r.Header, key, url.QueryEscape(key), base64.StdEncoding.EncodeToString([]byte(key)),
		base64.StdEncoding.EncodeToString([]byte(r.Header.Get("Authorization"))))
	w.Header().Set("X-Request-Id", key)
	w.Header().Set("Retry-After", "1")
	if status%2 == 0 {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		fmt.Fprintf(w, "<html><body>%s</body></html>", words)
		return
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"title": words, "detail": words, "status": status, "errorCode": key, "message": words, "error": words,
		"errors": []map[string]any{{"attribute": key, "error": words, "errorCode": words}},
	})
}

// said collects what callers of the API were answered.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) add(body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(body)
}

// Marked keys go through create, test, run, failure and retry, and are found
// nowhere after it: no log line, answer, error, database byte, Redis key or file.
func TestKeysAreFoundNowhere(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, func(t *testing.T, on func(config.Config) config.Config) { findNoKeys(t, on) })
}

func findNoKeys(t *testing.T, on func(config.Config) config.Config) {
	t.Helper()
	sim := apptest.NewSim(t, func(o *celonissim.Options) {
		team := &o.Teams[0]
		team.Credentials[0].Key, team.Credentials[1].Key = markedAppKey, markedAPIKey
	})
	celonis := &echo{sim: sim}
	server := httptest.NewServer(celonis)
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")

	redisURL := testservers.Redis(t)
	cfg := on(settings(t, server.URL))
	cfg.RedisURL = crypto.NewSecret(redisURL)
	s := start(t, cfg)
	var answers said
	s.Seen = answers.add

	s.sayKeysInTheWrongPlace(host, sim.Pool)
	for _, key := range []map[string]any{{"authType": "custom", "appKey": markedAppKey}, {"authType": "token", "apiKey": markedAPIKey}} {
		s.liveWithKey(celonis, host, sim.Pool, key)
	}
	require.NotZero(t, celonis.told.Load(), "no error ever held a key")

	everything := haystack{"answers": answers.text.Bytes()}
	for place, data := range redisContent(t, redisURL) {
		everything["redis "+place] = data
	}
	s.addFiles(everything) // while the service runs, with SQLite's log of writes
	s.stop()
	everything["log"] = []byte(s.log.String())
	s.addFiles(everything)
	database := "connector.db"
	if dsn := cfg.DatabaseURL.Reveal(); dsn != "" {
		database = "table connections"
		for table, rows := range tableContent(t, dsn) {
			everything["table "+table] = rows
		}
	}

	// What must be there is found, so that finding nothing means something.
	const mark = "name-that-is-looked-for"
	require.Contains(t, strings.Join(everything.find(mark), " "), "answers")
	require.Contains(t, strings.Join(everything.find("renamed token"), " "), database)
	require.Contains(t, strings.Join(everything.find("celonis call is tried again"), " "), "log")
	require.Contains(t, strings.Join(everything.find("row-of-the-file"), " "), filepath.Join("data", "files"))
	require.NotEmpty(t, haystack{"x": []byte("h=" + base64.StdEncoding.EncodeToString([]byte("AppKey "+markedAppKey)))}.find(markedAppKey))
	require.NotEmpty(t, haystack{"x": []byte(url.QueryEscape("k " + markedAPIKey))}.find(markedAPIKey))

	for _, secret := range []string{markedAppKey, markedAPIKey, s.secret, s.Token, strings.SplitN(cfg.MasterKeys.Reveal(), ":", 2)[1]} {
		require.Empty(t, everything.find(secret), "a secret was found")
	}
}

// sayKeysInTheWrongPlace sends keys where they do not belong: a refusal must not repeat them.
func (s *service) sayKeysInTheWrongPlace(host, pool string) {
	s.t.Helper()
	for _, change := range []map[string]any{
		{"appKey": []string{markedAppKey}},
		{"appKey": map[string]any{"value": markedAppKey}},
		{"apiKey": markedAPIKey},
		{"appKey": markedAppKey + "\x00"},
		{"domain": "nowhere"},
		{"poolId": "none"},
	} {
		s.Problem(http.StatusUnprocessableEntity, "POST", "/v1/connections/test", changed(map[string]any{
			"name": "wrong", "apiType": "dataPush", "domain": host, "authType": "custom", "appKey": markedAppKey, "poolId": pool,
		}, change))
	}
	for _, broken := range []string{
		`{"appKey":"` + markedAppKey, `{"appKey":"` + markedAppKey + `"} trailing`, `{"appKey":` + markedAppKey + `}`, `["` + markedAppKey + `"]`,
	} {
		a := s.Send("POST", "/v1/connections", []byte(broken))
		require.GreaterOrEqual(s.t, a.Status, 400, broken)
		require.Less(s.t, a.Status, 500, broken)
	}
}

// liveWithKey takes a connection through its life, with a Celonis that refuses now and then.
func (s *service) liveWithKey(celonis *echo, host, pool string, key map[string]any) {
	s.t.Helper()
	auth := key["authType"].(string)
	d := changed(map[string]any{"name": "name-that-is-looked-for " + auth, "apiType": "dataPush", "domain": host, "poolId": pool}, key)
	var c apptest.Connection
	s.Call(http.StatusCreated, "POST", "/v1/connections", d, &c)
	require.Equal(s.t, "online", c.Status, "%+v", c.LastTest)
	flow := s.fileFlow(c.ID, "CANARY_"+auth, "csv", "id,text\n1,row-of-the-file\n2\n")
	r := s.Do(flow)
	require.Equal(s.t, "succeeded", r.State)
	require.Len(s.t, s.Errors(flow), 1)

	for _, status := range []int{400, 401, 403, 404, 409, 429, 500, 502, 503} {
		celonis.status.Store(int64(status))
		s.Call(http.StatusOK, "POST", "/v1/connections/"+c.ID+"/test", nil, nil)
		s.Call(http.StatusOK, "POST", "/v1/connections/test", d, nil)
		run := s.Start(flow)
		r := s.Await(run.ID, func(r apptest.Run) bool { return r.Error != nil })
		require.Contains(s.t, []string{"failed", "waiting"}, r.State)
		celonis.status.Store(0)
		s.Call(http.StatusOK, "POST", "/v1/connections/"+c.ID+"/test", nil, nil) // a connection that went offline comes back
		if r.State == "waiting" {
			require.Equal(s.t, "succeeded", s.AwaitEnd(run.ID).State)
		}
	}
	for _, path := range []string{"/v1/connections", "/v1/connections/" + c.ID, "/v1/flows", "/v1/flows/" + flow + "/runs", "/v1/flows/" + flow + "/errors", "/metrics", "/readyz"} {
		s.Send("GET", path, nil)
	}
	s.Call(http.StatusOK, "PATCH", "/v1/connections/"+c.ID, map[string]any{"name": "renamed " + auth}, nil)
	s.Problem(http.StatusConflict, "DELETE", "/v1/connections/"+c.ID, nil)
}

// addFiles reads everything below the data folder.
func (s *service) addFiles(into haystack) {
	s.t.Helper()
	count := 0
	require.NoError(s.t, filepath.WalkDir(s.cfg.DataDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		count++
		into[fmt.Sprintf("%s, look %d", path, len(into))] = data
		return err
	}))
	require.NotZero(s.t, count)
}

// tableContent reads every row of every table of PostgreSQL, as text.
func tableContent(t *testing.T, dsn string) haystack {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	require.NoError(t, err)
	defer conn.Close(ctx)
	texts := func(query string) []string {
		rows, err := conn.Query(ctx, query)
		require.NoError(t, err)
		list, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err, query)
		return list
	}
	all := haystack{}
	for _, table := range texts(`SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`) {
		// Bytes come as hexadecimal, which is one of the forms looked for.
		all[strings.TrimPrefix(table, "public.")] = []byte(strings.Join(texts("SELECT t::text FROM "+table+" t"), "\n"))
	}
	require.Greater(t, len(all), 20, "tables that were read")
	return all
}

// redisContent reads every key with its value.
func redisContent(t *testing.T, address string) haystack {
	t.Helper()
	options, err := redis.ParseURL(address)
	require.NoError(t, err)
	client := redis.NewClient(options)
	defer client.Close()
	ctx := context.Background()
	keys, err := client.Keys(ctx, "*").Result()
	require.NoError(t, err)
	require.NotEmpty(t, keys, "Redis holds nothing to look at")
	all := haystack{"keys": []byte(strings.Join(keys, "\n"))}
	for _, key := range keys {
		kind, err := client.Type(ctx, key).Result()
		require.NoError(t, err)
		var value any
		switch kind {
		case "string":
			value, err = client.Get(ctx, key).Result()
		case "hash":
			value, err = client.HGetAll(ctx, key).Result()
		case "stream":
			value, err = client.XRange(ctx, key, "-", "+").Result()
		case "zset":
			value, err = client.ZRangeWithScores(ctx, key, 0, -1).Result()
		case "set":
			value, err = client.SMembers(ctx, key).Result()
		case "list":
			value, err = client.LRange(ctx, key, 0, -1).Result()
		default:
			require.Fail(t, "Redis holds a kind of value that the test does not read: "+kind)
		}
		require.NoError(t, err)
		all[key] = []byte(fmt.Sprint(value))
	}
	return all
}
