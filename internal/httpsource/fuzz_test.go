package httpsource_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/celonis-connector/connector/internal/httpsource"
	"github.com/stretchr/testify/require"
)

func FuzzNextLink(f *testing.F) {
	for _, h := range []string{
		`<https://x/?page=2>; rel="next"`, `</a>; rel=prev, </b>; rel="last next"`, `<a,b;c>;title="x, <y>; rel=\"next\"";rel=next`, `<a>;rel=next;rel=prev`, `<`, `<>`, `;`, `<a>;rel="`, "",
	} {
		f.Add(h)
	}
	f.Fuzz(func(t *testing.T, h string) {
		got := httpsource.NextLink([]string{h})
		require.LessOrEqual(t, len(got), len(h))
		require.Equal(t, got, httpsource.NextLink([]string{`</first>; rel="first"`, h}))
	})
}

func TestNextLink(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		`<https://x/?page=2>; rel="next"`:                         "https://x/?page=2",
		`</a>; rel=prev, </b>; rel="last next"`:                   "/b",
		`<a,b;c>; title="x, <y>; rel=\"next\""; REL=Next`:         "a,b;c",
		`<a>; rel=prev; rel=next`:                                 "",
		`<a>; rel="nextish"`:                                      "",
		`<a>;rel="prev",<b>;rel="next",<c>;rel="next"`:            "b",
		`<a>; rel="prev"; title="and, so on", <b>; x; rel = next`: "b",
		`nothing`: "",
	} {
		require.Equal(t, want, httpsource.NextLink([]string{header}), header)
	}
}

func FuzzResumeAt(f *testing.F) {
	for _, text := range []string{"7", "-1", "1e300", "NaN", "Fri, 01 May 2026 12:00:07 GMT", "1777636807", "1777636807000", "2026-05-01T12:00:07Z", ""} {
		f.Add(text)
	}
	now := time.Date(2026, time.May, 1, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		for _, name := range []string{"Retry-After", "X-RateLimit-Reset", "RateLimit"} {
			at, known := httpsource.ResumeAt(http.Header{http.CanonicalHeaderKey(name): {text}}, now)
			if known {
				require.False(t, at.Before(now))
				require.LessOrEqual(t, at.Sub(now), 24*time.Hour, fmt.Sprint(name, text))
			}
		}
	})
}
