package celonis

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
)

const (
	// testTimeout bounds a whole test, testTry one of its calls.
	testTimeout = 30 * time.Second
	testTry     = 10 * time.Second
	testTries   = 2
)

// The steps of a test, in order.
const (
	stepDNS        = "dns"
	stepTLS        = "tls"
	stepAuth       = "auth"
	stepScheme     = "scheme"
	stepScope      = "scope"
	stepPool       = "pool"
	stepPermission = "permission"
	stepSCIM       = "scim"
)

// TesterConfig is what a Tester needs; only Transport must be given.
type TesterConfig struct {
	Transport http.RoundTripper
	Logger    *slog.Logger
	Now       func() time.Time
	UserAgent string
	// Tokens are the process's access tokens; nil gives each test its own.
	Tokens *Tokens
	// Retry overrides the test's own policy of 2 tries of 10 s each.
	Retry RetryPolicy
	// Shared keeps the limits that connections set; it may be nil.
	Shared *SharedLimits
}

// Tester makes test calls. It is safe for concurrent use.
type Tester struct{ cfg TesterConfig }

var _ connections.Tester = (*Tester)(nil)

// NewTester makes a Tester.
func NewTester(cfg TesterConfig) *Tester {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Retry.Tries == 0 {
		cfg.Retry.Tries = testTries
	}
	if cfg.Retry.Timeout == 0 {
		cfg.Retry.Timeout = testTry
	}
	if cfg.Retry.MaxWait == 0 {
		cfg.Retry.MaxWait = time.Second
	}
	return &Tester{cfg}
}

// Test goes through the steps and stops at the first that fails; the steps
// after it are absent. A failing test is a result. No step holds the key.
func (t *Tester) Test(ctx context.Context, target connections.Target) connections.TestResult {
	ctx, cancel := context.WithTimeout(ctx, testTimeout)
	defer cancel()
	start := t.cfg.Now()
	run := &testRun{tester: t, target: target}
	run.do(ctx)
	end := t.cfg.Now()
	return connections.TestResult{OK: !run.failed, Steps: run.steps, LatencyMs: end.Sub(start).Milliseconds(), At: end}
}

func (t *Tester) client(target connections.Target) (*Client, error) {
	return New(Config{
		Target: target, Transport: t.cfg.Transport, Logger: t.cfg.Logger, Now: t.cfg.Now, UserAgent: t.cfg.UserAgent, Retry: t.cfg.Retry,
		Tokens: t.cfg.Tokens, Shared: t.cfg.Shared,
	})
}

// testRun is one test on its way.
type testRun struct {
	tester *Tester
	target connections.Target
	steps  []connections.Step
	failed bool
}

func (r *testRun) ok(step, detail string) {
	r.steps = append(r.steps, connections.Step{Step: step, OK: true, Detail: detail})
}

func (r *testRun) fail(step string, err error) {
	e := fault.From(err)
	r.steps = append(r.steps, connections.Step{Step: step, Code: e.Code, Detail: e.Message, Hint: e.Hint})
	r.failed = true
}

func (r *testRun) do(ctx context.Context) {
	client, err := r.tester.client(r.target)
	if err != nil {
		r.fail(stepAuth, err)
		return
	}
	login := r.login
	if r.target.OAuth != nil {
		login = r.loginOAuth
	}
	if !login(ctx, client) {
		return
	}
	if r.target.APIType == connections.DataPush {
		r.pool(ctx, client)
	} else {
		r.intelligence(ctx, client)
	}
	if !r.failed {
		r.provisioning(ctx, client)
	}
}

// login takes the steps dns, tls, auth and scheme. One call tells them all:
// an answer, whatever it says, proves name and connection.
func (r *testRun) login(ctx context.Context, client *Client) bool {
	var far progress
	team, err := client.team(ctx, &far)
	err = expired(ctx, err)
	if err != nil && !answered(err) {
		r.unreached(err, &far)
		return false
	}
	r.reached()
	switch statusOf(err) {
	case 0:
		if err != nil {
			r.fail(stepAuth, err)
			return false
		}
		r.ok(stepAuth, fmt.Sprintf("the key belongs to the team %q", client.redact.words(team.Domain)))
	case http.StatusForbidden:
		// The key is known; it only may not read the team. The next steps tell whether it may do its work.
		r.ok(stepAuth, "celonis knows the key")
	case http.StatusUnauthorized:
		return r.otherScheme(ctx, err)
	default:
		r.fail(stepAuth, err)
		return false
	}
	r.ok(stepScheme, schemeDetail(r.target.AuthType))
	return true
}

// expired turns the end of the test's own time into a sentence about it.
func expired(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return fault.Wrap(err, fault.EgressTimeout, "the test did not end within %s", testTimeout).WithHint("%s", hintOf(fault.EgressTimeout))
	}
	return err
}

// answered reports whether an error is an answer of the host: its status was
// read, or its body was no team.
func answered(err error) bool { return statusOf(err) != 0 || fault.Has(err, fault.CelonisAnswer) }

// unreached finds the step that a network fault belongs to.
func (r *testRun) unreached(err error, far *progress) {
	code := fault.CodeOf(err)
	switch {
	case code == fault.EgressDNS || code == fault.EgressRefused:
		r.fail(stepDNS, err)
		return
	case code == fault.EgressTLS || (!far.connected.Load() && r.secure()):
		r.ok(stepDNS, "the host name is known")
		r.fail(stepTLS, err)
		return
	}
	r.reached()
	r.fail(stepAuth, err)
}

func (r *testRun) secure() bool { return strings.HasPrefix(r.target.BaseURL, "https://") }

// reached notes that name and connection are good.
func (r *testRun) reached() {
	r.ok(stepDNS, "the host name is known")
	if r.secure() {
		r.ok(stepTLS, "the connection is encrypted and the certificate is valid")
		return
	}
	r.ok(stepTLS, "not used: the operator allows this endpoint over plain http")
}

// otherScheme tries a refused key under the other scheme: an App key used as
// an API key, and the reverse, are the usual mix-up.
func (r *testRun) otherScheme(ctx context.Context, refused error) bool {
	other := r.target
	other.AuthType, other.PoolID = connections.Token, ""
	if r.target.AuthType == connections.Token {
		other.AuthType = connections.Custom
	}
	client, err := r.tester.client(other)
	if err == nil {
		_, err = client.Team(ctx)
	}
	if err != nil && statusOf(err) != http.StatusForbidden {
		r.fail(stepAuth, refused)
		return false
	}
	r.ok(stepAuth, "celonis knows the key")
	r.fail(stepScheme, mixup(r.target.AuthType, other.AuthType))
	return false
}

func mixup(is, should connections.AuthType) error {
	names := map[connections.AuthType]string{connections.Custom: "an application key (App key)", connections.Token: "a user's API key"}
	return fault.New(fault.CelonisSchemeMixup, "the key is %s, but the connection's auth type %q takes %s", names[should], is, names[is]).
		WithHint("choose the auth type %q and give the key there", should)
}

func schemeDetail(a connections.AuthType) string {
	if a == connections.Custom {
		return "the key is an application key"
	}
	return "the key is a user's API key"
}

// pool takes the steps pool and permission of a dataPush connection.
func (r *testRun) pool(ctx context.Context, client *Client) {
	_, err := client.DataPush(r.target.PoolID).Jobs(ctx)
	err = expired(ctx, err)
	switch status := statusOf(err); {
	case err == nil:
		r.ok(stepPool, "celonis knows the data pool")
		r.ok(stepPermission, "the key may push into the data pool")
	case status == http.StatusForbidden || status == http.StatusUnauthorized:
		r.ok(stepPool, "celonis did not refuse the data pool's id")
		r.fail(stepPermission, err)
	default:
		r.fail(stepPool, err)
	}
}

// intelligence takes the step permission of an intelligence connection.
func (r *testRun) intelligence(ctx context.Context, client *Client) {
	if r.skipModels() {
		return
	}
	_, err := client.KnowledgeModels(ctx, 1)
	err = expired(ctx, err)
	switch {
	case err == nil:
		r.ok(stepPermission, "the key may read knowledge models")
	case statusOf(err) == http.StatusNotFound:
		e := fault.From(err)
		r.fail(stepPermission, fault.Wrap(err, fault.CelonisAPIDisabled, "the intelligence api is not available to this key: %s", e.Message).
			WithHint("ask Celonis or the team's administrator to enable the Intelligence API for the team"))
	default:
		r.fail(stepPermission, err)
	}
}
