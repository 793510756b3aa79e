package httpapi_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/access"
	"github.com/celonis-connector/connector/internal/httpapi"
)

// BenchmarkGetConnection holds the read of a connection, with a real token and
// the log on, against a bare Gin handler that gives the same bytes from
// memory. Both answer over a kept connection on loopback.
func BenchmarkGetConnection(b *testing.B) {
	entry, err := crypto.GenerateEntry()
	require.NoError(b, err)
	keys, err := crypto.ParseKeyring(entry)
	require.NoError(b, err)
	service, err := access.New(access.Deps{Repository: newClients(), Keys: keys})
	require.NoError(b, err)
	client, secret, err := service.CreateClient(b.Context(), "default", "bench", []string{"all"})
	require.NoError(b, err)
	login, err := service.Authenticate(b.Context(), client.ID, secret)
	require.NoError(b, err)
	token, err := service.IssueToken(b.Context(), login, nil)
	require.NoError(b, err)

	fakes := &fakeConnections{}
	api := httpapi.New(httpapi.Deps{
		Connections: fakes, ConnectionTests: fakes, Access: service, Observer: nil,
		Log: slog.New(slog.NewJSONHandler(io.Discard, nil)), Limits: httpapi.Limits{PerClient: httpapi.Rate{PerSecond: 1e6, Burst: 1e6}},
	})
	request := "GET /v1/connections/" + connectionID + " HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + token.AccessToken.Reveal() + "\r\n\r\n"
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/v1/connections/"+connectionID, nil)
	r.Header.Set("Authorization", "Bearer "+token.AccessToken.Reveal())
	api.ServeHTTP(w, r)
	require.Equal(b, http.StatusOK, w.Code, w.Body.String())
	body := w.Body.Bytes()

	gin.SetMode(gin.ReleaseMode)
	bare := gin.New()
	bare.GET("/v1/connections/:id", func(c *gin.Context) { c.Data(http.StatusOK, "application/json", body) })

	b.Run("api", func(b *testing.B) { overLoopback(b, api, request) })
	b.Run("bare", func(b *testing.B) { overLoopback(b, bare, request) })
}

func overLoopback(b *testing.B, handler http.Handler, request string) {
	b.Helper()
	live := httptest.NewServer(handler)
	defer live.Close()
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		conn, err := net.Dial("tcp", live.Listener.Addr().String())
		if err != nil {
			b.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		in := bufio.NewReader(conn)
		for pb.Next() {
			if _, err := io.WriteString(conn, request); err != nil {
				b.Error(err)
				return
			}
			if err := readAnswer(in); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// readAnswer reads an answer as a load generator does: it looks at the status
// and the length, and leaves the other headers alone, so that what is measured
// is the server.
func readAnswer(in *bufio.Reader) error {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")) {
		return fmt.Errorf("no answer: %q", line)
	}
	length := -1
	for len(line) > 2 {
		if line, err = in.ReadSlice('\n'); err != nil {
			return err
		}
		if text, found := bytes.CutPrefix(line, []byte("Content-Length: ")); found {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(text))); err != nil {
				return err
			}
		}
	}
	if length < 0 {
		return errors.New("the answer has no length")
	}
	_, err = in.Discard(length)
	return err
}
