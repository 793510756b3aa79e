package celonis_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/celonis"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

const secretKey = "s3cretKeyOfDataIngestion/with+signs"

func itemOf(text string) celonis.Item {
	return celonis.Item{Name: "f.parquet", Body: strings.NewReader(text), Size: int64(len(text))}
}

func TestContinuousPushRequest(t *testing.T) {
	t.Parallel()
	var seen *http.Request
	var sent []byte
	c := newClient(t, celonis.Config{Transport: trip(func(r *http.Request) (*http.Response, error) {
		seen = r
		sent, _ = io.ReadAll(r.Body)
		return answer(r, 200, "application/json", `{"id":"1","fileName":"f","bucketId":"2","flushStatus":"NEW","clientId":null}`), nil
	})})
	to := celonis.ItemTarget{Table: "T 1", DataConnectionID: "c", Keys: []string{"A", "B"}, OrderColumn: "N", Length: 65_000, Sender: "us"}
	require.NoError(t, c.ContinuousPush(poolID).Upload(t.Context(), to, itemOf("PAR1")))
	require.Equal(t, http.MethodPost, seen.Method)
	require.Equal(t, "/continuous-batch-processing/api/v1/"+poolID+"/items", seen.URL.Path)
	require.Equal(t, "clientId=us&connectionId=c&duplicateRemovalOrderColumn=N&fallbackVarcharLength=65000&primaryKeys=A%2CB&targetName=T+1", seen.URL.RawQuery)
	require.Contains(t, string(sent), `name="file"`)
	require.Equal(t, int64(len(sent)), seen.ContentLength)

	for name, bad := range map[string]celonis.ItemTarget{
		"a comma in a key": {Table: "T", Keys: []string{"A,B"}, Length: 1}, "no table": {Length: 1}, "no length": {Table: "T"}, "too long": {Table: "T", Length: 65_001},
	} {
		err := c.ContinuousPush(poolID).Upload(t.Context(), bad, itemOf("PAR1"))
		require.Equal(t, fault.CelonisSchemaTooWide, fault.CodeOf(err), name)
	}
	require.Equal(t, fault.CelonisTooLarge, fault.CodeOf(c.ContinuousPush(poolID).Upload(t.Context(), to, itemOf(""))))
}

// TestContinuousPushAnswers: what may have arrived is in doubt, all else is not.
func TestContinuousPushAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		body   string
		want   fault.Code
		says   string
	}{
		{200, `{"flushStatus":"NEW"}`, fault.CelonisChunkInDoubt, ""},
		{200, `<html></html>`, fault.CelonisChunkInDoubt, ""},
		{400, "the file is not a Parquet file", fault.CelonisRejected, "not a Parquet file"},
		{400, `{"errors":[{"attribute":"targetName","error":"must not be empty"}]}`, fault.CelonisRejected, "must not be empty"},
		{401, `{"error":"Unauthorized"}`, fault.CelonisUnauthorized, ""},
		{403, "", fault.CelonisForbidden, ""},
		{404, "", fault.CelonisPoolNotFound, ""},
		{413, "", fault.CelonisTooLarge, ""},
		{429, "", fault.CelonisRateLimited, ""},
		{500, `{"message":"oops","reference":"r"}`, fault.CelonisChunkInDoubt, ""},
		{503, "", fault.CelonisChunkInDoubt, ""},
	} {
		client := newClient(t, celonis.Config{Transport: trip(func(r *http.Request) (*http.Response, error) {
			_, _ = io.Copy(io.Discard, r.Body)
			return answer(r, c.status, "", c.body), nil
		})})
		err := client.ContinuousPush(poolID).Upload(t.Context(), celonis.ItemTarget{Table: "T", Length: 80}, itemOf("PAR1"))
		require.Equal(t, c.want, fault.CodeOf(err), "%d %s: %v", c.status, c.body, err)
		if c.says != "" {
			require.Contains(t, fault.From(err).Message, c.says)
		}
	}
}

func ingestion(t testing.TB, transport http.RoundTripper) *celonis.DataIngestion {
	t.Helper()
	at := target("https://acme.eu-1.celonis.cloud")
	at.Ingestion = &connections.IngestionKey{AccessKeyID: crypto.NewSecret("ACCESSKEY"), SecretAccessKey: crypto.NewSecret(secretKey)}
	d, err := celonis.NewDataIngestion(celonis.Config{Target: at, Transport: transport, Now: time.Now})
	require.NoError(t, err)
	return d
}

func TestDataIngestionRequest(t *testing.T) {
	t.Parallel()
	var seen *http.Request
	var sent []byte
	d := ingestion(t, trip(func(r *http.Request) (*http.Response, error) {
		seen = r
		sent, _ = io.ReadAll(r.Body)
		return answer(r, 200, "", ""), nil
	}))
	file := celonis.IngestionFile{DataConnectionID: "c", Table: "T 1", Name: "f.parquet", Body: []byte("PAR1")}
	require.NoError(t, d.Put(t.Context(), file))
	require.Equal(t, http.MethodPut, seen.Method)
	require.Equal(t, "https://acme.eu-1.celonis.cloud/api/data-ingestion/continuous/connection/c/T%201/f.parquet", seen.URL.String())
	require.Equal(t, []byte("PAR1"), sent)
	require.Equal(t, int64(4), seen.ContentLength)
	require.True(t, strings.HasPrefix(seen.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=ACCESSKEY/"))
	require.NotContains(t, seen.Header.Get("Authorization"), "AppKey")
	for _, bad := range []celonis.IngestionFile{{DataConnectionID: "..", Table: "T", Name: "f", Body: file.Body}, {DataConnectionID: "c", Table: "a/b", Name: "f", Body: file.Body}} {
		require.Equal(t, fault.CelonisNotFound, fault.CodeOf(d.Put(t.Context(), bad)))
	}
	file.Body = nil
	require.Equal(t, fault.CelonisTooLarge, fault.CodeOf(d.Put(t.Context(), file)))

	_, err := celonis.NewDataIngestion(celonis.Config{Target: target("https://acme.eu-1.celonis.cloud"), Transport: trip(nil)})
	require.Equal(t, fault.ConnectionSecretRequired, fault.CodeOf(err))
}

func TestDataIngestionAnswers(t *testing.T) {
	t.Parallel()
	refusal := func(code string) string {
		return "<Error><Code>" + code + "</Code><Message>no: " + secretKey + "</Message></Error>"
	}
	for _, c := range []struct {
		status int
		body   string
		want   fault.Code
		retry  fault.Retry
	}{
		{403, refusal("SignatureDoesNotMatch"), fault.CelonisUnauthorized, fault.Never},
		{403, refusal("InvalidAccessKeyId"), fault.CelonisUnauthorized, fault.Never},
		{403, refusal("AccessDenied"), fault.CelonisForbidden, fault.Never},
		{404, refusal("NoSuchBucket"), fault.CelonisNotFound, fault.Never},
		{400, refusal("InvalidRequest"), fault.CelonisRejected, fault.Never},
		{413, "", fault.CelonisTooLarge, fault.Never},
		{429, "", fault.CelonisRateLimited, fault.Wait},
		{503, refusal("SlowDown"), fault.CelonisRateLimited, fault.Wait},
		{500, "oops", fault.CelonisServer, fault.Later},
	} {
		tries := 0
		d := ingestion(t, trip(func(r *http.Request) (*http.Response, error) {
			tries++
			_, _ = io.Copy(io.Discard, r.Body)
			return answer(r, c.status, "application/xml", c.body), nil
		}))
		err := d.Put(t.Context(), celonis.IngestionFile{DataConnectionID: "c", Table: "T", Name: "f", Body: bytes.Repeat([]byte("x"), 100)})
		require.Equal(t, c.want, fault.CodeOf(err), "%d %s: %v", c.status, c.body, err)
		require.Equal(t, c.retry, fault.RetryOf(err), "%v", err)
		require.Equal(t, 1, tries)
		require.NotContains(t, err.Error(), secretKey)
		require.NotContains(t, fault.From(err).Message, secretKey)
	}
	d := ingestion(t, trip(func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }))
	err := d.Put(t.Context(), celonis.IngestionFile{DataConnectionID: "c", Table: "T", Name: "f", Body: []byte("x")})
	require.Equal(t, fault.CelonisDisconnected, fault.CodeOf(err), "%v", err)
}
