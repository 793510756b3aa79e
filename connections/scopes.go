package connections

import (
	"slices"
	"strconv"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
)

// AllScopes stands for every scope that is to be had.
const AllScopes = "all"

// Operation is something that we do in Celonis and that needs a scope there.
type Operation string

// The operations.
const (
	PushRows             Operation = "push rows into a data pool"
	PushContinuously     Operation = "push rows into a data pool continuously"
	ListPools            Operation = "list data pools, tables and columns"
	ListDataModels       Operation = "list data models"
	QueryDataModels      Operation = "export the results of PQL queries of data models"
	ReadKnowledgeModels  Operation = "read records, fields, filters and KPIs of knowledge models"
	SubscribeToEvents    Operation = "subscribe to events of knowledge-model triggers"
	AskProcessCopilot    Operation = "ask a Process Copilot"
	ReadAuditLog         Operation = "export the audit log"
	ReadLoginHistory     Operation = "export the login history"
	ReadMembers          Operation = "export members, roles and groups"
	ReadPermissions      Operation = "export permissions"
	ReadAdoption         Operation = "export adoption tracking events"
	ProvisionUsers       Operation = "provision users and groups by SCIM"
	RunTools             Operation = "run tools of MCP server assets"
	UpdateActionEngine   Operation = "exchange items with Action Engine skills"
	WriteAugmentedValues Operation = "write augmented attributes"
)

// CelonisScope is a right that an OAuth client can have in Celonis.
type CelonisScope struct {
	// Group is the heading under which Celonis shows it.
	Group string
	Scope string
	// Grants completes "a client with this scope may ...".
	Grants string
	// API is the part of Celonis that asks for it.
	API string
	// Operations are ours that this scope is enough for; none when nothing of ours needs it.
	Operations []Operation
}

// ScopesFor lists the scopes of which any one is enough for an operation, the
// narrowest first.
func ScopesFor(op Operation) []string {
	var narrow, broad []string
	for _, s := range CelonisScopes() {
		switch {
		case !slices.Contains(s.Operations, op):
		case strings.Contains(s.Scope, ":"):
			narrow = append(narrow, s.Scope)
		default:
			broad = append(broad, s.Scope)
		}
	}
	return append(narrow, broad...)
}

// ParseCelonisScopes turns words into scopes, each once and in the catalog's
// order; "all" stands for every one. Fault OAuthScopeUnknown has a field for
// each word that is no scope, with the word's index as its pointer ("/0") and
// the scope that was probably meant.
func ParseCelonisScopes(words []string) ([]string, error) {
	catalog := CelonisScopes()
	wanted := make(map[string]bool, len(words))
	var wrong []fault.Field
	for i, word := range words {
		word = strings.TrimSpace(word)
		switch {
		case word == AllScopes:
			for _, s := range catalog {
				wanted[s.Scope] = true
			}
		case slices.ContainsFunc(catalog, func(s CelonisScope) bool { return s.Scope == word }):
			wanted[word] = true
		default:
			wrong = append(wrong, fault.Field{Pointer: "/" + strconv.Itoa(i), Code: fault.OAuthScopeUnknown, Detail: notAScope(word, catalog)})
		}
	}
	if len(wrong) > 0 {
		return nil, fault.New(fault.OAuthScopeUnknown, "%s", wrong[0].Detail).WithFields(wrong...).
			WithHint("GET /v1/celonis-scopes lists every scope; %q stands for all of them", AllScopes)
	}
	scopes := []string{}
	for _, s := range catalog {
		if wanted[s.Scope] {
			scopes = append(scopes, s.Scope)
		}
	}
	return scopes, nil
}

// notAScope says what is wrong with a word and what was probably meant.
func notAScope(word string, catalog []CelonisScope) string {
	switch {
	case word == "":
		return "must not be empty"
	case strings.ContainsAny(word, " ,;\t\n"):
		return "must be one scope: give each scope as an item of its own"
	}
	for _, s := range catalog {
		if base, ok := strings.CutSuffix(s.Scope, ":read"); ok && strings.EqualFold(base, word) {
			return strconv.Quote(clip(word)) + " is an older spelling: the scope is now " + strconv.Quote(s.Scope)
		}
	}
	if near := nearestScope(word, catalog); near != "" {
		return "there is no scope " + strconv.Quote(clip(word)) + "; " + strconv.Quote(near) + " may be meant"
	}
	return "there is no scope " + strconv.Quote(clip(word))
}

// nearestScope finds the scope with the fewest changes to the word, "" when none is near.
func nearestScope(word string, catalog []CelonisScope) string {
	const longest = 100
	if len(word) > longest {
		return ""
	}
	word = strings.ToLower(word)
	best, fewest := "", max(len(word)/2, 2)+1
	for _, s := range catalog {
		n := editDistance(word, s.Scope)
		// An area named without its resource, or a resource without its area.
		if strings.HasPrefix(s.Scope, word+".") || strings.HasPrefix(s.Scope, word+":") || strings.HasSuffix(s.Scope, "."+word) {
			n = min(n, 1)
		}
		if n < fewest {
			best, fewest = s.Scope, n
		}
	}
	return best
}

// editDistance counts the insertions, deletions and replacements of bytes that turn a into b.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
