package app_test

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/app"
	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/celonis-connector/connector/internal/config"
	"github.com/celonis-connector/connector/internal/notify"
	"github.com/celonis-connector/connector/internal/testservers"
	"github.com/stretchr/testify/require"
)

const (
	markedSigning  = "canary/signing+secret==Zz09&<mark>"
	markedMailPass = "canary+smtp+password-Kk77"
)

// receiver is a webhook's other end: it refuses the first attempts of each notice.
type receiver struct {
	*httptest.Server
	refusals int

	mu    sync.Mutex
	tries map[string]int
	taken []map[string]any
	wrong []string
}

func newReceiver(t *testing.T, refusals int) *receiver {
	t.Helper()
	r := &receiver{refusals: refusals, tries: map[string]int{}}
	r.Server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) serve(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	stamp, signature, _ := strings.Cut(req.Header.Get("Webhook-Signature"), ",v1=")
	mac := hmac.New(sha256.New, []byte(markedSigning))
	mac.Write([]byte(strings.TrimPrefix(stamp, "t=") + "." + string(body)))
	if signature != hex.EncodeToString(mac.Sum(nil)) {
		r.wrong = append(r.wrong, req.Header.Get("Webhook-Signature"))
	}
	id := req.Header.Get("Webhook-Id")
	if r.tries[id]++; r.tries[id] <= r.refusals {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	var notice map[string]any
	if json.Unmarshal(body, &notice) != nil || notice["id"] != id {
		r.wrong = append(r.wrong, string(body))
	}
	r.taken = append(r.taken, notice)
}

// events are those that were taken, with the failed attempts before each.
func (r *receiver) events() (events []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.taken {
		events = append(events, fmt.Sprint(n["event"]))
	}
	return events
}

func (s *service) notification(spec map[string]any) string {
	s.t.Helper()
	var made struct {
		ID string `json:"id"`
	}
	s.Call(http.StatusCreated, "POST", "/v1/notifications", spec, &made)
	return made.ID
}

func webhookTo(url string, events ...string) map[string]any {
	return map[string]any{"name": "hook", "type": "webhook", "events": events, "url": url + "/hook", "secret": markedSigning}
}

// quickNotices sends again at once what was not taken.
func quickNotices() []app.Option {
	return []app.Option{app.WithNoticePace(notify.Pace{First: 10 * time.Millisecond, Longest: 50 * time.Millisecond, GiveUp: time.Hour})}
}

func TestOneNoticeForEachChange(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, func(t *testing.T, on func(config.Config) config.Config) {
		sim := apptest.NewSim(t)
		hook := newReceiver(t, 2)
		cfg := on(settings(t, sim.URL, hook.URL))
		cfg.ProbeFirst, cfg.ProbeLongest = time.Hour, time.Hour
		s := startWith(t, cfg, quickNotices())
		var answers said
		s.Seen = answers.add
		connection := s.Connect("pool", sim)
		flow := s.fileFlow(connection, "T", "csv", "ID\nrow-of-the-file\n")
		id := s.notification(webhookTo(hook.URL, "runFailed", "runRecovered", "connectionOffline", "connectionOnline"))

		fail := func() {
			broken := sim.AddFault(celonissim.Fault{Status: http.StatusBadRequest, Route: "push.*"})
			require.Equal(t, "failed", s.Do(flow).State)
			require.True(t, sim.RemoveFault(broken))
		}
		fail()
		fail()
		require.Equal(t, "succeeded", s.Do(flow).State)
		require.Equal(t, "succeeded", s.Do(flow).State)
		fail()
		refused := sim.AddFault(celonissim.Fault{Status: http.StatusUnauthorized})
		for range 2 {
			s.Call(http.StatusOK, "POST", "/v1/connections/"+connection+"/test", nil, nil)
		}
		require.True(t, sim.RemoveFault(refused))
		for range 2 {
			s.Call(http.StatusOK, "POST", "/v1/connections/"+connection+"/test", nil, nil)
		}
		want := []string{"runFailed", "runRecovered", "runFailed", "connectionOffline", "connectionOnline"}
		apptest.Eventually(t, func() bool { return len(hook.events()) >= len(want) }, func() string { return fmt.Sprint(hook.events()) })
		require.ElementsMatch(t, want, hook.events())
		hook.mu.Lock()
		require.Empty(t, hook.wrong, "every attempt is signed")
		for notice, tries := range hook.tries {
			require.Equal(t, 3, tries, notice)
		}
		for _, notice := range hook.taken {
			text, err := json.Marshal(notice)
			require.NoError(t, err)
			require.NotContains(t, string(text), "row-of-the-file")
			require.NotContains(t, string(text), sim.AppKey)
		}
		hook.mu.Unlock()
		var got struct {
			LastDelivery struct {
				OK    bool
				Event string
			}
			Revision int64
		}
		apptest.Eventually(t, func() bool {
			s.Call(http.StatusOK, "GET", "/v1/notifications/"+id, nil, &got)
			return got.LastDelivery.OK
		}, func() string { return fmt.Sprint(got) })
		require.EqualValues(t, 1, got.Revision)

		// The secret is in no answer, log line or file.
		s.Send("GET", "/v1/notifications", nil)
		s.Send("GET", "/v1/audit", nil)
		everything := haystack{"answers": answers.text.Bytes()}
		s.addFiles(everything)
		s.stop()
		everything["log"] = []byte(s.log.String())
		require.Empty(t, everything.find(markedSigning))
		require.NotEmpty(t, haystack{"x": []byte(markedSigning)}.find(markedSigning))
	})
}

func TestManyProcessesDeliverANoticeOnce(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	hook := newReceiver(t, 0)
	cfg := settings(t, sim.URL, hook.URL)
	cfg.DatabaseURL, cfg.RedisURL = crypto.NewSecret(testservers.PostgreSQL(t)), crypto.NewSecret(testservers.Redis(t))
	one := start(t, cfg)
	two := &service{t: t, cfg: cfg, log: &logBuffer{}}
	two.open()
	t.Cleanup(two.stop)
	one.notification(webhookTo(hook.URL, "runFailed"))
	connection := one.Connect("pool", sim)
	sim.AddFault(celonissim.Fault{Status: http.StatusBadRequest, Route: "push.*"})
	const count = 10
	for i := range count {
		flow := one.fileFlow(connection, fmt.Sprintf("T_%d", i), "csv", "ID\n1\n")
		one.Start(flow)
		require.Equal(t, "failed", one.AwaitEnd(one.Start(flow).ID).State)
	}
	apptest.Eventually(t, func() bool { return len(hook.events()) == count }, func() string { return fmt.Sprint(hook.events()) })
	hook.mu.Lock()
	defer hook.mu.Unlock()
	require.Len(t, hook.tries, count, "one notice for each flow, although two runs of it failed")
}

func TestWhereANoticeMayGo(t *testing.T) {
	t.Parallel()
	hook, stranger := newReceiver(t, 0), newReceiver(t, 0)
	s := start(t, settings(t, hook.URL))
	for _, url := range []string{stranger.URL, "https://169.254.169.254", "http://localhost:1", "file:///etc/passwd", "https://user:pass@ops.example.com"} {
		p := s.Problem(http.StatusUnprocessableEntity, "POST", "/v1/notifications", webhookTo(url, "runFailed"))
		require.Equal(t, "/url", p.Errors[0].Pointer, url)
	}
	p := s.Problem(http.StatusUnprocessableEntity, "POST", "/v1/notifications", map[string]any{"name": "m", "type": "email", "events": []string{"runFailed"}, "to": []string{"a@example.com"}})
	require.Contains(t, p.Errors[0].Detail, "CONNECTOR_SMTP_URL")

	id := s.notification(webhookTo(hook.URL, "runFailed"))
	var outcome struct {
		OK    bool
		Event string
		Error *string
	}
	s.Call(http.StatusOK, "POST", "/v1/notifications/"+id+"/test", nil, &outcome)
	require.True(t, outcome.OK)
	require.Equal(t, []string{"test"}, hook.events())
	hook.Close()
	s.Call(http.StatusOK, "POST", "/v1/notifications/"+id+"/test", nil, &outcome)
	require.False(t, outcome.OK)
	require.NotContains(t, *outcome.Error, "127.0.0.1:", "a builder does not learn what answered")
}

func TestANoticeByEmail(t *testing.T) {
	t.Parallel()
	address, mails := mailbox(t)
	sim := apptest.NewSim(t)
	cfg := settings(t, sim.URL)
	cfg.PublicURL = "https://connector.example.com"
	cfg.SMTPURL, cfg.SMTPFrom = crypto.NewSecret("smtp://user:"+markedMailPass+"@"+address), "connector@example.com"
	s := start(t, cfg)
	flow := s.fileFlow(s.Connect("pool", sim), "T", "csv", "ID\nrow-of-the-file\n")
	s.notification(map[string]any{"name": "m", "type": "email", "events": []string{"runFailed"}, "to": []string{"ops@example.com"}, "flowIds": []string{flow}})
	sim.AddFault(celonissim.Fault{Status: http.StatusBadRequest, Route: "push.*"})
	run := s.Do(flow)
	select {
	case text := <-mails:
		for _, want := range []string{"To: <ops@example.com>", run.ID, "celonis.rejected", "/v1/runs/" + run.ID} {
			require.Contains(t, strings.ReplaceAll(text, "=\r\n", ""), want)
		}
		require.NotContains(t, text, "row-of-the-file")
	case <-time.After(apptest.Patience):
		require.Fail(t, "no mail came")
	}
	s.stop()
	require.Empty(t, haystack{"log": []byte(s.log.String())}.find(markedMailPass))
}

// mailbox is a mail server on loopback without TLS; it gives what it takes.
func mailbox(t *testing.T) (address string, mails <-chan string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	taken := make(chan string, 10)
	var serving sync.WaitGroup
	t.Cleanup(func() { _ = listener.Close(); serving.Wait() })
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			receive(conn, taken)
		}
	})
	return listener.Addr().String(), taken
}

func receive(conn net.Conn, taken chan<- string) {
	defer conn.Close()
	fmt.Fprint(conn, "220 test\r\n")
	var text strings.Builder
	reading := false
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		line := lines.Text()
		switch verb, _, _ := strings.Cut(line, " "); {
		case reading && line == ".":
			reading = false
			taken <- text.String()
			fmt.Fprint(conn, "250 ok\r\n")
		case reading:
			text.WriteString(line + "\r\n")
		case verb == "EHLO":
			fmt.Fprint(conn, "250-test\r\n250 AUTH PLAIN\r\n")
		case verb == "AUTH":
			fmt.Fprint(conn, "235 ok\r\n")
		case verb == "DATA":
			reading = true
			fmt.Fprint(conn, "354 go on\r\n")
		case verb == "QUIT":
			fmt.Fprint(conn, "221 bye\r\n")
			return
		default:
			fmt.Fprint(conn, "250 ok\r\n")
		}
	}
}
