package access

import (
	"slices"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
)

// Scope is a right that a token carries, "resource:action".
type Scope string

// The scopes.
const (
	ConnectionsRead  Scope = "connections:read"
	ConnectionsWrite Scope = "connections:write"
	ConnectionsTest  Scope = "connections:test"
	ChatUse          Scope = "chat:use"
	FlowsRead        Scope = "flows:read"
	FlowsWrite       Scope = "flows:write"
	FlowsRun         Scope = "flows:run"
	RecordsRead      Scope = "records:read"
	RecordsWrite     Scope = "records:write"
	ScimRead         Scope = "scim:read"
	ScimWrite        Scope = "scim:write"
	ClientsRead      Scope = "clients:read"
	ClientsWrite     Scope = "clients:write"
	AuditRead        Scope = "audit:read"
)

// All stands for every scope where scopes are given to a client.
const All = "all"

// Described is a scope with the sentence that says what it grants.
type Described struct {
	Scope       Scope
	Description string
}

// Catalogue lists every scope in the order in which people should read them.
func Catalogue() []Described {
	return []Described{
		{ConnectionsRead, "Read connections and which flows use them; never their secrets"},
		{ConnectionsWrite, "Create, change and delete connections"},
		{ConnectionsTest, "Make test calls to Celonis, with stored and with unsaved connections"},
		{ChatUse, "Ask Process Copilot agents of Celonis, which may act on what they are told, and read and delete threads"},
		{FlowsRead, "Read flows, their runs and the files they read"},
		{FlowsWrite, "Create, change, enable, disable and delete flows, and upload files"},
		{FlowsRun, "Start and cancel runs"},
		{RecordsRead, "Read the records that did not become rows, and download files"},
		{RecordsWrite, "Post records to flows"},
		{ScimRead, "Read the users and groups of Celonis teams by SCIM"},
		{ScimWrite, "Create, change and remove users and groups of Celonis teams by SCIM"},
		{ClientsRead, "Read API clients and what their tokens carry; never their secrets"},
		{ClientsWrite, "Create, change and delete API clients and their secrets, with scopes that the caller has"},
		{AuditRead, "Read who changed what and when"},
	}
}

// AllScopes lists every scope in the catalogue's order.
func AllScopes() []Scope {
	catalogue := Catalogue()
	scopes := make([]Scope, len(catalogue))
	for i, d := range catalogue {
		scopes[i] = d.Scope
	}
	return scopes
}

// ParseScopes turns words into scopes, each once and in the catalogue's order;
// "all" stands for every one. Fault RequestFieldInvalid names the words that
// are no scope.
func ParseScopes(words []string) ([]Scope, error) {
	wanted := make(map[Scope]bool, len(words))
	var unknown []string
	known := AllScopes()
	for _, word := range words {
		switch {
		case word == All:
			for _, s := range known {
				wanted[s] = true
			}
		case slices.Contains(known, Scope(word)):
			wanted[Scope(word)] = true
		default:
			unknown = append(unknown, word)
		}
	}
	if len(unknown) > 0 {
		return nil, fault.New(fault.RequestFieldInvalid, "unknown scope %q", strings.Join(unknown, " ")).
			WithHint("the scopes are %s, or %s for every one", JoinScopes(known), All)
	}
	return slices.DeleteFunc(known, func(s Scope) bool { return !wanted[s] }), nil
}

// JoinScopes writes scopes as RFC 6749 does, with a space between.
func JoinScopes(scopes []Scope) string {
	words := make([]string, len(scopes))
	for i, s := range scopes {
		words[i] = string(s)
	}
	return strings.Join(words, " ")
}
