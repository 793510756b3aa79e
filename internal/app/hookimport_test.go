package app_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/stretchr/testify/require"
)

const deliverySecret = "canary/delivery+secret==QqWw77&<mark>"

// receivedHook is a delivery as a receiver has it.
type receivedHook struct {
	signature, id, body string
}

// receivers takes deliveries.
type receivers struct {
	mu     sync.Mutex
	got    []receivedHook
	answer func(n int) int
}

func (x *receivers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.got = append(x.got, receivedHook{r.Header.Get("Connector-Signature"), r.Header.Get("Connector-Delivery"), string(body)})
	if x.answer != nil {
		w.WriteHeader(x.answer(len(x.got)))
	}
}

func (x *receivers) all() []receivedHook {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.got)
}

// requireSigned checks the signatures as a receiver would, one with each secret.
func requireSigned(t testing.TB, d receivedHook, secrets ...string) {
	t.Helper()
	parts := strings.Split(d.signature, ",")
	require.Len(t, parts, 1+len(secrets), d.signature)
	at, ok := strings.CutPrefix(parts[0], "t=")
	require.True(t, ok)
	for i, secret := range secrets {
		mac := hmac.New(sha256.New, []byte(secret))
		_, _ = io.WriteString(mac, at+"."+d.body)
		require.Equal(t, "v1="+hex.EncodeToString(mac.Sum(nil)), parts[1+i])
	}
}

// toHook makes a flow from a CSV file to a URL.
func toHook(s *service, url, content string, change ...func(map[string]any)) map[string]any {
	spec := map[string]any{
		"name":    "to " + url,
		"export":  map[string]any{"type": "file", "fileId": s.Upload("in.csv", strings.NewReader(content)), "format": "csv"},
		"mapping": []any{rule("id", "integer"), rule("text", "string")},
		"import":  map[string]any{"type": "webhook", "webhook": map[string]any{"url": url, "secret": deliverySecret}},
	}
	for _, c := range change {
		c(spec)
	}
	return spec
}

func TestRowsGoToAWebhook(t *testing.T) {
	t.Parallel()
	x := &receivers{}
	server := httptest.NewServer(x)
	t.Cleanup(server.Close)
	s := start(t, settings(t, server.URL))
	flow := s.Flow(toHook(s, server.URL+"/in", "id,text\n1,a\n2,b\n3,c\n"))
	apptest.RequireWhole(t, s.Do(flow), 3)
	got := x.all()
	require.Len(t, got, 3)
	require.JSONEq(t, `{"id":2,"text":"b"}`, got[1].body)
	requireSigned(t, got[1], deliverySecret)
	require.NotEqual(t, got[0].id, got[1].id)

	// What the API shows of the flow holds no secret, and says that there is one.
	a := s.Send("GET", "/v1/flows/"+flow, nil)
	require.NotContains(t, string(a.Body), deliverySecret)
	var shown struct {
		Delivery struct {
			Secret struct{ Set bool }
		}
		Import struct{ Webhook map[string]any }
	}
	require.NoError(t, json.Unmarshal(a.Body, &shown))
	require.True(t, shown.Delivery.Secret.Set)
	require.NotContains(t, shown.Import.Webhook, "secret")

	// A new secret takes over, and the one before goes on beside it; the next ends it.
	patch := func(members map[string]any) {
		a := s.Send("PATCH", "/v1/flows/"+flow, map[string]any{"import": map[string]any{"webhook": members}}, "Content-Type", "application/merge-patch+json")
		require.Equal(t, http.StatusOK, a.Status, "%s", a.Body)
		require.NotContains(t, string(a.Body), "another secret")
	}
	patch(map[string]any{"secret": "another secret of theirs"})
	apptest.RequireWhole(t, s.Do(flow), 3)
	requireSigned(t, x.all()[3], "another secret of theirs", deliverySecret)
	patch(map[string]any{"secret": "another secret, the third", "secretOverlap": 0})
	apptest.RequireWhole(t, s.Do(flow), 3)
	requireSigned(t, x.all()[6], "another secret, the third")
	require.NotContains(t, s.log.String(), deliverySecret)
}

func TestAReceiverThatIsGone(t *testing.T) {
	t.Parallel()
	x := &receivers{answer: func(n int) int { return map[bool]int{true: http.StatusAccepted, false: http.StatusGone}[n <= 2] }}
	server := httptest.NewServer(x)
	t.Cleanup(server.Close)
	s := start(t, settings(t, server.URL))
	r := s.Do(s.Flow(toHook(s, server.URL, "id,text\n1,a\n2,b\n3,c\n4,d\n")))
	require.Equal(t, "failed", r.State)
	require.Equal(t, "destination.gone", r.ErrorCode())
	require.EqualValues(t, 2, r.Ledger.Pushed)
	require.Len(t, x.all(), 3)
}

// A delivery that fails is sent again under its id.
func TestADeliveryIsSentAgain(t *testing.T) {
	t.Parallel()
	x := &receivers{answer: func(n int) int { return map[bool]int{true: http.StatusBadGateway, false: http.StatusOK}[n == 2] }}
	server := httptest.NewServer(x)
	t.Cleanup(server.Close)
	s := start(t, settings(t, server.URL))
	apptest.RequireWhole(t, s.Do(s.Flow(toHook(s, server.URL, "id,text\n1,a\n2,b\n"))), 2)
	got := x.all()
	require.Len(t, got, 3)
	require.Equal(t, got[1].id, got[2].id)
	require.NotEqual(t, got[0].id, got[1].id)
}

func TestAWebhookImportNeedsItsSecret(t *testing.T) {
	t.Parallel()
	s := start(t, settings(t))
	p := s.Problem(http.StatusUnprocessableEntity, "POST", "/v1/flows", toHook(s, "https://hooks.example.com", "id,text\n1,a\n", func(f map[string]any) {
		delete(part(part(f, "import"), "webhook"), "secret")
	}))
	require.Equal(t, "/import/webhook/secret", p.Errors[0].Pointer)
	p = s.Problem(http.StatusUnprocessableEntity, "POST", "/v1/flows", toHook(s, "https://hooks.example.com", "id,text\n1,a\n", func(f map[string]any) {
		part(part(f, "import"), "webhook")["secret"] = "short"
	}))
	require.Equal(t, "/import/webhook/secret", p.Errors[0].Pointer)
}

// One flow sends to the webhook of another, through a restart in the middle: each record arrives once.
func TestAFlowSendsToTheWebhookOfAnother(t *testing.T) {
	t.Parallel()
	const n = 900
	sim := apptest.NewSim(t)
	cfg := settings(t, sim.URL, "http://127.0.0.1:1")
	port := freeAddress(t)
	cfg.Listen, cfg.AllowedHosts = port, []string{sim.URL, "http://" + port}
	cfg.PublicURL = "http://" + port
	s := start(t, cfg)
	pool := s.Connect("pool", sim)
	target := s.hookFlow(hookSpec(pool, "SENT", map[string]any{
		"auth": map[string]any{
			"type": "hmac", "secret": deliverySecret, "header": "Connector-Signature", "signatureMember": "v1", "timestampMember": "t",
		},
		"deliveryHeader": "Connector-Delivery", "requestsPerMinute": 60_000,
	}, map[string]any{"gather": map[string]any{"seconds": 0}}))

	var b strings.Builder
	b.WriteString("id,text\n")
	for i := range n {
		b.WriteString(strconv.Itoa(i) + ",text\n")
	}
	flow := s.Flow(toHook(s, target.url, b.String(), func(f map[string]any) { part(f, "import")["batch"] = 3 }))
	r := s.Start(flow)
	s.Await(r.ID, func(r apptest.Run) bool { return r.Ledger.Pushed > 30 || r.Ended() })
	s.restart()
	apptest.RequireWhole(t, s.AwaitEnd(r.ID), n)
	apptest.Eventually(t, func() bool {
		table, ok := sim.Table(sim.Pool, "SENT")
		return ok && table.Rows() == n
	}, func() string { return "the rows did not all arrive" })
	read := int64(0)
	for cursor := ""; ; {
		var runs struct {
			Items []apptest.Run
			Next  *string
		}
		s.Call(http.StatusOK, "GET", "/v1/flows/"+target.flow+"/runs?limit=200"+cursor, nil, &runs)
		for _, r := range runs.Items {
			read += r.Ledger.Read
		}
		if runs.Next == nil {
			break
		}
		cursor = "&cursor=" + *runs.Next
	}
	require.EqualValues(t, n, read, "each record was stored once")
}

// freeAddress is an address of loopback that was free a moment ago, for a service that must be found there again.
func freeAddress(t testing.TB) string {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, free.Close())
	return free.Addr().String()
}
