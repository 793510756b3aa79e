package app

import (
	"context"
	"log"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/config"
	"github.com/celonis-connector/connector/internal/endpoint"
	"github.com/celonis-connector/connector/internal/httpapi"
	"github.com/celonis-connector/connector/internal/scheduler"
	"github.com/celonis-connector/connector/internal/telemetry"
	"github.com/celonis-connector/connector/internal/worker"
)

// runMetrics counts runs.
type runMetrics struct{ *telemetry.Metrics }

var _ worker.Observer = runMetrics{}

// RunStarted implements worker.Observer.
func (m runMetrics) RunStarted(r *flows.Run) {
	waited := time.Duration(-1)
	if r.Attempt == 1 && r.Trigger != flows.Records { // those gather records first
		waited = r.StartedAt.Sub(r.CreatedAt)
	}
	m.Metrics.RunStarted(waited)
}

// RunSettled implements worker.Observer.
func (m runMetrics) RunSettled(r *flows.Run, s flows.Settlement, took time.Duration) {
	m.Metrics.RunSettled(string(s.State), took)
	if s.State == flows.Waiting && s.Error != nil {
		m.RunWaits(string(s.Error.Code))
	}
	if s.State.Ended() && s.Ledger != nil && !r.Options.DryRun {
		m.Records(s.Ledger.Read, s.Ledger.Filtered, s.Ledger.Pushed, s.Ledger.Errored)
	}
}

// scheduleMetrics counts what schedules came to.
type scheduleMetrics struct{ *telemetry.Metrics }

var _ scheduler.Observer = scheduleMetrics{}

// SchedulesFired implements scheduler.Observer.
func (m scheduleMetrics) SchedulesFired(f flows.Fired) {
	m.ScheduleFires(f.Runs, f.Skipped, f.Missed)
}

// requestMetrics counts requests to the API.
type requestMetrics struct{ *telemetry.Metrics }

var _ httpapi.Observer = requestMetrics{}

// ObserveRequest implements httpapi.Observer.
func (m requestMetrics) ObserveRequest(method, route string, status int, took time.Duration) {
	m.HTTPRequest(method, route, status, took)
}

// chunkMetrics counts uploads.
type chunkMetrics struct{ *telemetry.Metrics }

var _ endpoint.Observer = chunkMetrics{}

// readiness gives the API the health of the parts in its own words.
type readiness struct{ health *telemetry.Health }

var _ httpapi.Health = readiness{}

// Ready implements httpapi.Health.
func (r readiness) Ready(context.Context) []httpapi.Part {
	_, parts := r.health.Ready()
	out := make([]httpapi.Part, len(parts))
	for i, p := range parts {
		out[i] = httpapi.Part{Name: p.Name, OK: p.OK, Detail: p.Message}
	}
	return out
}

// NewLog makes the process's logger and the redactor that keeps live secrets
// out of it; those of the configuration are registered for good.
func NewLog(cfg config.Config, w interface{ Write([]byte) (int, error) }) (*slog.Logger, *telemetry.Redactor, error) {
	redactor := telemetry.NewRedactor()
	for entry := range strings.SplitSeq(cfg.MasterKeys.Reveal(), ",") {
		if _, key, ok := strings.Cut(entry, ":"); ok {
			redactor.Register(crypto.NewSecret(strings.TrimSpace(key)))
		}
	}
	for _, address := range []crypto.Secret{cfg.DatabaseURL, cfg.RedisURL, cfg.SMTPURL} {
		if u, err := url.Parse(address.Reveal()); err == nil && u.User != nil {
			if password, ok := u.User.Password(); ok {
				redactor.Register(crypto.NewSecret(password))
			}
		}
	}
	logger, err := telemetry.NewLogger(w, telemetry.LogOptions{Level: cfg.LogLevel, Format: cfg.LogFormat, Redactor: redactor})
	return logger, redactor, err
}

// knownSecrets keeps an opened key out of the logs for as long as the context
// lasts that it was opened for.
type knownSecrets struct {
	targets endpoint.Targets
	tester  connections.Tester
	// outside and outsideTester are those of outside connections.
	outside       endpoint.OutsideTargets
	outsideTester connections.OutsideTester
	redactor      *telemetry.Redactor
}

var (
	_ endpoint.Targets   = knownSecrets{}
	_ connections.Tester = knownSecrets{}

	_ endpoint.OutsideTargets   = knownSecrets{}
	_ connections.OutsideTester = knownSecrets{}
)

// Target implements endpoint.Targets.
func (k knownSecrets) Target(ctx context.Context, workspace, id string) (connections.Target, error) {
	t, err := k.targets.Target(ctx, workspace, id)
	if err == nil {
		for _, secret := range t.Secrets() {
			context.AfterFunc(ctx, k.redactor.Register(secret))
		}
	}
	return t, err
}

// Test implements connections.Tester.
func (k knownSecrets) Test(ctx context.Context, t connections.Target) connections.TestResult {
	for _, secret := range t.Secrets() {
		defer k.redactor.Register(secret)()
	}
	return k.tester.Test(ctx, t)
}

// redactedErrorLog sends what net/http says of broken connections to the logger.
func (a *App) redactedErrorLog() *log.Logger {
	return slog.NewLogLogger(a.log.Handler(), slog.LevelDebug)
}
