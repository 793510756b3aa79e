package celonissim

import (
	"net/http"
	"strings"
)

// router is the table of routes. Paths are matched after double slashes were
// made single and a trailing one was dropped, since clients write both.
type router struct {
	server *Server
	mux    *http.ServeMux
}

// guarded is a handler that needs to know its caller.
type guarded func(w http.ResponseWriter, r *http.Request, c caller)

func (s *Server) routes() *router {
	rt := &router{server: s, mux: http.NewServeMux()}
	s.routeOAuth(rt)
	s.routeCloud(rt)
	s.routePush(rt)
	s.routeContinuous(rt)
	s.routeIngestion(rt)
	s.routeDataJobs(rt)
	s.routePools(rt)
	s.routeIntelligence(rt)
	s.routeSubscriptions(rt)
	s.routeAdminExports(rt)
	s.routePQL(rt)
	s.routeMCP(rt)
	s.routeSCIM(rt)
	s.routeChat(rt)
	rt.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "ok\n") })
	if !s.opts.NoAdmin {
		s.routeAdmin(rt)
	}
	rt.mux.HandleFunc("/", s.exchange("unknown", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
	}))
	return rt
}

// handle adds a route of the platform: recorded, subject to faults, and behind
// authentication.
func (rt *router) handle(name, pattern string, h guarded) {
	rt.mux.HandleFunc(pattern, rt.server.exchange(name, func(w http.ResponseWriter, r *http.Request) {
		c, ok := rt.server.authenticate(w, r)
		switch {
		case !ok:
		case c.lacksScope(name):
			writeForbidden(w)
		default:
			h(w, r, c)
		}
	}))
}

// needs wraps a handler of an API that the team must have and the credential be allowed.
func needs(api API, allowed func(*Credential) bool, h guarded) guarded {
	return func(w http.ResponseWriter, r *http.Request, c caller) {
		switch {
		case !c.has(api):
			w.WriteHeader(http.StatusForbidden)
		case !allowed(c.cred):
			writeForbidden(w)
		default:
			h(w, r, c)
		}
	}
}

// ServeHTTP answers a request as the team's host would.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if path := cleanPath(r.URL.Path); path != r.URL.Path {
		clean := *r.URL
		clean.Path, clean.RawPath = path, ""
		r = r.Clone(r.Context())
		r.URL = &clean
	}
	s.router.mux.ServeHTTP(w, r)
}

func cleanPath(p string) string {
	for strings.Contains(p, "//") {
		p = strings.ReplaceAll(p, "//", "/")
	}
	if len(p) > 1 {
		p = strings.TrimSuffix(p, "/")
	}
	return p
}
