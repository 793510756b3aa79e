package httpapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/httpapi"
	"github.com/celonis-connector/connector/internal/scim"
	"github.com/celonis-connector/connector/internal/scimgate"
)

const (
	// bearerClient is the client of a token that is an id and a secret.
	bearerClient = "0199f3a0-1111-7b54-9a3e-2f6c1d0b8e11"
	aPatch       = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"Replace","value":{"displayName":"x"}}]}`
	scimRoot     = "/scim/v2/" + connectionID
)

// speaksSCIM reports whether a route is one of the gateway.
func speaksSCIM(r httpapi.Route) bool { return strings.HasPrefix(r.Path, "/scim/") }

// scimProblem reads a fault in SCIM's form.
func (r response) scimProblem(t *testing.T) problem {
	t.Helper()
	var e struct {
		Schemas                  []string
		Status, ScimType, Detail string
	}
	require.NoError(t, json.Unmarshal([]byte(r.body), &e))
	require.Equal(t, []string{scim.URNError}, e.Schemas)
	require.NotEmpty(t, e.Detail)
	var status scim.Status
	require.NoError(t, json.Unmarshal([]byte(`"`+e.Status+`"`), &status))
	require.EqualValues(t, r.status, status)
	return problem{Status: r.status, Detail: e.Detail, Code: e.ScimType}
}

// fakeSCIM keeps users and groups, and one that only waits.
type fakeSCIM struct {
	mu   sync.Mutex
	byID map[string]scim.Resource
	// tags are those of the last write, asked the last listing.
	tags  []string
	asked scim.SearchRequest
}

func newSCIM() *fakeSCIM {
	return &fakeSCIM{byID: map[string]scim.Resource{
		flowID: {"schemas": []any{scim.URNUser}, "id": flowID, "userName": "ann@example.com", "members": []any{map[string]any{"value": "u1", "$ref": "https://celonis/u1"}}},
	}}
}

func (f *fakeSCIM) Get(_ context.Context, _ scimgate.Place, k scim.Kind, id string) (scimgate.Answer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, ok := f.byID[id]
	if !ok {
		return scimgate.Answer{}, fault.New(fault.ScimNotFound, "there is no %s %q", k, id)
	}
	return scimgate.Answer{Resource: r.Clone(), Version: scim.VersionOf(r)}, nil
}

func (f *fakeSCIM) List(_ context.Context, _ scimgate.Place, _ scim.Kind, ask scim.SearchRequest) (scim.ListResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = ask
	return scim.ListResponse{Schemas: []string{scim.URNListResponse}, TotalResults: 1, StartIndex: 1, ItemsPerPage: 1, Resources: []scim.Resource{f.byID[flowID]}}, nil
}

func (f *fakeSCIM) Create(_ context.Context, _ scimgate.Write, body scim.Resource) (scimgate.Answer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := body.Clone()
	r["id"], r["schemas"] = "made", []any{scim.URNUser}
	f.byID["made"] = r
	return scimgate.Answer{Resource: r, Version: scim.VersionOf(r)}, nil
}

func (f *fakeSCIM) Replace(ctx context.Context, w scimgate.Write, _ scim.Resource) (scimgate.Answer, error) {
	f.tags = w.Tags
	return f.Get(ctx, w.Place, w.Kind, w.ID)
}

func (f *fakeSCIM) Patch(ctx context.Context, w scimgate.Write, _ scim.PatchRequest) (scimgate.Answer, error) {
	f.tags = w.Tags
	answer, err := f.Get(ctx, w.Place, w.Kind, w.ID)
	if len(w.Tags) == 1 && w.Tags[0] == `"waits"` {
		answer.Resource = nil
	}
	return answer, err
}

func (f *fakeSCIM) Delete(ctx context.Context, w scimgate.Write) error {
	_, err := f.Get(ctx, w.Place, w.Kind, w.ID)
	return err
}

// fakeSCIMOperations has one operation that failed.
type fakeSCIMOperations struct{}

func anOperation() *scimgate.Operation {
	return &scimgate.Operation{
		ID: flowID, Place: scimgate.Place{Workspace: "default", ConnectionID: connectionID}, Kind: scim.KindUser, ResourceID: "u1",
		Verb: scimgate.Create, State: scimgate.Failed, Attempts: 2, CreatedAt: epoch(), UpdatedAt: epoch(),
	}
}

func (f *fakeSCIMOperations) Operations(_ context.Context, _ scimgate.OperationQuery) ([]scimgate.Operation, error) {
	return []scimgate.Operation{*anOperation()}, nil
}

func (f *fakeSCIMOperations) Operation(_ context.Context, _, id string) (*scimgate.Operation, error) {
	return anOperation(), none(fault.ScimOperationNotFound, id, flowID)
}

func (f *fakeSCIMOperations) Detail(*scimgate.Operation) (*scimgate.Problem, error) {
	return &scimgate.Problem{Code: fault.ScimValue, Message: "no", Hint: "do"}, nil
}

func (f *fakeSCIMOperations) Retry(ctx context.Context, workspace, id string) (*scimgate.Operation, error) {
	return f.Operation(ctx, workspace, id)
}

func (f *fakeSCIMOperations) Discard(ctx context.Context, workspace, id string) error {
	_, err := f.Operation(ctx, workspace, id)
	return err
}

func TestSCIMResources(t *testing.T) {
	t.Parallel()
	for _, list := range []string{"/Users", "/Groups"} {
		t.Run(list, func(t *testing.T) {
			t.Parallel()
			s := setup(t)
			body := `{"userName":"bob@example.com","displayName":"Bob"}`
			res := s.ask("POST "+scimRoot+list, body, "Content-Type", "application/scim+json; charset=utf-8")
			require.Equal(t, http.StatusCreated, res.status, res.body)
			require.Equal(t, "http://example.com"+scimRoot+list+"/made", res.header.Get("Location"))
			require.Equal(t, "application/scim+json", res.header.Get("Content-Type"))
			require.NotEmpty(t, res.header.Get("Etag"))

			res = s.ask("GET "+scimRoot+list+"/"+flowID+"?aadOptscim062020=1", "")
			require.Equal(t, http.StatusOK, res.status)
			require.Contains(t, res.body, `"$ref":"http://example.com`+scimRoot+`/Users/u1"`, "addresses are ours")
			require.NotContains(t, res.body, "https://celonis")
			res = s.ask("GET "+scimRoot+list+"/"+flowID+"?attributes=userName", "")
			require.JSONEq(t, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"`+flowID+`","userName":"ann@example.com"}`, res.body)
			res = s.ask("GET "+scimRoot+list+"?count=5&startIndex=2&sortBy=userName&sortOrder=descending&filter=userName%20pr&excludedAttributes=members", "")
			require.Equal(t, http.StatusOK, res.status)
			require.NotContains(t, res.body, "members")
			require.Equal(t, http.StatusOK, s.ask("POST "+scimRoot+list+"/.search", `{"filter":"userName pr","count":3}`).status)
			s.ask("POST "+scimRoot+list+"/.search", `{"count":"many"}`).requireProblem(t, http.StatusBadRequest, "")
			s.ask("GET "+scimRoot+list+"?count=many", "").requireProblem(t, http.StatusBadRequest, "")
			s.ask("GET "+scimRoot+list+"?attributes=a&excludedAttributes=b", "").requireProblem(t, http.StatusBadRequest, "")

			one := scimRoot + list + "/" + flowID
			require.Equal(t, http.StatusOK, s.ask("PUT "+one, body).status)
			require.Equal(t, http.StatusOK, s.ask("PATCH "+one, aPatch, "If-Match", `W/"a"`).status)
			require.Equal(t, http.StatusNoContent, s.ask("PATCH "+one, aPatch, "If-Match", `"waits"`).status)
			require.Equal(t, http.StatusNoContent, s.ask("DELETE "+one, "").status)
			p := s.ask("PATCH "+one, `{"Operations":[]}`).requireProblem(t, http.StatusBadRequest, "")
			require.Equal(t, "invalidSyntax", p.Code)
			s.ask("PUT "+one, `<xml/>`, "Content-Type", "text/xml").requireProblem(t, http.StatusUnsupportedMediaType, "")
			s.ask("PUT "+one, `{"displayName":"`+strings.Repeat("a", httpapi.MaxSCIMBody)+`"}`).requireProblem(t, http.StatusRequestEntityTooLarge, "")
			s.ask("POST "+one, body).requireProblem(t, http.StatusMethodNotAllowed, "")
		})
	}
}

func TestSCIMDocuments(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for _, path := range []string{"/ServiceProviderConfig", "/Schemas", "/Schemas/" + scim.URNUser, "/ResourceTypes", "/ResourceTypes/Group"} {
		res := s.ask("GET "+scimRoot+path, "")
		require.Equal(t, http.StatusOK, res.status, path)
	}
	s.ask("GET "+scimRoot+"/Schemas/urn:none", "").requireProblem(t, http.StatusNotFound, "")
	s.ask("GET "+scimRoot+"/ResourceTypes/None", "").requireProblem(t, http.StatusNotFound, "")
	s.ask("GET "+scimRoot+"/Bulk", "").requireProblem(t, http.StatusNotFound, "")
	p := s.ask("GET /scim/v1/Users", "").requireProblem(t, http.StatusBadRequest, "")
	require.Equal(t, "invalidVers", p.Code)
}

func TestSCIMTakesALongLivedToken(t *testing.T) {
	t.Parallel()
	s := setup(t)
	require.Equal(t, http.StatusOK, s.ask("GET "+scimRoot+"/Users", "", "Authorization", "Bearer "+bearerClient+".ccs_right").status)
	res := s.ask("GET "+scimRoot+"/Users", "", "Authorization", "Bearer "+bearerClient+".ccs_wrong")
	res.requireProblem(t, http.StatusUnauthorized, "")
	require.Contains(t, res.header.Get("WWW-Authenticate"), "invalid_token")
	s.ask("GET /v1/flows", "", "Authorization", "Bearer "+bearerClient+".ccs_right").requireProblem(t, http.StatusUnauthorized, "access.unauthenticated")
}

func TestSCIMFaultsOfTheServiceSpeakSCIM(t *testing.T) {
	t.Parallel()
	s := setup(t, func(d *httpapi.Deps) { d.Limits.PerClient = httpapi.Rate{PerSecond: 0.001, Burst: 1} })
	require.Equal(t, http.StatusOK, s.ask("GET "+scimRoot+"/Users", "").status)
	res := s.ask("GET "+scimRoot+"/Users", "")
	res.requireProblem(t, http.StatusTooManyRequests, "")
	require.NotEmpty(t, res.header.Get("Retry-After"))
	require.Equal(t, "application/scim+json", res.header.Get("Content-Type"))
	s = setup(t, func(d *httpapi.Deps) { d.SCIM = nil })
	s.ask("GET "+scimRoot+"/Users", "").requireProblem(t, http.StatusInternalServerError, "")
}

func TestARepeatedCreateIsToldTheIDAlone(t *testing.T) {
	t.Parallel()
	s := setup(t)
	send := func() response {
		return s.ask("POST "+scimRoot+"/Users", `{"userName":"bob@example.com"}`, "Idempotency-Key", "k")
	}
	require.Contains(t, send().body, "bob@example.com")
	again := send()
	require.Equal(t, http.StatusCreated, again.status)
	require.Equal(t, "true", again.header.Get("Idempotency-Replayed"))
	require.NotContains(t, again.body, "bob@example.com", "what is about a person is kept nowhere")
	require.Contains(t, again.body, `"id":"made"`)
	s.ask("POST "+scimRoot+"/Users", `{"userName":"eve@example.com"}`, "Idempotency-Key", "k").requireProblem(t, http.StatusBadRequest, "")
	s.ask("POST "+scimRoot+"/Users", `{"userName":"eve@example.com"}`, "Idempotency-Key", "\t").requireProblem(t, http.StatusBadRequest, "")
}

func TestSCIMOperations(t *testing.T) {
	t.Parallel()
	s := setup(t)
	list := s.ask("GET /v1/connections/"+connectionID+"/scim-operations?state=failed", "")
	require.Equal(t, http.StatusOK, list.status)
	require.JSONEq(t, `{"next":null,"items":[{"id":"`+flowID+`","connectionId":"`+connectionID+`","kind":"User","resourceId":"u1","operation":"create","state":"failed",
		"attempts":2,"problem":{"code":"scim.invalid_value","message":"no","hint":"do"},"nextAt":null,"createdAt":"2026-03-01T08:30:00.123456Z","updatedAt":"2026-03-01T08:30:00.123456Z"}]}`, list.body)
	s.ask("GET /v1/connections/"+connectionID+"/scim-operations?state=none", "").requireProblem(t, http.StatusUnprocessableEntity, "request.field_invalid")
	one := "/v1/scim-operations/" + flowID
	require.Equal(t, http.StatusOK, s.ask("GET "+one, "").status)
	require.Equal(t, http.StatusOK, s.ask("POST "+one+"/retry", "").status)
	require.Equal(t, http.StatusNoContent, s.ask("DELETE "+one, "").status)
}
