package httpapi_test

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/httpapi"
)

type part struct{ name, file, content string }

// form writes a multipart body.
func form(t *testing.T, parts ...part) (body, media string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		disposition := fmt.Sprintf(`form-data; name="%s"`, p.name)
		if p.file != "" {
			disposition += fmt.Sprintf(`; filename="%s"`, p.file)
		}
		one, err := w.CreatePart(textproto.MIMEHeader{
			"Content-Disposition": {disposition}, "Content-Type": {"application/octet-stream"},
		})
		require.NoError(t, err)
		_, _ = io.WriteString(one, p.content)
	}
	require.NoError(t, w.Close())
	return b.String(), w.FormDataContentType()
}

func TestUploadFile(t *testing.T) {
	t.Parallel()
	s := setup(t)
	var got []byte
	s.flows.upload = func(name string, r io.Reader) (f *flows.File, err error) {
		got, err = io.ReadAll(r)
		return &flows.File{ID: fileID, Name: name, Bytes: int64(len(got)), SHA256: strings.Repeat("0a", 32), CreatedAt: epoch()}, err
	}
	content := strings.Repeat("a;b\r\n", 20_000)
	body, media := form(t, part{"file", "Aufträge 1.csv", content})
	res := s.ask("POST /v1/files", body, "Content-Type", media)
	require.Equal(t, http.StatusCreated, res.status, res.body)
	require.Equal(t, "/v1/files/"+fileID, res.header.Get("Location"))
	require.Equal(t, "Aufträge 1.csv", res.json(t)["name"])
	require.Equal(t, content, string(got))

	require.Equal(t, http.StatusOK, s.ask("GET /v1/files/"+fileID, "").status)
}

func TestBadUploads(t *testing.T) {
	t.Parallel()
	s := setup(t)
	largest := strings.Repeat("x", 1<<20)
	for _, tt := range []struct {
		name     string
		parts    []part
		status   int
		code     string
		pointers []string
	}{
		{"nothing", nil, 422, "request.invalid", []string{"/file"}},
		{"another part", []part{{"upload", "a.csv", "x"}}, 422, "request.invalid", []string{"/upload"}},
		{"no file name", []part{{"file", "", "x"}}, 422, "request.invalid", []string{"/file"}},
		{"an endless name", []part{{"file", strings.Repeat("n", 256), "x"}}, 422, "request.invalid", []string{"/file"}},
		{"a name that does not print", []part{{"file", "a\u200bb", "x"}}, 422, "request.invalid", []string{"/file"}},
		{"a name that is not UTF-8", []part{{"file", "a\xffb", "x"}}, 422, "request.invalid", []string{"/file"}},
		{"more behind it", []part{{"file", "a.csv", "x"}, {"more", "", "y"}}, 422, "request.invalid", []string{"/more"}},
		{"two files", []part{{"file", "a.csv", "x"}, {"file", "b.csv", "y"}}, 422, "request.invalid", []string{"/file"}},
		{"too large", []part{{"file", "a.csv", largest + "x"}}, 413, "request.too_large", nil},
		{"far too large", []part{{"file", "a.csv", largest + largest}}, 413, "request.too_large", nil},
		{"too much behind it", []part{{"file", "a.csv", largest}, {"more", "", strings.Repeat("y", 100_000)}}, 413, "request.too_large", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			body, media := form(t, tt.parts...)
			s.ask("POST /v1/files", body, "Content-Type", media).requireProblem(t, tt.status, tt.code, tt.pointers...)
		})
	}
	body, media := form(t, part{"file", "a.csv", "x"})
	for cut := 1; cut < len(body)-2; cut++ { // at the last two bytes the form has ended already
		res := s.ask("POST /v1/files", body[:cut], "Content-Type", media)
		require.Equal(t, http.StatusUnprocessableEntity, res.status, "cut at %d", cut)
		require.Equal(t, "request.invalid", res.problem(t).Code)
	}
	s.ask("POST /v1/files", body, "Content-Type", "multipart/form-data").requireProblem(t, http.StatusUnprocessableEntity, "request.invalid")
	body, media = form(t, part{"file", "a.csv", largest})
	require.Equal(t, http.StatusCreated, s.ask("POST /v1/files", body, "Content-Type", media).status, "the largest is allowed")
}

// TestUploadStreams sends a file whose end does not exist yet while its
// beginning is read, over a real connection.
func TestUploadStreams(t *testing.T) {
	t.Parallel()
	s := setup(t)
	begun := make(chan string)
	s.flows.upload = func(name string, r io.Reader) (*flows.File, error) {
		first := make([]byte, 5)
		if _, err := io.ReadFull(r, first); err != nil {
			return nil, err
		}
		begun <- string(first)
		rest, err := io.ReadAll(r)
		return &flows.File{ID: fileID, Name: name, Bytes: int64(5 + len(rest)), SHA256: strings.Repeat("0a", 32), CreatedAt: epoch()}, err
	}
	live := httptest.NewServer(s.handler)
	defer live.Close()
	pr, pw := io.Pipe()
	w := multipart.NewWriter(pw)
	go func() {
		one, _ := w.CreateFormFile("file", "a.csv")
		_, _ = io.WriteString(one, "first")
		if <-begun == "first" {
			_, _ = io.WriteString(one, " and the rest")
		}
		_ = pw.CloseWithError(w.Close())
	}()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, live.URL+"/v1/files", pr)
	require.NoError(t, err)
	r.Header.Set("Content-Type", w.FormDataContentType())
	r.Header.Set("Authorization", "Bearer all")
	res, err := live.Client().Do(r)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, res.StatusCode, string(answer))
	require.Contains(t, string(answer), `"bytes":18`)
}

// TestUploadBreaksOff hangs up in the middle; what reads the file must get an
// error and not an early end.
func TestUploadBreaksOff(t *testing.T) {
	t.Parallel()
	s := setup(t)
	ended := make(chan error, 1)
	s.flows.upload = func(_ string, r io.Reader) (*flows.File, error) {
		_, err := io.Copy(io.Discard, r)
		ended <- err
		return nil, err
	}
	live := httptest.NewServer(s.handler)
	defer live.Close()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", live.Listener.Addr().String())
	require.NoError(t, err)
	_, err = io.WriteString(conn, "POST /v1/files HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer all\r\nContent-Length: 1000\r\n"+
		"Content-Type: multipart/form-data; boundary=B\r\n\r\n--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nabc")
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	require.Equal(t, fault.RequestInvalid, fault.CodeOf(<-ended))
}

func TestSpoolsFaultGoesThrough(t *testing.T) {
	t.Parallel()
	s := setup(t, func(d *httpapi.Deps) { d.MaxFileBytes = 0 })
	s.flows.upload = func(string, io.Reader) (*flows.File, error) {
		return nil, fault.New(fault.SpoolFull, "the disk is full")
	}
	body, media := form(t, part{"file", "a.csv", "x"})
	s.ask("POST /v1/files", body, "Content-Type", media).requireProblem(t, http.StatusInsufficientStorage, "spool.full")
}
