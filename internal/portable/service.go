package portable

import (
	"context"
	"strings"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
)

// Connections keeps connections; *connections.Service is one.
type Connections interface {
	List(ctx context.Context, workspace string, page connections.Page) ([]connections.Connection, error)
	Check(ctx context.Context, workspace, id string, d connections.Draft) (connections.Draft, error)
	Create(ctx context.Context, workspace string, d connections.Draft, opt connections.CreateOptions) (*connections.Connection, error)
	Update(ctx context.Context, workspace, id string, d connections.Draft, revision int64) (*connections.Connection, error)
}

// OAuthClients keeps OAuth clients; *connections.OAuthClientService is one.
type OAuthClients interface {
	List(ctx context.Context, workspace string, page connections.Page) ([]connections.OAuthClient, error)
	Check(ctx context.Context, workspace, id string, d connections.OAuthClientDraft) (connections.OAuthClientDraft, error)
	Update(ctx context.Context, workspace, id string, d connections.OAuthClientDraft, revision int64) (*connections.OAuthClient, error)
}

// Flows keeps flows; *flows.Service is one.
type Flows interface {
	List(ctx context.Context, workspace string, page flows.Page) ([]flows.Flow, error)
	Check(ctx context.Context, workspace string, s flows.Spec) (flows.Spec, error)
	CreateDisabled(ctx context.Context, workspace string, s flows.Spec) (*flows.Flow, error)
	Update(ctx context.Context, workspace, id string, s flows.Spec, revision int64) (*flows.Flow, error)
}

var (
	_ Connections  = (*connections.Service)(nil)
	_ OAuthClients = (*connections.OAuthClientService)(nil)
	_ Flows        = (*flows.Service)(nil)
)

// Service exports and imports the set-up of workspaces.
type Service struct {
	Connections  Connections
	OAuthClients OAuthClients
	Flows        Flows
}

// Action is what an import does with an item.
type Action string

// The actions.
const (
	Create    Action = "create"
	Update    Action = "update"
	Unchanged Action = "unchanged"
	// Conflict: the item cannot be taken in; its errors say why.
	Conflict Action = "conflict"
)

// Item is what an import does, or would do, with a part of the document.
type Item struct {
	Kind   audit.Kind `json:"kind"`
	Name   string     `json:"name"`
	Action Action     `json:"action"`
	// Fields names what an update changes.
	Fields []string      `json:"fields"`
	Errors []fault.Field `json:"errors"`
	// Applied says that it was done.
	Applied bool `json:"applied"`
}

// Options are the choices of an import.
type Options struct {
	// Apply does what else is only told.
	Apply bool
	// AllowPath lets flows name files of the service's machine; only the shell may.
	AllowPath bool
}

// standing is what the workspace has, by name.
type standing struct {
	workspace   string
	clients     map[string]connections.OAuthClient
	connections map[string]connections.Connection
	flows       map[string]flows.Flow
}

func key(name string) string { return strings.ToLower(strings.TrimSpace(name)) }

// everything reads a list to its end.
func everything[T any](list func(after string, limit int) ([]T, error), id func(*T) string) ([]T, error) {
	const limit = 200
	var items []T
	after := ""
	for {
		part, err := list(after, limit)
		if err != nil {
			return nil, err
		}
		items = append(items, part...)
		if len(part) < limit {
			return items, nil
		}
		after = id(&part[len(part)-1])
	}
}

func byName[T any](items []T, name func(*T) string) map[string]T {
	m := make(map[string]T, len(items))
	for i := range items {
		m[key(name(&items[i]))] = items[i]
	}
	return m
}

func (s *Service) lists(ctx context.Context, workspace string) (clients []connections.OAuthClient, all []connections.Connection, list []flows.Flow, err error) {
	clients, err = everything(func(after string, limit int) ([]connections.OAuthClient, error) {
		return s.OAuthClients.List(ctx, workspace, connections.Page{Limit: limit, After: after})
	}, func(c *connections.OAuthClient) string { return c.ID })
	if err != nil {
		return nil, nil, nil, err
	}
	all, err = everything(func(after string, limit int) ([]connections.Connection, error) {
		return s.Connections.List(ctx, workspace, connections.Page{Limit: limit, After: after})
	}, func(c *connections.Connection) string { return c.ID })
	if err != nil {
		return nil, nil, nil, err
	}
	list, err = everything(func(after string, limit int) ([]flows.Flow, error) {
		return s.Flows.List(ctx, workspace, flows.Page{Limit: limit, After: after})
	}, func(f *flows.Flow) string { return f.ID })
	return clients, all, list, err
}

// Export gives the set-up of a workspace, in order of creation.
func (s *Service) Export(ctx context.Context, workspace string) (*Document, error) {
	clients, all, list, err := s.lists(ctx, workspace)
	if err != nil {
		return nil, err
	}
	doc := &Document{Version: Version, OAuthClients: []OAuthClient{}, Connections: []Connection{}, Flows: []Flow{}}
	names := map[string]string{}
	for i := range clients {
		names[clients[i].ID] = clients[i].Name
		doc.OAuthClients = append(doc.OAuthClients, exportOAuthClient(&clients[i]))
	}
	for i := range all {
		names[all[i].ID] = all[i].Name
		doc.Connections = append(doc.Connections, exportConnection(&all[i], names[all[i].OAuthClientID]))
	}
	for i := range list {
		names[list[i].ID] = list[i].Name
	}
	for i := range list {
		f, err := exportFlow(list[i].Spec, names)
		if err != nil {
			return nil, err
		}
		doc.Flows = append(doc.Flows, f)
	}
	return doc, nil
}

// Import tells what a document would change in a workspace, item by item, and
// does it when asked to. Each item is done whole or not at all; one that cannot
// be does not hold back the others. New flows are disabled; new connections
// have no key, and are offline until they are given one. What is not in the
// document stays. Fault RequestInvalid for another version.
func (s *Service) Import(ctx context.Context, workspace string, doc *Document, opt Options) ([]Item, error) {
	if doc.Version != Version {
		return nil, fault.New(fault.RequestInvalid, "the document has the version %d, not %d", doc.Version, Version).
			WithFields(fault.Field{Pointer: "/version", Code: fault.RequestFieldInvalid, Detail: "must be 1"})
	}
	clients, all, list, err := s.lists(ctx, workspace)
	if err != nil {
		return nil, err
	}
	now := &standing{
		workspace:   workspace,
		clients:     byName(clients, func(c *connections.OAuthClient) string { return c.Name }),
		connections: byName(all, func(c *connections.Connection) string { return c.Name }),
		flows:       byName(list, func(f *flows.Flow) string { return f.Name }),
	}
	items := []Item{}
	seen := map[string]bool{}
	take := func(kind audit.Kind, name string, do func() (Item, error)) error {
		item := Item{Kind: kind, Name: name}
		if at := string(kind) + "/" + key(name); seen[at] {
			item.refuse(broken("/name", "stands in the document twice"))
		} else {
			seen[at] = true
			if item, err = do(); err != nil {
				return err
			}
			item.Kind, item.Name = kind, name
		}
		items = append(items, item.filled())
		return nil
	}
	for i := range doc.OAuthClients {
		if err := take(audit.OAuthClient, doc.OAuthClients[i].Name, func() (Item, error) { return s.takeClient(ctx, now, &doc.OAuthClients[i], opt) }); err != nil {
			return nil, err
		}
	}
	for i := range doc.Connections {
		if err := take(audit.Connection, doc.Connections[i].Name, func() (Item, error) { return s.takeConnection(ctx, now, &doc.Connections[i], opt) }); err != nil {
			return nil, err
		}
	}
	for _, f := range doc.Flows {
		if err := take(audit.Flow, f.name(), func() (Item, error) { return s.takeFlow(ctx, now, f, opt) }); err != nil {
			return nil, err
		}
	}
	return items, nil
}

func (i Item) filled() Item {
	if i.Fields == nil {
		i.Fields = []string{}
	}
	if i.Errors == nil {
		i.Errors = []fault.Field{}
	}
	return i
}

// refuse makes an item a conflict and reports whether err says so: a fault of
// the item, and not one of the database.
func (i *Item) refuse(err error) bool {
	f := fault.From(err)
	switch f.Code {
	case fault.Internal, fault.Unavailable, fault.StoreUnavailable:
		return false
	}
	i.Action, i.Applied, i.Errors = Conflict, false, f.Fields
	if len(i.Errors) == 0 {
		i.Errors = []fault.Field{{Code: f.Code, Detail: f.Message}}
	}
	return true
}

// done ends an item by how its write went.
func (i Item) done(err error) (Item, error) {
	if err == nil {
		i.Applied = true
		return i, nil
	}
	if i.refuse(err) {
		return i, nil
	}
	return i, err
}
