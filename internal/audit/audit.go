// Package audit says who changed what and when: which fields of which object,
// never their values.
package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"time"
)

// Action is what was done to an object.
type Action string

// The actions.
const (
	Created  Action = "created"
	Updated  Action = "updated"
	Deleted  Action = "deleted"
	Enabled  Action = "enabled"
	Disabled Action = "disabled"
	// Tested: a secret was used for a test call, or a run told how Celonis took it.
	Tested Action = "tested"
	// Authorized: a user allowed an OAuth connection to act for them.
	Authorized Action = "authorized"
)

// Kind is the noun of an object.
type Kind string

// The kinds.
const (
	Connection  Kind = "connection"
	OAuthClient Kind = "oauthClient"
	Flow        Kind = "flow"
	APIClient   Kind = "client"
)

// The actors that are no API client.
const (
	// Shell is a command on the service's own machine.
	Shell = "shell"
	// Probe is the test that an offline connection gets from time to time.
	Probe = "probe"
	// Run is a run of a flow.
	Run = "run"
	// System is the service when nothing else is known.
	System = "system"
)

// Event is one line of the record. Events are only ever added.
type Event struct {
	ID        string
	Workspace string
	At        time.Time
	// Actor is the id of an API client, or Shell, Probe, Run or System.
	Actor string
	// RequestID is that of the API call, "" without one.
	RequestID string
	Action    Action
	Kind      Kind
	// ObjectID is "" for a connection that is not stored.
	ObjectID string
	// Name is the object's name at the time.
	Name string
	// Fields names what is different since, in order.
	Fields []string
}

// Query selects events; "" selects all.
type Query struct {
	Workspace string
	Kind      Kind
	ObjectID  string
	Actor     string
	// After is the id of the last event seen, "" for the newest; Limit bounds the events given.
	After string
	Limit int
}

// Actor is who acts in a context.
type Actor struct {
	ID        string
	RequestID string
}

type actorKey struct{}

// As says who acts in what is done with the context.
func As(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// By tells who acts; System when nobody said.
func By(ctx context.Context) Actor {
	if a, ok := ctx.Value(actorKey{}).(Actor); ok {
		return a
	}
	return Actor{ID: System}
}

// Changed names the members of the JSON forms of two values that differ, in
// order. Secrets have no telling JSON form: compare them apart.
func Changed(before, after any) ([]string, error) {
	old, err := members(before)
	if err != nil {
		return nil, err
	}
	fresh, err := members(after)
	if err != nil {
		return nil, err
	}
	var names []string
	for name, value := range fresh {
		if !bytes.Equal(old[name], value) {
			names = append(names, name)
		}
	}
	for name := range old {
		if _, kept := fresh[name]; !kept {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

func members(v any) (map[string]json.RawMessage, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var m map[string]json.RawMessage
	return m, json.Unmarshal(text, &m)
}
