package celonis_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/celonis"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/stretchr/testify/require"
)

const (
	poolID = "0d5f6f7e-3b1c-4a53-9a47-2f1f5d7c9b10"
	// A key as Celonis makes them: base64 of an id and a secret, with characters that URLs escape.
	appKey = "NGE1YjZjN2QtMDAwMC00MDAwLTgwMDAtMTIzNDU2Nzg5YWJjOmNhbmFyeS9zZWNyZXQrY2FuYXJ5Pw=="
	apiKey = "OWE4YjdjNmQtMTExMS00MDAwLTgwMDAtYWJjZGVmMDEyMzQ1OnVzZXIvY2FuYXJ5K3NlY3JldD8/Pw=="
)

// quick makes tries follow one another at once.
var quick = celonis.RetryPolicy{Base: time.Nanosecond, Cap: time.Nanosecond, Timeout: 10 * time.Second}

// trip is a transport made of a function.
type trip func(*http.Request) (*http.Response, error)

func (f trip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(r *http.Request, status int, contentType, body string) *http.Response {
	h := http.Header{}
	if contentType != "" {
		h.Set("Content-Type", contentType)
	}
	return &http.Response{StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: h,
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r}
}

func target(base string) connections.Target {
	return connections.Target{BaseURL: base, APIType: connections.DataPush, AuthType: connections.Custom, Key: crypto.NewSecret(appKey), PoolID: poolID}
}

func newClient(t testing.TB, cfg celonis.Config) *celonis.Client {
	t.Helper()
	if cfg.Target.BaseURL == "" {
		cfg.Target = target("https://acme.eu-1.celonis.cloud")
	}
	if cfg.Retry == (celonis.RetryPolicy{}) {
		cfg.Retry = quick
	}
	if cfg.Limits == nil {
		cfg.Limits = celonis.NewLimits(100, 1e6)
	}
	c, err := celonis.New(cfg)
	require.NoError(t, err)
	return c
}

// logBuffer gathers log lines of any number of goroutines.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logBuffer) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// sim is a started simulator and a client for its pool.
type sim struct {
	*celonissim.Server
	t         testing.TB
	base      string
	transport *http.Transport
	client    *celonis.Client
	push      *celonis.DataPush
	done      chan celonissim.JobEvent
}

func startSim(t testing.TB, change ...func(*celonissim.Options)) *sim {
	t.Helper()
	s := &sim{t: t, done: make(chan celonissim.JobEvent, 1000), transport: &http.Transport{}}
	o := celonissim.Options{Limits: celonissim.Limits{SubmitsOff: true}, Teams: []celonissim.Team{{
		Domain: "acme",
		Credentials: []celonissim.Credential{
			{Name: "app", Kind: celonissim.AppKey, Key: appKey, PushPools: []string{poolID}, ListPools: true, Intelligence: true},
			{Name: "user", Kind: celonissim.APIKey, Key: apiKey},
		},
		Pools: []celonissim.Pool{{ID: poolID, Name: "Pool", DataSources: []celonissim.Named{{ID: "aaaaaaaa-2222-3333-4444-555555555555", Name: "ERP"}}}},
	}}, OnJob: func(e celonissim.JobEvent) { s.done <- e }}
	for _, c := range change {
		c(&o)
	}
	s.Server = celonissim.New(o)
	base, err := s.Start("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() {
		s.transport.CloseIdleConnections()
		require.NoError(t, s.Close())
	})
	s.base = base
	s.client = s.newClient()
	s.push = s.client.DataPush(poolID)
	return s
}

func (s *sim) newClient() *celonis.Client {
	return newClient(s.t, celonis.Config{Target: target(s.base), Transport: s.transport})
}

// ends waits until a job has the status.
func (s *sim) ends(status string) celonissim.JobEvent {
	s.t.Helper()
	for {
		select {
		case e := <-s.done:
			if e.Status == status {
				return e
			}
		case <-time.After(20 * time.Second):
			s.t.Fatalf("no job became %s", status)
		}
	}
}

var orders = columns.Schema{{Name: "ID", Type: columns.String, Length: 40}, {Name: "AMOUNT", Type: columns.Float}, {Name: "AT", Type: columns.DateTime}}

func csvSpec(table string, keys ...string) celonis.JobSpec {
	parsing := columns.CSVParsing(orders)
	s := celonis.JobSpec{Table: table, Type: celonis.Replace, FileType: celonis.CSV, Schema: orders, CSV: &parsing, Keys: keys}
	if len(keys) > 0 {
		s.Type = celonis.Delta
	}
	return s
}

func csvChunk(rows string) celonis.Chunk {
	body := "ID,AMOUNT,AT\n" + rows
	return celonis.Chunk{Kind: celonis.Upsert, Name: "chunk.csv", Body: strings.NewReader(body), Size: int64(len(body))}
}

const twoRows = "a,1.5,2024-01-02T03:04:05.000Z\nb,2,2024-01-02T03:04:06.000Z\n"
