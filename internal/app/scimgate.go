package app

import (
	"context"
	"time"

	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/celonis"
	"github.com/celonis-connector/connector/internal/scim"
	"github.com/celonis-connector/connector/internal/scimgate"
)

// makeSCIM makes the service that identity providers provision through.
func (a *App) makeSCIM() {
	a.SCIM = scimgate.New(scimgate.Deps{Directories: directories{a}, Store: a.Store, Sealer: a.Keyring, Log: a.log, Now: a.now, NewID: newID})
}

// scimRetry is short: somebody waits for the answer, and what Celonis does not take now can wait in the queue.
func scimRetry() celonis.RetryPolicy {
	return celonis.RetryPolicy{Tries: 2, MaxWait: 3 * time.Second, Timeout: 10 * time.Second}
}

// directories opens the teams of connections.
type directories struct{ app *App }

var _ scimgate.Directories = directories{}

// Directory implements scimgate.Directories.
func (d directories) Directory(ctx context.Context, workspace, connectionID string) (scimgate.Directory, error) {
	a := d.app
	opened := knownSecrets{targets: a.Connections, redactor: a.redactor}
	target, err := opened.Target(audit.For(ctx, audit.ForProvisioning), workspace, connectionID)
	if err != nil {
		return nil, err
	}
	client, err := celonis.New(celonis.Config{
		Target: target, Transport: a.Egress.Transport(), Logger: a.log, Now: a.now, Shared: &a.limits, Tokens: a.Tokens, Retry: scimRetry(),
	})
	if err != nil {
		return nil, err
	}
	api := client.SCIM()
	return directory{
		users:  resources[scim.User]{api.Users, scim.UserFrom, scim.User.Shown},
		groups: resources[scim.Group]{api.Groups, scim.GroupFrom, scim.Group.Shown},
	}, nil
}

// directory is a Celonis team in the words of the gateway.
type directory struct {
	users  resources[scim.User]
	groups resources[scim.Group]
}

// resources are users or groups, whose typed form is the client's.
type resources[T scim.User | scim.Group] struct {
	api   *celonis.SCIMResources[T]
	from  func(scim.Resource) T
	shown func(T) scim.Resource
}

// Get implements scimgate.Directory.
func (d directory) Get(ctx context.Context, k scim.Kind, id string) (scim.Resource, error) {
	if k == scim.KindGroup {
		return d.groups.get(ctx, id)
	}
	return d.users.get(ctx, id)
}

// Find implements scimgate.Directory.
func (d directory) Find(ctx context.Context, k scim.Kind, name string) (scim.Resource, bool, error) {
	if k == scim.KindGroup {
		return d.groups.find(ctx, name)
	}
	return d.users.find(ctx, name)
}

// Create implements scimgate.Directory.
func (d directory) Create(ctx context.Context, k scim.Kind, r scim.Resource) (scim.Resource, error) {
	if k == scim.KindGroup {
		return d.groups.create(ctx, r)
	}
	return d.users.create(ctx, r)
}

// Update implements scimgate.Directory.
func (d directory) Update(ctx context.Context, k scim.Kind, id string, change func(scim.Resource) (scim.Resource, error)) (scim.Resource, bool, error) {
	if k == scim.KindGroup {
		return d.groups.update(ctx, id, change)
	}
	return d.users.update(ctx, id, change)
}

// Delete implements scimgate.Directory.
func (d directory) Delete(ctx context.Context, k scim.Kind, id string) error {
	if k == scim.KindGroup {
		return d.groups.api.Delete(ctx, id)
	}
	return d.users.api.Delete(ctx, id)
}

// Page implements scimgate.Listing.
func (d directory) Page(ctx context.Context, k scim.Kind, q scim.SearchRequest) (int, []scim.Resource, error) {
	if k == scim.KindGroup {
		return d.groups.page(ctx, q)
	}
	return d.users.page(ctx, q)
}

// Each implements scimgate.Listing.
func (d directory) Each(ctx context.Context, k scim.Kind, q scim.SearchRequest, take func(scim.Resource) error) error {
	if k == scim.KindGroup {
		return d.groups.each(ctx, q, take)
	}
	return d.users.each(ctx, q, take)
}

func (r resources[T]) get(ctx context.Context, id string) (scim.Resource, error) {
	one, err := r.api.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	return r.shown(one), nil
}

func (r resources[T]) find(ctx context.Context, name string) (scim.Resource, bool, error) {
	one, there, err := r.api.ByName(ctx, name)
	if err != nil || !there {
		return nil, false, err
	}
	return r.shown(one), true, nil
}

func (r resources[T]) create(ctx context.Context, body scim.Resource) (scim.Resource, error) {
	one, err := r.api.Create(ctx, r.from(body))
	if err != nil {
		return nil, err
	}
	return r.shown(one), nil
}

func (r resources[T]) update(ctx context.Context, id string, change func(scim.Resource) (scim.Resource, error)) (scim.Resource, bool, error) {
	now, changed, err := r.api.Update(ctx, id, func(one *T) error {
		want, err := change(r.shown(*one))
		if err != nil {
			return err
		}
		*one = r.from(want)
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	return r.shown(now), changed, nil
}

func (r resources[T]) page(ctx context.Context, q scim.SearchRequest) (int, []scim.Resource, error) {
	p, err := r.api.Page(ctx, q)
	if err != nil {
		return 0, nil, err
	}
	if q.StartIndex > 1 && p.Start > 0 && p.Start != q.StartIndex { // another page than the one that was asked for
		p.Total = -1
	}
	list := make([]scim.Resource, len(p.Resources))
	for i, one := range p.Resources {
		list[i] = r.shown(one)
	}
	return p.Total, list, nil
}

func (r resources[T]) each(ctx context.Context, q scim.SearchRequest, take func(scim.Resource) error) error {
	_, err := r.api.Read(ctx, q, func(one T) error { return take(r.shown(one)) })
	return err
}
