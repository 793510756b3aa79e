package celonissim

import (
	"encoding/json"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// AdminExport names a list of the admin export APIs.
type AdminExport string

// The lists of the admin export APIs.
const (
	AuditEvents    AdminExport = "auditEvents"
	LoginEvents    AdminExport = "loginEvents"
	AdoptionEvents AdminExport = "adoptionEvents"
	TeamMembers    AdminExport = "members"
	// CelonisMembers are those that are answered with includeInternal=true only.
	CelonisMembers AdminExport = "internalMembers"
	Permissions    AdminExport = "permissions"
)

// AdminAnswers chooses how the admin export APIs behave. The zero value gives
// the records of a list in an order that is none but stays.
type AdminAnswers struct {
	// Shuffle gives another order with every request.
	Shuffle bool `json:"shuffle"`
	// NoV1 and NoV2 take a generation away: it answers 404.
	NoV1 bool `json:"noV1"`
	NoV2 bool `json:"noV2"`
	// TotalOff is added to every totalCount; NoTotal leaves it out.
	TotalOff int  `json:"totalOff"`
	NoTotal  bool `json:"noTotal"`
	// CursorLoop gives the second page's token again with every later page.
	CursorLoop bool `json:"cursorLoop"`
	// EmptyToken ends a cursor with an empty nextPageToken; else the member is missing.
	EmptyToken bool `json:"emptyToken"`
	// NoContent answers 204 for a window without events.
	NoContent bool `json:"noContent"`
	// SamePage answers page 0 whatever is asked for.
	SamePage bool `json:"samePage"`
	// CursorPage is the size of a page by cursor; 0 is 200.
	CursorPage int `json:"cursorPage"`
	// OAuthOnly refuses keys for permissions, as documented.
	OAuthOnly bool `json:"oauthOnly"`
}

// maxAdminPage is the largest page of the admin export APIs.
const maxAdminPage = 200

// adminState is what a team's admin export APIs hold.
type adminState struct {
	records map[AdminExport][]map[string]any
	answers AdminAnswers
	asked   int
}

// AddAdmin adds records to a list of the first team, as objects of JSON.
func (s *Server) AddAdmin(list AdminExport, records ...map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &s.teams[0].admin
	if a.records == nil {
		a.records = map[AdminExport][]map[string]any{}
	}
	a.records[list] = append(a.records[list], records...)
}

// SetAdmin chooses how the admin export APIs of the first team behave from now on.
func (s *Server) SetAdmin(answers AdminAnswers) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.teams[0].admin.answers = answers
}

func (s *Server) routeAdminExports(rt *router) {
	allowed := func(h guarded) guarded {
		return needs(APIAdmin, func(c *Credential) bool { return c.Admin }, h)
	}
	events := func(list AdminExport, answer func(http.ResponseWriter, *http.Request, adminView)) guarded {
		return allowed(func(w http.ResponseWriter, r *http.Request, c caller) {
			if v, ok := s.adminView(w, r, c.team, list); ok {
				answer(w, r, v)
			}
		})
	}
	const adoption = "/adoption-tracking-events/STUDIO_ASSET"
	rt.handle("admin.audit.v1", "GET /log/api/external/audit", events(AuditEvents, answerPage))
	rt.handle("admin.audit.v2", "GET /log/api/external/v2/audit", events(AuditEvents, answerCursor))
	rt.handle("admin.adoption.v1", "GET /platform-adoption/api/external"+adoption, events(AdoptionEvents, answerPage))
	rt.handle("admin.adoption.v2", "GET /platform-adoption/api/external/v2"+adoption, events(AdoptionEvents, answerCursor))
	rt.handle("admin.logins", "GET /api/external/authentication-events", events(LoginEvents, answerPage))
	rt.handle("admin.members", "GET /api/external/members", events(TeamMembers, answerPage))
	rt.handle("admin.permissions", "GET /api/authorization/external/permissions", allowed(s.listPermissions))
}

// adminView is what a request may see of a list.
type adminView struct {
	records []map[string]any
	answers AdminAnswers
}

// adminView reads the bounds of a request, or answers 400 and says no.
func (s *Server) adminView(w http.ResponseWriter, r *http.Request, t *team, list AdminExport) (adminView, bool) {
	q := r.URL.Query()
	var bounds [2]time.Time
	for i, name := range []string{"from", "to"} {
		text := q.Get(name)
		if text == "" {
			continue
		}
		at, ok := readAdminTime(text)
		if !ok {
			writeInvalid(w, validationItem{Attribute: name, Error: "must be an ISO 8601 date-time", ErrorCode: "date.format"})
			return adminView{}, false
		}
		bounds[i] = at
	}
	if list == TeamMembers && q.Get("includeInternal") == "" {
		writeInvalid(w, validationItem{Attribute: "includeInternal", Error: "must not be null", ErrorCode: "not.null"})
		return adminView{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &t.admin
	a.asked++
	v := adminView{answers: a.answers}
	all := slices.Clone(a.records[list])
	if list == TeamMembers && q.Get("includeInternal") == "true" {
		all = append(all, a.records[CelonisMembers]...)
	}
	for _, record := range all {
		if text, ok := record["timestamp"].(string); ok {
			at, read := readAdminTime(text)
			if read && (at.Before(bounds[0]) || !bounds[1].IsZero() && at.After(bounds[1])) {
				continue
			}
		}
		v.records = append(v.records, record)
	}
	v.disorder(a.asked)
	return v, true
}

// disorder puts the records in an order that tells nothing: by their digest, or another one with every request.
func (v *adminView) disorder(request int) {
	if v.answers.Shuffle {
		rand.New(rand.NewPCG(1, uint64(request))).Shuffle(len(v.records), func(i, j int) { v.records[i], v.records[j] = v.records[j], v.records[i] })
		return
	}
	slices.SortStableFunc(v.records, func(a, b map[string]any) int { return int(int64(digest(a)>>1) - int64(digest(b)>>1)) })
}

// digest is 32 bits wide, so that the difference of two fits.
func digest(record map[string]any) uint64 {
	text, err := json.Marshal(record)
	if err != nil {
		panic("celonissim: a record is no JSON: " + err.Error())
	}
	h := fnv.New32a()
	_, _ = h.Write(text)
	return uint64(h.Sum32())
}

// readAdminTime reads a time with or without a zone.
func readAdminTime(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05"} {
		if at, err := time.Parse(layout, s); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

// pageEnvelope is a page by number.
type pageEnvelope struct {
	Content    []map[string]any `json:"content"`
	PageSize   int              `json:"pageSize"`
	PageNumber int              `json:"pageNumber"`
	TotalCount *int             `json:"totalCount,omitempty"`
}

func answerPage(w http.ResponseWriter, r *http.Request, v adminView) {
	if v.answers.NoV1 && v.versioned(r) {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	page, pageOK := queryInt(r, "pageNumber", 0, 0)
	size, sizeOK := queryInt(r, "pageSize", maxAdminPage, 1)
	if !pageOK || !sizeOK || size > maxAdminPage {
		writeJSON(w, http.StatusBadRequest, map[string]string{"frontendErrorKey": "pageSize", "errorInformation": "must be between 1 and " + strconv.Itoa(maxAdminPage)})
		return
	}
	if v.answers.NoContent && len(v.records) == 0 {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if v.answers.SamePage {
		page = 0
	}
	out := pageEnvelope{Content: append([]map[string]any{}, window(v.records, page*size, size)...), PageSize: size, PageNumber: page}
	if total := len(v.records) + v.answers.TotalOff; !v.answers.NoTotal {
		out.TotalCount = &total
	}
	writeJSON(w, http.StatusOK, out)
}

// versioned reports whether a request is for a list of two generations.
func (v adminView) versioned(r *http.Request) bool {
	route := note(r).Route
	return route == "admin.audit.v1" || route == "admin.adoption.v1"
}

// cursorEnvelope is a page by cursor.
type cursorEnvelope struct {
	Content       []map[string]any `json:"content"`
	NextPageToken *string          `json:"nextPageToken,omitempty"`
}

func answerCursor(w http.ResponseWriter, r *http.Request, v adminView) {
	if v.answers.NoV2 {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	size := v.answers.CursorPage
	if size == 0 {
		size = maxAdminPage
	}
	at, ok := queryInt(r, "pageToken", 0, 0)
	if !ok {
		writeInvalid(w, validationItem{Attribute: "pageToken", Error: "is none of ours", ErrorCode: "token.invalid"})
		return
	}
	out := cursorEnvelope{Content: append([]map[string]any{}, window(v.records, at, size)...)}
	next := ""
	switch {
	case v.answers.CursorLoop && at > 0:
		next = strconv.Itoa(size)
	case at+size < len(v.records):
		next = strconv.Itoa(at + size)
	}
	if next != "" || v.answers.EmptyToken {
		out.NextPageToken = &next
	}
	writeJSON(w, http.StatusOK, out)
}

func (s *Server) listPermissions(w http.ResponseWriter, _ *http.Request, c caller) {
	s.mu.Lock()
	all := slices.Clone(c.team.admin.records[Permissions])
	refused := c.team.admin.answers.OAuthOnly && c.token == nil
	s.mu.Unlock()
	if refused {
		writeForbidden(w)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"permissions": append([]map[string]any{}, all...)})
}
