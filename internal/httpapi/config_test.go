package httpapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/audit"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/portable"
)

const configBody = `{"version":1,"oauthClients":[],"connections":[{"name":"Prod pool","apiType":"dataPush",
	"domain":"acme.eu-1.celonis.cloud","authType":"custom","poolId":"3e4f5a6b-7c8d-4e9f-8a0b-1c2d3e4f5a6b"}],
	"flows":[{"name":"Permits","export":{"type":"records"},"import":{"type":"dataPush","connection":"Prod pool","table":"T"}}]}`

// fakeConfig gives a document and notes what was asked.
type fakeConfig struct {
	doc portable.Document
	opt portable.Options
}

func (f *fakeConfig) Export(context.Context, string) (*portable.Document, error) {
	var doc portable.Document
	return &doc, json.Unmarshal([]byte(configBody), &doc)
}

func (f *fakeConfig) Import(_ context.Context, _ string, doc *portable.Document, opt portable.Options) ([]portable.Item, error) {
	f.doc, f.opt = *doc, opt
	return []portable.Item{
		{Kind: audit.Connection, Name: "Prod pool", Action: portable.Update, Fields: []string{"poolId"}, Errors: []fault.Field{}, Applied: opt.Apply},
		{Kind: audit.Flow, Name: "Permits", Action: portable.Conflict, Fields: []string{},
			Errors: []fault.Field{{Pointer: "/import/connection", Code: fault.RequestFieldInvalid, Detail: "names no connection"}}},
	}, nil
}

func TestExportConfig(t *testing.T) {
	t.Parallel()
	res := setup(t).ask("GET /v1/config/export", "")
	require.Equal(t, http.StatusOK, res.status)
	require.JSONEq(t, configBody, res.body)
}

func TestImportConfig(t *testing.T) {
	t.Parallel()
	s := setup(t)
	res := s.ask("POST /v1/config/import?dryRun=true", configBody)
	require.Equal(t, http.StatusOK, res.status, res.body)
	require.JSONEq(t, `{"dryRun":true,"conflicts":1,"items":[
		{"kind":"connection","name":"Prod pool","action":"update","fields":["poolId"],"errors":[],"applied":false},
		{"kind":"flow","name":"Permits","action":"conflict","fields":[],"applied":false,
			"errors":[{"pointer":"/import/connection","code":"request.field_invalid","detail":"names no connection"}]}]}`, res.body)
	require.Equal(t, portable.Options{}, s.config.opt)
	require.Len(t, s.config.doc.Connections, 1)
	require.Len(t, s.config.doc.Flows, 1)

	s.ask("POST /v1/config/import", configBody)
	require.Equal(t, portable.Options{Apply: true}, s.config.opt, "a caller of the API may name no files")
	s.ask("POST /v1/config/import?dryRun=perhaps", configBody).requireProblem(t, http.StatusUnprocessableEntity, "request.field_invalid")
	s.ask("POST /v1/config/import", `{"connections":[{"domain":5}],"secrets":{}}`).
		requireProblem(t, http.StatusUnprocessableEntity, "request.invalid", "/secrets", "/version", "/connections/0/domain", "/connections/0/name")
}
