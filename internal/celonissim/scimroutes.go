package celonissim

import (
	"net/http"
	"strings"
)

// routeSCIM adds the SCIM API.
func (s *Server) routeSCIM(rt *router) {
	const base = "/scim/v2"
	allowed := func(h guarded) guarded {
		return needs(APISCIM, func(c *Credential) bool { return c.UserProvisioning }, h)
	}
	discovery := func(h func(*scimView, *http.Request) scimReply) guarded { return allowed(s.discoverSCIM(h)) }
	rt.handle("scim.config", "GET "+base+"/ServiceProviderConfig", discovery((*scimView).config))
	rt.handle("scim.schemas", "GET "+base+"/Schemas", discovery((*scimView).schemas))
	rt.handle("scim.schema", "GET "+base+"/Schemas/{urn}", discovery((*scimView).schema))
	rt.handle("scim.types", "GET "+base+"/ResourceTypes", discovery((*scimView).types))
	rt.handle("scim.type", "GET "+base+"/ResourceTypes/{type}", discovery((*scimView).resourceType))
	rt.handle("scim.bulk", "POST "+base+"/Bulk", allowed(s.serveSCIM(serveBulk)))
	for _, k := range []*scimKind{userKind(), groupKind()} {
		name, at := "scim."+strings.ToLower(k.endpoint), base+"/"+k.endpoint
		rt.handle(name+".list", "GET "+at, allowed(s.serveSCIM(serveList(k))))
		rt.handle(name+".search", "POST "+at+"/.search", allowed(s.serveSCIM(serveSearch(k))))
		rt.handle(name+".create", "POST "+at, allowed(s.serveSCIM(serveWrite(k))))
		rt.handle(name+".get", "GET "+at+"/{id}", allowed(s.serveSCIM(serveGet(k))))
		rt.handle(name+".replace", "PUT "+at+"/{id}", allowed(s.serveSCIM(serveWrite(k))))
		rt.handle(name+".patch", "PATCH "+at+"/{id}", allowed(s.serveSCIM(serveWrite(k))))
		rt.handle(name+".delete", "DELETE "+at+"/{id}", allowed(s.serveSCIM(serveWrite(k))))
	}
}

// scimHandler reads a request, and gives what is to be done under the lock.
type scimHandler func(w http.ResponseWriter, r *http.Request, o SCIM) (func(*scimView) scimReply, *scimRefusal)

// scimBase is the address that locations begin with.
func scimBase(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// serveSCIM serves what a team's settings can switch off.
func (s *Server) serveSCIM(h scimHandler) guarded {
	return func(w http.ResponseWriter, r *http.Request, c caller) {
		st := c.team.scim
		st.mu.Lock()
		o := st.opts.withDefaults()
		st.mu.Unlock()
		if wrong := o.closed(); wrong != nil {
			o.answer(w, refused(wrong), "")
			return
		}
		work, wrong := h(w, r, o)
		if wrong != nil {
			o.answer(w, refused(wrong), "")
			return
		}
		st.mu.Lock()
		v := &scimView{scimState: st, opts: o, base: scimBase(r), now: s.now()}
		reply := work(v)
		location, etag := "", ""
		if reply.resource != nil && !reply.silent {
			location, etag = v.location(reply.resource), reply.resource.etag()
		}
		st.mu.Unlock()
		if o.ETags && etag != "" {
			w.Header().Set("ETag", etag)
			if r.Method == http.MethodGet && r.Header.Get("If-None-Match") == etag {
				w.WriteHeader(http.StatusNotModified)
				return
			}
		}
		o.answer(w, reply, location)
	}
}

// closed says why the API is not there for the team, nil when it is.
func (o SCIM) closed() *scimRefusal {
	switch {
	case o.Off:
		return refuse(o.OffStatus, "", "SCIM is not enabled for this team")
	case o.JIT:
		return refuse(http.StatusConflict, "", "SCIM cannot be used while just-in-time provisioning is active for this team")
	}
	return nil
}

// answer writes a reply in the form that the switches ask for.
func (o SCIM) answer(w http.ResponseWriter, reply scimReply, location string) {
	if reply.refusal != nil {
		o.answerRefusal(w, reply.refusal)
		return
	}
	if location != "" {
		w.Header().Set("Location", location)
	}
	if reply.body == nil {
		w.WriteHeader(reply.status)
		return
	}
	writeJSONAs(w, reply.status, o.contentType(), reply.body)
}

func (o SCIM) contentType() string {
	if o.PlainJSON {
		return "application/json"
	}
	return "application/scim+json"
}

func (o SCIM) answerRefusal(w http.ResponseWriter, r *scimRefusal) {
	switch o.ErrorBody {
	case "":
		writeJSONAs(w, r.status, o.contentType(), r.document())
	case BodyProblem:
		writeProblem(w, problem{Title: http.StatusText(r.status), Status: r.status, Detail: r.detail, ErrorCode: problemCode(r.status)})
	case BodyValidation:
		writeJSON(w, r.status, validationErrors{Errors: []validationItem{invalid(orText(r.attribute, "request"), orText(r.key, "request.invalid"), r.detail)}})
	case BodyFrontend:
		writeJSON(w, r.status, map[string]string{"frontendErrorKey": "error.user-provisioning", "errorInformation": r.detail})
	case BodyText:
		writeText(w, r.status, r.detail)
	default:
		writeFamily(w, r.status, o.ErrorBody)
	}
}

func serveBulk(w http.ResponseWriter, r *http.Request, o SCIM) (func(*scimView) scimReply, *scimRefusal) {
	if o.NoBulk {
		return nil, refuse(http.StatusNotImplemented, "", "Bulk is not supported")
	}
	body, wrong := readSCIM(w, r, int64(o.BulkBytes))
	return func(v *scimView) scimReply { return v.bulk(body) }, wrong
}

func serveList(k *scimKind) scimHandler {
	return func(_ http.ResponseWriter, r *http.Request, _ SCIM) (func(*scimView) scimReply, *scimRefusal) {
		q, wrong := queryOfURL(r.URL.Query())
		return func(v *scimView) scimReply { return v.list(k, q) }, wrong
	}
}

func serveSearch(k *scimKind) scimHandler {
	return func(w http.ResponseWriter, r *http.Request, _ SCIM) (func(*scimView) scimReply, *scimRefusal) {
		body, wrong := readSCIM(w, r, maxSCIMBody)
		if wrong != nil {
			return nil, wrong
		}
		q, wrong := queryOfBody(body)
		return func(v *scimView) scimReply { return v.list(k, q) }, wrong
	}
}

func serveGet(k *scimKind) scimHandler {
	return func(_ http.ResponseWriter, r *http.Request, _ SCIM) (func(*scimView) scimReply, *scimRefusal) {
		q, wrong := queryOfURL(r.URL.Query())
		id := r.PathValue("id")
		return func(v *scimView) scimReply {
			found := v.store(k).byID[id]
			if found == nil {
				return refused(refuse(http.StatusNotFound, "", "there is no %s %s", k.name, id))
			}
			return scimReply{status: http.StatusOK, body: q.project(k, v.document(found)), resource: found}
		}, wrong
	}
}

func serveWrite(k *scimKind) scimHandler {
	return func(w http.ResponseWriter, r *http.Request, _ SCIM) (func(*scimView) scimReply, *scimRefusal) {
		c := scimCall{method: r.Method, kind: k, id: r.PathValue("id"), match: r.Header.Get("If-Match")}
		if r.Method != http.MethodDelete {
			var wrong *scimRefusal
			if c.body, wrong = readSCIM(w, r, maxSCIMBody); wrong != nil {
				return nil, wrong
			}
		}
		return func(v *scimView) scimReply { return v.write(c) }, nil
	}
}
