package celonissim

import (
	"encoding/json"
	"net/http"

	"github.com/google/uuid"
)

// routeAdmin adds the simulator's own API, which has no counterpart on the platform.
func (s *Server) routeAdmin(rt *router) {
	const table = "/_sim/pools/{pool}/tables/{table}"
	rt.mux.HandleFunc("GET /_sim/state", s.adminState)
	rt.mux.HandleFunc("GET /_sim/journal", s.adminJournal)
	rt.mux.HandleFunc("GET "+table, s.adminTable)
	rt.mux.HandleFunc("GET "+table+"/rows", s.adminRows)
	rt.mux.HandleFunc("GET "+table+"/rows.csv", s.adminCSV)
	rt.mux.HandleFunc("POST /_sim/faults", s.adminAddFault)
	rt.mux.HandleFunc("GET /_sim/faults", s.adminListFaults)
	rt.mux.HandleFunc("DELETE /_sim/faults", s.adminClearFaults)
	rt.mux.HandleFunc("DELETE /_sim/faults/{id}", s.adminRemoveFault)
	rt.mux.HandleFunc("POST /_sim/admin-exports/{list}", s.adminAddRecords)
	rt.mux.HandleFunc("PUT /_sim/admin-exports", s.adminSetAnswers)
	rt.mux.HandleFunc("PUT /_sim/pql", s.adminSetPQL)
	rt.mux.HandleFunc("PUT /_sim/events", s.adminSetEvents)
	rt.mux.HandleFunc("POST /_sim/triggers/{trigger}/events", s.adminEmit)
	rt.mux.HandleFunc("GET /_sim/subscriptions", s.adminSubscriptions)
	rt.mux.HandleFunc("PUT /_sim/subscriptions/{id}", s.adminSetSubscription)
	rt.mux.HandleFunc("PUT /_sim/scim", s.adminSetSCIM)
	rt.mux.HandleFunc("GET /_sim/scim", s.adminSCIM)
	rt.mux.HandleFunc("POST /_sim/scim/{list}", s.adminAddSCIM)
	rt.mux.HandleFunc("POST /_sim/pools", s.adminAddPool)
	rt.mux.HandleFunc("POST /_sim/pools/{pool}/ingestion-tables", s.adminAddIngestionTable)
	rt.mux.HandleFunc("POST /_sim/keys", s.adminAddKey)
	rt.mux.HandleFunc("POST /_sim/oauth-clients", s.adminAddOAuthClient)
	rt.mux.HandleFunc("DELETE /_sim/oauth-clients/{id}/tokens", s.adminRevokeTokens)
	rt.mux.HandleFunc("POST /_sim/reset", func(w http.ResponseWriter, _ *http.Request) {
		s.Reset()
		w.WriteHeader(http.StatusNoContent)
	})
}

type adminPool struct {
	ID          string       `json:"id"`
	Name        string       `json:"name"`
	DataSources []Named      `json:"dataSources"`
	Tables      []adminTable `json:"tables"`
	Jobs        []adminJob   `json:"jobs"`
	// IngestionKeys are whole: the keys of a simulator are no secrets.
	IngestionKeys   []IngestionKey `json:"ingestionKeys,omitempty"`
	IngestionAlerts []string       `json:"ingestionAlerts,omitempty"`
}

type adminTable struct {
	Name           string       `json:"name"`
	Connection     string       `json:"connectionId"`
	Rows           int64        `json:"rows"`
	Columns        []ColumnInfo `json:"columns"`
	BytesReceived  int64        `json:"bytesReceived"`
	Jobs           int          `json:"jobs"`
	CutValues      int64        `json:"cutValues"`
	NulledInstants int64        `json:"nulledInstants"`
	// Hash is 16 hexadecimal digits; only the page of one table has it.
	Hash string `json:"hash,omitempty"`
}

type adminJob struct {
	ID     string   `json:"id"`
	Table  string   `json:"table"`
	Type   string   `json:"type"`
	Status string   `json:"status"`
	Chunks int      `json:"chunks"`
	Bytes  int64    `json:"bytes"`
	Rows   int64    `json:"rows"`
	Logs   []string `json:"logs"`
}

func (t *table) admin() adminTable {
	return adminTable{
		Name: t.key.name, Connection: t.key.connection, Rows: t.snap.rows, Columns: t.snap.cols, BytesReceived: t.bytes,
		Jobs: t.jobs, CutValues: t.snap.cut, NulledInstants: t.snap.outside,
	}
}

func (p *pool) admin() adminPool {
	out := adminPool{ID: p.id, Name: p.name, DataSources: append([]Named{}, p.sources...), Tables: []adminTable{}, Jobs: []adminJob{}}
	out.IngestionKeys, out.IngestionAlerts = p.ingestion.keys, append([]string(nil), p.ingestion.alerts...)
	for _, t := range p.sortedTables() {
		out.Tables = append(out.Tables, t.admin())
	}
	for _, j := range p.jobs {
		out.Jobs = append(out.Jobs, adminJob{
			ID: j.id, Table: j.target, Type: *j.doc.Type, Status: j.status, Chunks: len(j.chunks), Bytes: j.bytes(),
			Rows: j.rows, Logs: append([]string{}, j.logs...),
		})
	}
	return out
}

func (s *Server) adminState(w http.ResponseWriter, _ *http.Request) {
	pools := []adminPool{}
	s.mu.Lock()
	for _, t := range s.teams {
		for _, p := range t.pools {
			pools = append(pools, p.admin())
		}
	}
	s.mu.Unlock()
	writeJSON(w, http.StatusOK, map[string]any{"pools": pools, "requests": s.Counts(), "faults": len(s.Faults())})
}

func (s *Server) adminJournal(w http.ResponseWriter, r *http.Request) {
	entries := s.Journal()
	limit, ok := queryInt(r, "limit", len(entries), 0)
	if !ok {
		writeText(w, http.StatusBadRequest, "limit must be a whole number from 0\n")
		return
	}
	writeJSON(w, http.StatusOK, append([]Answer{}, entries[max(0, len(entries)-limit):]...))
}

// readStrict reads the body of an admin request, or answers 400 and says no.
// Unknown fields are refused, so that a misspelt fault is not a silent one.
func readStrict(w http.ResponseWriter, r *http.Request, into any) bool {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxJobBody))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		writeText(w, http.StatusBadRequest, err.Error()+"\n")
		return false
	}
	return true
}

func (s *Server) adminAddPool(w http.ResponseWriter, r *http.Request) {
	var p Pool
	if !readStrict(w, r, &p) {
		return
	}
	s.mu.Lock()
	taken := p.Name == "" || s.teams[0].named(p.Name) != nil || p.ID != "" && s.findPool(p.ID) != nil
	s.mu.Unlock()
	if p.ID != "" {
		_, err := uuid.Parse(p.ID)
		taken = taken || err != nil
	}
	if taken {
		writeText(w, http.StatusBadRequest, "a pool needs a name, and an id that is a UUID, both not taken yet\n")
		return
	}
	p.ID = s.AddPool(p)
	writeJSON(w, http.StatusCreated, p)
}

// adminAddKey adds a key and answers it whole: the keys of a simulator are no secrets.
func (s *Server) adminAddKey(w http.ResponseWriter, r *http.Request) {
	c := Credential{Name: "added", Kind: AppKey}
	if !readStrict(w, r, &c) {
		return
	}
	if c.Kind != AppKey && c.Kind != APIKey {
		writeText(w, http.StatusBadRequest, "kind must be appKey or apiKey\n")
		return
	}
	c.Key = s.AddCredential(c)
	writeJSON(w, http.StatusCreated, c)
}

// adminAddOAuthClient registers an OAuth client and answers it whole, as adminAddKey does.
func (s *Server) adminAddOAuthClient(w http.ResponseWriter, r *http.Request) {
	var c OAuthClient
	if readStrict(w, r, &c) {
		writeJSON(w, http.StatusCreated, s.AddOAuthClient(c))
	}
}

// adminRevokeTokens ends the access tokens of an OAuth client; with
// ?grants=true its refresh tokens too.
func (s *Server) adminRevokeTokens(w http.ResponseWriter, r *http.Request) {
	ended := s.RevokeTokens(r.PathValue("id"))
	if r.URL.Query().Get("grants") == "true" {
		ended += s.RevokeGrants(r.PathValue("id"))
	}
	writeJSON(w, http.StatusOK, map[string]int{"ended": ended})
}
