// Package openapi holds the contract of the HTTP API: openapi.yaml, which is
// written before the handlers and served by them at /openapi.yaml.
package openapi

import _ "embed"

// YAML is the OpenAPI 3.1 document.
//
//go:embed openapi.yaml
var YAML []byte
