package httpapi

import (
	"io/fs"
	"net/http"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/openapi"
	"github.com/gin-gonic/gin"
	"github.com/swaggest/swgui/v5/static"
	"github.com/swaggest/swgui/v5emb"
)

func (a *api) getLiveness(c *gin.Context) {
	write(c, http.StatusOK, mediaJSON, []byte(`{"status":"ok"}`+"\n"))
}

type readiness struct {
	Status string `json:"status"`
	Parts  []Part `json:"parts"`
}

// getReadiness names the sick parts, so that whoever is woken knows where to look.
func (a *api) getReadiness(c *gin.Context) {
	parts := a.Health.Ready(c.Request.Context())
	var sick []fault.Field
	var names []string
	for _, p := range parts {
		if !p.OK {
			sick = append(sick, fault.Field{Pointer: "/" + p.Name, Code: fault.Unavailable, Detail: p.Detail})
			names = append(names, p.Name)
		}
	}
	if len(sick) > 0 {
		a.fail(c, fault.New(fault.Unavailable, "not ready: %s", strings.Join(names, ", ")).WithFields(sick...))
		return
	}
	body, err := encode(readiness{"ready", list(parts)})
	if err != nil {
		a.fail(c, err)
		return
	}
	write(c, http.StatusOK, mediaJSON, body)
}

func (a *api) getMetrics(c *gin.Context) {
	if a.Metrics == nil {
		a.fail(c, fault.New(fault.RequestNotFound, "there are no metrics here"))
		return
	}
	a.Metrics.ServeHTTP(c.Writer, c.Request)
}

func (a *api) getContract(c *gin.Context) {
	write(c, http.StatusOK, "application/yaml", openapi.YAML)
}

// docsPolicy lets the page run its own scripts, one of them inline, and talk to this service only.
const docsPolicy = "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; " +
	"img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'"

// docsHandler serves Swagger UI with its scripts and styles out of the binary.
func docsHandler() http.Handler {
	return v5emb.New("celonis-connector", "/openapi.yaml", "/docs")
}

func (a *api) getDocs(c *gin.Context) {
	if asset := c.Param("asset"); asset != "" && !isDocsAsset(asset) {
		a.fail(c, fault.New(fault.RequestNotFound, "there is no %q", shorten(c.Request.URL.Path)))
		return
	}
	c.Header("Content-Security-Policy", docsPolicy)
	c.Header("Cache-Control", "no-cache")
	a.docs.ServeHTTP(c.Writer, c.Request)
}

// isDocsAsset reports whether the page has an asset of the name, as it is or compressed.
func isDocsAsset(name string) bool {
	for _, stored := range []string{name, name + ".gz"} {
		if info, err := fs.Stat(static.FS, stored); err == nil && !info.IsDir() {
			return true
		}
	}
	return false
}
