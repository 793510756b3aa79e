// Package portable takes the set-up of a workspace to another one: connections,
// OAuth clients, flows and notifications as one document, without secrets and with names in
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
	Version       int            `json:"version" validate:"required"`
	OAuthClients  []OAuthClient  `json:"oauthClients" validate:"max=10000,dive"`
	Connections   []Connection   `json:"connections" validate:"max=10000,dive"`
	Flows         []Flow         `json:"flows" validate:"max=10000"`
	Notifications []Notification `json:"notifications,omitempty" validate:"max=1000,dive"`
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

// Flow is a flow in the form of the API, with names in the place of ids: of a
// connection as "connection" in the place of connectionId, of an uploaded file
// as a FileRef "file" in the place of fileId, and of flows in "then" and
// "behind".
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

// Pointers that the faults of an item name.
const (
	namePointer    = "/import/connection"
	pathPointer    = "/export/path"
	clientPointer  = "/oauthClient"
	clientIDMember = "/oauthClientId"
)

// objectOf gives the JSON form of a value, with its numbers as they are written.
func objectOf(v any) (map[string]any, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var object map[string]any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	err = d.Decode(&object)
	return object, err
}

// name gives what the flow is called, "" when that cannot be read.
func (f Flow) name() string {
	var named struct {
		Name string `json:"name"`
	}
	_ = json.Unmarshal(f.raw, &named) // spec tells what is wrong with it
	return named.Name
}

// decoded gives the flow that an object in the form of the API is. Fault RequestInvalid.
func decoded(object map[string]any) (spec flows.Spec, err error) {
	text, err := json.Marshal(object)
	if err != nil {
		return spec, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&spec); err != nil {
		return spec, broken("", "is no flow: "+err.Error())
	}
	return spec, nil
}

func broken(pointer, detail string) error {
	return fault.New(fault.RequestInvalid, "the item is not valid").
		WithFields(fault.Field{Pointer: pointer, Code: fault.RequestFieldInvalid, Detail: detail})
}
