package celonissim_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/celonissim"
)

func TestPushLifecycle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, spool := range []string{"", dir} {
		s := start(t, func(o *celonissim.Options) { o.SpoolDir = spool })
		job := s.create(`"targetName":"T","type":"REPLACE","dataPoolId":%q,"id":null,"status":null,"logs":null,"unknown":1`, poolID)
		doc := s.get(job).json(t)
		require.Equal(t, "NEW", doc["status"])
		require.Equal(t, poolID, doc["targetSchema"])
		require.Equal(t, []any{}, doc["keys"])
		require.Greater(t, doc["lastModified"].(float64), 1e12)
		for _, name := range []string{"fileType", "connectionId", "csvParsingOptions", "tableSchema", "lastPing"} {
			v, there := doc[name]
			require.True(t, there, name)
			require.Nil(t, v, name)
		}

		file := kvs("a", "1", "b", "~")
		s.upsert(job, file)
		_, there := s.Table(poolID, "T")
		require.False(t, there, "nothing is visible before the job is executed")

		var chunks []map[string]any
		require.NoError(t, json.Unmarshal([]byte(s.get(job+"/chunks").body), &chunks))
		require.Len(t, chunks, 1)
		sum := sha256.Sum256(file)
		require.Equal(t, hex.EncodeToString(sum[:]), chunks[0]["checksum"])
		require.Equal(t, "UPSERT", chunks[0]["type"])
		require.Equal(t, strings.TrimPrefix(job, newPath+"/jobs/"), chunks[0]["pushJobId"])

		require.Equal(t, "DONE", s.submit(job).Status)
		require.Equal(t, []string{"a|1|", "b|~|"}, s.rows("T", "K", "V"))
		require.Equal(t, http.StatusConflict, s.do(http.MethodPost, job, "{}").status)
		require.Equal(t, http.StatusBadRequest, s.upload(job, "upserted", file).status)
		require.Regexp(t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d - \w`, s.get(job).json(t)["logs"].([]any)[0])

		require.Contains(t, s.get(newPath+"/jobs").body, job[len(newPath+"/jobs/"):])
		require.Equal(t, http.StatusOK, s.do(http.MethodDelete, job, "").status)
		require.Equal(t, http.StatusNotFound, s.get(job).status)
		require.Equal(t, "[]", s.get(newPath+"/jobs/").body)
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left, "spooled chunks are removed")
}

func TestStatusesInOrder(t *testing.T) {
	t.Parallel()
	s := start(t)
	job := s.create(`"targetName":"T","type":"REPLACE"`)
	s.upsert(job, kvs("a", "1"))
	require.Equal(t, http.StatusOK, s.do(http.MethodPost, job, "null").status)
	for _, want := range []string{"NEW", "QUEUED", "RUNNING", "DONE"} {
		require.Equal(t, want, (<-s.events).Status)
	}
}

func TestPathGenerations(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		change   func(*celonissim.Options)
		old, new int
	}{
		{"both", func(*celonissim.Options) {}, 200, 200},
		{"old only", func(o *celonissim.Options) { o.Answers.NoNewPath = true }, 200, 404},
		{"new only", func(o *celonissim.Options) { o.Answers.NoOldPath = true }, 404, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, c.change)
			for _, tail := range []string{"/jobs", "/jobs/", "//jobs//"} {
				require.Equal(t, c.old, s.get(oldPath+tail).status, tail)
				require.Equal(t, c.new, s.get(newPath+tail).status, tail)
			}
		})
	}
}

func TestJobsAreSharedByPaths(t *testing.T) {
	t.Parallel()
	s := start(t)
	job := s.create(`"targetName":"T","type":"REPLACE"`)
	require.Equal(t, http.StatusOK, s.get(strings.Replace(job, newPath+"/jobs/", oldPath+"/jobs//", 1)).status)
}

func TestCreateIsChecked(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, c := range []struct{ body, attribute string }{
		{`{"type":"REPLACE"}`, "targetName"},
		{`{"targetName":null,"type":"DELTA"}`, "targetName"},
		{`{"targetName":"T"}`, "type"},
		{`{"targetName":"T","type":"delta"}`, "type"},
		{`{"targetName":"T","type":"DELTA","fileType":"JSON"}`, "fileType"},
		{`{"targetName":"T","type":"DELTA","upsertStrategy":"X"}`, "upsertStrategy"},
		{`{"targetName":"T","type":"DELTA","fallbackVarcharLength":65001}`, "fallbackVarcharLength"},
		{`{"targetName":"T","type":"DELTA","connectionId":"nope"}`, "connectionId"},
		{`{"targetName":"T","type":"DELTA","csvParsingOptions":{"dateFormat":"yyyy-QQ"}}`, "csvParsingOptions"},
		{`{"targetName":"T","type":"DELTA","tableSchema":{"columns":[{"columnName":"A","columnType":"VARCHAR"}]}}`, "tableSchema.columns[0].columnType"},
		{`{"targetName":"T","type":"DELTA","tableSchema":{"columns":[{"columnType":"STRING","columnName":"A"},{"columnType":"STRING","columnName":"a"}]}}`, "tableSchema.columns[1].columnName"},
		{`{"targetName":"T","type":"DELTA","tableSchema":{"columns":[{"columnType":"STRING","columnName":"A","fieldLength":0}]}}`, "tableSchema.columns[0].fieldLength"},
		{`[]`, "body"},
	} {
		a := s.do(http.MethodPost, newPath+"/jobs/", c.body)
		require.Equal(t, http.StatusBadRequest, a.status, c.body)
		item := a.json(t)["errors"].([]any)[0].(map[string]any)
		require.Equal(t, c.attribute, item["attribute"])
		require.NotEmpty(t, item["errorCode"])
		require.Contains(t, item, "additionalInfo")
	}
}

func TestUploadIsChecked(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *celonissim.Options) { o.Limits.ChunkBytes = 1000 })
	job := s.create(`"targetName":"T","type":"REPLACE","keys":["K"]`)
	post := func(contentType, body string) int {
		a, err := s.try(http.MethodPost, job+"/chunks/upserted", contentType, strings.NewReader(body))
		require.NoError(t, err)
		return a.status
	}
	require.Equal(t, http.StatusUnsupportedMediaType, post("text/csv", "a,b"))
	require.Equal(t, http.StatusUnsupportedMediaType, post("", "PAR1"))
	contentType, body := form("data", []byte("x"))
	require.Equal(t, http.StatusBadRequest, post(contentType, body.String()))
	contentType, body = form("file", make([]byte, 1001))
	require.Equal(t, http.StatusRequestEntityTooLarge, post(contentType, body.String()))
	contentType, body = form("file", make([]byte, 1000))
	require.Equal(t, http.StatusOK, post(contentType, body.String()))
	require.Equal(t, http.StatusBadRequest, post(contentType, body.String()[:500]), "an upload that ends early")
	require.Equal(t, http.StatusBadRequest, s.upload(job, "deleted", []byte("x")).status, "deletes need DELTA")
	delta := s.create(`"targetName":"T","type":"DELTA"`)
	require.Equal(t, http.StatusBadRequest, s.upload(delta, "deleted", []byte("x")).status, "deletes need keys")
}

func TestReplaceAndDelta(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.push(`"targetName":"T","type":"REPLACE"`, kvs("a", "1", "b", "2"), kvs("c", "3"))
	require.Equal(t, []string{"a|1|", "b|2|", "c|3|"}, s.rows("T", "K", "V"))

	s.push(`"targetName":"T","type":"DELTA","keys":["K"]`, kvs("b", "20", "d", "4", "d", "5"))
	require.Equal(t, []string{"a|1|", "c|3|", "b|20|", "d|5|"}, s.rows("T", "K", "V"), "last one wins")

	s.push(`"targetName":"T","type":"DELTA"`, kvs("a", "9"))
	require.Equal(t, []string{"a|1|", "c|3|", "b|20|", "d|5|", "a|9|"}, s.rows("T", "K", "V"), "without keys rows are added")

	s.push(`"targetName":"T","type":"DELTA","keys":["K"]`, kvs("a", "7"))
	require.Equal(t, []string{"c|3|", "b|20|", "d|5|", "a|7|"}, s.rows("T", "K", "V"), "all rows of a key are replaced")

	job := s.create(`"targetName":"T","type":"DELTA","keys":["K"]`)
	s.upsert(job, kvs("e", "5"))
	type key struct{ K string }
	require.Equal(t, 200, s.upload(job, "deleted", parquetFile([]key{{"b"}, {"nope"}, {"e"}})).status)
	s.upsert(job, kvs("b", "21"))
	require.Equal(t, "DONE", s.submit(job).Status)
	require.Equal(t, []string{"c|3|", "d|5|", "a|7|", "b|21|"}, s.rows("T", "K", "V"), "chunks take effect in their order")

	tab, _ := s.Table(poolID, "T")
	v, null := tab.Value("V", 3)
	require.Equal(t, "21", v)
	require.False(t, null)
	s.push(`"targetName":"T","type":"REPLACE"`, kvs("z", "~"))
	require.Equal(t, []string{"z|~|"}, s.rows("T", "K", "V"))
	require.Equal(t, 4, tab.Rows(), "a Table is the content at its moment")
}

func TestUpsertStrategies(t *testing.T) {
	t.Parallel()
	type wide struct{ K, A, B string }
	type thin struct{ K, A string }
	for strategy, want := range map[string][]string{
		"UPSERT_WITH_UNCHANGED_METADATA": {"k|a2|b|", "n|a3|~|"},
		"UPSERT_WITH_NULLIFICATION":      {"k|a2|~|", "n|a3|~|"},
	} {
		s := start(t)
		s.push(`"targetName":"T","type":"REPLACE"`, parquetFile([]wide{{"k", "a", "b"}}))
		s.push(fmt.Sprintf(`"targetName":"T","type":"DELTA","keys":["K"],"upsertStrategy":%q`, strategy), parquetFile([]thin{{"k", "a2"}, {"n", "a3"}}))
		require.Equal(t, want, s.rows("T", "K", "A", "B"), strategy)
	}
}

func TestDuplicateRemovalColumn(t *testing.T) {
	t.Parallel()
	for _, keep := range []celonissim.Keep{celonissim.KeepValues, celonissim.KeepHashes} {
		type row struct {
			K string
			N int64
		}
		s := start(t, func(o *celonissim.Options) { o.Keep = keep })
		job := s.create(`"targetName":"T","type":"REPLACE","keys":["K"]`)
		s.upsert(job, parquetFile([]row{{"a", -2}, {"a", 3}, {"a", 1}, {"b", 1}}))
		require.Equal(t, "DONE", s.submit(job+"?duplicateRemovalColumn=N").Status)
		s.push(`"targetName":"Want","type":"REPLACE"`, parquetFile([]row{{"b", 1}, {"a", 3}}))
		got, _ := s.Table(poolID, "T")
		want, _ := s.Table(poolID, "Want")
		require.Equal(t, 2, got.Rows())
		require.Equal(t, want.Hash(), got.Hash())
	}
}

func TestErrorLeavesTheTable(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.push(`"targetName":"T","type":"REPLACE"`, kvs("a", "1"))
	schema := `"tableSchema":{"tableName":"T","columns":[{"columnName":"K","columnType":%q},{"columnName":"V","columnType":"STRING"}]}`
	type caseTwins struct {
		K string
		V string `parquet:"k"`
	}
	type nested struct{ K struct{ A string } }
	type num struct {
		K int64
		V string
	}
	good := kvs("a", "2")
	for _, c := range []struct {
		members string
		file    []byte
		log     string
	}{
		{`"type":"REPLACE"`, []byte("junk"), "not a readable Parquet file"},
		{`"type":"REPLACE"`, good[:len(good)-20], "not a readable Parquet file"},
		{`"type":"REPLACE",` + fmt.Sprintf(schema, "INTEGER"), good, `column "K" is STRING in the chunk and INTEGER in the schema`},
		{`"type":"REPLACE","tableSchema":{"columns":[{"columnName":"K","columnType":"STRING"}]}`, good, `column "V" is not in the schema`},
		{`"type":"DELTA","keys":["K"],` + fmt.Sprintf(schema, "INTEGER"), good, `column "K" is STRING in the table and INTEGER in the schema of the job`},
		{`"type":"DELTA","keys":["ID"]`, good, `key column "ID" is missing`},
		{`"type":"DELTA","keys":["V"]`, kvs("a", "~"), `key column "V" holds null`},
		{`"type":"DELTA"`, parquetFile([]num{{1, "x"}}), `column "K" is INTEGER in the chunk and STRING`},
		{`"type":"REPLACE"`, parquetFile([]caseTwins{{"a", "b"}}), "have the same name"},
		{`"type":"REPLACE"`, parquetFile([]nested{{}}), "is nested"},
		{`"type":"REPLACE","fileType":"CSV"`, []byte("K,V\na\n"), "line 2 has 1 fields, the header has 2"},
		{`"type":"REPLACE","fileType":"CSV"`, []byte("K,V\n\"a"), "is not closed"},
		{`"type":"REPLACE","fileType":"CSV"`, good, "CSV"},
		{`"type":"REPLACE","fileType":"CSV",` + fmt.Sprintf(schema, "INTEGER"), []byte("K,V\nx,y\n"), `"x" is not a value of type INTEGER`},
	} {
		job := s.create(`"targetName":"T",%s`, c.members)
		s.upsert(job, c.file)
		e := s.submit(job)
		require.Equal(t, "ERROR", e.Status, c.log)
		require.Contains(t, e.Logs[len(e.Logs)-1], c.log)
		require.Equal(t, []string{"a|1|"}, s.rows("T", "K", "V"))
	}
	s.push(`"targetName":"T","type":"DELTA","keys":["K"]`, kvs("a", "3"))
	require.Equal(t, []string{"a|3|"}, s.rows("T", "K", "V"), "the table works after errors")
}

func TestConnectionSchema(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.push(`"targetName":"T","type":"REPLACE"`, kvs("a", "1"))
	s.push(fmt.Sprintf(`"targetName":"T","type":"REPLACE","connectionId":%q`, sourceID), kvs("a", "1", "b", "2"))
	own, _ := s.Table(poolID, "T")
	other, _ := s.TableOf(poolID, sourceID, "T")
	require.Equal(t, []int{1, 2}, []int{own.Rows(), other.Rows()})
	var tables []map[string]any
	require.NoError(t, json.Unmarshal([]byte(s.get("/integration/api/pools/"+poolID+"/tables").body), &tables))
	require.Len(t, tables, 2)
	require.Equal(t, "ERP", tables[1]["dataSourceName"])
	require.Equal(t, poolID+"_"+sourceID, tables[1]["schemaName"])
}

func TestDeltaColumns(t *testing.T) {
	t.Parallel()
	type wide struct{ K, V, W string }
	const declared = `"targetName":"T","type":"DELTA","tableSchema":{"columns":[{"columnName":"K","columnType":"STRING"},
		{"columnName":"V","columnType":"STRING","fieldLength":100},{"columnName":"W","columnType":"STRING"}]}`
	long := strings.Repeat("x", 100)

	s := start(t, func(o *celonissim.Options) { o.Answers.DeltaAddsColumns = true })
	s.push(`"targetName":"T","type":"REPLACE"`, kvs("a", "1"))
	s.push(declared, parquetFile([]wide{{"b", long, "w"}}))
	require.Equal(t, []string{"a|1|~|", "b|" + long + "|w|"}, s.rows("T", "K", "V", "W"))

	s = start(t, func(o *celonissim.Options) { o.Answers.DeltaKeepsLengths = true })
	s.push(`"targetName":"T","type":"REPLACE"`, parquetFile([]wide{{"a", "1", "w"}}))
	s.push(declared, parquetFile([]wide{{"b", long, "w"}}))
	require.Equal(t, []string{"a|1|", "b|" + long[:80] + "|"}, s.rows("T", "K", "V"))
}

func TestDeletedJobIsAbandoned(t *testing.T) {
	t.Parallel()
	hold, held := make(chan struct{}), make(chan struct{}, 1)
	s := start(t, func(o *celonissim.Options) {
		tell := o.OnJob
		o.OnJob = func(e celonissim.JobEvent) {
			if e.Status == "RUNNING" && e.Table == "A" {
				held <- struct{}{}
				<-hold
			}
			tell(e)
		}
	})
	job := s.create(`"targetName":"A","type":"REPLACE"`)
	s.upsert(job, kvs("a", "1"))
	require.Equal(t, 200, s.do(http.MethodPost, job, "").status)
	<-held
	require.Equal(t, 200, s.do(http.MethodDelete, job, "").status)
	close(hold)
	s.push(`"targetName":"B","type":"REPLACE"`, kvs("a", "1"))
	require.NoError(t, s.Close())
	_, there := s.Table(poolID, "A")
	require.False(t, there)
}
