package celonissim

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
)

// Tool is a tool of an MCP server asset.
type Tool struct {
	// Asset is the id of the asset that has it.
	Asset, Name, Description string
	// Columns and Rows are those of a data tool, which takes page and page_size.
	Columns []PQLColumn
	Rows    [][]any
	// Answer, when set, is what the tool answers in place of rows: anything that has a JSON form.
	Answer any
	// Arrays gives rows as arrays in the order of the schema; else they are objects.
	Arrays bool
	// FirstPage is the number of a data tool's first page.
	FirstPage int
}

// AddTool adds a tool to the first team.
func (s *Server) AddTool(t Tool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.teams[0].tools = append(s.teams[0].tools, t)
}

// toolsAtOnce is how many tools a page of tools/list has.
const toolsAtOnce = 2

func (s *Server) routeMCP(rt *router) {
	const base = "/studio-copilot/api/v1/mcp-servers/mcp/{asset}"
	allowed := func(h guarded) guarded {
		return needs(APITools, func(c *Credential) bool { return c.Intelligence }, h)
	}
	rt.handle("mcp.rpc", "POST "+base, allowed(s.callRPC))
	rt.handle("mcp.tool", "POST "+base+"/tool-api/{tool}", allowed(s.callTool))
}

func (s *Server) toolsOf(t *team, asset string) []Tool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(t.tools), func(tool Tool) bool { return tool.Asset != asset })
}

func (s *Server) callRPC(w http.ResponseWriter, r *http.Request, c caller) {
	var call struct {
		JSONRPC string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Method  string          `json:"method"`
		Params  struct {
			Cursor string `json:"cursor"`
		} `json:"params"`
	}
	tools := s.toolsOf(c.team, r.PathValue("asset"))
	switch err := json.NewDecoder(r.Body).Decode(&call); {
	case len(tools) == 0:
		w.WriteHeader(http.StatusNotFound)
		return
	case err != nil || call.JSONRPC != "2.0":
		writeJSON(w, http.StatusOK, map[string]any{"jsonrpc": "2.0", "id": nil, "error": map[string]any{"code": -32600, "message": "Invalid Request"}})
		return
	case call.Method != "tools/list":
		writeJSON(w, http.StatusOK, map[string]any{"jsonrpc": "2.0", "id": call.ID, "error": map[string]any{"code": -32601, "message": "Method not found"}})
		return
	}
	at, err := strconv.Atoi(call.Params.Cursor)
	if err != nil {
		at = 0
	}
	list := []map[string]any{}
	for _, t := range window(tools, at, toolsAtOnce) {
		list = append(list, map[string]any{"name": t.Name, "description": t.Description, "inputSchema": map[string]any{"type": "object"}})
	}
	result := map[string]any{"tools": list}
	if at+toolsAtOnce < len(tools) {
		result["nextCursor"] = strconv.Itoa(at + toolsAtOnce)
	}
	writeJSON(w, http.StatusOK, map[string]any{"jsonrpc": "2.0", "id": call.ID, "result": result})
}

func (s *Server) callTool(w http.ResponseWriter, r *http.Request, c caller) {
	tools := s.toolsOf(c.team, r.PathValue("asset"))
	i := slices.IndexFunc(tools, func(t Tool) bool { return t.Name == r.PathValue("tool") })
	if i < 0 {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	t := tools[i]
	var args struct {
		Page     *int `json:"page"`
		PageSize *int `json:"page_size"`
	}
	if err := json.NewDecoder(r.Body).Decode(&args); err != nil {
		writeJSON(w, http.StatusUnprocessableEntity, []validationItem{{Attribute: "arguments", Error: "must be a JSON object", ErrorCode: "arguments.invalid"}})
		return
	}
	if t.Answer != nil {
		writeJSON(w, http.StatusOK, t.Answer)
		return
	}
	page, size := t.FirstPage, len(t.Rows)
	if args.Page != nil {
		page = *args.Page
	}
	if args.PageSize != nil {
		size = *args.PageSize
	}
	if page < t.FirstPage || size < 1 && len(t.Rows) > 0 {
		writeJSON(w, http.StatusUnprocessableEntity, []validationItem{{Attribute: "page", Error: "must not be below the first page", ErrorCode: "page.invalid"}})
		return
	}
	writeJSON(w, http.StatusOK, t.answer(page, size))
}

// answer is a page of a data tool.
func (t Tool) answer(page, size int) map[string]any {
	schema := []map[string]string{}
	for _, c := range t.Columns {
		schema = append(schema, map[string]string{"id": c.Name, "type": c.Type, "displayName": c.Name})
	}
	data := []any{}
	for _, row := range window(t.Rows, (page-t.FirstPage)*size, size) {
		if t.Arrays {
			data = append(data, row)
			continue
		}
		object := map[string]any{}
		for i, c := range t.Columns {
			object[c.Name] = row[i]
		}
		data = append(data, object)
	}
	return map[string]any{
		"page": page, "page_size": size, "total": len(t.Rows), "data_frame_content": map[string]any{"data": data, "schema": schema},
	}
}
