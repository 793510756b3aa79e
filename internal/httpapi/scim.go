package httpapi

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/scim"
	"github.com/celonis-connector/connector/internal/scimgate"
	"github.com/gin-gonic/gin"
)

// SCIM takes what identity providers ask for; *scimgate.Service is one.
type SCIM interface {
	Get(ctx context.Context, at scimgate.Place, k scim.Kind, id string) (scimgate.Answer, error)
	List(ctx context.Context, at scimgate.Place, k scim.Kind, ask scim.SearchRequest) (scim.ListResponse, error)
	Create(ctx context.Context, w scimgate.Write, body scim.Resource) (scimgate.Answer, error)
	Replace(ctx context.Context, w scimgate.Write, body scim.Resource) (scimgate.Answer, error)
	Patch(ctx context.Context, w scimgate.Write, p scim.PatchRequest) (scimgate.Answer, error)
	Delete(ctx context.Context, w scimgate.Write) error
}

var _ SCIM = (*scimgate.Service)(nil)

const (
	scimPrefix = "/scim/"
	scimBase   = scimPrefix + "v2/{connectionId}"
	// MaxSCIMBody bounds the body of a SCIM request, in bytes: groups come with all their members.
	MaxSCIMBody = 4 << 20
)

// speaksSCIM reports whether a request's faults are told in SCIM's own form.
func speaksSCIM(path string) bool { return strings.HasPrefix(path, scimPrefix) }

// scimQuery are the parameters of listings, scimView those of single resources.
func scimQuery() []string {
	return append(scimView(), "filter", "sortBy", "sortOrder", "startIndex", "count")
}
func scimView() []string { return []string{"attributes", "excludedAttributes"} }

// failSCIM answers a fault in the form of RFC 7644, section 3.12.
func (a *api) failSCIM(c *gin.Context, f *fault.Error) {
	e := scim.ErrorOf(f)
	body, err := encode(e)
	if err != nil { // a struct of strings always has a JSON form
		body = nil
	}
	write(c, int(e.Status), scim.MediaType, body)
	c.Abort()
}

// scimAsk is a call to a resource, or a list of them.
type scimAsk struct {
	*call
	kind scim.Kind
	at   scimgate.Place
	show scim.Projection
	// base is the address before /Users, with scheme and host.
	base string
}

// scimAsk reads what all calls have. Faults ConnectionNotFound, ScimValue.
func (a *api) scimAsk(r *call, k scim.Kind) (scimAsk, error) {
	id := r.Param("connectionId")
	if !plausibleID(id) {
		return scimAsk{}, fault.New(fault.ConnectionNotFound, "there is no connection %q", shorten(id))
	}
	s := scimAsk{call: r, kind: k, at: scimgate.Place{Workspace: r.who.Workspace, ConnectionID: id}}
	s.base = a.base(r.Request) + strings.Replace(scimBase, "{connectionId}", id, 1)
	_, err := a.Connections.Get(r.ctx(), r.who.Workspace, id)
	if err != nil {
		return scimAsk{}, err
	}
	s.show, err = scim.ParseProjection(commaWords(r.query.Get("attributes")), commaWords(r.query.Get("excludedAttributes")))
	return s, err
}

// write is what the call changes.
func (s scimAsk) write() scimgate.Write {
	w := scimgate.Write{Place: s.at, Kind: s.kind, ID: s.Param("id")}
	if match := s.ifMatch(); match.given {
		w.Tags = match.tags
	}
	return w
}

func commaWords(text string) []string {
	var words []string
	for word := range strings.SplitSeq(text, ",") {
		if word = strings.TrimSpace(word); word != "" {
			words = append(words, word)
		}
	}
	return words
}

// id gives the id in the path. Fault ScimNotFound.
func (s scimAsk) id() (string, error) {
	id := s.Param("id")
	if !plausibleSCIMID(id) {
		return "", fault.New(fault.ScimNotFound, "there is no %s %q", s.kind, shorten(id))
	}
	return id, nil
}

// plausibleSCIMID takes what Celonis may give as an id.
func plausibleSCIMID(id string) bool {
	const longest = 200
	return id != "" && id != "." && id != ".." && len(id) <= longest && !strings.ContainsFunc(id, func(c rune) bool { return c <= ' ' || c >= 0x7f })
}

// scimBody reads a JSON object that comes as either of the media types that providers send.
func (s scimAsk) scimBody() (scim.Resource, error) {
	text, err := s.scimText()
	if err != nil {
		return nil, err
	}
	return scim.ParseResource(text)
}

func (s scimAsk) scimText() ([]byte, error) {
	if _, err := s.mediaType(scim.MediaType, mediaJSON); err != nil {
		return nil, err
	}
	return s.body()
}

// shown is a resource as it is answered: with addresses of ours.
func (s scimAsk) shown(r scim.Resource) scim.Resource {
	r = r.Clone()
	meta := r.Object("meta")
	if meta == nil {
		meta = scim.Resource{}
	}
	version := scim.VersionOf(r)
	meta.Set("resourceType", string(s.kind))
	meta.Set("location", s.location(s.kind, r.Text("id")))
	meta.Set("version", version)
	r.Set("meta", map[string]any(meta))
	s.refer(r.Get("members"), scim.KindUser)
	s.refer(r.Get("groups"), scim.KindGroup)
	return s.show.Of(r)
}

func (s scimAsk) location(k scim.Kind, id string) string { return s.base + k.Path() + "/" + id }

// refer gives the elements of a list addresses of ours.
func (s scimAsk) refer(list any, k scim.Kind) {
	elements, _ := list.([]any)
	for _, e := range elements {
		if o, ok := e.(map[string]any); ok {
			scim.Resource(o).Set("$ref", s.location(k, scim.Resource(o).Text("value")))
		}
	}
}

// reply answers with a resource, or without a body when it cannot be shown yet.
func (s scimAsk) reply(status int, answer scimgate.Answer) reply {
	if answer.Resource == nil {
		return reply{status: http.StatusNoContent}
	}
	return reply{status: status, body: s.shown(answer.Resource), tag: answer.Version}
}

// onSCIM answers for resources of a kind.
func (a *api) onSCIM(k scim.Kind, answer func(scimAsk) (reply, error)) func(*call) (reply, error) {
	return func(r *call) (reply, error) {
		s, err := a.scimAsk(r, k)
		if err != nil {
			return reply{}, err
		}
		return answer(s)
	}
}

// ofSCIM answers for the one resource that the path names.
func (a *api) ofSCIM(k scim.Kind, answer func(scimAsk) (reply, error)) func(*call) (reply, error) {
	return a.onSCIM(k, func(s scimAsk) (reply, error) {
		if _, err := s.id(); err != nil {
			return reply{}, err
		}
		return answer(s)
	})
}

func (a *api) createSCIM(k scim.Kind) func(*call) (reply, error) {
	return a.onSCIM(k, func(s scimAsk) (reply, error) {
		body, err := s.scimBody()
		if err != nil {
			return reply{}, err
		}
		answer, err := a.SCIM.Create(s.ctx(), s.write(), body)
		if err != nil {
			return reply{}, err
		}
		out := s.reply(http.StatusCreated, answer)
		id := answer.Resource.Text("id")
		out.location = s.location(k, id)
		// A repeat is told which one was made: what it is like is about a person, and kept nowhere.
		out.kept = scim.Resource{"schemas": []any{k.URN()}, "id": id, "meta": map[string]any{"resourceType": string(k), "location": out.location}}
		return out, nil
	})
}

func (a *api) getSCIM(k scim.Kind) func(*call) (reply, error) {
	return a.onSCIM(k, func(s scimAsk) (reply, error) {
		id, err := s.id()
		if err != nil {
			return reply{}, err
		}
		answer, err := a.SCIM.Get(s.ctx(), s.at, k, id)
		if err != nil {
			return reply{}, err
		}
		return s.reply(http.StatusOK, answer), nil
	})
}

func (a *api) replaceSCIM(k scim.Kind) func(*call) (reply, error) {
	return a.changeSCIM(k, func(s scimAsk) (scimgate.Answer, error) {
		body, err := s.scimBody()
		if err != nil {
			return scimgate.Answer{}, err
		}
		return a.SCIM.Replace(s.ctx(), s.write(), body)
	})
}

func (a *api) patchSCIM(k scim.Kind) func(*call) (reply, error) {
	return a.changeSCIM(k, func(s scimAsk) (scimgate.Answer, error) {
		text, err := s.scimText()
		if err != nil {
			return scimgate.Answer{}, err
		}
		p, err := scim.ParsePatch(text)
		if err != nil {
			return scimgate.Answer{}, err
		}
		return a.SCIM.Patch(s.ctx(), s.write(), p)
	})
}

func (a *api) changeSCIM(k scim.Kind, change func(scimAsk) (scimgate.Answer, error)) func(*call) (reply, error) {
	return a.ofSCIM(k, func(s scimAsk) (reply, error) {
		answer, err := change(s)
		if err != nil {
			return reply{}, err
		}
		return s.reply(http.StatusOK, answer), nil
	})
}

func (a *api) deleteSCIM(k scim.Kind) func(*call) (reply, error) {
	return a.ofSCIM(k, func(s scimAsk) (reply, error) {
		if err := a.SCIM.Delete(s.ctx(), s.write()); err != nil {
			return reply{}, err
		}
		return reply{status: http.StatusNoContent}, nil
	})
}

func (a *api) listSCIM(k scim.Kind) func(*call) (reply, error) {
	return a.onSCIM(k, func(s scimAsk) (reply, error) {
		ask := scim.SearchRequest{
			Attributes: commaWords(s.query.Get("attributes")), ExcludedAttributes: commaWords(s.query.Get("excludedAttributes")),
			Filter: s.query.Get("filter"), SortBy: s.query.Get("sortBy"), SortOrder: s.query.Get("sortOrder"),
		}
		var err error
		if ask.StartIndex, err = s.whole("startIndex", 1); err != nil {
			return reply{}, err
		}
		if s.query.Has("count") {
			count, err := s.whole("count", 0)
			if err != nil {
				return reply{}, err
			}
			ask.Count = &count
		}
		return a.foundSCIM(s, ask)
	})
}

// whole reads a number of the query; what is below zero counts as nothing, as RFC 7644 has it. Fault ScimValue.
func (r *call) whole(name string, otherwise int) (int, error) {
	text := r.query.Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, fault.New(fault.ScimValue, "%s: must be a whole number", name)
	}
	return max(n, 0), nil
}

func (a *api) searchSCIM(k scim.Kind) func(*call) (reply, error) {
	return a.onSCIM(k, func(s scimAsk) (reply, error) {
		body, err := s.scimBody()
		if err != nil {
			return reply{}, err
		}
		ask, err := scim.ReadSearch(body)
		if err != nil {
			return reply{}, err
		}
		if s.show, err = scim.ParseProjection(ask.Attributes, ask.ExcludedAttributes); err != nil {
			return reply{}, err
		}
		return a.foundSCIM(s, ask)
	})
}

func (a *api) foundSCIM(s scimAsk, ask scim.SearchRequest) (reply, error) {
	page, err := a.SCIM.List(s.ctx(), s.at, s.kind, ask)
	if err != nil {
		return reply{}, err
	}
	shown := make([]scim.Resource, len(page.Resources))
	for i, r := range page.Resources {
		shown[i] = s.shown(r)
	}
	page.Resources = shown
	return ok(page)
}
