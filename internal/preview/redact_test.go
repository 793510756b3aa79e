package preview

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

// oneSecret takes one text out of others.
type oneSecret string

func (s oneSecret) String(text string) string {
	return strings.ReplaceAll(text, string(s), "[redacted]")
}

func TestSecretsAreTakenOutAndTheRestStaysJSON(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ secret, in, want string }{
		"none":              {"secret", `{"a":[1,"b"]}`, `{"a":[1,"b"]}`},
		"in a text":         {"s3cr3t", `{"a":"x s3cr3t y","b":1}`, `{"a":"x [redacted] y","b":1}`},
		"in a name":         {"s3cr3t", `{"s3cr3t":1}`, `{"[redacted]":1}`},
		"escaped in a text": {`a"b/c<`, `{"a":"a\"b/c\u003c"}`, `{"a":"[redacted]"}`},
		"a number":          {"12345678", `{"a":12345678,"b":-1.5e3}`, `{"a":"[redacted]","b":-1.5e3}`},
		"a quote at an end": {"q", `{"a":"\\","b":"q\\\""}`, `{"a":"\\","b":"[redacted]\\\""}`},
		"a line":            {"two\nlines", `["two\nlines"]`, `["[redacted]"]`},
	} {
		got := redacted([]byte(c.in), oneSecret(c.secret))
		require.True(t, json.Valid(got), "%s: %s", name, got)
		require.JSONEq(t, c.want, string(got), name)
	}
}

func FuzzRedacted(f *testing.F) {
	f.Add(`{"a":"secret","b":[1,2,"\u0000 secret"]}`)
	f.Add(`["\\secret\"",-0.1e+5,true,null]`)
	f.Fuzz(func(t *testing.T, doc string) {
		if !json.Valid([]byte(doc)) {
			return
		}
		got := redacted([]byte(doc), oneSecret("secret"))
		require.True(t, json.Valid(got), "%s became %s", doc, got)
		var v any
		require.NoError(t, json.Unmarshal(got, &v))
		require.NotContains(t, flat(v), "secret")
	})
}

// flat writes every text of a value.
func flat(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any:
		var out []string
		for _, e := range v {
			out = append(out, flat(e))
		}
		return strings.Join(out, "\x00")
	case map[string]any:
		var out []string
		for name, e := range v {
			out = append(out, name, flat(e))
		}
		return strings.Join(out, "\x00")
	}
	return ""
}

func TestPreviewsAreLimited(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	s := &Service{Deps: Deps{PerMinute: 3, Now: func() time.Time { return now }}}
	for range 3 {
		require.NoError(t, s.take(Caller{Workspace: "w", Client: "a"}))
	}
	err := s.take(Caller{Workspace: "w", Client: "a"})
	require.True(t, fault.Has(err, fault.FlowPreviewLimited))
	require.Equal(t, now.Add(20*time.Second), fault.From(err).ResumeAt)
	require.NoError(t, s.take(Caller{Workspace: "w", Client: "b"}), "another client")
	now = now.Add(20 * time.Second)
	require.NoError(t, s.take(Caller{Workspace: "w", Client: "a"}))
}
