package flows

import (
	"encoding/json"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/form"
)

// ExportMCPTool reads what a tool of an MCP server asset gives. A call whose
// answer was lost is made again: a tool that an export calls must only read.
const ExportMCPTool ExportType = "mcpTool"

const (
	// DataFramePath is where the records of a data tool's answer are; other answers are taken as records themselves.
	DataFramePath = "/data_frame_content/data"
	// noArguments is what a tool is called with unless told otherwise.
	noArguments = "{}"
)

// mcpKind is the entry of exportKinds.
func mcpKind() exportKind {
	return exportKind{
		reads:   celonisKeys(),
		members: []string{"connectionId", "asset", "tool", "arguments", "draft", "itemsPath", "paging", "delta"}, check: checkMCPExport,
	}
}

// mcpDefaults fills what a caller left out.
func mcpDefaults(e Export) Export {
	if e.Type != ExportMCPTool {
		if e.Arguments == noArguments {
			e.Arguments = ""
		}
		return e
	}
	if e.Arguments == "" {
		e.Arguments = noArguments
	}
	if e.ItemsPath == "" {
		e.ItemsPath = DataFramePath
	}
	if e.Paging != nil && e.Paging.MaxPages == 0 {
		paging := *e.Paging
		paging.MaxPages = DefaultMaxPages
		e.Paging = &paging
	}
	return e
}

// ToolRequest is what the tool is asked for by HTTP, below the path of its API.
func (e Export) ToolRequest(path string) *HTTPRequest {
	r := &HTTPRequest{Method: MethodPost, URL: path, Body: e.Arguments, RetryPost: true}
	if e.Draft {
		r.Query = []Param{{Name: "draft", Value: "true"}}
	}
	return r
}

func checkMCPExport(e Export) (fields []fault.Field) {
	for _, m := range []struct{ name, value, detail string }{
		{"connectionId", e.ConnectionID, "must name a connection to the Celonis team"},
		{"asset", e.Asset, "must name an MCP server asset"},
		{"tool", e.Tool, "must name a tool of the asset"},
	} {
		if m.value == "" {
			fields = append(fields, missing("/export/"+m.name, m.detail))
		}
	}
	used, wrong := checkRequest(*e.ToolRequest(""))
	for _, f := range wrong {
		f.Pointer = "/export/arguments"
		fields = append(fields, f)
	}
	if len(wrong) == 0 && !isObject(e.Arguments) {
		fields = append(fields, invalid("/export/arguments", "must be a JSON object"))
	}
	fields = append(fields, checkPointers(pointed{"/export/itemsPath", e.ItemsPath})...)
	if e.Paging != nil && e.Paging.Type != PagingBody {
		return append(fields, invalid("/export/paging/type", "must be body: a tool is told the page in its arguments"))
	}
	for _, f := range checkPaging(e.Paging, used) {
		if f.Pointer == "/export/request/body" {
			f.Pointer = "/export/arguments"
		}
		fields = append(fields, f)
	}
	return append(fields, checkHTTPDelta(e, used)...)
}

// isObject reports whether a text is a JSON object, whatever its placeholders stand for.
func isObject(text string) bool {
	t, err := ParseTemplate(text)
	if err != nil {
		return false
	}
	filled := t.Fill(nil, func(string, string) string { return "0" })
	return strings.HasPrefix(strings.TrimSpace(filled), "{") && json.Valid([]byte(filled))
}

func mcpHints() []form.Hint {
	isTool := []form.When{form.Is("type", ExportMCPTool)}
	tools := form.Picker("mcpTools", "connectionId")
	tools.Params, tools.Custom = map[string]string{"asset": "asset"}, true
	return []form.Hint{
		{
			Path: "/asset", Label: "MCP server", ShowWhen: isTool, Example: "finance-package.mcp-server",
			Help: "The id of the MCP server asset.", HowTo: []string{"In Celonis Studio, open the MCP server asset: its id stands in the URL that it shows, behind /mcp/."},
		},
		{Path: "/tool", Label: "Tool", ShowWhen: isTool, Example: "load_data", OptionsFrom: tools, Help: "The tool to call. It must only read."},
		{
			Path: "/arguments", Label: "Arguments", ShowWhen: isTool, Default: noArguments, Example: `{"page": {{page}}, "since": "{{watermark}}"}`,
			Help: "The JSON object that the tool is called with. It may hold the placeholders of an API's request.",
		},
		{Path: "/draft", Label: "Draft", Default: false, ShowWhen: isTool, Help: "Whether the draft of the asset is called in place of what is published."},
	}
}
