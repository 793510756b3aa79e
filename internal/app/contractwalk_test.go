package app_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"
)

// operation is a route as openapi.yaml has it.
type operation struct {
	method, path string
	*openapi3.Operation
	params openapi3.Parameters
}

func (o operation) String() string { return o.method + " " + o.path }

// public reports whether the operation needs no token.
func (o operation) public() bool { return o.Security != nil && len(*o.Security) == 0 }

// scopes are those that a token must carry.
func (o operation) scopes() []string { return (*o.Security)[0]["oauth2"] }

// operations reads the contract that the service serves, in order of paths.
func operations(t *testing.T, s *service) []operation {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(s.Send("GET", "/openapi.yaml", nil).Body)
	require.NoError(t, err)
	var all []operation
	paths := doc.Paths.Map()
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		item := paths[path]
		for _, method := range slices.Sorted(maps.Keys(item.Operations())) {
			op := item.Operations()[method]
			all = append(all, operation{method, path, op, slices.Concat(item.Parameters, op.Parameters)})
		}
	}
	require.NotEmpty(t, all)
	return all
}

// fill puts a value for each parameter of the path: its first allowed one where
// the contract names them.
func (o operation) fill(value func(name string) string) string {
	path := o.path
	for _, p := range o.params {
		if p.Value.In != openapi3.ParameterInPath {
			continue
		}
		with := value(p.Value.Name)
		if enum := p.Value.Schema.Value.Enum; len(enum) > 0 {
			with, _ = enum[0].(string)
		}
		path = strings.ReplaceAll(path, "{"+p.Value.Name+"}", with)
	}
	return path
}

// body is a request body that may be tried; the media type goes along.
type body struct {
	media string
	text  []byte
}

// bodies are those to try an operation with: one made of its schema, and what is simplest.
func (o operation) bodies(t *testing.T) []body {
	t.Helper()
	none := body{}
	if o.RequestBody == nil {
		return []body{none}
	}
	content := o.RequestBody.Value.Content
	media := slices.Sorted(maps.Keys(content))[0]
	made := []byte("a record")
	if schema := content[media].Schema; schema != nil && schema.Value != nil && strings.HasSuffix(media, "json") {
		var err error
		made, err = json.Marshal(sampleOf(schema.Value, 0))
		require.NoError(t, err, o)
	}
	return []body{{media, made}, {media, []byte(`{}`)}, {media, []byte(`[{}]`)}, {media, []byte(`{"all":true}`)}, none}
}

// sampleOf makes a small value that fits a schema.
func sampleOf(s *openapi3.Schema, depth int) any {
	const deepest = 8
	switch {
	case depth > deepest:
		return nil
	case s.Example != nil:
		return s.Example
	case s.Const != nil:
		return s.Const
	case len(s.Enum) > 0:
		return s.Enum[0]
	case len(s.OneOf) > 0:
		return sampleOf(s.OneOf[0].Value, depth+1)
	case len(s.AnyOf) > 0:
		return sampleOf(s.AnyOf[0].Value, depth+1)
	case s.Type.Includes("object") || len(s.Properties) > 0:
		members := map[string]any{}
		for _, name := range s.Required {
			if p := s.Properties[name]; p != nil {
				members[name] = sampleOf(p.Value, depth+1)
			}
		}
		return members
	case s.Type.Includes("array"):
		if s.Items == nil {
			return []any{}
		}
		return []any{sampleOf(s.Items.Value, depth+1)}
	case s.Type.Includes("boolean"):
		return true
	case s.Type.Includes("integer"), s.Type.Includes("number"):
		if s.Min != nil {
			return *s.Min
		}
		return 1
	case s.Format == "date-time":
		return "2099-01-01T00:00:00Z"
	}
	return "sample"
}

// try asks with a body.
func (b body) try(t *testing.T, c *apptest.Client, method, path string) apptest.Answer {
	t.Helper()
	var header []string
	if b.media != "" {
		header = []string{"Content-Type", b.media}
	}
	a, err := c.Try(method, path, b.text, header...)
	require.NoError(t, err)
	return a
}

// code is the problem's code, "" when the answer is none.
func code(a apptest.Answer) string {
	var p struct {
		Code     string `json:"code"`
		ScimType string `json:"scimType"`
	}
	if a.Status < http.StatusBadRequest || json.Unmarshal(a.Body, &p) != nil {
		return ""
	}
	if a.Header.Get("Content-Type") == "application/scim+json" { // tells no code: its challenge says why
		if strings.Contains(a.Header.Get("WWW-Authenticate"), "insufficient_scope") {
			return "access.insufficient_scope"
		}
		return "scim " + p.ScimType
	}
	return p.Code
}
