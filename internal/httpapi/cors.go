package httpapi

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"
)

// What pages of the configured origins may send and read (Fetch standard, CORS
// protocol). There are no cookies here and credentials are not allowed: a page
// must hold a token of its own.
var (
	corsRequestHeaders = strings.Join([]string{
		"Authorization", "Content-Type", "If-Match", "If-None-Match", idempotencyHeader, "Last-Event-ID", requestIDHeader,
	}, ", ")
	corsExposedHeaders = strings.Join([]string{
		"ETag", locationHeader, "Link", "RateLimit", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy", "Retry-After",
		replayedHeader, "WWW-Authenticate", requestIDHeader,
	}, ", ")
)

// corsMaxAge is how long a browser may keep the answer to a preflight, in seconds.
const corsMaxAge = "600"

// cors lets pages of the configured origins read answers. Any other origin gets
// what a caller without a browser gets, and its browser keeps it from the page.
func (a *api) cors(c *gin.Context) {
	if len(a.CORSOrigins) == 0 {
		return
	}
	header := c.Writer.Header()
	header.Add("Vary", "Origin") // the answer differs by it, also where it is not there
	origin := c.GetHeader("Origin")
	if origin == "" || !slices.Contains(a.CORSOrigins, origin) {
		return
	}
	header.Set("Access-Control-Allow-Origin", origin)
	header.Set("Access-Control-Expose-Headers", corsExposedHeaders)
	header.Set("Cross-Origin-Resource-Policy", "cross-origin")
}

// preflight answers the question that a browser asks before a call, when the
// origin may call: which methods the path takes is told by the router. It
// reports whether it did.
func (a *api) preflight(c *gin.Context) bool {
	header := c.Writer.Header()
	if c.Request.Method != http.MethodOptions || c.GetHeader("Access-Control-Request-Method") == "" || header.Get("Access-Control-Allow-Origin") == "" {
		return false
	}
	header.Add("Vary", "Access-Control-Request-Method")
	header.Add("Vary", "Access-Control-Request-Headers")
	header.Set("Access-Control-Allow-Methods", header.Get("Allow"))
	header.Set("Access-Control-Allow-Headers", corsRequestHeaders)
	header.Set("Access-Control-Max-Age", corsMaxAge)
	header.Del("Access-Control-Expose-Headers")
	c.Status(http.StatusNoContent)
	c.Writer.WriteHeaderNow()
	c.Abort()
	return true
}
