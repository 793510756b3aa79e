// Package portable takes the set-up of a workspace to another one: connections,
// OAuth clients and flows as one document, without secrets and with names in
// the place of ids, and back in with a look at the differences first.
package portable

import (
	"bytes"
	"encoding/json"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

// Version is that of the document's form.
const Version = 1

// Document is the set-up of a workspace.
type Document struct {
	Version      int           `json:"version" validate:"required"`
	OAuthClients []OAuthClient `json:"oauthClients" validate:"max=10000,dive"`
	Connections  []Connection  `json:"connections" validate:"max=10000,dive"`
	Flows        []Flow        `json:"flows" validate:"max=10000"`
}

// OAuthClient is an OAuth client without its secret.
type OAuthClient struct {
	Name          string                 `json:"name" validate:"required"`
	ClientID      string                 `json:"clientId"`
	AuthMethod    connections.AuthMethod `json:"authMethod,omitempty"`
	ValidDomains  []string               `json:"validDomains"`
	AllowedScopes []string               `json:"allowedScopes"`
}

// Connection is a connection without its secrets.
type Connection struct {
	Name     string               `json:"name" validate:"required"`
	APIType  connections.APIType  `json:"apiType"`
	Domain   string               `json:"domain,omitempty"`
	AuthType connections.AuthType `json:"authType,omitempty"`
	PoolID   string               `json:"poolId,omitempty"`
	// OAuthClient is the name of one.
	OAuthClient string                    `json:"oauthClient,omitempty"`
	Scopes      []string                  `json:"scopes,omitempty"`
	Grant       connections.Grant         `json:"grant,omitempty"`
	HTTP        *connections.HTTPSettings `json:"http,omitempty"`
	MaxRuns     int                       `json:"maxRuns,omitempty"`
	// Outside are the members of a connection that does not lead to Celonis.
	connections.Outside
}

// Flow is a flow in the form of the API, whose import and export have the name
// of their connection as "connection" in the place of connectionId.
type Flow struct{ raw json.RawMessage }

// MarshalJSON gives the form of the document.
func (f Flow) MarshalJSON() ([]byte, error) { return f.raw, nil }

// UnmarshalJSON keeps the form of the document.
func (f *Flow) UnmarshalJSON(text []byte) error {
	f.raw = bytes.Clone(text)
	return nil
}

func exportOAuthClient(c *connections.OAuthClient) OAuthClient {
	return OAuthClient{c.Name, c.ClientID, c.AuthMethod, c.ValidDomains, c.AllowedScopes}
}

func exportConnection(c *connections.Connection, oauthClient string) Connection {
	d := c.Draft()
	return Connection{d.Name, d.APIType, d.Domain, d.AuthType, d.PoolID, oauthClient, d.Scopes, d.Grant, d.HTTP, d.MaxRuns, d.Outside}
}

func (c *Connection) draft(oauthClientID string) connections.Draft {
	return connections.Draft{Name: c.Name, APIType: c.APIType, Domain: c.Domain, AuthType: c.AuthType, PoolID: c.PoolID,
		OAuthClientID: oauthClientID, Scopes: c.Scopes, Grant: c.Grant, HTTP: c.HTTP, MaxRuns: c.MaxRuns, Outside: c.Outside}
}

// The members that tell where a flow's rows go.
const (
	importMember   = "import"
	exportMember   = "export"
	idMember       = "connectionId"
	nameMember     = "connection"
	idPointer      = "/import/connectionId"
	namePointer    = "/import/connection"
	pathPointer    = "/export/path"
	fromIDPointer  = "/export/connectionId"
	fromPointer    = "/export/connection"
	clientPointer  = "/oauthClient"
	clientIDMember = "/oauthClientId"
)

func exportFlow(s flows.Spec, names map[string]string) (Flow, error) {
	object, err := objectOf(s)
	if err != nil {
		return Flow{}, err
	}
	nameFollowers(object, names)
	if to, ok := object[importMember].(map[string]any); ok {
		delete(to, idMember)
		to[nameMember] = names[s.Import.ConnectionID]
	}
	if from, ok := object[exportMember].(map[string]any); ok && s.Export.ConnectionID != "" {
		delete(from, idMember)
		from[nameMember] = names[s.Export.ConnectionID]
	}
	text, err := json.Marshal(object)
	return Flow{text}, err
}

// objectOf gives the JSON form of a value, with its numbers as they are written.
func objectOf(v any) (map[string]any, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var object map[string]any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return object, d.Decode(&object)
}

// name gives what the flow is called, "" when that cannot be read.
func (f Flow) name() string {
	var named struct {
		Name string `json:"name"`
	}
	_ = json.Unmarshal(f.raw, &named) // spec tells what is wrong with it
	return named.Name
}

// spec reads a flow; idOf finds the connection that it names. Fault RequestInvalid.
func (f Flow) spec(idOf func(name string) string) (spec flows.Spec, connection string, err error) {
	object, err := objectOf(f.raw)
	if err != nil {
		return flows.Spec{}, "", broken("", "must be an object")
	}
	to, _ := object[importMember].(map[string]any)
	connection, named := to[nameMember].(string)
	switch _, has := to[idMember]; {
	case to == nil || !named:
		return flows.Spec{}, "", broken(namePointer, "must be the name of a connection")
	case has:
		return flows.Spec{}, "", broken(idPointer, "has no place here: the connection is named by \"connection\"")
	}
	delete(to, nameMember)
	to[idMember] = idOf(connection)
	if from, _ := object[exportMember].(map[string]any); from != nil {
		if _, has := from[idMember]; has {
			return flows.Spec{}, "", broken(fromIDPointer, "has no place here: the connection is named by \"connection\"")
		}
		if name, named := from[nameMember].(string); named {
			delete(from, nameMember)
			if from[idMember] = idOf(name); from[idMember] == "" {
				from[idMember] = pendingID
			}
		}
	}
	text, err := json.Marshal(object)
	if err != nil {
		return flows.Spec{}, "", err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&spec); err != nil {
		return flows.Spec{}, "", broken("", "is no flow: "+err.Error())
	}
	return spec, connection, nil
}

func broken(pointer, detail string) error {
	return fault.New(fault.RequestInvalid, "the item is not valid").
		WithFields(fault.Field{Pointer: pointer, Code: fault.RequestFieldInvalid, Detail: detail})
}

// from gives the name of the connection that a flow reads through.
func (f Flow) from() (name string, named bool) {
	var spec struct {
		Export struct {
			Connection *string `json:"connection"`
		} `json:"export"`
	}
	if json.Unmarshal(f.raw, &spec) != nil || spec.Export.Connection == nil {
		return "", false
	}
	return *spec.Export.Connection, true
}
