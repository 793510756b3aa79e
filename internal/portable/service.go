package portable

import (
	"context"
	"maps"
	"slices"
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

// Notifications keeps notifications; *flows.NotificationService is one.
type Notifications interface {
	List(ctx context.Context, workspace string, page flows.Page) ([]flows.Notification, error)
	Check(ctx context.Context, workspace string, current *flows.Notification, d flows.NotificationDraft) (flows.NotificationDraft, error)
	Create(ctx context.Context, workspace string, d flows.NotificationDraft) (*flows.Notification, error)
	Update(ctx context.Context, workspace, id string, d flows.NotificationDraft, revision int64) (*flows.Notification, error)
}

// Files finds uploaded files; *store.Store is one.
type Files interface {
	File(ctx context.Context, workspace, id string) (*flows.File, error)
	// FindFile gives the file with a content, one of the given name before others; fault FileNotFound.
	FindFile(ctx context.Context, workspace, sha256, name string) (*flows.File, error)
}

var (
	_ Connections  = (*connections.Service)(nil)
	_ OAuthClients = (*connections.OAuthClientService)(nil)
	_ Flows        = (*flows.Service)(nil)

	_ Notifications = (*flows.NotificationService)(nil)
)

// Service exports and imports the set-up of workspaces.
type Service struct {
	Connections   Connections
	OAuthClients  OAuthClients
	Flows         Flows
	Notifications Notifications
	Files         Files
}

// Action is what an import does with an item.
type Action string

// The actions.
const (
	Create    Action = "create"
	Update    Action = "update"
	Unchanged Action = "unchanged"
	// Conflict: the item cannot be taken in; its errors say why. One that was applied all the same is there without a flow
	// that it names.
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
	// coming are the flows of the document that are not looked at yet.
	coming        map[string]bool
	notifications map[string]flows.Notification
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

// stock is everything of a workspace that a document may hold, in order of creation.
type stock struct {
	clients       []connections.OAuthClient
	connections   []connections.Connection
	flows         []flows.Flow
	notifications []flows.Notification
}

func (s *Service) lists(ctx context.Context, workspace string) (all stock, err error) {
	all.clients, err = everything(func(after string, limit int) ([]connections.OAuthClient, error) {
		return s.OAuthClients.List(ctx, workspace, connections.Page{Limit: limit, After: after})
	}, func(c *connections.OAuthClient) string { return c.ID })
	if err != nil {
		return all, err
	}
	all.connections, err = everything(func(after string, limit int) ([]connections.Connection, error) {
		return s.Connections.List(ctx, workspace, connections.Page{Limit: limit, After: after})
	}, func(c *connections.Connection) string { return c.ID })
	if err != nil {
		return all, err
	}
	all.flows, err = everything(func(after string, limit int) ([]flows.Flow, error) {
		return s.Flows.List(ctx, workspace, flows.Page{Limit: limit, After: after})
	}, func(f *flows.Flow) string { return f.ID })
	if err != nil {
		return all, err
	}
	all.notifications, err = everything(func(after string, limit int) ([]flows.Notification, error) {
		return s.Notifications.List(ctx, workspace, flows.Page{Limit: limit, After: after})
	}, func(n *flows.Notification) string { return n.ID })
	return all, err
}

// Export gives the set-up of a workspace, in order of creation.
func (s *Service) Export(ctx context.Context, workspace string) (*Document, error) {
	all, err := s.lists(ctx, workspace)
	if err != nil {
		return nil, err
	}
	doc := &Document{Version: Version, OAuthClients: []OAuthClient{}, Connections: []Connection{}, Flows: []Flow{}}
	known := names{of: map[string]string{}}
	for i := range all.clients {
		known.of[all.clients[i].ID] = all.clients[i].Name
		doc.OAuthClients = append(doc.OAuthClients, exportOAuthClient(&all.clients[i]))
	}
	for i := range all.connections {
		c := &all.connections[i]
		known.of[c.ID] = c.Name
		doc.Connections = append(doc.Connections, exportConnection(c, known.of[c.OAuthClientID]))
	}
	for i := range all.flows {
		known.of[all.flows[i].ID] = all.flows[i].Name
	}
	if known.files, err = s.filesOf(ctx, workspace, all.flows); err != nil {
		return nil, err
	}
	for i := range all.flows {
		f, err := known.flow(all.flows[i].Spec)
		if err != nil {
			return nil, err
		}
		doc.Flows = append(doc.Flows, f)
	}
	for i := range all.notifications {
		doc.Notifications = append(doc.Notifications, known.notification(&all.notifications[i]))
	}
	return doc, nil
}

// filesOf tells what the uploaded files are that flows name. One that is gone is not among them.
func (s *Service) filesOf(ctx context.Context, workspace string, list []flows.Flow) (map[string]FileRef, error) {
	refs := map[string]FileRef{}
	for i := range list {
		for _, id := range list[i].FileIDs() {
			f, err := s.Files.File(ctx, workspace, id)
			switch {
			case fault.Has(err, fault.FileNotFound):
				continue
			case err != nil:
				return nil, err
			}
			refs[id] = FileRef{f.Name, f.SHA256}
		}
	}
	return refs, nil
}

// Import tells what a document would change in a workspace, item by item, and
// does it when asked to. Each item is done whole or not at all; one that cannot
// be does not hold back the others. New flows and notifications are disabled;
// new connections have no key, and are offline until they are given one. What
// is not in the document stays. Fault RequestInvalid for another version.
func (s *Service) Import(ctx context.Context, workspace string, doc *Document, opt Options) ([]Item, error) {
	if doc.Version != Version {
		return nil, fault.New(fault.RequestInvalid, "the document has the version %d, not %d", doc.Version, Version).
			WithFields(fault.Field{Pointer: "/version", Code: fault.RequestFieldInvalid, Detail: "must be 1"})
	}
	all, err := s.lists(ctx, workspace)
	if err != nil {
		return nil, err
	}
	now := &standing{
		workspace:     workspace,
		clients:       byName(all.clients, func(c *connections.OAuthClient) string { return c.Name }),
		connections:   byName(all.connections, func(c *connections.Connection) string { return c.Name }),
		flows:         byName(all.flows, func(f *flows.Flow) string { return f.Name }),
		coming:        map[string]bool{},
		notifications: byName(all.notifications, func(n *flows.Notification) string { return n.Name }),
	}
	t := &taking{seen: map[string]bool{}, items: []Item{}}
	for i := range doc.OAuthClients {
		if err := t.take(audit.OAuthClient, doc.OAuthClients[i].Name, func() (Item, error) { return s.takeClient(ctx, now, &doc.OAuthClients[i], opt) }); err != nil {
			return nil, err
		}
	}
	for i := range doc.Connections {
		if err := t.take(audit.Connection, doc.Connections[i].Name, func() (Item, error) { return s.takeConnection(ctx, now, &doc.Connections[i], opt) }); err != nil {
			return nil, err
		}
	}
	if err := s.takeFlows(ctx, now, doc.Flows, opt, t); err != nil {
		return nil, err
	}
	for i := range doc.Notifications {
		n := &doc.Notifications[i]
		if err := t.take(audit.Notification, n.Name, func() (Item, error) { return s.takeNotification(ctx, now, n, opt) }); err != nil {
			return nil, err
		}
	}
	return t.items, nil
}

// takeFlows takes flows in the order of the document, and then anew those that name one which came after them.
func (s *Service) takeFlows(ctx context.Context, now *standing, list []Flow, opt Options, t *taking) error {
	for _, f := range list {
		now.coming[key(f.name())] = true
	}
	waiting := map[int]Flow{}
	for _, f := range list {
		delete(now.coming, key(f.name()))
		err := t.take(audit.Flow, f.name(), func() (Item, error) {
			item, again, err := s.takeFlow(ctx, now, f, opt)
			if again {
				waiting[len(t.items)] = f
			}
			return item, err
		})
		if err != nil {
			return err
		}
	}
	for _, i := range slices.Sorted(maps.Keys(waiting)) {
		if err := s.takeAgain(ctx, now, waiting[i], opt, &t.items[i]); err != nil {
			return err
		}
	}
	return nil
}

// taking collects what becomes of the items of a document.
type taking struct {
	seen  map[string]bool
	items []Item
}

// take does an item unless its name stands in the document twice.
func (t *taking) take(kind audit.Kind, name string, do func() (Item, error)) (err error) {
	item := Item{Kind: kind, Name: name}
	if at := string(kind) + "/" + key(name); t.seen[at] {
		item.refuse(broken("/name", "stands in the document twice"))
	} else {
		t.seen[at] = true
		if item, err = do(); err != nil {
			return err
		}
		item.Kind, item.Name = kind, name
	}
	t.items = append(t.items, item.filled())
	return nil
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
