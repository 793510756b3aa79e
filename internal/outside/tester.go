package outside

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
)

// testTimeout bounds a whole test.
const testTimeout = 20 * time.Second

// The steps of a test of an outside connection, in order.
const (
	stepDNS        = "dns"
	stepTLS        = "tls"
	stepAuth       = "auth"
	stepPermission = "permission"
	stepBucket     = "bucket"
	stepDatabase   = "database"
	stepAnswer     = "answer"
)

// Tester makes the test calls of outside connections. It is safe for concurrent use.
type Tester struct {
	Logins *Logins
	// SQL tests databases; without it, they cannot be tested.
	SQL connections.SQLPinger
	Now func() time.Time
}

var _ connections.OutsideTester = (*Tester)(nil)

// TestOutside implements connections.OutsideTester. The steps end with the
// first that fails; no step holds a secret.
func (t *Tester) TestOutside(ctx context.Context, target connections.OutsideTarget) connections.TestResult {
	ctx, cancel := context.WithTimeout(ctx, testTimeout)
	defer cancel()
	start := t.Now()
	run := &testRun{tester: t, target: target}
	switch target.APIType {
	case connections.HTTP:
		run.http(ctx)
	case connections.S3:
		run.bucket(ctx)
	default:
		run.database(ctx)
	}
	end := t.Now()
	return connections.TestResult{OK: !run.failed, Steps: run.steps, LatencyMs: end.Sub(start).Milliseconds(), At: end}
}

type testRun struct {
	tester *Tester
	target connections.OutsideTarget
	steps  []connections.Step
	failed bool
}

func (r *testRun) ok(step, detail string) {
	r.steps = append(r.steps, connections.Step{Step: step, OK: true, Detail: detail})
}

func (r *testRun) fail(ctx context.Context, step string, err error) {
	if ctx.Err() != nil {
		err = fault.Wrap(err, fault.EgressTimeout, "the test did not end within %s", testTimeout)
	}
	e := fault.From(err)
	r.steps = append(r.steps, connections.Step{Step: step, Code: e.Code, Detail: e.Message, Hint: e.Hint})
	r.failed = true
}

// reached tells name and encryption from an error, or from an answer when err
// is nil or an answer of the system; false when the system did not answer.
func (r *testRun) reached(ctx context.Context, address string, err error) bool {
	switch fault.CodeOf(err) {
	case fault.EgressDNS, fault.EgressRefused:
		r.fail(ctx, stepDNS, err)
		return false
	case fault.EgressTLS, fault.EgressUnreachable:
		r.ok(stepDNS, "the host name is known")
		r.fail(ctx, stepTLS, err)
		return false
	}
	r.ok(stepDNS, "the host name is known")
	if u, parseErr := url.Parse(address); parseErr == nil && u.Scheme == "http" {
		r.ok(stepTLS, "not used: the operator allows this endpoint over plain http")
		return true
	}
	r.ok(stepTLS, "the connection is encrypted and the certificate is valid")
	return true
}

// http asks for the test path. A refused login is told; an address that is not
// there proves the host but not the login.
func (r *testRun) http(ctx context.Context) {
	client, err := r.tester.Logins.Client(r.target)
	if err != nil {
		r.fail(ctx, stepAnswer, err)
		return
	}
	address := r.target.BaseURL
	if path := r.target.TestPath; path != "" {
		address += "/" + strings.TrimLeft(path, "/")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		r.fail(ctx, stepAnswer, fault.New(fault.SourceRefused, "the address of the test cannot be asked for"))
		return
	}
	res, err := client.Do(req)
	if err != nil {
		err = NetworkFault(err, req.URL.Hostname())
		if fault.Has(err, fault.SourceUnauthorized) || fault.Has(err, fault.OAuthClientDomain) {
			r.fail(ctx, stepAuth, err)
			return
		}
		if r.reached(ctx, address, err) {
			r.fail(ctx, stepAnswer, err)
		}
		return
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.CopyN(io.Discard, res.Body, headBytes)
	r.reached(ctx, address, nil)
	r.answer(ctx, res, req.URL)
}

func (r *testRun) answer(ctx context.Context, res *http.Response, asked *url.URL) {
	what := fmt.Sprintf("%q", asked.Host+asked.Path)
	err := StatusFault(res, what, r.tester.Now())
	login := "the login is taken"
	if r.target.AuthType == connections.NoAuth {
		login = "no login is needed"
	}
	switch fault.CodeOf(err) {
	case fault.SourceUnauthorized:
		r.fail(ctx, stepAuth, err)
	case fault.SourceForbidden:
		r.ok(stepAuth, "the login is known")
		r.fail(ctx, stepPermission, err)
	case fault.SourceNotFound, fault.SourceRefused:
		if r.target.TestPath != "" {
			r.fail(ctx, stepAnswer, err)
			return
		}
		r.steps = append(r.steps, connections.Step{Step: stepAuth, OK: true,
			Detail: fmt.Sprintf("the login is not refused; the base URL itself answers with status %d", res.StatusCode),
			Hint:   "give a testPath that answers, so that a test proves the login"})
	default:
		if err != nil {
			r.fail(ctx, stepAnswer, err)
			return
		}
		r.ok(stepAuth, login)
		r.ok(stepAnswer, fmt.Sprintf("%s answers with status %d", what, res.StatusCode))
	}
}

// bucket lists at most one file.
func (r *testRun) bucket(ctx context.Context) {
	bucket, err := r.tester.Logins.Bucket(r.target)
	if err != nil {
		r.fail(ctx, stepAnswer, err)
		return
	}
	err = bucket.Probe(ctx)
	if !r.reached(ctx, r.target.Endpoint, err) {
		return
	}
	switch fault.CodeOf(err) {
	case fault.SourceUnauthorized:
		r.fail(ctx, stepAuth, err)
		return
	case fault.SourceForbidden:
		r.ok(stepAuth, "the access key is known")
		r.fail(ctx, stepPermission, err)
		return
	case fault.SourceNotFound:
		r.ok(stepAuth, "the access key is not refused")
		r.fail(ctx, stepBucket, err)
		return
	}
	if err != nil {
		r.fail(ctx, stepAnswer, err)
		return
	}
	r.ok(stepAuth, "the access key is taken")
	r.ok(stepBucket, fmt.Sprintf("the files of the bucket %q may be listed", r.target.Bucket))
}

// database logs in to a database.
func (r *testRun) database(ctx context.Context) {
	if r.tester.SQL == nil {
		r.fail(ctx, stepAnswer, fault.New(fault.Unavailable, "databases cannot be tested here"))
		return
	}
	err := r.tester.SQL(ctx, r.target)
	if r.target.Dialect == connections.SQLite {
		if err != nil {
			r.fail(ctx, stepDatabase, err)
			return
		}
		r.ok(stepDatabase, "the file is a database that can be read")
		return
	}
	switch code := fault.CodeOf(err); {
	case err != nil && slices.Contains([]fault.Code{fault.EgressDNS, fault.EgressRefused}, code):
		r.fail(ctx, stepDNS, err)
		return
	case err != nil && slices.Contains([]fault.Code{fault.EgressTLS, fault.EgressUnreachable, fault.EgressTimeout}, code):
		r.ok(stepDNS, "the host name is known")
		r.fail(ctx, stepTLS, err)
		return
	}
	r.ok(stepDNS, "the host name is known")
	if r.target.TLS == connections.TLSOff {
		r.ok(stepTLS, "not used: the connection says so")
	} else {
		r.ok(stepTLS, "the connection is encrypted")
	}
	switch fault.CodeOf(err) {
	case fault.SourceUnauthorized:
		r.fail(ctx, stepAuth, err)
	case fault.SourceForbidden:
		r.ok(stepAuth, "the user is known")
		r.fail(ctx, stepPermission, err)
	default:
		if err != nil {
			r.fail(ctx, stepDatabase, err)
			return
		}
		r.ok(stepAuth, "the database takes the login")
		r.ok(stepDatabase, fmt.Sprintf("the database %q answers", r.target.Database))
	}
}
