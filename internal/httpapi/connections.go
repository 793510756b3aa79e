package httpapi

import (
	"errors"
	"net/http"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
)

// connectionView is a connection as it is read: of a secret only that it is set.
type connectionView struct {
	ID        string               `json:"id"`
	Name      string               `json:"name"`
	APIType   connections.APIType  `json:"apiType"`
	Domain    string               `json:"domain"`
	AuthType  connections.AuthType `json:"authType"`
	PoolID    string               `json:"poolId,omitempty"`
	Secrets   secretStates         `json:"secrets"`
	Status    connections.Status   `json:"status"`
	LastTest  *testView            `json:"lastTest"`
	CreatedAt time.Time            `json:"createdAt"`
	UpdatedAt time.Time            `json:"updatedAt"`
	Revision  int64                `json:"revision"`
}

type secretStates struct {
	AppKey *secretState `json:"appKey,omitempty"`
	APIKey *secretState `json:"apiKey,omitempty"`
}

type secretState struct {
	Set       bool      `json:"set"`
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
		ID: c.ID, Name: c.Name, APIType: c.APIType, Domain: c.Domain, AuthType: c.AuthType, PoolID: c.PoolID,
		Secrets: secretStates{stateOf(c, connections.AppKey), stateOf(c, connections.APIKey)}, Status: c.Status,
		CreatedAt: c.CreatedAt.UTC(), UpdatedAt: c.UpdatedAt.UTC(), Revision: c.Revision,
	}
	if c.LastTest != nil {
		t := viewTest(*c.LastTest)
		v.LastTest = &t
	}
	return v
}

func stateOf(c *connections.Connection, field connections.SecretField) *secretState {
	s, ok := c.Secrets[field]
	if !ok {
		return nil
	}
	return &secretState{Set: true, UpdatedAt: s.UpdatedAt.UTC()}
}

func viewTest(t connections.TestResult) testView {
	return testView{t.OK, list(t.Steps), t.LatencyMs, t.At.UTC()}
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
	return reply{status: http.StatusOK, body: viewConnection(c), revision: c.Revision}, nil
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
			return connections.Draft{Name: c.Name, APIType: c.APIType, Domain: c.Domain, AuthType: c.AuthType, PoolID: c.PoolID}, c.Revision, nil
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
	revision, err := r.ifMatch().expected(func() (int64, error) {
		c, err := a.Connections.Get(r.ctx(), r.who.Workspace, id)
		if err != nil {
			return 0, err
		}
		return c.Revision, nil
	})
	if err != nil {
		return reply{}, err
	}
	err = a.Connections.Delete(r.ctx(), r.who.Workspace, id, revision)
	if fault.Has(err, fault.ConnectionInUse) {
		users, usersErr := a.Connections.UsedBy(r.ctx(), r.who.Workspace, id)
		if usersErr != nil {
			return reply{}, errors.Join(err, usersErr)
		}
		return reply{}, usedError{err, users}
	}
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusNoContent}, nil
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
