package telemetry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/telemetry"
)

type request struct {
	Name   string
	AppKey string
	Inner  map[string]any `json:"inner"`
}

func TestLogsHoldNoSecret(t *testing.T) {
	t.Parallel()
	r := telemetry.NewRedactor()
	defer r.Register(crypto.NewSecret(canary))()
	address, err := url.Parse("https://user:unregistered-pw@x/")
	require.NoError(t, err)
	byKey := "unregistered-secret"
	for _, format := range []string{"json", "text", ""} {
		var out bytes.Buffer
		log, err := telemetry.NewLogger(&out, telemetry.LogOptions{Level: "debug", Format: format, Redactor: r})
		require.NoError(t, err)
		for form, text := range formsInTheWild(canary) {
			out.Reset()
			log.With("with", text).WithGroup("g").Error("message "+text,
				"attr", text, "error", fmt.Errorf("call: %w", errors.New(text)), slog.Group("in", "deep", text),
				"any", map[string]any{"a": []string{text}}, "header", http.Header{"X-Echo": {text}}, "bytes", []byte(text),
				"struct", request{Name: text}, "pointer", &request{Inner: map[string]any{"k": text}})
			requireHidden(t, form, text, out.String())
			require.Equal(t, 1, strings.Count(out.String(), "\n"), "one line a record")
			if format != "text" {
				require.True(t, json.Valid(out.Bytes()), out.String())
			}
		}
		out.Reset()
		log.With("apiKey", byKey).Info("m", "Authorization", "Bearer "+byKey, "client_secret", byKey, "X-Api-Key", byKey, "password", byKey,
			"refreshToken", byKey, slog.Group("secrets", "value", byKey), slog.Group("g", "token", byKey),
			"headers", http.Header{"Authorization": {byKey}, "Cookie": {byKey}, "Accept": {"json"}},
			"body", request{Name: "n", AppKey: byKey, Inner: map[string]any{"list": []any{map[string]any{"clientSecret": byKey}}}},
			"url", address, "unprintable", func() {}, "secret value", crypto.NewSecret(byKey), "holder", struct{ S crypto.Secret }{crypto.NewSecret(byKey)})
		require.NotContains(t, out.String(), byKey)
		require.NotContains(t, out.String(), "unregistered-pw")
		require.Contains(t, out.String(), "Accept")
	}
}

func TestLoggerKeepsWhatIsNotSecret(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log, err := telemetry.NewLogger(&out, telemetry.LogOptions{Redactor: telemetry.NewRedactor()})
	require.NoError(t, err)
	log.Debug("not at this level")
	log.Info("pushed", "run", "r1", "rows", 12, "keyId", "k1", "took", 1.5, "ok", true, "error", fault.New(fault.EgressDNS, "no"),
		"list", []string{"a"}, "none", nil)
	var line map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &line))
	delete(line, "time")
	require.Equal(t, map[string]any{"level": "INFO", "msg": "pushed", "run": "r1", "rows": 12.0, "keyId": "k1", "took": 1.5, "ok": true,
		"error": "egress.dns: no", "list": []any{"a"}, "none": nil}, line)
}

func TestLoggerRefusesUnknownOptions(t *testing.T) {
	t.Parallel()
	for _, opts := range []telemetry.LogOptions{{Level: "loud"}, {Format: "xml"}} {
		_, err := telemetry.NewLogger(&bytes.Buffer{}, opts)
		require.True(t, fault.Has(err, fault.RequestFieldInvalid))
		require.NotEmpty(t, fault.From(err).Hint)
	}
	for _, level := range []string{"", "debug", "info", "warn", "error", "WARN"} {
		_, err := telemetry.NewLogger(&bytes.Buffer{}, telemetry.LogOptions{Level: level})
		require.NoError(t, err)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestLoggerSurvivesABrokenWriter(t *testing.T) {
	t.Parallel()
	log, err := telemetry.NewLogger(brokenWriter{}, telemetry.LogOptions{Redactor: telemetry.NewRedactor()})
	require.NoError(t, err)
	require.Error(t, log.Handler().Handle(t.Context(), slog.Record{Message: "m"}))
}

func TestSecretKey(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"authorization", "Proxy-Authorization", "appKey", "app_key", "APP-KEY", "apiKey", "X-API-Key", "secret",
		"clientSecret", "client_secret", "password", "db.password", "token", "accessToken", "id_token", "Set-Cookie", "masterKeys", "DSN", "secrets"} {
		require.True(t, telemetry.SecretKey(key), key)
	}
	for _, key := range []string{"", "key", "keyId", "tokens_left", "secretary", "run", "name", "poolId", "authType", "passwordChanged", "status"} {
		require.False(t, telemetry.SecretKey(key), key)
	}
}
