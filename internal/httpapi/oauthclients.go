package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
)

// OAuthClients keeps OAuth clients; *connections.OAuthClientService is one.
type OAuthClients interface {
	Create(ctx context.Context, workspace string, d connections.OAuthClientDraft) (*connections.OAuthClient, error)
	Get(ctx context.Context, workspace, id string) (*connections.OAuthClient, error)
	List(ctx context.Context, workspace string, page connections.Page) ([]connections.OAuthClient, error)
	Update(ctx context.Context, workspace, id string, d connections.OAuthClientDraft, revision int64) (*connections.OAuthClient, error)
	Delete(ctx context.Context, workspace, id string, revision int64) error
	UsedBy(ctx context.Context, workspace, id string) ([]connections.ConnectionUse, error)
}

var _ OAuthClients = (*connections.OAuthClientService)(nil)

// oauthClientView is an OAuth client as it is read: of its secret only that it is set.
type oauthClientView struct {
	ID            string                 `json:"id"`
	Name          string                 `json:"name"`
	ClientID      string                 `json:"clientId"`
	AuthMethod    connections.AuthMethod `json:"authMethod"`
	ValidDomains  []string               `json:"validDomains"`
	AllowedScopes []string               `json:"allowedScopes"`
	Secrets       oauthClientSecrets     `json:"secrets"`
	CreatedAt     time.Time              `json:"createdAt"`
	UpdatedAt     time.Time              `json:"updatedAt"`
	Revision      int64                  `json:"revision"`
}

type oauthClientSecrets struct {
	ClientSecret secretState `json:"clientSecret"`
}

func viewOAuthClient(c *connections.OAuthClient) oauthClientView {
	return oauthClientView{
		ID: c.ID, Name: c.Name, ClientID: c.ClientID, AuthMethod: c.AuthMethod, ValidDomains: list(c.ValidDomains),
		AllowedScopes: list(c.AllowedScopes), Secrets: oauthClientSecrets{secretState{Set: true, UpdatedAt: moment(c.Secret.UpdatedAt)}},
		CreatedAt: moment(c.CreatedAt), UpdatedAt: moment(c.UpdatedAt), Revision: c.Revision,
	}
}

func oauthClientReply(status int, c *connections.OAuthClient) reply {
	return reply{status: status, body: viewOAuthClient(c), revision: c.Revision}
}

func (r *call) oauthClientID() (string, error) {
	return r.id(fault.OAuthClientNotFound, "OAuth client")
}

func (a *api) createOAuthClient(r *call) (reply, error) {
	draft, err := readJSON[connections.OAuthClientDraft](a, r, nil)
	if err != nil {
		return reply{}, err
	}
	c, err := a.OAuthClients.Create(r.ctx(), r.who.Workspace, draft)
	if err != nil {
		return reply{}, err
	}
	out := oauthClientReply(http.StatusCreated, c)
	out.location = "/v1/oauth-clients/" + c.ID
	return out, nil
}

func (a *api) listOAuthClients(r *call) (reply, error) {
	p, err := r.page()
	if err != nil {
		return reply{}, err
	}
	items, err := a.OAuthClients.List(r.ctx(), r.who.Workspace, connections.Page{Limit: p.ask(), After: p.after})
	if err != nil {
		return reply{}, err
	}
	return listed(p, items, func(c *connections.OAuthClient) string { return c.ID }, viewOAuthClient)
}

func (a *api) getOAuthClient(r *call) (reply, error) {
	id, err := r.oauthClientID()
	if err != nil {
		return reply{}, err
	}
	c, err := a.OAuthClients.Get(r.ctx(), r.who.Workspace, id)
	if err != nil {
		return reply{}, err
	}
	return oauthClientReply(http.StatusOK, c), nil
}

func (a *api) updateOAuthClient(r *call) (reply, error) {
	id, err := r.oauthClientID()
	if err != nil {
		return reply{}, err
	}
	return patch(a, r, patched[connections.OAuthClientDraft]{
		load: func() (connections.OAuthClientDraft, int64, error) {
			c, err := a.OAuthClients.Get(r.ctx(), r.who.Workspace, id)
			if err != nil {
				return connections.OAuthClientDraft{}, 0, err
			}
			return c.Draft(), c.Revision, nil
		},
		store: func(d connections.OAuthClientDraft, revision int64) (reply, error) {
			c, err := a.OAuthClients.Update(r.ctx(), r.who.Workspace, id, d, revision)
			if err != nil {
				return reply{}, err
			}
			return oauthClientReply(http.StatusOK, c), nil
		},
	})
}

func (a *api) deleteOAuthClient(r *call) (reply, error) {
	id, err := r.oauthClientID()
	if err != nil {
		return reply{}, err
	}
	return deleteUsed(r, id, a.OAuthClients, fault.OAuthClientInUse, func(c *connections.OAuthClient) int64 { return c.Revision })
}

func (a *api) listOAuthClientUsers(r *call) (reply, error) {
	id, err := r.oauthClientID()
	if err != nil {
		return reply{}, err
	}
	users, err := a.OAuthClients.UsedBy(r.ctx(), r.who.Workspace, id)
	if err != nil {
		return reply{}, err
	}
	return ok(listing[connections.ConnectionUse]{Items: list(users)})
}

// celonisScopeView is a scope of the catalog.
type celonisScopeView struct {
	Group      string                  `json:"group"`
	Scope      string                  `json:"scope"`
	Grants     string                  `json:"grants"`
	API        string                  `json:"api"`
	Operations []connections.Operation `json:"operations"`
}

func (a *api) listCelonisScopes(*call) (reply, error) {
	catalog := connections.CelonisScopes()
	out := listing[celonisScopeView]{Items: make([]celonisScopeView, len(catalog))}
	for i, s := range catalog {
		out.Items[i] = celonisScopeView{s.Group, s.Scope, s.Grants, s.API, list(s.Operations)}
	}
	return ok(out)
}
