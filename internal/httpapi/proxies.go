package httpapi

import (
	"net/http"
	"net/netip"
	"slices"

	"github.com/gin-gonic/gin"
)

// trustProxies lets the callers' addresses be those that the operator's proxies
// tell of; without any, what X-Forwarded-For says is ignored.
func (a *api) trustProxies(engine *gin.Engine) {
	engine.ForwardedByClientIP = len(a.TrustedProxies) > 0
	engine.RemoteIPHeaders = []string{"X-Forwarded-For"}
	networks := make([]string, len(a.TrustedProxies))
	for i, p := range a.TrustedProxies {
		networks[i] = p.String()
	}
	if err := engine.SetTrustedProxies(networks); err != nil { // a prefix always has a text that reads back
		panic("internal error: " + err.Error())
	}
}

// addressOf is the caller's address, by the rules for trusted proxies.
func (a *api) addressOf(c *gin.Context) string {
	if len(a.TrustedProxies) == 0 {
		if from, err := netip.ParseAddrPort(c.Request.RemoteAddr); err == nil {
			return from.Addr().Unmap().WithZone("").String()
		}
	}
	return c.ClientIP()
}

// fromProxy reports whether a request came from a proxy that is trusted.
func (a *api) fromProxy(r *http.Request) bool {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(a.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(from.Addr().Unmap()) })
}
