package httpsource_test

import (
	"net/http"
	"testing"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/httpsource"
	"github.com/stretchr/testify/require"
)

// TestLookingSeesNoLogin: what logs in is hidden by its value and by the name that it goes by.
func TestLookingSeesNoLogin(t *testing.T) {
	t.Parallel()
	r := against(t, answering(200, "application/json", `[{}]`), flows.Export{Request: &flows.HTTPRequest{
		Method: flows.MethodPost, URL: "list?api_key=in-the-query&a=1", Body: `{"a":"` + key + `"}`,
		Headers: []connections.Header{{Name: "X-Api-Key", Value: "in-a-header"}, {Name: "X-Trace", Value: "seen " + key}},
	}})
	var seen []httpsource.Exchange
	r.job.Looked = func(e httpsource.Exchange) { seen = append(seen, e) }
	r.mustRead()
	e := seen[0]
	require.Equal(t, r.config.Target.BaseURL+"/list?a=1&api_key=[redacted]", e.URL)
	require.Equal(t, "[redacted]", e.Header.Get("X-Api-Key"))
	require.Equal(t, "seen [redacted]", e.Header.Get("X-Trace"))
	require.Equal(t, `{"a":"[redacted]"}`, e.Sent)
	require.Equal(t, []any{"application/json", int64(4)}, []any{e.ContentType, e.Size})
	for name, values := range e.Header {
		require.NotContains(t, values, key, name)
	}
}

// TestLookingSeesCallsWithoutAnAnswer: a request that nobody answered is told too.
func TestLookingSeesCallsWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	r := against(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), flows.Export{})
	r.config.Policy.Tries = 1
	var seen []httpsource.Exchange
	r.job.Looked = func(e httpsource.Exchange) { seen = append(seen, e) }
	_, _, err := r.read()
	require.Error(t, err)
	require.Len(t, seen, 1)
	require.Zero(t, seen[0].Status)
	require.Equal(t, "GET", seen[0].Method)
}
