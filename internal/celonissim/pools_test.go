package celonissim_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func (s *sim) list(path string) []map[string]any {
	s.t.Helper()
	var list []map[string]any
	a := s.get(path)
	require.Equal(s.t, http.StatusOK, a.status, path)
	require.NoError(s.t, json.Unmarshal([]byte(a.body), &list), a.body)
	return list
}

func TestPools(t *testing.T) {
	t.Parallel()
	s := start(t)
	const pools = "/integration/api/pools"
	list := s.list(pools)
	require.Len(t, list, 2)
	require.Equal(t, poolID, list[0]["id"])
	require.Equal(t, "Pool", list[0]["name"])
	for _, name := range []string{"permissions", "description", "timeStamp", "configurationStatus", "locked", "contentId", "tags", "objectId"} {
		require.Contains(t, list[0], name)
	}
	page := s.get(pools + "/paged?limit=1&page=1").json(t)
	require.EqualValues(t, 2, page["totalCount"])
	require.EqualValues(t, 1, page["pageNumber"])
	require.Equal(t, "Other", page["content"].([]any)[0].(map[string]any)["name"])
	require.Len(t, s.list(pools+"?poolIds="+otherID), 1)

	made := s.do(http.MethodPost, pools, `{"name":"New"}`).json(t)
	id := made["id"].(string)
	twice := s.do(http.MethodPost, pools, `{"name":"New"}`)
	require.Equal(t, 400, twice.status)
	require.Equal(t, "name.unique", twice.json(t)["errors"].([]any)[0].(map[string]any)["errorCode"])
	require.Equal(t, 400, s.do(http.MethodPost, pools, `{}`).status)
	require.Equal(t, "Newer", s.do(http.MethodPut, pools+"/"+id, `{"name":"Newer","locked":null}`).json(t)["name"])
	require.Equal(t, 400, s.do(http.MethodPut, pools+"/"+id, `{"name":"Pool"}`).status)
	require.Equal(t, "Newer", s.get(pools + "/" + id).json(t)["name"])
	require.Equal(t, 200, s.do(http.MethodDelete, pools+"/"+id, "").status)
	require.Equal(t, 404, s.get(pools+"/"+id).status)
	s.auth = "Bearer " + apiKey
	require.Equal(t, 403, s.do(http.MethodPost, pools, `{"name":"X"}`).status)
}

func TestPickers(t *testing.T) {
	t.Parallel()
	s := start(t)
	pool := "/integration/api/pools/" + poolID
	require.Empty(t, s.list(pool+"/tables"))
	s.push(fmt.Sprintf(`"targetName":"T","type":"REPLACE","connectionId":%q`, sourceID), parquetFile(typedRows()))
	s.push(`"targetName":"T","type":"REPLACE"`, kvs("a", "1"))

	tables := s.list(pool + "/tables")
	require.Equal(t, "T", tables[0]["name"])
	require.Equal(t, poolID, tables[0]["schemaName"])
	require.Equal(t, true, tables[0]["available"])
	require.Nil(t, tables[0]["dataSourceId"])
	require.Equal(t, sourceID, tables[1]["dataSourceId"])

	cols := s.list(pool + "/columns?tableName=T")
	require.Equal(t, []map[string]any{
		{"name": "K", "length": 80.0, "type": "STRING"}, {"name": "V", "length": 80.0, "type": "STRING"},
		{"name": "_CELONIS_CHANGE_DATE", "length": 0.0, "type": "DATE"},
	}, cols)
	types := map[any]any{}
	for _, c := range s.list(pool + "/columns?tableName=T&schemaName=" + tables[1]["schemaName"].(string)) {
		types[c["name"]] = c["type"]
	}
	require.Subset(t, types, map[any]any{"S": "STRING", "I64": "INTEGER", "F": "FLOAT", "B": "INTEGER", "D": "DATE", "T96": "DATE"})
	require.Empty(t, s.list(pool+"/columns?tableName=nope"))

	require.Equal(t, "ERP", s.list(pool + "/data-sources/?excludeUnconfigured=false")[0]["name"])
	require.Equal(t, "ERP", s.get(pool + "/data-sources/" + sourceID).json(t)["name"])
	require.Equal(t, 404, s.get(pool+"/data-sources/nope").status)
	require.Equal(t, "dm", s.list(pool + "/data-models")[0]["id"])
	require.Equal(t, "Model", s.get(pool + "/data-models/dm").json(t)["name"])
	require.Equal(t, 404, s.get(pool+"/data-models/nope").status)
	require.Equal(t, "Job", s.list(pool + "/jobs")[0]["name"])
	require.Equal(t, 404, s.get("/integration/api/pools/nope/tables").status)
}
