package httpapi_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/httpapi"
)

// withContent gives the one file's bytes.
func withContent(t *testing.T, content string) func(*httpapi.Deps) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "content")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return func(d *httpapi.Deps) { d.FileContents = fakeContents{path} }
}

func TestFileContent(t *testing.T) {
	t.Parallel()
	s := setup(t, withContent(t, "a,b\r\n"))
	at := "GET /v1/files/" + fileID + "/content"
	tag := `"` + strings.Repeat("0a", 32) + `"`
	res := s.ask(at, "")
	require.Equal(t, http.StatusOK, res.status, res.body)
	require.Equal(t, "a,b\r\n", res.body)
	for name, want := range map[string]string{
		"Content-Type": "text/csv; charset=utf-8", "Content-Disposition": `attachment; filename="a.csv"; filename*=UTF-8''a.csv`,
		"Etag": tag, "Content-Length": "5", "Accept-Ranges": "bytes", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
	} {
		require.Equal(t, want, res.header.Get(name), name)
	}
	res = s.ask(at, "", "Range", "bytes=2-")
	require.Equal(t, []any{http.StatusPartialContent, "b\r\n"}, []any{res.status, res.body})
	res = s.ask(at, "", "If-None-Match", tag)
	require.Equal(t, []any{http.StatusNotModified, ""}, []any{res.status, res.body})
	res = s.ask(at, "", "Range", "bytes=9-")
	res.requireProblem(t, http.StatusRequestedRangeNotSatisfiable, "request.range_not_satisfiable")
	require.Equal(t, "bytes */5", res.header.Get("Content-Range"))
	require.Empty(t, res.header.Get("Content-Disposition"))
	s.ask(at, "", "If-Match", `"other"`).requireProblem(t, http.StatusPreconditionFailed, "request.stale")

	s.ask("GET /v1/files/"+unknownID+"/content", "").requireProblem(t, http.StatusNotFound, "file.not_found")
	s.ask(at, "", "Authorization", "Bearer flows:read").requireProblem(t, http.StatusForbidden, "access.insufficient_scope")
	lost := setup(t, func(d *httpapi.Deps) { d.FileContents = fakeContents{"nowhere"} })
	lost.ask(at, "").requireProblem(t, http.StatusNotFound, "file.not_found")
}

func TestListAndDeleteFiles(t *testing.T) {
	t.Parallel()
	s := setup(t)
	res := s.ask("GET /v1/files?flowId="+flowID+"&runId="+runID+"&limit=1", "")
	require.Equal(t, http.StatusOK, res.status, res.body)
	require.Contains(t, res.body, `"rows":1`)
	s.ask("GET /v1/files?flowId=a%20b", "").requireProblem(t, http.StatusUnprocessableEntity, "request.field_invalid")
	s.ask("GET /v1/files?runId=", "").requireProblem(t, http.StatusUnprocessableEntity, "request.field_invalid")
	require.Equal(t, http.StatusNoContent, s.ask("DELETE /v1/files/"+fileID, "").status)
	s.ask("DELETE /v1/files/"+unknownID, "").requireProblem(t, http.StatusNotFound, "file.not_found")
}
