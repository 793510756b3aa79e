package httpapi

import (
	"net/http"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
)

// connectionView is a connection as it is read: of a secret only that it is set.
type connectionView struct {
	ID       string                    `json:"id"`
	Name     string                    `json:"name"`
	APIType  connections.APIType       `json:"apiType"`
	Domain   string                    `json:"domain,omitempty"`
	AuthType connections.AuthType      `json:"authType,omitempty"`
	PoolID   string                    `json:"poolId,omitempty"`
	HTTP     *connections.HTTPSettings `json:"http,omitempty"`
	MaxRuns  int                       `json:"maxRuns,omitempty"`

	OAuthClientID string            `json:"oauthClientId,omitempty"`
	Scopes        []string          `json:"scopes,omitempty"`
	Grant         connections.Grant `json:"grant,omitempty"`
	// AuthorizedAt is absent until a user has allowed an authorizationCode connection.
	AuthorizedAt *time.Time `json:"authorizedAt,omitempty"`

	// What outside connections have; absent of a connection to Celonis.
	*connections.Outside

	Secrets  secretStates       `json:"secrets"`
	Status   connections.Status `json:"status"`
	LastTest *testView          `json:"lastTest"`
	// NextProbeAt is when an offline connection is tested by itself.
	NextProbeAt *time.Time `json:"nextProbeAt"`
	CreatedAt   time.Time  `json:"createdAt"`
	UpdatedAt   time.Time  `json:"updatedAt"`
	Revision    int64      `json:"revision"`
}

type secretStates struct {
	AppKey *secretState `json:"appKey,omitempty"`
	APIKey *secretState `json:"apiKey,omitempty"`
	// The halves of the access key for data ingestion.
	AccessKeyID     *secretState `json:"accessKeyId,omitempty"`
	SecretAccessKey *secretState `json:"secretAccessKey,omitempty"`
	// Those of outside connections.
	Password    *secretState `json:"password,omitempty"`
	BearerToken *secretState `json:"token,omitempty"`
	HeaderValue *secretState `json:"headerValue,omitempty"`
}

type secretState struct {
	Set bool `json:"set"`
	// Ref names where the secret is found when it is not stored here.
	Ref       string    `json:"ref,omitempty"`
	UpdatedAt time.Time `json:"updatedAt"`
}

type testView struct {
	OK        bool               `json:"ok"`
	Steps     []connections.Step `json:"steps"`
	LatencyMs int64              `json:"latencyMs"`
	At        time.Time          `json:"at"`
}

func viewConnection(c *connections.Connection) connectionView {
	v := connectionView{
		ID: c.ID, Name: c.Name, APIType: c.APIType, Domain: c.Domain, AuthType: c.AuthType, PoolID: c.PoolID, HTTP: c.HTTP, MaxRuns: c.MaxRuns,
		OAuthClientID: c.OAuthClientID, Scopes: c.Scopes, Grant: c.Grant, AuthorizedAt: timeOrNull(c.AuthorizedAt),
		Outside: c.Outside, Secrets: secretsOf(c), Status: c.Status,
		NextProbeAt: timeOrNull(c.NextProbeAt), CreatedAt: moment(c.CreatedAt), UpdatedAt: moment(c.UpdatedAt), Revision: c.Revision,
	}
	if c.LastTest != nil {
		t := viewTest(*c.LastTest)
		v.LastTest = &t
	}
	return v
}

func secretsOf(c *connections.Connection) secretStates {
	return secretStates{
		AppKey: stateOf(c, connections.AppKey), APIKey: stateOf(c, connections.APIKey),
		AccessKeyID: stateOf(c, connections.AccessKeyID), SecretAccessKey: stateOf(c, connections.SecretAccessKey),
		Password: stateOf(c, connections.Password), BearerToken: stateOf(c, connections.BearerToken), HeaderValue: stateOf(c, connections.HeaderValue),
	}
}

func stateOf(c *connections.Connection, field connections.SecretField) *secretState {
	s, ok := c.Secrets[field]
	if !ok {
		return nil
	}
	return &secretState{Set: true, Ref: s.Ref, UpdatedAt: moment(s.UpdatedAt)}
}

func viewTest(t connections.TestResult) testView {
	return testView{t.OK, list(t.Steps), t.LatencyMs, moment(t.At)}
}

func connectionPath(id string) string { return "/v1/connections/" + id }

func (r *call) connectionID() (string, error) { return r.id(fault.ConnectionNotFound, "connection") }

func (a *api) createConnection(r *call) (reply, error) {
	skip := r.query.Get("test")
	if r.query.Has("test") && skip != "skip" {
		return reply{}, fault.New(fault.RequestFieldInvalid, "the query parameter \"test\" must be \"skip\" when it is given")
	}
	draft, err := readJSON[connections.Draft](a, r, nil)
	if err != nil {
		return reply{}, err
	}
	c, err := a.Connections.Create(r.ctx(), r.who.Workspace, draft, connections.CreateOptions{SkipTest: skip != ""})
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusCreated, body: viewConnection(c), location: connectionPath(c.ID), revision: c.Revision}, nil
}

func (a *api) listConnections(r *call) (reply, error) {
	p, err := r.page()
	if err != nil {
		return reply{}, err
	}
	items, err := a.Connections.List(r.ctx(), r.who.Workspace, connections.Page{Limit: p.ask(), After: p.after})
	if err != nil {
		return reply{}, err
	}
	return listed(p, items, func(c *connections.Connection) string { return c.ID }, viewConnection)
}

// getConnection always answers with a body: status and lastTest change without
// the revision, so an ETag cannot tell that there is nothing new.
func (a *api) getConnection(r *call) (reply, error) {
	id, err := r.connectionID()
	if err != nil {
		return reply{}, err
	}
	c, err := a.Connections.Get(r.ctx(), r.who.Workspace, id)
	if err != nil {
		return reply{}, err
	}
	text, err := a.views.connection(c)
	return reply{status: http.StatusOK, raw: text, revision: c.Revision}, err
}

func (a *api) updateConnection(r *call) (reply, error) {
	id, err := r.connectionID()
	if err != nil {
		return reply{}, err
	}
	return patch(a, r, patched[connections.Draft]{
		load: func() (connections.Draft, int64, error) {
			c, err := a.Connections.Get(r.ctx(), r.who.Workspace, id)
			if err != nil {
				return connections.Draft{}, 0, err
			}
			return c.Draft(), c.Revision, nil
		},
		store: func(d connections.Draft, revision int64) (reply, error) {
			c, err := a.Connections.Update(r.ctx(), r.who.Workspace, id, d, revision)
			if err != nil {
				return reply{}, err
			}
			return reply{status: http.StatusOK, body: viewConnection(c), revision: c.Revision}, nil
		},
	})
}

func (a *api) deleteConnection(r *call) (reply, error) {
	id, err := r.connectionID()
	if err != nil {
		return reply{}, err
	}
	return deleteUsed(r, id, a.Connections, fault.ConnectionInUse, func(c *connections.Connection) int64 { return c.Revision })
}

func (a *api) testConnectionDraft(r *call) (reply, error) {
	draft, err := readJSON[connections.Draft](a, r, nil)
	if err != nil {
		return reply{}, err
	}
	result, err := a.ConnectionTests.TestDraft(r.ctx(), r.who.Workspace, draft)
	if err != nil {
		return reply{}, err
	}
	return ok(viewTest(result))
}

func (a *api) testConnection(r *call) (reply, error) {
	id, err := r.connectionID()
	if err != nil {
		return reply{}, err
	}
	if err := readNothing(a, r); err != nil {
		return reply{}, err
	}
	result, err := a.ConnectionTests.Test(r.ctx(), r.who.Workspace, id)
	if err != nil {
		return reply{}, err
	}
	return ok(viewTest(result))
}

func (a *api) listConnectionUsers(r *call) (reply, error) {
	id, err := r.connectionID()
	if err != nil {
		return reply{}, err
	}
	users, err := a.Connections.UsedBy(r.ctx(), r.who.Workspace, id)
	if err != nil {
		return reply{}, err
	}
	return ok(listing[connections.Usage]{Items: list(users)})
}
