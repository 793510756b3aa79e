package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/access"
	"github.com/celonis-connector/connector/internal/fault"
)

// Clients keeps API clients; *access.Service is one.
type Clients interface {
	Create(ctx context.Context, by access.Principal, d access.Draft, expires time.Time) (*access.Client, crypto.Secret, error)
	Get(ctx context.Context, workspace, id string) (*access.Client, error)
	List(ctx context.Context, workspace string, page access.Page) ([]access.Client, error)
	Update(ctx context.Context, by access.Principal, id string, d access.Draft, revision int64) (*access.Client, error)
	Delete(ctx context.Context, workspace, id string, revision int64) error
}

// ClientSecrets makes and ends the secrets of API clients; *access.Service is one.
type ClientSecrets interface {
	AddSecret(ctx context.Context, by access.Principal, id string, expires time.Time) (access.ClientSecret, crypto.Secret, error)
	DeleteSecret(ctx context.Context, workspace, id, secretID string) error
}

var (
	_ Clients       = (*access.Service)(nil)
	_ ClientSecrets = (*access.Service)(nil)
)

// clientView is an API client as it is read: of its secrets only that they are there.
type clientView struct {
	ID         string         `json:"id"`
	Name       string         `json:"name"`
	Scopes     []access.Scope `json:"scopes"`
	Enabled    bool           `json:"enabled"`
	Secrets    []secretView   `json:"secrets"`
	CreatedAt  time.Time      `json:"createdAt"`
	UpdatedAt  time.Time      `json:"updatedAt"`
	LastUsedAt *time.Time     `json:"lastUsedAt"`
	Revision   int64          `json:"revision"`
}

// secretView is a secret of an API client as it is read.
type secretView struct {
	ID         string     `json:"id"`
	CreatedAt  time.Time  `json:"createdAt"`
	ExpiresAt  *time.Time `json:"expiresAt"`
	LastUsedAt *time.Time `json:"lastUsedAt"`
}

// madeClient and madeSecret are the only answers that hold a secret.
type (
	madeClient struct {
		clientView
		ClientSecret string `json:"clientSecret"`
	}
	madeSecret struct {
		secretView
		ClientSecret string `json:"clientSecret"`
	}
)

// momentOrNull gives null for the zero time.
func momentOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = moment(t)
	return &t
}

func viewSecret(s *access.ClientSecret) secretView {
	return secretView{s.ID, moment(s.CreatedAt), momentOrNull(s.ExpiresAt), momentOrNull(s.LastUsedAt)}
}

func viewClient(c *access.Client) clientView {
	secrets := make([]secretView, len(c.Secrets))
	for i := range c.Secrets {
		secrets[i] = viewSecret(&c.Secrets[i])
	}
	return clientView{
		ID: c.ID, Name: c.Name, Scopes: list(c.Scopes), Enabled: !c.Disabled, Secrets: secrets, CreatedAt: moment(c.CreatedAt),
		UpdatedAt: moment(c.UpdatedAt), LastUsedAt: momentOrNull(c.LastUsedAt), Revision: c.Revision,
	}
}

func (r *call) clientID() (string, error) { return r.id(fault.AccessClientNotFound, "API client") }

// clientBody is what a create takes: scopes, or the name of a set of them.
type clientBody struct {
	Name      string   `json:"name"`
	Scopes    []string `json:"scopes"`
	Preset    *string  `json:"preset"`
	Enabled   *bool    `json:"enabled"`
	ExpiresAt *string  `json:"expiresAt"`
}

// draft gives the draft and the time when the first secret ends.
func (b *clientBody) draft() (access.Draft, time.Time, []fault.Field) {
	var found []fault.Field
	d := access.Draft{Name: b.Name, Scopes: b.Scopes, Enabled: b.Enabled}
	if b.Preset != nil {
		scopes, err := access.PresetScopes(*b.Preset)
		switch {
		case err != nil:
			f := fault.From(err)
			found = append(found, fault.Field{Pointer: "/preset", Code: f.Code, Detail: f.Message + ": " + f.Hint})
		case len(b.Scopes) > 0:
			found = append(found, fault.Field{Pointer: "/preset", Code: fault.RequestFieldInvalid, Detail: "either scopes or a preset, not both"})
		}
		for _, s := range scopes {
			d.Scopes = append(d.Scopes, string(s))
		}
	}
	expires, more := readExpiry(b.ExpiresAt)
	return d, expires, append(found, more...)
}

// readExpiry reads a time of RFC 3339; none is the zero time.
func readExpiry(text *string) (time.Time, []fault.Field) {
	if text == nil {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, *text)
	if err != nil || t.IsZero() {
		return time.Time{}, []fault.Field{{Pointer: "/expiresAt", Code: fault.RequestFieldInvalid, Detail: "not a time of RFC 3339, such as 2027-01-31T00:00:00Z"}}
	}
	return t.UTC().Truncate(time.Microsecond), nil
}

func (a *api) createClient(r *call) (reply, error) {
	body, err := readJSON(a, r, func(b clientBody) []fault.Field {
		_, _, found := b.draft()
		return found
	})
	if err != nil {
		return reply{}, err
	}
	draft, expires, _ := body.draft()
	c, secret, err := a.Clients.Create(r.ctx(), r.who, draft, expires)
	if err != nil {
		return reply{}, err
	}
	return reply{
		status: http.StatusCreated, body: madeClient{viewClient(c), secret.Reveal()}, revision: c.Revision, location: "/v1/clients/" + c.ID,
	}, nil
}

func (a *api) listClients(r *call) (reply, error) {
	p, err := r.page()
	if err != nil {
		return reply{}, err
	}
	items, err := a.Clients.List(r.ctx(), r.who.Workspace, access.Page{Limit: p.ask(), After: p.after})
	if err != nil {
		return reply{}, err
	}
	return listed(p, items, func(c *access.Client) string { return c.ID }, viewClient)
}

func (a *api) getClient(r *call) (reply, error) {
	id, err := r.clientID()
	if err != nil {
		return reply{}, err
	}
	c, err := a.Clients.Get(r.ctx(), r.who.Workspace, id)
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusOK, body: viewClient(c), revision: c.Revision}, nil
}

func (a *api) updateClient(r *call) (reply, error) {
	id, err := r.clientID()
	if err != nil {
		return reply{}, err
	}
	return patch(a, r, patched[access.Draft]{
		load: func() (access.Draft, int64, error) {
			c, err := a.Clients.Get(r.ctx(), r.who.Workspace, id)
			if err != nil {
				return access.Draft{}, 0, err
			}
			return c.Draft(), c.Revision, nil
		},
		store: func(d access.Draft, revision int64) (reply, error) {
			c, err := a.Clients.Update(r.ctx(), r.who, id, d, revision)
			if err != nil {
				return reply{}, err
			}
			return reply{status: http.StatusOK, body: viewClient(c), revision: c.Revision}, nil
		},
	})
}

func (a *api) deleteClient(r *call) (reply, error) {
	id, err := r.clientID()
	if err != nil {
		return reply{}, err
	}
	revision, err := r.ifMatch().expected(func() (int64, error) {
		c, err := a.Clients.Get(r.ctx(), r.who.Workspace, id)
		if err != nil {
			return 0, err
		}
		return c.Revision, nil
	})
	if err != nil {
		return reply{}, err
	}
	if err := a.Clients.Delete(r.ctx(), r.who.Workspace, id, revision); err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusNoContent}, nil
}

// secretBody is what a new secret takes.
type secretBody struct {
	ExpiresAt *string `json:"expiresAt"`
}

func (a *api) createClientSecret(r *call) (reply, error) {
	id, err := r.clientID()
	if err != nil {
		return reply{}, err
	}
	sent, err := r.body()
	if err != nil {
		return reply{}, err
	}
	var body secretBody
	if len(sent) > 0 {
		body, err = readJSON(a, r, func(b secretBody) []fault.Field {
			_, found := readExpiry(b.ExpiresAt)
			return found
		})
		if err != nil {
			return reply{}, err
		}
	}
	expires, _ := readExpiry(body.ExpiresAt)
	kept, secret, err := a.ClientSecrets.AddSecret(r.ctx(), r.who, id, expires)
	if err != nil {
		return reply{}, err
	}
	return reply{
		status: http.StatusCreated, body: madeSecret{viewSecret(&kept), secret.Reveal()}, location: "/v1/clients/" + id,
	}, nil
}

func (a *api) deleteClientSecret(r *call) (reply, error) {
	id, err := r.clientID()
	if err != nil {
		return reply{}, err
	}
	secretID := r.Param("secretId")
	if !plausibleID(secretID) {
		return reply{}, fault.New(fault.AccessSecretNotFound, "the API client has no secret %q", shorten(secretID))
	}
	if err := a.ClientSecrets.DeleteSecret(r.ctx(), r.who.Workspace, id, secretID); err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusNoContent}, nil
}
