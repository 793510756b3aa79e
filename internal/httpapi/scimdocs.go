package httpapi

import (
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/scim"
	"github.com/celonis-connector/connector/internal/scimgate"
)

// scimDocs gives what a call for a document needs. Fault ConnectionNotFound.
func (a *api) scimDocs(r *call) (base string, err error) {
	s, err := a.scimAsk(r, "")
	return s.base, err
}

func (a *api) getSCIMConfig(r *call) (reply, error) {
	base, err := a.scimDocs(r)
	if err != nil {
		return reply{}, err
	}
	yes := scim.Supported{Supported: true}
	return ok(scim.ServiceProviderConfig{
		Schemas: []string{scim.URNConfig}, Patch: yes, Filter: scim.FilterConfig{Supported: true, MaxResults: scimgate.MaxResults},
		Sort: yes, ETag: yes, DocumentationURI: a.base(r.Request) + "/docs",
		AuthenticationSchemes: []scim.AuthScheme{
			{Type: "oauth2", Name: "OAuth 2.0 client credentials", Description: "A token of POST /oauth/token with the scopes scim:read and scim:write",
				SpecURI: "https://www.rfc-editor.org/rfc/rfc6749", Primary: true},
			{Type: "oauthbearertoken", Name: "Long-lived bearer token", Description: "An API client's id and secret with a full stop between, as bearer token",
				SpecURI: "https://www.rfc-editor.org/rfc/rfc6750"},
		},
		Meta: &scim.DocMeta{ResourceType: "ServiceProviderConfig", Location: base + "/ServiceProviderConfig"},
	})
}

// documents is a list of documents, which is never cut.
type documents[T any] struct {
	Schemas      []string `json:"schemas"`
	TotalResults int      `json:"totalResults"`
	StartIndex   int      `json:"startIndex"`
	ItemsPerPage int      `json:"itemsPerPage"`
	Resources    []T      `json:"Resources"`
}

func listedDocuments[T any](list []T) (reply, error) {
	return ok(documents[T]{[]string{scim.URNListResponse}, len(list), 1, len(list), list})
}

func scimSchemas(base string) []scim.Schema {
	list := scim.Schemas()
	for i := range list {
		list[i].Schemas = []string{scim.URNSchema}
		list[i].Meta = &scim.DocMeta{ResourceType: "Schema", Location: base + "/Schemas/" + list[i].ID}
	}
	return list
}

func scimTypes(base string) []scim.ResourceType {
	list := scim.ResourceTypes()
	for i := range list {
		list[i].Meta = &scim.DocMeta{ResourceType: "ResourceType", Location: base + "/ResourceTypes/" + list[i].ID}
	}
	return list
}

func (a *api) listSCIMSchemas(r *call) (reply, error) {
	base, err := a.scimDocs(r)
	if err != nil {
		return reply{}, err
	}
	return listedDocuments(scimSchemas(base))
}

func (a *api) getSCIMSchema(r *call) (reply, error) {
	base, err := a.scimDocs(r)
	if err != nil {
		return reply{}, err
	}
	for _, s := range scimSchemas(base) {
		if strings.EqualFold(s.ID, r.Param("urn")) {
			return ok(s)
		}
	}
	return reply{}, fault.New(fault.ScimNotFound, "there is no schema %q", shorten(r.Param("urn")))
}

func (a *api) listSCIMTypes(r *call) (reply, error) {
	base, err := a.scimDocs(r)
	if err != nil {
		return reply{}, err
	}
	return listedDocuments(scimTypes(base))
}

func (a *api) getSCIMType(r *call) (reply, error) {
	base, err := a.scimDocs(r)
	if err != nil {
		return reply{}, err
	}
	for _, t := range scimTypes(base) {
		if strings.EqualFold(t.ID, r.Param("type")) {
			return ok(t)
		}
	}
	return reply{}, fault.New(fault.ScimNotFound, "there is no resource type %q", shorten(r.Param("type")))
}
