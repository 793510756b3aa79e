package celonis

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
)

// Tool is a tool of an MCP server asset.
type Tool struct {
	Name        string `json:"name"`
	Title       text   `json:"title"`
	Description text   `json:"description"`
}

const (
	mcpPath = "/studio-copilot/api/v1/mcp-servers/mcp/"
	// maxToolPages bounds the list of an asset's tools.
	maxToolPages = 100
)

// ToolPath is the path of a tool that is called by REST.
func ToolPath(asset, tool string) (string, error) {
	a, err := segment(asset)
	if err != nil {
		return "", err
	}
	t, err := segment(tool)
	return mcpPath + a + "/tool-api/" + t, err
}

// HTTP makes the client's calls for requests that this package does not write
// itself: with the connection's credentials and limits, and to its host only.
func (c *Client) HTTP() *http.Client { return c.http }

type rpcRequest struct {
	JSONRPC string         `json:"jsonrpc"`
	ID      int            `json:"id"`
	Method  string         `json:"method"`
	Params  map[string]any `json:"params"`
}

type rpcAnswer struct {
	Result *struct {
		Tools      []Tool `json:"tools"`
		NextCursor string `json:"nextCursor"`
	} `json:"result"`
	Error *struct {
		Code    number `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// Tools lists the tools of an MCP server asset; draft asks what is not published
// yet. Faults: CelonisNotFound for an asset that Celonis does not know or show,
// CelonisRejected for what it answers with an error of JSON-RPC,
// SourceCursorLoop when the list goes in a circle.
func (c *Client) Tools(ctx context.Context, asset string, draft bool) ([]Tool, error) {
	id, err := segment(asset)
	if err != nil {
		return nil, err
	}
	k := call{op: operation{areaTools, "list the tools of the MCP server"}, method: http.MethodPost, path: mcpPath + id, repeatable: true}
	if draft {
		k.query = url.Values{"draft": {"true"}}
	}
	var all []Tool
	seen := map[string]bool{}
	params := map[string]any{}
	for n := range maxToolPages {
		k.json = rpcRequest{JSONRPC: "2.0", ID: n + 1, Method: "tools/list", Params: params}
		answer, err := c.rpc(ctx, k)
		if err != nil {
			return nil, err
		}
		all = append(all, answer.Result.Tools...)
		next := answer.Result.NextCursor
		if next == "" {
			return all, nil
		}
		if seen[next] {
			break
		}
		seen[next], params = true, map[string]any{"cursor": next}
	}
	return nil, fault.New(fault.SourceCursorLoop, "the list of the tools of the MCP server %q does not end", asset)
}

func (c *Client) rpc(ctx context.Context, k call) (*rpcAnswer, error) {
	r, err := c.answer(ctx, k)
	if err != nil {
		return nil, c.scoped(err, connections.RunTools)
	}
	r.body = eventData(r.body)
	var a rpcAnswer
	k.out = &a
	if err := c.decode(k, r); err != nil {
		return nil, err
	}
	switch {
	case a.Error != nil:
		return nil, fault.New(fault.CelonisRejected, "celonis refused the request to %s: celonis says %q", k.op.what, c.redact.words(a.Error.Message))
	case a.Result == nil:
		return nil, fault.New(fault.CelonisAnswer, "the answer to the request to %s has no result", k.op.what)
	}
	return &a, nil
}

// eventData gives the last message of a body of server-sent events, in which an
// MCP server may put its answer; any other body as it is.
func eventData(body []byte) []byte {
	trimmed := bytes.TrimSpace(body)
	if len(trimmed) == 0 || trimmed[0] == '{' || trimmed[0] == '[' {
		return body
	}
	var last, data []byte
	s := bufio.NewScanner(bytes.NewReader(body))
	s.Buffer(nil, maxAnswer+1)
	for s.Scan() {
		line, isData := bytes.CutPrefix(bytes.TrimRight(s.Bytes(), "\r"), []byte("data:"))
		switch {
		case isData:
			data = append(data, bytes.TrimSpace(line)...)
		case len(line) == 0 && len(data) > 0:
			last, data = data, nil
		}
	}
	if len(data) > 0 {
		last = data
	}
	if !json.Valid(last) {
		return body
	}
	return last
}
