package celonissim

import (
	"strings"
	"sync"
	"time"
)

// SCIM chooses how the SCIM API behaves. The zero value is what is documented,
// and else what the RFCs say: PATCH is off, filters and Bulk work, a create
// answers 200, and role and sendEmailOnInvitation are answered at the top level.
type SCIM struct {
	// Off is a team whose settings have SCIM switched off: everything answers OffStatus (403), with the body of ErrorBody.
	Off       bool `json:"off"`
	OffStatus int  `json:"offStatus"`
	// JIT is a team that provisions just in time: everything but discovery answers 409.
	JIT bool `json:"jit"`
	// NoDiscovery answers 404 for ServiceProviderConfig, Schemas and ResourceTypes.
	NoDiscovery bool `json:"noDiscovery"`
	// Patch switches PATCH on; without it PATCH answers 501.
	Patch bool `json:"patch"`
	// PatchHidden leaves it out of ServiceProviderConfig, PatchPromised announces it there all the same.
	PatchHidden   bool `json:"patchHidden"`
	PatchPromised bool `json:"patchPromised"`
	// ETags gives versions, and heeds If-Match and If-None-Match.
	ETags bool `json:"etags"`
	// NoBulk answers 501 for Bulk; BulkOperations (1000) and BulkBytes (1 MiB) are its limits.
	NoBulk         bool `json:"noBulk"`
	BulkOperations int  `json:"bulkOperations"`
	BulkBytes      int  `json:"bulkBytes"`
	// Filter is what becomes of filters.
	Filter SCIMFilter `json:"filter"`
	// PageSize is the largest page, 500 when 0. Page is the page that is given when none is asked for, PageSize when 0.
	PageSize int `json:"pageSize"`
	Page     int `json:"page"`
	// StartIgnored gives the first page whatever is asked for.
	StartIgnored bool `json:"startIgnored"`
	// TotalOff is added to every totalResults.
	TotalOff int `json:"totalOff"`
	// Overlap repeats so many resources of a page at the beginning of the next.
	Overlap int `json:"overlap"`
	// CreateStatus is 200, 201 or 204 without a body and without a Location.
	CreateStatus int `json:"createStatus"`
	// Nested answers role and sendEmailOnInvitation under the extension's URN; FlagText answers the latter as a string.
	Nested   bool `json:"nested"`
	FlagText bool `json:"flagText"`
	// ReadsNested and ReadsTop take role and sendEmailOnInvitation from this one place only; else both count.
	ReadsNested bool `json:"readsNested"`
	ReadsTop    bool `json:"readsTop"`
	// Licenses is how many users may be active, 0 for any number.
	Licenses int `json:"licenses"`
	// DuplicateStatus answers a userName or displayName that is taken: 409 (default) or 400.
	DuplicateStatus int `json:"duplicateStatus"`
	// ErrorBody is the form of errors; "" is that of RFC 7644.
	ErrorBody BodyFamily `json:"errorBody"`
	// PlainJSON answers with Content-Type application/json.
	PlainJSON bool `json:"plainJson"`
}

// SCIMFilter is what becomes of filters.
type SCIMFilter string

// The fates of filters.
const (
	// SCIMFilters filters.
	SCIMFilters SCIMFilter = ""
	// SCIMFilterIgnored gives everything.
	SCIMFilterIgnored SCIMFilter = "ignored"
	// SCIMFilterRefused answers 400 with scimType invalidFilter.
	SCIMFilterRefused SCIMFilter = "refused"
)

func (o SCIM) withDefaults() SCIM {
	if o.OffStatus == 0 {
		o.OffStatus = 403
	}
	if o.BulkOperations == 0 {
		o.BulkOperations = 1000
	}
	if o.BulkBytes == 0 {
		o.BulkBytes = 1 << 20
	}
	if o.PageSize == 0 {
		o.PageSize = 500
	}
	if o.Page == 0 {
		o.Page = o.PageSize
	}
	if o.CreateStatus == 0 {
		o.CreateStatus = 200
	}
	if o.DuplicateStatus == 0 {
		o.DuplicateStatus = 409
	}
	return o
}

// scimState is what a team's SCIM API holds. It has a lock of its own.
type scimState struct {
	mu      sync.Mutex
	opts    SCIM
	users   *scimStore
	groups  *scimStore
	persons map[string]*SCIMPerson
	// writes counts what was asked for beside reading, operations of Bulk one by one.
	writes map[string]int64
}

// SCIMPerson is what somebody was sent.
type SCIMPerson struct {
	// Creates is how often a create named the person, whatever became of it.
	Creates int `json:"creates"`
	// Invitations is how many were made: one for every create that was taken.
	Invitations int `json:"invitations"`
	// Mails is how many invitations went out by mail: those that did not say sendEmailOnInvitation false.
	Mails int `json:"mails"`
}

func newSCIMState(o SCIM) *scimState {
	st := &scimState{opts: o}
	st.forget()
	return st
}

// forget drops all users, groups and counts.
func (st *scimState) forget() {
	st.users, st.groups = newSCIMStore(userKind()), newSCIMStore(groupKind())
	st.persons, st.writes = map[string]*SCIMPerson{}, map[string]int64{}
}

func (st *scimState) store(k *scimKind) *scimStore {
	if k.name == groupType {
		return st.groups
	}
	return st.users
}

func (st *scimState) person(userName string) *SCIMPerson {
	key := strings.ToLower(userName)
	p := st.persons[key]
	if p == nil {
		p = &SCIMPerson{}
		st.persons[key] = p
	}
	return p
}

// SetSCIM changes how the SCIM API of the first team behaves from now on.
func (s *Server) SetSCIM(change func(*SCIM)) {
	st := s.teams[0].scim
	st.mu.Lock()
	defer st.mu.Unlock()
	change(&st.opts)
}

// AddSCIMUser adds a user to the first team as if it had always been there:
// no license is counted and nobody is invited. It gives the user's id, and
// panics on attributes that the API would refuse.
func (s *Server) AddSCIMUser(attributes map[string]any) string {
	return s.addSCIM(userType, attributes)
}

// AddSCIMGroup is AddSCIMUser for a group.
func (s *Server) AddSCIMGroup(attributes map[string]any) string {
	return s.addSCIM(groupType, attributes)
}

func (s *Server) addSCIM(kind string, attributes map[string]any) string {
	id, wrong := s.tryAddSCIM(kind, attributes)
	if wrong != nil {
		panic("celonissim: " + wrong.detail)
	}
	return id
}

func (s *Server) tryAddSCIM(kind string, attributes map[string]any) (string, *scimRefusal) {
	st := s.teams[0].scim
	st.mu.Lock()
	defer st.mu.Unlock()
	k := kindNamed(kind)
	body := map[string]any{"schemas": []any{k.urn, k.extension}}
	for name, value := range attributes {
		body[name] = value
	}
	attrs, wrong := k.read(plainJSON(body), SCIM{})
	if wrong == nil {
		wrong = st.checkMembers(attrs)
	}
	if wrong == nil && st.store(k).byKey[st.store(k).keyOf(attrs)] != nil {
		wrong = refuse(409, "uniqueness", "the %s is taken", k.key)
	}
	if wrong != nil {
		return "", wrong
	}
	return st.store(k).add(attrs, s.now()).id, nil
}

// SCIMUsers gives the users of the first team in the order of their coming, as the API would answer them.
func (s *Server) SCIMUsers() []map[string]any { return s.scimResources(userType) }

// SCIMGroups is SCIMUsers for groups.
func (s *Server) SCIMGroups() []map[string]any { return s.scimResources(groupType) }

func (s *Server) scimResources(kind string) []map[string]any {
	st := s.teams[0].scim
	st.mu.Lock()
	defer st.mu.Unlock()
	v := scimView{scimState: st, opts: st.opts.withDefaults(), now: s.now()}
	out := []map[string]any{}
	for _, r := range st.store(kindNamed(kind)).all {
		out = append(out, plainJSON(v.document(r)))
	}
	return out
}

// SCIMPerson gives what was done for a person of the first team.
func (s *Server) SCIMPerson(userName string) SCIMPerson {
	st := s.teams[0].scim
	st.mu.Lock()
	defer st.mu.Unlock()
	return *st.person(userName)
}

// SCIMPersons gives them all by userName, in lower case.
func (s *Server) SCIMPersons() map[string]SCIMPerson {
	st := s.teams[0].scim
	st.mu.Lock()
	defer st.mu.Unlock()
	out := make(map[string]SCIMPerson, len(st.persons))
	for name, p := range st.persons {
		out[name] = *p
	}
	return out
}

// SCIMWrites counts the writes that the first team was asked for since the
// start or Reset: by "POST User", "PUT User", "PATCH User", "DELETE User" and
// the same for Group. Operations of Bulk count one by one; requests that a
// fault kept from the API do not count.
func (s *Server) SCIMWrites() map[string]int64 {
	st := s.teams[0].scim
	st.mu.Lock()
	defer st.mu.Unlock()
	out := make(map[string]int64, len(st.writes))
	for name, n := range st.writes {
		out[name] = n
	}
	return out
}

// scimView is the state for one request, under its lock.
type scimView struct {
	*scimState
	opts SCIM
	base string
	now  time.Time
}
