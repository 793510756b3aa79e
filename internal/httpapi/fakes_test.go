package httpapi_test

import (
	"context"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/access"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/httpapi"
)

// The ids that the fakes know; every other id is not found.
const (
	connectionID = "0199f3a0-0001-7b54-9a3e-2f6c1d0b8e11"
	flowID       = "0199f3a0-0002-7b54-9a3e-2f6c1d0b8e11"
	runID        = "0199f3a0-0003-7b54-9a3e-2f6c1d0b8e11"
	fileID       = "0199f3a0-0004-7b54-9a3e-2f6c1d0b8e11"
	unknownID    = "0199f3a0-ffff-7b54-9a3e-2f6c1d0b8e11"
)

func epoch() time.Time { return time.Date(2026, 3, 1, 8, 30, 0, 123456000, time.UTC) }

func aConnection() *connections.Connection {
	return &connections.Connection{
		ID: connectionID, Workspace: "default", Revision: 3, Name: "Prod pool", APIType: connections.DataPush,
		Domain: "acme.eu-1.celonis.cloud", AuthType: connections.Custom, PoolID: "3e4f5a6b-7c8d-4e9f-8a0b-1c2d3e4f5a6b",
		Secrets: map[connections.SecretField]connections.SealedSecret{connections.AppKey: {Envelope: "v1.k.sealed-envelope", UpdatedAt: epoch()}},
		Status:  connections.Untested, CreatedAt: epoch(), UpdatedAt: epoch(),
	}
}

func aTest() connections.TestResult {
	return connections.TestResult{Steps: []connections.Step{
		{Step: "dns", OK: true},
		{Step: "auth", Code: fault.CelonisUnauthorized, Detail: "Celonis refused the key", Hint: "make a new one"},
	}, LatencyMs: 12, At: epoch()}
}

func aFlow() *flows.Flow {
	header, value := true, flows.Scalar("5")
	return &flows.Flow{
		ID: flowID, Workspace: "default", Revision: 7, Enabled: true, CreatedAt: epoch(), UpdatedAt: epoch(),
		Spec: flows.Spec{
			Name:    "Permits",
			Export:  flows.Export{Type: flows.ExportFile, FileID: fileID, Format: flows.CSV, CSV: &flows.CSVOptions{Separator: ";", Header: &header}},
			Mapping: []flows.Rule{{To: "CASE_ID", From: "case:concept:name", Required: true}, {To: "N", Type: "integer", Default: &value}},
			Import: flows.Import{Type: flows.ImportDataPush, ConnectionID: connectionID, Table: "EVENTS", Mode: flows.Delta,
				Keys: []string{"CASE_ID"}, FileType: flows.Parquet},
			MaxErrors: &flows.Threshold{Percent: 2.5},
		},
	}
}

func aRun() *flows.Run {
	return &flows.Run{
		ID: runID, Workspace: "default", FlowID: flowID, FlowRevision: 7, Trigger: flows.Manual, State: flows.Queued, CreatedAt: epoch(),
	}
}

func none(code fault.Code, id, known string) error {
	if id == known {
		return nil
	}
	return fault.New(code, "there is none with the id %q", id)
}

// fakeConnections knows one connection. A function that is set takes over from what the fake does by itself.
type fakeConnections struct {
	create    func(connections.Draft, connections.CreateOptions) (*connections.Connection, error)
	list      func(connections.Page) ([]connections.Connection, error)
	get       func(id string) (*connections.Connection, error)
	update    func(connections.Draft, int64) (*connections.Connection, error)
	delete    func(revision int64) error
	users     []connections.Usage
	testDraft func(connections.Draft) (connections.TestResult, error)
	// during sees the context of a create.
	during func(context.Context)
}

func (f *fakeConnections) Create(ctx context.Context, _ string, d connections.Draft, opt connections.CreateOptions) (*connections.Connection, error) {
	if f.during != nil {
		f.during(ctx)
	}
	if f.create != nil {
		return f.create(d, opt)
	}
	return aConnection(), nil
}

func (f *fakeConnections) Get(_ context.Context, _, id string) (*connections.Connection, error) {
	if f.get != nil {
		return f.get(id)
	}
	return aConnection(), none(fault.ConnectionNotFound, id, connectionID)
}

func (f *fakeConnections) List(_ context.Context, _ string, p connections.Page) ([]connections.Connection, error) {
	if f.list != nil {
		return f.list(p)
	}
	return nil, nil
}

func (f *fakeConnections) Update(_ context.Context, _, id string, d connections.Draft, revision int64) (*connections.Connection, error) {
	if f.update != nil {
		return f.update(d, revision)
	}
	return aConnection(), none(fault.ConnectionNotFound, id, connectionID)
}

func (f *fakeConnections) Delete(_ context.Context, _, id string, revision int64) error {
	if f.delete != nil {
		return f.delete(revision)
	}
	return none(fault.ConnectionNotFound, id, connectionID)
}

func (f *fakeConnections) UsedBy(_ context.Context, _, id string) ([]connections.Usage, error) {
	return f.users, none(fault.ConnectionNotFound, id, connectionID)
}

func (f *fakeConnections) Test(_ context.Context, _, id string) (connections.TestResult, error) {
	return aTest(), none(fault.ConnectionNotFound, id, connectionID)
}

func (f *fakeConnections) TestDraft(_ context.Context, _ string, d connections.Draft) (connections.TestResult, error) {
	if f.testDraft != nil {
		return f.testDraft(d)
	}
	return aTest(), nil
}

// fakeFlows knows one flow, one run and one file.
type fakeFlows struct {
	create     func(flows.Spec) (*flows.Flow, error)
	get        func() (*flows.Flow, error)
	update     func(flows.Spec, int64) (*flows.Flow, error)
	delete     func(revision int64) error
	setEnabled func(enabled bool, revision int64) (*flows.Flow, error)
	startRun   func() (*flows.Run, error)
	run        func() (*flows.Run, error)
	runs       func(flows.Page) ([]flows.Run, error)
	cancel     func() (*flows.Run, error)
	post       func(ndjson []byte, records int64) (*flows.Receipt, error)
	postOnce   func(flows.Post) (*flows.Receipt, error)
	errors     func(flows.ErrorQuery) ([]flows.RecordError, error)
	// errorsAsked and retryVersion are what was retried or resolved.
	errorsAsked  []flows.ErrorQuery
	retryVersion flows.FlowVersion
	upload       func(name string, r io.Reader) (*flows.File, error)
	// prospect is what lies ahead of the flow.
	prospect flows.Prospect
	// asked is the last query of runs, progress what is known of every run.
	asked       flows.RunQuery
	progress    *flows.Progress
	prospectErr error
}

func (f *fakeFlows) Create(_ context.Context, _ string, s flows.Spec) (*flows.Flow, error) {
	if f.create != nil {
		return f.create(s)
	}
	return aFlow(), nil
}

func (f *fakeFlows) Get(_ context.Context, _, id string) (*flows.Flow, error) {
	if f.get != nil {
		return f.get()
	}
	return aFlow(), none(fault.FlowNotFound, id, flowID)
}

func (f *fakeFlows) List(_ context.Context, _ string, p flows.Page) ([]flows.Flow, error) {
	return []flows.Flow{*aFlow()}, nil
}

func (f *fakeFlows) Update(_ context.Context, _, id string, s flows.Spec, revision int64) (*flows.Flow, error) {
	if f.update != nil {
		return f.update(s, revision)
	}
	return aFlow(), none(fault.FlowNotFound, id, flowID)
}

func (f *fakeFlows) Delete(_ context.Context, _, id string, revision int64) error {
	if f.delete != nil {
		return f.delete(revision)
	}
	return none(fault.FlowNotFound, id, flowID)
}

func (f *fakeFlows) SetEnabled(_ context.Context, _, id string, enabled bool, revision int64) (*flows.Flow, error) {
	if f.setEnabled != nil {
		return f.setEnabled(enabled, revision)
	}
	return aFlow(), none(fault.FlowNotFound, id, flowID)
}

func (f *fakeFlows) SetPaused(_ context.Context, _, id string, paused bool, _ int64) (*flows.Flow, error) {
	flow := aFlow()
	flow.Paused = paused
	return flow, none(fault.FlowNotFound, id, flowID)
}

func (f *fakeFlows) Prospect(context.Context, *flows.Flow) (flows.Prospect, error) {
	return f.prospect, f.prospectErr
}

func (f *fakeFlows) StartRun(_ context.Context, _, id string) (*flows.Run, error) {
	if f.startRun != nil {
		return f.startRun()
	}
	return aRun(), none(fault.FlowNotFound, id, flowID)
}

func (f *fakeFlows) Run(_ context.Context, _, id string) (*flows.Run, error) {
	if f.run != nil {
		return f.run()
	}
	return aRun(), none(fault.RunNotFound, id, runID)
}

func (f *fakeFlows) RunHistory(_ context.Context, q flows.RunQuery) ([]flows.Run, error) {
	f.asked = q
	if f.runs != nil {
		return f.runs(q.Page)
	}
	if q.FlowID == "" {
		q.FlowID = flowID
	}
	return []flows.Run{*aRun()}, none(fault.FlowNotFound, q.FlowID, flowID)
}

func (f *fakeFlows) RunProgress(context.Context, *flows.Run) *flows.Progress { return f.progress }

func (f *fakeFlows) CancelRun(_ context.Context, _, id string) (*flows.Run, error) {
	if f.cancel != nil {
		return f.cancel()
	}
	return aRun(), none(fault.RunNotFound, id, runID)
}

func (f *fakeFlows) PostRecords(_ context.Context, _, id string, p flows.Post) (*flows.Receipt, error) {
	if f.postOnce != nil {
		return f.postOnce(p)
	}
	if f.post != nil {
		return f.post(p.NDJSON, p.Records)
	}
	return &flows.Receipt{BatchID: unknownID, RunID: runID, Records: p.Records}, none(fault.FlowNotFound, id, flowID)
}

func (f *fakeFlows) Errors(_ context.Context, q flows.ErrorQuery) ([]flows.RecordError, error) {
	if f.errors != nil {
		return f.errors(q)
	}
	return nil, none(fault.FlowNotFound, q.FlowID, flowID)
}

func (f *fakeFlows) UploadFile(_ context.Context, _, name string, r io.Reader) (*flows.File, error) {
	if f.upload != nil {
		return f.upload(name, r)
	}
	n, err := io.Copy(io.Discard, r)
	if err != nil {
		return nil, fault.Wrap(err, fault.SpoolFull, "the spool's own words")
	}
	return &flows.File{ID: fileID, Name: name, Bytes: n, SHA256: strings.Repeat("0a", 32), CreatedAt: epoch()}, nil
}

func (f *fakeFlows) File(_ context.Context, _, id string) (*flows.File, error) {
	return &flows.File{ID: fileID, Name: "a.csv", Bytes: 5, SHA256: strings.Repeat("0a", 32), CreatedAt: epoch()},
		none(fault.FileNotFound, id, fileID)
}

func (f *fakeFlows) ListFiles(_ context.Context, q flows.FileQuery) ([]flows.File, error) {
	if q.Page.After != "" || q.FlowID == unknownID {
		return nil, nil
	}
	rows := flows.File{ID: fileID, Name: "a.csv", Bytes: 5, SHA256: strings.Repeat("0a", 32), CreatedAt: epoch(), FlowID: flowID, RunID: runID, Format: flows.CSV, Rows: 1, ExpiresAt: epoch()}
	return []flows.File{rows}, nil
}

func (f *fakeFlows) FilesOfRuns(ctx context.Context, workspace string, _ []string) ([]flows.File, error) {
	return f.ListFiles(ctx, flows.FileQuery{Workspace: workspace})
}

func (f *fakeFlows) DeleteFile(_ context.Context, _, id string) error {
	return none(fault.FileNotFound, id, fileID)
}

// fakeContents has one file.
type fakeContents struct{ path string }

func (f fakeContents) Open(string) (*os.File, int64, error) {
	file, err := os.Open(f.path)
	if err != nil {
		return nil, 0, fault.Wrap(err, fault.FileNotFound, "there is no file")
	}
	return file, 5, nil
}

// fakeAccess takes the scopes of a token from its text: "flows:read,flows:run".
type fakeAccess struct{ verify func() error }

func (f *fakeAccess) Authenticate(_ context.Context, id string, secret crypto.Secret) (access.Login, error) {
	if f.verify != nil {
		return access.Login{}, f.verify()
	}
	if id != "client:1" || !secret.Equal(crypto.NewSecret("s3cret %+")) {
		return access.Login{}, fault.New(fault.AccessUnauthenticated, "the client is unknown or disabled, or its secret is wrong")
	}
	return access.Login{Client: access.Client{ID: id, Scopes: []access.Scope{access.FlowsRead, access.FlowsRun}}}, nil
}

func (f *fakeAccess) IssueToken(_ context.Context, c access.Login, requested []string) (access.Token, error) {
	scopes := c.Scopes
	if len(requested) > 0 {
		var err error
		if scopes, err = access.ParseScopes(requested); err != nil {
			return access.Token{}, err
		}
	}
	for _, s := range scopes {
		if s != access.FlowsRead && s != access.FlowsRun {
			return access.Token{}, fault.New(fault.AccessForbidden, "the client does not have the scope %q", s)
		}
	}
	return access.Token{AccessToken: crypto.NewSecret("issued"), ExpiresIn: 15 * time.Minute, Scopes: scopes}, nil
}

func (f *fakeAccess) VerifyToken(_ context.Context, raw string) (access.Principal, error) {
	if f.verify != nil {
		return access.Principal{}, f.verify()
	}
	scopes, err := access.ParseScopes(strings.Split(raw, ","))
	if err != nil {
		return access.Principal{}, fault.New(fault.AccessUnauthenticated, "the token is not valid")
	}
	return access.Principal{ClientID: "client:1", Name: "loader", Workspace: "default", Scopes: scopes}, nil
}

// VerifyBearer takes the id and the secret of Authenticate.
func (f *fakeAccess) VerifyBearer(_ context.Context, raw string) (access.Principal, error) {
	if raw != bearerClient+".ccs_right" {
		return access.Principal{}, fault.New(fault.AccessUnauthenticated, "the client is unknown or disabled, or its secret is wrong")
	}
	return access.Principal{ClientID: bearerClient, Workspace: "default", Scopes: []access.Scope{access.ScimRead, access.ScimWrite}}, nil
}

// fakeIdempotency keeps answers in memory, as the store does in SQL.
type fakeIdempotency struct {
	mu     sync.Mutex
	keys   map[string]httpapi.IdempotencyKey
	answer map[string]httpapi.IdempotentResponse
	fail   error
	// loseAnswers keeps no answer, as a process that dies before it does.
	loseAnswers bool
}

func newIdempotency() *fakeIdempotency {
	return &fakeIdempotency{keys: map[string]httpapi.IdempotencyKey{}, answer: map[string]httpapi.IdempotentResponse{}}
}

func (f *fakeIdempotency) BeginIdempotent(_ context.Context, k httpapi.IdempotencyKey) (*httpapi.IdempotentResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := k.Workspace + "/" + k.Client + "/" + k.Key
	was, taken := f.keys[id]
	answer, done := f.answer[id]
	switch {
	case !taken:
		f.keys[id] = k
		return nil, f.fail
	case was.Route != k.Route || was.BodyHash != k.BodyHash:
		return nil, fault.New(fault.RequestIdempotencyReuse, "used for another request")
	case !done:
		return nil, fault.New(fault.RequestIdempotencyBusy, "not answered yet")
	}
	return &answer, nil
}

func (f *fakeIdempotency) FinishIdempotent(ctx context.Context, k httpapi.IdempotencyKey, a httpapi.IdempotentResponse) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.loseAnswers {
		return ctx.Err()
	}
	f.answer[k.Workspace+"/"+k.Client+"/"+k.Key] = a
	return ctx.Err()
}

func (f *fakeIdempotency) ForgetIdempotent(ctx context.Context, k httpapi.IdempotencyKey) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.keys, k.Workspace+"/"+k.Client+"/"+k.Key)
	return ctx.Err()
}

// fakeHealth answers with what it is.
type fakeHealth []httpapi.Part

func (f fakeHealth) Ready(context.Context) []httpapi.Part { return f }
