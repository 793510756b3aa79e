package celonissim_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/celonissim"
)

func TestAdminReadsTables(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.push(`"targetName":"T","type":"REPLACE"`, kvs("b", "2", "a", "~", "c", "x,\"y"))
	s.auth = ""
	table := "/_sim/pools/" + poolID + "/tables/T"
	tab, _ := s.Table(poolID, "T")
	page := s.get(table).json(t)
	require.EqualValues(t, 3, page["rows"])
	require.Equal(t, fmt.Sprintf("%016x", tab.Hash()), page["hash"])
	require.Equal(t, map[string]any{"name": "K", "type": "STRING", "length": 80.0, "key": false}, page["columns"].([]any)[0])

	rows := s.get(table + "/rows?order=K&offset=0&limit=2").json(t)
	require.EqualValues(t, 3, rows["total"])
	require.Equal(t, []any{map[string]any{"K": "a", "V": nil}, map[string]any{"K": "b", "V": "2"}}, rows["rows"])
	require.Len(t, s.get(table + "/rows?changeDate=true").json(t)["columns"], 3)
	csv := s.get(table + "/rows.csv?offset=1")
	require.Equal(t, "K,V\na,\nc,\"x,\"\"y\"\n", csv.body)
	require.Equal(t, 400, s.get(table+"/rows?order=nope").status)
	require.Equal(t, 400, s.get(table+"/rows?limit=x").status)
	require.Equal(t, 404, s.get(table+"x/rows").status)
	require.Equal(t, 404, s.get(table+"?connection="+sourceID).status)

	state := s.get("/_sim/state").json(t)
	pool := state["pools"].([]any)[0].(map[string]any)
	require.EqualValues(t, 3, pool["tables"].([]any)[0].(map[string]any)["rows"])
	require.Equal(t, "DONE", pool["jobs"].([]any)[0].(map[string]any)["status"])
	require.EqualValues(t, 1, state["requests"].(map[string]any)["push.jobs.submit"].(map[string]any)["requests"])
	require.Len(t, s.list("/_sim/journal?limit=2"), 2)
	require.Equal(t, "ok\n", s.get("/healthz").body)
}

func TestAdminSwitches(t *testing.T) {
	t.Parallel()
	s := start(t)
	a := s.do(http.MethodPost, "/_sim/faults", `{"route":"push.*","status":503,"times":1,"delayMs":1}`)
	require.Equal(t, http.StatusCreated, a.status, a.body)
	require.Equal(t, 503, s.get(newPath+"/jobs").status)
	require.Equal(t, 200, s.get(newPath+"/jobs").status)
	faults := s.list("/_sim/faults")
	require.EqualValues(t, 1, faults[0]["struck"])
	require.Equal(t, 204, s.do(http.MethodDelete, "/_sim/faults/"+faults[0]["id"].(string), "").status)
	require.Equal(t, 404, s.do(http.MethodDelete, "/_sim/faults/"+faults[0]["id"].(string), "").status)
	for _, bad := range []string{`{}`, `{"status":99}`, `{"cut":"x"}`, `{"status":500,"probability":2}`, `{"statsu":500}`} {
		require.Equal(t, 400, s.do(http.MethodPost, "/_sim/faults", bad).status, bad)
	}
	s.do(http.MethodPost, "/_sim/faults", `{"jobStuck":true}`)
	require.Equal(t, 204, s.do(http.MethodDelete, "/_sim/faults", "").status)
	require.Empty(t, s.Faults())

	pool := s.do(http.MethodPost, "/_sim/pools", `{"name":"Third","dataSources":[{"name":"SRC"}]}`)
	require.Equal(t, http.StatusCreated, pool.status, pool.body)
	id := pool.json(t)["id"].(string)
	require.Equal(t, 400, s.do(http.MethodPost, "/_sim/pools", `{"name":"Third"}`).status)
	require.Equal(t, 400, s.do(http.MethodPost, "/_sim/pools", `{"name":"Fourth","id":"x"}`).status)
	key := s.do(http.MethodPost, "/_sim/keys", fmt.Sprintf(`{"name":"k","kind":"apiKey","pushPools":[%q],"listPools":true}`, id))
	require.Equal(t, http.StatusCreated, key.status, key.body)
	require.Equal(t, 400, s.do(http.MethodPost, "/_sim/keys", `{"kind":"x"}`).status)
	s.auth = "Bearer " + key.json(t)["key"].(string)
	require.Equal(t, 200, s.get("/data-ingestion/api/v1/data-push/"+id+"/jobs").status)
	require.Equal(t, 403, s.get(newPath+"/jobs").status)
}

func TestReset(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.push(`"targetName":"T","type":"REPLACE"`, kvs("a", "1"))
	s.AddFault(celonissim.Fault{Status: 500})
	require.Equal(t, 204, s.do(http.MethodPost, "/_sim/reset", "").status)
	_, there := s.Table(poolID, "T")
	require.False(t, there)
	require.Empty(t, s.list(newPath+"/jobs"))
	require.Len(t, s.list("/integration/api/pools"), 2)
	require.EqualValues(t, 1, s.Counts()["push.jobs.list"].Requests)
	s.push(`"targetName":"T","type":"REPLACE"`, kvs("a", "1"))
}

func TestNoAdmin(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *celonissim.Options) { o.NoAdmin = true })
	require.Equal(t, 404, s.get("/_sim/state").status)
}

func TestDefaultOptions(t *testing.T) {
	t.Parallel()
	o := celonissim.DefaultOptions()
	s := &sim{Server: celonissim.New(o), t: t, auth: "AppKey " + o.Teams[0].Credentials[0].Key}
	base, err := s.Start("127.0.0.1:0")
	require.NoError(t, err)
	s.base = base
	require.Equal(t, o.Teams[0].Pools[0].ID, s.list("/integration/api/pools")[0]["id"])
	require.NoError(t, s.Shutdown(context.Background()))
	_, err = s.try(http.MethodGet, "/healthz", "", nil)
	require.Error(t, err)
}

func TestNewRefusesTwins(t *testing.T) {
	t.Parallel()
	o := options()
	o.Teams[0].Pools[1].ID = poolID
	require.Panics(t, func() { celonissim.New(o) })
}
