package httpapi

import (
	"maps"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
)

// hstsHeader tells browsers to come by https only, for a year. Names below this
// host are not ours to speak for.
const hstsHeader = "max-age=31536000"

// securityHeaders are for every answer; the docs loosen what they must. The
// values are made once: a handler that wants others puts new ones in their place.
func (a *api) securityHeaders() gin.HandlerFunc {
	headers := http.Header{
		"X-Content-Type-Options":            {"nosniff"},
		"X-Frame-Options":                   {"DENY"},
		"Cache-Control":                     {"no-store"},
		"Content-Security-Policy":           {"default-src 'none'; frame-ancestors 'none'"},
		"Referrer-Policy":                   {"no-referrer"},
		"Cross-Origin-Opener-Policy":        {"same-origin"},
		"Cross-Origin-Resource-Policy":      {"same-origin"},
		"X-Permitted-Cross-Domain-Policies": {"none"},
	}
	hsts := []string{hstsHeader}
	return func(c *gin.Context) {
		maps.Copy(c.Writer.Header(), headers)
		if a.isHTTPS(c.Request) {
			c.Writer.Header()["Strict-Transport-Security"] = hsts
		}
		c.Next()
	}
}

// isHTTPS reports whether the caller came by https: to this process, to the
// proxy that says so and is trusted, or to the public address.
func (a *api) isHTTPS(r *http.Request) bool {
	if r.TLS != nil || strings.HasPrefix(a.PublicURL, "https://") {
		return true
	}
	return a.PublicURL == "" && a.fromProxy(r) && strings.EqualFold(firstOf(r.Header.Get("X-Forwarded-Proto")), "https")
}

// firstOf gives the first entry of a header with a list.
func firstOf(list string) string {
	first, _, _ := strings.Cut(list, ",")
	return strings.TrimSpace(first)
}
