package httpapi

import (
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/pace"
	"github.com/celonis-connector/connector/internal/validate"
	"github.com/gin-gonic/gin"
)

const (
	// MaxBody bounds a JSON body, in bytes.
	MaxBody = 1 << 20
	// MaxRecordsBody bounds posted records, in bytes.
	MaxRecordsBody = 16 << 20
	// DefaultMaxFileBytes bounds an uploaded file when Deps does not, in bytes.
	DefaultMaxFileBytes = 16 << 30
)

// api is the handlers with what they stand on.
type api struct {
	Deps
	valid *validate.Validator
	docs  http.Handler
	// views remember the form of what is read often.
	views rendered
	// limits count what callers use.
	limits limiting
	// hookLimits bound the deliveries of webhooks.
	hookLimits pace.Keys
}

// New makes the API's handler: every route of Routes, behind the middleware.
// Its timeouts are the server's; an upload moves its own read deadline.
func New(d Deps) http.Handler {
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Heartbeat <= 0 {
		d.Heartbeat = DefaultHeartbeat
	}
	if d.MaxFileBytes <= 0 {
		d.MaxFileBytes = DefaultMaxFileBytes
	}
	a := &api{Deps: d, valid: validate.New(), docs: docsHandler(), limits: newLimiting(d.Limits)}

	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.HandleMethodNotAllowed = true
	engine.RedirectTrailingSlash = false
	a.trustProxies(engine)

	engine.Use(a.observe, a.recover, a.securityHeaders(), a.cors, a.bound)
	engine.NoRoute(func(c *gin.Context) {
		if strings.HasPrefix(c.Request.URL.Path, scimPrefix) && !strings.HasPrefix(c.Request.URL.Path, scimPrefix+"v2/") {
			a.fail(c, fault.New(fault.ScimVersion, "this is SCIM 2.0, under %sv2/", scimPrefix))
			return
		}
		a.fail(c, fault.New(fault.RequestNotFound, "there is no %q", shorten(shownPath(c.Request.URL.Path))).WithHint("the routes are in /openapi.yaml"))
	})
	engine.NoMethod(func(c *gin.Context) {
		if a.preflight(c) {
			return
		}
		a.fail(c, fault.New(fault.RequestMethod, "%q does not take %s", shorten(shownPath(c.Request.URL.Path)), methodLabel(c.Request.Method)).
			WithHint("it takes %s", c.Writer.Header().Get("Allow")))
	})
	for _, route := range a.routes() {
		engine.Handle(route.Method, ginPath(route.Path), a.serve(route))
		if route.head {
			engine.Handle(http.MethodHead, ginPath(route.Path), a.serve(route))
		}
	}
	return engine
}

// ginPath turns "/v1/flows/{id}" into "/v1/flows/:id".
func ginPath(path string) string {
	return strings.NewReplacer("{", ":", "}", "").Replace(path)
}
