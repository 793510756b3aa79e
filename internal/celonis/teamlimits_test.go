package celonis_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/celonis"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

func TestPushLimits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		want   celonis.PushLimits
		code   fault.Code
	}{
		"told":         {200, `{"dataPushJobSubmissionLimitPerHour":500,"dataPushJobSubmissionLimitPerSec":20,"unlimitedDataPushJobSubmissions":false}`, celonis.PushLimits{PerHour: 500, PerSecond: 20}, ""},
		"unlimited":    {200, `{"dataPushJobSubmissionLimitPerHour":null,"unlimitedDataPushJobSubmissions":true}`, celonis.PushLimits{Unlimited: true}, ""},
		"not told":     {200, `{"id":"t","dataPushJobSubmissionLimitPerHour":null,"dataPushJobSubmissionLimitPerSec":-1,"unlimitedDataPushJobSubmissions":null}`, celonis.PushLimits{}, ""},
		"not allowed":  {403, `{}`, celonis.PushLimits{}, fault.CelonisForbidden},
		"no such path": {404, ``, celonis.PushLimits{}, fault.CelonisNotFound},
		"a web page":   {200, `<html>`, celonis.PushLimits{}, fault.CelonisAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodGet || r.URL.Path != "/api/team" {
					w.WriteHeader(http.StatusTeapot)
					return
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			t.Cleanup(server.Close)
			client, err := celonis.New(celonis.Config{Transport: server.Client().Transport, Target: connections.Target{
				BaseURL: server.URL, AuthType: connections.Custom, Key: crypto.NewSecret("an-app-key"),
			}})
			require.NoError(t, err)
			got, err := client.PushLimits(t.Context())
			require.Equal(t, c.code, fault.CodeOf(err), "%v", err)
			require.Equal(t, c.want, got)
		})
	}
}
