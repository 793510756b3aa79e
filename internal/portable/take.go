package portable

import (
	"context"
	"slices"
	"strings"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
)

// compared fills an item for what is there already.
func compared(was, is any) (Item, error) {
	fields, err := audit.Changed(was, is)
	if err != nil || len(fields) > 0 {
		return Item{Action: Update, Fields: fields}, err
	}
	return Item{Action: Unchanged}, nil
}

// takeClient changes an OAuth client. A new one cannot come without its secret.
func (s *Service) takeClient(ctx context.Context, now *standing, c *OAuthClient, opt Options) (item Item, err error) {
	was, found := now.clients[key(c.Name)]
	if !found {
		item.refuse(fault.New(fault.ConnectionSecretRequired, "an OAuth client needs its secret: make it under this name first"))
		return item, nil
	}
	d := connections.OAuthClientDraft{Name: c.Name, ClientID: c.ClientID, AuthMethod: c.AuthMethod, ValidDomains: c.ValidDomains, AllowedScopes: c.AllowedScopes}
	clean, err := s.OAuthClients.Check(ctx, now.workspace, was.ID, d)
	if err != nil {
		return refused(item, err)
	}
	item, err = compared(exportOAuthClient(&was), OAuthClient{clean.Name, clean.ClientID, clean.AuthMethod, clean.ValidDomains, clean.AllowedScopes})
	if err != nil || !opt.Apply || item.Action == Unchanged {
		return item, err
	}
	_, err = s.OAuthClients.Update(ctx, now.workspace, was.ID, d, was.Revision)
	return item.done(err)
}

func refused(item Item, err error) (Item, error) {
	if item.refuse(err) {
		return item, nil
	}
	return item, err
}

// takeConnection changes a connection, or makes one without its key.
func (s *Service) takeConnection(ctx context.Context, now *standing, c *Connection, opt Options) (item Item, err error) {
	oauthClientID := ""
	if c.OAuthClient != "" {
		client, found := now.clients[key(c.OAuthClient)]
		if !found {
			item.refuse(broken(clientPointer, "names no OAuth client"))
			return item, nil
		}
		oauthClientID = client.ID
	}
	d := c.draft(oauthClientID)
	was, found := now.connections[key(c.Name)]
	clean, err := s.Connections.Check(ctx, now.workspace, was.ID, d)
	if err != nil {
		item, err = refused(item, err)
		rename(item.Errors, clientIDMember, clientPointer)
		return item, err
	}
	if !found {
		item.Action = Create
		if !opt.Apply {
			now.connections[key(c.Name)] = connections.Connection{Name: c.Name, APIType: c.APIType}
			return item, nil
		}
		made, err := s.Connections.Create(ctx, now.workspace, d, connections.CreateOptions{Keyless: true})
		if err == nil {
			now.connections[key(c.Name)] = *made
		}
		return item.done(err)
	}
	item, err = compared(was.Draft(), clean)
	if err != nil || !opt.Apply || item.Action == Unchanged {
		return item, err
	}
	_, err = s.Connections.Update(ctx, now.workspace, was.ID, d, was.Revision)
	return item.done(err)
}

// takeFlow changes a flow, or makes one that is disabled. One that names a flow
// which comes later in the document waits for it, and again says so: a new flow
// is made without the name until then.
func (s *Service) takeFlow(ctx context.Context, now *standing, f Flow, opt Options) (item Item, again bool, err error) {
	r := &reading{standing: now, files: s.Files, pending: map[string]bool{}}
	spec, err := r.spec(ctx, f)
	if err != nil {
		item, err = refused(item, err)
		return item, false, err
	}
	was, found := now.flows[key(spec.Name)]
	if r.again && found {
		return item, true, nil
	}
	if spec.Export.Path != "" && spec.Export.Path != was.Export.Path && !opt.AllowPath {
		item.refuse(broken(pathPointer, "only the shell may set it"))
		return item, false, nil
	}
	clean, err := s.checkFlow(ctx, now.workspace, spec, r.pending)
	if err != nil {
		item, err = refused(item, err)
		item.nameConnections()
		return item, false, err
	}
	if !found {
		item, err = s.makeFlow(ctx, now, spec, clean, opt)
		return item, r.again && item.Action == Create, err
	}
	item, err = compared(was.Spec, clean)
	if err != nil || !opt.Apply || item.Action == Unchanged {
		return item, false, err
	}
	_, err = s.Flows.Update(ctx, now.workspace, was.ID, spec, was.Revision)
	item, err = item.done(err)
	return item, false, err
}

// makeFlow makes a flow that is new.
func (s *Service) makeFlow(ctx context.Context, now *standing, spec, clean flows.Spec, opt Options) (Item, error) {
	item := Item{Action: Create}
	if !opt.Apply {
		now.flows[key(spec.Name)] = flows.Flow{Spec: clean}
		return item, nil
	}
	made, err := s.Flows.CreateDisabled(ctx, now.workspace, spec)
	if err == nil {
		now.flows[key(spec.Name)] = *made
	}
	return item.done(err)
}

// takeAgain takes a flow whose names had to wait. What is wrong with one that
// was made makes it a conflict that was applied: it is there without the name.
func (s *Service) takeAgain(ctx context.Context, now *standing, f Flow, opt Options, item *Item) error {
	second, _, err := s.takeFlow(ctx, now, f, opt)
	if err != nil {
		return err
	}
	if item.Action != Create {
		second.Kind, second.Name = item.Kind, item.Name
		*item = second.filled()
	} else if second.Action == Conflict {
		item.Action, item.Errors = Conflict, second.Errors
	}
	return nil
}

// checkFlow checks a flow. pending are the places that name a connection which
// would only be made by the import that is looked at: that it is not there yet
// is no fault.
func (s *Service) checkFlow(ctx context.Context, workspace string, spec flows.Spec, pending map[string]bool) (flows.Spec, error) {
	clean, err := s.Flows.Check(ctx, workspace, spec)
	if len(pending) == 0 || !fault.Has(err, fault.RequestInvalid) {
		return clean, err
	}
	f := fault.From(err)
	rest := slices.DeleteFunc(slices.Clone(f.Fields), func(x fault.Field) bool {
		return x.Code == fault.ConnectionNotFound && pending[x.Pointer]
	})
	if len(rest) == 0 {
		return clean, nil
	}
	return clean, f.WithFields(rest...)
}

// nameConnections puts the document's own pointers to connections in the place of the API's.
func (i *Item) nameConnections() {
	for n := range i.Errors {
		if at, is := strings.CutSuffix(i.Errors[n].Pointer, "/"+idMember); is {
			i.Errors[n].Pointer = at + "/" + nameMember
		}
	}
}

// rename puts the document's own pointer in the place of the API's.
func rename(fields []fault.Field, from, to string) {
	for i := range fields {
		if fields[i].Pointer == from {
			fields[i].Pointer = to
		}
	}
}
