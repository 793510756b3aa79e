package celonissim_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/celonissim"
)

const (
	accessKey = "ACCESSKEYID"
	secretKey = "a-secret-access-key"
	objectKey = "data-ingestion/continuous/connection/" + sourceID + "/ORDERS/file.parquet"
)

type aged struct {
	ID   int64  `parquet:"ID"`
	Text string `parquet:"TEXT"`
	Age  int64  `parquet:"AGE"`
}

func plainFile[T any](t testing.TB, rows ...T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[T](&b, parquet.Compression(&parquet.Uncompressed))
	_, err := w.Write(rows)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

func ingesting(t testing.TB) *sim {
	t.Helper()
	return start(t, func(o *celonissim.Options) {
		p := &o.Teams[0].Pools[0]
		p.IngestionKeys = []celonissim.IngestionKey{{AccessKeyID: accessKey, SecretAccessKey: secretKey}}
		p.IngestionTables = []celonissim.IngestionTable{{Connection: sourceID, Table: "ORDERS", Keys: []string{"ID"}, AgeColumn: "AGE"}}
	})
}

// bucket is an S3 client of another make, which signs by itself. The first
// segment of the endpoint's path takes the bucket's place.
func (s *sim) bucket(secret string) *minio.Client {
	s.t.Helper()
	c, err := minio.New(strings.TrimPrefix(s.base, "http://"), &minio.Options{
		Creds: credentials.NewStaticV4(accessKey, secret, ""), Region: "eu-central-1", BucketLookup: minio.BucketLookupPath, MaxRetries: 1,
		Transport: &http.Transport{DisableKeepAlives: true},
	})
	require.NoError(s.t, err)
	return c
}

func (s *sim) put(c *minio.Client, key string, body []byte, o minio.PutObjectOptions) error {
	_, err := c.PutObject(s.t.Context(), "api", key, bytes.NewReader(body), int64(len(body)), o)
	return err
}

func (s *sim) settled(connection, table string) {
	s.t.Helper()
	select {
	case <-s.Settled(poolID, connection, table):
	case <-time.After(20 * time.Second):
		require.FailNow(s.t, "nothing is loaded")
	}
}

func TestIngestion(t *testing.T) {
	t.Parallel()
	s := ingesting(t)
	c := s.bucket(secretKey)
	first := plainFile(t, aged{1, "a", 1}, aged{2, "b", 5})
	for name, o := range map[string]minio.PutObjectOptions{
		"in signed pieces": {}, "unsigned body": {DisableContentSha256: true}, "with an md5": {SendContentMd5: true, DisableContentSha256: true},
	} {
		require.NoError(t, s.put(c, objectKey, first, o), name)
	}
	require.NoError(t, s.put(c, strings.Replace(objectKey, "file", "zwei aa+b", 1), plainFile(t, aged{1, "c", 2}, aged{2, "older", 4}), minio.PutObjectOptions{}))
	s.settled(sourceID, "ORDERS")
	table, ok := s.TableOf(poolID, sourceID, "ORDERS")
	require.True(t, ok, "%v", s.IngestionAlerts(poolID))
	got := map[string]string{}
	for r := range table.Rows() {
		id, _ := table.Value("ID", r)
		got[id], _ = table.Value("TEXT", r)
	}
	require.Equal(t, map[string]string{"1": "c", "2": "b"}, got, "the higher age wins, whatever comes last")
	require.Len(t, s.IngestionFiles(poolID), 2, "the same name again replaces the file")
	require.Empty(t, s.IngestionAlerts(poolID))
}

func TestIngestionInParts(t *testing.T) {
	t.Parallel()
	s := ingesting(t)
	rows := make([]aged, 200_000)
	for i := range rows {
		rows[i] = aged{int64(i), strings.Repeat("x", 40), 1}
	}
	body := plainFile(t, rows...)
	require.Greater(t, len(body), 10<<20)
	require.NoError(t, s.put(s.bucket(secretKey), objectKey, body, minio.PutObjectOptions{PartSize: 5 << 20}))
	s.settled(sourceID, "ORDERS")
	table, ok := s.TableOf(poolID, sourceID, "ORDERS")
	require.True(t, ok, "%v", s.IngestionAlerts(poolID))
	require.Equal(t, len(rows), table.Rows())
	require.GreaterOrEqual(t, s.Counts()["ingestion.put"].Requests, int64(3))
	require.Equal(t, int64(2), s.Counts()["ingestion.multipart"].Requests)
}

func TestIngestionRefusals(t *testing.T) {
	t.Parallel()
	s := ingesting(t)
	body := plainFile(t, aged{1, "a", 1})
	code := func(err error) string { return minio.ToErrorResponse(err).Code }
	require.Equal(t, "SignatureDoesNotMatch", code(s.put(s.bucket("another secret"), objectKey, body, minio.PutObjectOptions{DisableContentSha256: true})))
	require.Equal(t, "AccessDenied", code(s.put(s.bucket(secretKey), strings.Replace(objectKey, sourceID, otherID, 1), body, minio.PutObjectOptions{})))
	require.Equal(t, "AccessDenied", code(s.put(s.bucket(secretKey), "data-ingestion/continuous/file", body, minio.PutObjectOptions{})))
	a, err := s.try(http.MethodPut, "/api/"+objectKey, "", bytes.NewReader(body))
	require.NoError(t, err)
	require.Equal(t, http.StatusForbidden, a.status)
	require.Contains(t, a.body, "<Code>AccessDenied</Code>")
	require.Empty(t, s.IngestionFiles(poolID))
}

func TestIngestionAlerts(t *testing.T) {
	t.Parallel()
	type young struct {
		ID int64 `parquet:"ID"`
	}
	type keyless struct {
		Age int64 `parquet:"AGE"`
	}
	var packed bytes.Buffer
	w := parquet.NewGenericWriter[aged](&packed, parquet.Compression(&parquet.Snappy))
	_, err := w.Write([]aged{{1, "a", 1}})
	require.NoError(t, err)
	require.NoError(t, w.Close())
	for want, body := range map[string][]byte{
		"AGE COLUMN NOT FOUND": plainFile(t, young{1}), "PK NOT FOUND IN INPUT FILE": plainFile(t, keyless{1}),
		"COMPRESSED INPUT FILE": packed.Bytes(), "not a readable Parquet file": []byte("text"),
	} {
		s := ingesting(t)
		require.NoError(t, s.put(s.bucket(secretKey), objectKey, body, minio.PutObjectOptions{}), "the answer does not tell")
		s.settled(sourceID, "ORDERS")
		alerts := s.IngestionAlerts(poolID)
		require.Len(t, alerts, 1)
		require.Contains(t, alerts[0], want)
	}
}

func TestContinuousPush(t *testing.T) {
	t.Parallel()
	s := start(t)
	const items = "/continuous-batch-processing/api/v1/" + poolID + "/items"
	push := func(query string, file []byte) answer {
		contentType, body := form("file", file)
		a, err := s.try(http.MethodPost, items+"?"+query, contentType, body)
		require.NoError(t, err)
		return a
	}
	a := push("targetName=ORDERS&primaryKeys=ID&duplicateRemovalOrderColumn=AGE&clientId=me&fallbackVarcharLength=200", plainFile(t, aged{1, "a", 5}))
	require.Equal(t, http.StatusOK, a.status, a.body)
	doc := a.json(t)
	require.Equal(t, "NEW", doc["flushStatus"])
	require.Equal(t, "me", doc["clientId"])
	require.NotEmpty(t, doc["id"])
	require.NotEmpty(t, doc["bucketId"])
	require.Equal(t, http.StatusOK, push("targetName=ORDERS&primaryKeys=ID&duplicateRemovalOrderColumn=AGE", plainFile(t, aged{1, "older", 4}, aged{2, "b", 1})).status)
	require.Equal(t, http.StatusOK, push("targetName=ALL", plainFile(t, aged{1, "a", 1}, aged{1, "a", 2}, aged{1, "a", 1})).status)
	s.settled("", "ORDERS")
	s.settled("", "ALL")
	table, ok := s.Table(poolID, "ORDERS")
	require.True(t, ok)
	require.Equal(t, 2, table.Rows())
	all, ok := s.Table(poolID, "ALL")
	require.True(t, ok)
	require.Equal(t, 2, all.Rows(), "without keys all columns are one")

	flushes := s.get("/continuous-batch-processing/api/v1/" + poolID + "/flushes?targetName=ORDERS")
	require.Equal(t, 2, strings.Count(flushes.body, `"FLUSHED"`), flushes.body)
	buckets := s.get("/continuous-batch-processing/api/v1/" + poolID)
	require.Equal(t, 2, strings.Count(buckets.body, `"targetName"`), buckets.body)

	for query, file := range map[string][]byte{
		"": plainFile(t, aged{}), "targetName=T&fallbackVarcharLength=0": plainFile(t, aged{}),
		"targetName=T&connectionId=nobody": plainFile(t, aged{}), "targetName=T": []byte("id,text\n1,a\n"),
	} {
		require.Equal(t, http.StatusBadRequest, push(query, file).status, query)
	}
	s.auth = "AppKey " + weakKey
	require.Equal(t, http.StatusForbidden, push("targetName=T", plainFile(t, aged{})).status)
}

func TestDataJobsAndLoads(t *testing.T) {
	t.Parallel()
	s := start(t)
	const (
		execute = "/integration/api/v2/data-pools/" + poolID + "/data-jobs/dj/execute"
		load    = "/integration/api/v1/data-pools/" + poolID + "/data-models/dm/load"
		pool    = "/integration/api/pools/" + poolID
	)
	require.Equal(t, "[]", s.get(pool+"/logs/status").body)
	require.Contains(t, s.get(pool+"/data-models/dm/load-history/load-info-sync").body, `"currentComputeLoad":null`)
	require.Equal(t, http.StatusOK, s.do(http.MethodPost, execute+"?mode=FULL", "").status)
	require.Equal(t, http.StatusOK, s.do(http.MethodPost, load, "").status)
	s.settled("execution", "dj")
	s.settled("execution", "dm")
	require.Contains(t, s.get(pool+"/logs/status").body, `"status":"SUCCESS"`)
	require.Contains(t, s.get(pool+"/data-models/dm/load-history/load-info-sync").body, `"loadStatus":"SUCCESS"`)
	require.Equal(t, http.StatusOK, s.do(http.MethodPost, load+"/partial-sync", `["t1"]`).status)
	s.settled("execution", "dm")
	executions := s.Executions(poolID)
	require.Len(t, executions, 3)
	require.Equal(t, []string{"t1"}, executions[2].Tables)

	require.Equal(t, http.StatusBadRequest, s.do(http.MethodPost, execute+"?mode=SOME", "").status)
	require.Equal(t, http.StatusBadRequest, s.do(http.MethodPost, load+"/partial-sync", `[]`).status)
	require.Equal(t, http.StatusNotFound, s.do(http.MethodPost, strings.Replace(execute, "/dj/", "/nobody/", 1), "").status)
	s.auth = "Bearer " + apiKey
	require.Equal(t, http.StatusForbidden, s.do(http.MethodPost, execute, "").status)
}
