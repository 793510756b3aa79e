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
	// SecretUsed: a stored secret was opened; Event.Purpose says what for.
	SecretUsed Action = "secret.used"
	// Started and Canceled are what a caller does with a run; Retried and Resolved with record errors.
	Started  Action = "started"
	Canceled Action = "canceled"
	Retried  Action = "retried"
	Resolved Action = "resolved"
	// Posted: records were handed to a flow. Events of one client, flow and minute are one.
	Posted Action = "posted"
	// Revoked: a token was ended before its time.
	Revoked Action = "revoked"
	// Resealed: secrets of the workspace were sealed under another master key. Those of one rotation are one event.
	Resealed Action = "resealed"
	// Asked: an agent of Celonis was asked, whether its answer came or not.
	Asked Action = "asked"
	// Queued: a SCIM write waits until Celonis is back. Refused: Celonis does not take it. Discarded: one that had failed was dropped.
	Queued    Action = "queued"
	Refused   Action = "refused"
	Discarded Action = "discarded"
)

// Actions lists every action.
func Actions() []Action {
	return []Action{Created, Updated, Deleted, Enabled, Disabled, Tested, Authorized, SecretUsed, Started, Canceled, Retried, Resolved, Posted, Revoked, Resealed, Asked, Queued, Refused, Discarded}
}

// Kind is the noun of an object.
type Kind string

// The kinds.
const (
	Connection   Kind = "connection"
	OAuthClient  Kind = "oauthClient"
	Flow         Kind = "flow"
	APIClient    Kind = "client"
	Notification Kind = "notification"
	RunOf        Kind = "run"
	RecordError  Kind = "recordError"
	File         Kind = "file"
	MasterKey    Kind = "masterKey"
	// Conversation is one with an agent of Celonis: ObjectID is Celonis's id of it, Name the agent.
	Conversation Kind = "conversation"
	// ScimUser and ScimGroup are provisioned through the gateway: ObjectID is the id that the caller knows, Name the verb and the connection's id.
	ScimUser  Kind = "scimUser"
	ScimGroup Kind = "scimGroup"
)

// Kinds lists every kind.
func Kinds() []Kind {
	return []Kind{Connection, OAuthClient, Flow, APIClient, Notification, RunOf, RecordError, File, MasterKey, Conversation, ScimUser, ScimGroup}
}

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

// Event is one line of the record. Events are only ever added, each chained to
// the one before it in its workspace (Digest).
type Event struct {
	// Seq counts the workspace's events from 1 without a gap; 0 for events that are older than the chain.
	Seq       int64
	ID        string
	Workspace string
	At        time.Time
	// Actor is the id of an API client, or Shell, Probe, Run or System.
	Actor string
	// From is the address of the caller, "" where nobody called.
	From string
	// RequestID is that of the API call, "" without one.
	RequestID string
	// RunID and Worker are the run and the process that does it; "" outside of runs.
	RunID, Worker string
	Action        Action
	Kind          Kind
	// ObjectID is "" for a connection that is not stored.
	ObjectID string
	// Name is the object's name at the time.
	Name string
	// Purpose is what a secret was opened for; "" else.
	Purpose Purpose
	// Fields names what is different since, in order.
	Fields []string
	// Before and After are digests of the object (Hash); "" where there was or is none.
	Before, After string
	// PrevHash is the Hash of the event before, the genesis of the chain for the first; "" for events older than the chain.
	PrevHash, Hash string
}

// Query selects events; "" and zero times select all.
type Query struct {
	Workspace string
	Action    Action
	Kind      Kind
	ObjectID  string
	Actor     string
	RequestID string
	// From and To bound the time: From is in, To is out.
	From, To time.Time
	// After is the id of the last event seen, "" for the newest; Limit bounds the events given.
	After string
	Limit int
}

// Actor is who acts in a context.
type Actor struct {
	ID        string
	RequestID string
	// From is the address of the caller, found by the rules for trusted proxies.
	From string
	// RunID, Attempt and Worker are the run that acts.
	RunID   string
	Attempt int
	Worker  string
}

type (
	actorKey   struct{}
	purposeKey struct{}
)

// As says who acts in what is done with the context.
func As(ctx context.Context, a Actor) context.Context {
	return &acting{ctx, a}
}

// acting is a context in which somebody acts.
type acting struct {
	context.Context
	actor Actor
}

// Value implements context.Context.
func (c *acting) Value(key any) any {
	if key == (actorKey{}) {
		return &c.actor
	}
	return c.Context.Value(key)
}

// By tells who acts; System when nobody said.
func By(ctx context.Context) Actor {
	if a, ok := ctx.Value(actorKey{}).(*Actor); ok {
		return *a
	}
	return Actor{ID: System}
}

// AsRun is As for a run, unless the context says already which one.
func AsRun(ctx context.Context) context.Context {
	if By(ctx).ID == Run {
		return ctx
	}
	return As(ctx, Actor{ID: Run})
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
