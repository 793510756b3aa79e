// Package endpoint joins the ends of a flow to the engine: one list builds
// every source and every sink.
package endpoint

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/celonis"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/outside"
	"github.com/celonis-connector/connector/internal/sqlsource"
)

// Targets opens a connection's secret for one run (I4).
type Targets interface {
	Target(ctx context.Context, workspace, id string) (connections.Target, error)
}

// OutsideTargets opens the secrets of an outside connection for one run (I4).
type OutsideTargets interface {
	OutsideTarget(ctx context.Context, workspace, id string) (connections.OutsideTarget, error)
}

// Spool opens uploaded files.
type Spool interface {
	Open(id string) (file *os.File, size int64, err error)
}

// Observer hears of uploads; the metrics do. It must not block.
type Observer interface {
	ChunkUploaded(accepted bool, bytes int64, took time.Duration)
}

// Deps are what the ends need.
type Deps struct {
	Targets Targets
	// Outside and Logins are the way to what flows read from that is not Celonis.
	Outside OutsideTargets
	// DeliveryKeys sign what is sent to webhooks.
	DeliveryKeys DeliveryKeys
	Logins       *outside.Logins
	// Databases opens databases.
	Databases *sqlsource.Databases
	// MaxSource is the most that one run fetches of files, in bytes; 0 is DefaultMaxSource.
	MaxSource int64
	Spool     Spool
	// FileSpool and RunFiles keep the files that runs make; MaxFile is the largest one in bytes, 0 for any.
	FileSpool FileSpool
	RunFiles  flows.RunFileStore
	MaxFile   int64
	Records   flows.RecordStore
	// Retries gives the records of runs that retry errors.
	Retries flows.RetryStore
	// Connections and Governor keep push submissions within their team's budget.
	Connections Connections
	Governor    Governor
	// Quota keeps requests to the Intelligence API within theirs.
	Quota Quota
	// Answers keeps what agents answered to the lookups of runs.
	Answers   flows.AnswerStore
	Transport http.RoundTripper
	// Limits keeps the limits that connections set; it may be nil.
	Limits *celonis.SharedLimits
	// Tokens are the process's access tokens; nil gives each run its own.
	Tokens   *celonis.Tokens
	Observer Observer
	// TempDir takes what sources send, until it is mapped; "" is the system's.
	TempDir string
	Log     *slog.Logger
	Now     func() time.Time
	// PollFor is how long a worker waits for Celonis to load a push job before
	// the run waits without a worker. Default DefaultPollFor.
	PollFor time.Duration
	// UploadTimeout is celonis.RetryPolicy.Upload; 0 is its default.
	UploadTimeout time.Duration
	// Protectors hide the values of protected columns; without them such a flow has no rows.
	Protectors Protectors
}

// DefaultPollFor is long enough for most loads, which take seconds.
const DefaultPollFor = 30 * time.Second

// Builder makes the ends of runs.
type Builder struct{ Deps }

// NewBuilder makes a Builder.
func NewBuilder(d Deps) *Builder {
	if d.PollFor == 0 {
		d.PollFor = DefaultPollFor
	}
	return &Builder{d}
}

// Source makes the source of a run; fault FlowInvalid for an export type that nothing serves. A source that is an
// io.Closer is closed after the attempt.
func (b *Builder) Source(f *flows.Flow, r *flows.Run) (engine.Source, error) {
	if r.Trigger == flows.Retry {
		return retrySource{records: b.Retries, token: r.Token(), export: f.Export}, nil
	}
	if idle, ok := idleOf(r); ok {
		return idle, nil
	}
	make, ok := b.sources()[f.Export.Type]
	if !ok {
		return nil, fault.New(fault.FlowInvalid, "nothing serves the export type %q", f.Export.Type)
	}
	return make(f, r)
}

// sourceMaker makes the source of a run.
type sourceMaker func(f *flows.Flow, r *flows.Run) (engine.Source, error)

// sources is the one list of what a flow can read.
func (b *Builder) sources() map[flows.ExportType]sourceMaker {
	return map[flows.ExportType]sourceMaker{
		flows.ExportFile: func(f *flows.Flow, r *flows.Run) (engine.Source, error) {
			if f.Export.Fetched() {
				return b.fetchedFiles(f, r), nil
			}
			return fileSource{export: f.Export, spool: b.Spool}, nil
		},
		flows.ExportHTTP:    b.api,
		flows.ExportSQL:     b.database,
		flows.ExportRecords: b.posted,
		flows.ExportWebhook: b.posted,

		flows.ExportEventSubscription: b.posted,

		flows.ExportAuditLog: b.adminSource, flows.ExportLoginHistory: b.adminSource, flows.ExportMembers: b.adminSource,
		flows.ExportPermissions: b.adminSource, flows.ExportAdoption: b.adminSource,
		flows.ExportKnowledgeModel: b.knowledge, flows.ExportOData: b.knowledge,
		flows.ExportPQL: b.query, flows.ExportMCPTool: b.tool,
		flows.ExportSCIMUsers: b.scimSource, flows.ExportSCIMGroups: b.scimSource,
	}
}

// posted makes the source of a run of records that came to the flow.
func (b *Builder) posted(f *flows.Flow, r *flows.Run) (engine.Source, error) {
	return recordsSource{records: b.Records, token: r.Token(), ready: b.ready(f, r)}, nil
}

// Sink makes the sink of a run. Faults: those of Targets and OutsideTargets,
// FlowInvalid for an import type that nothing serves.
func (b *Builder) Sink(ctx context.Context, f *flows.Flow) (engine.Sink, error) {
	make, ok := b.sinks()[f.Import.Type]
	if !ok {
		return nil, fault.New(fault.FlowInvalid, "nothing serves the import type %q", f.Import.Type)
	}
	return make(ctx, f)
}

// sinkMaker makes the sink of a run.
type sinkMaker func(ctx context.Context, f *flows.Flow) (engine.Sink, error)

// sinks is the one list of where a flow can write.
func (b *Builder) sinks() map[flows.ImportType]sinkMaker {
	return map[flows.ImportType]sinkMaker{
		flows.ImportDataPush: b.dataPush, flows.ImportContinuousPush: b.continuous, flows.ImportDataIngestion: b.ingestion,
		flows.ImportFile:      b.files,
		flows.ImportWebhook:   func(ctx context.Context, f *flows.Flow) (engine.Sink, error) { return b.toHook(ctx, f, nil) },
		flows.ImportHTTP:      func(ctx context.Context, f *flows.Flow) (engine.Sink, error) { return b.toAPI(ctx, f, nil) },
		flows.ImportSCIMUsers: b.scim, flows.ImportSCIMGroups: b.scim,
	}
}

// celonisConfig says how Celonis is called through the import's connection.
func (b *Builder) celonisConfig(ctx context.Context, f *flows.Flow) (celonis.Config, error) {
	target, err := b.Targets.Target(ctx, f.Workspace, f.Import.ConnectionID)
	return celonis.Config{
		Target: target, Transport: b.Transport, Logger: b.Log, Now: b.Now, Shared: b.Limits, Tokens: b.Tokens, Retry: celonis.RetryPolicy{Upload: b.UploadTimeout},
	}, err
}

// tableOf gives the table that the flow's rows go into.
func (b *Builder) tableOf(f *flows.Flow, cfg celonis.Config) (*standingTable, error) {
	client, err := celonis.New(cfg)
	if err != nil {
		return nil, err
	}
	return &standingTable{
		client: client, pool: cfg.Target.PoolID, spec: f.Import, fixed: fixedLengths(f.Mapping),
		retyping: f.Retrying && len(f.Mapping) == 0, log: b.Log,
	}, nil
}

// upserts gives what the sinks without a push job have in common.
func (b *Builder) upserts(ctx context.Context, f *flows.Flow) (upserting, celonis.Config, error) {
	cfg, err := b.celonisConfig(ctx, f)
	if err != nil {
		return upserting{}, cfg, err
	}
	table, err := b.tableOf(f, cfg)
	return upserting{spec: f.Import, table: table, sender: sender{observer: b.Observer, harmless: true, now: b.Now}}, cfg, err
}

func (b *Builder) continuous(ctx context.Context, f *flows.Flow) (engine.Sink, error) {
	rows, cfg, err := b.upserts(ctx, f)
	if err != nil {
		return nil, err
	}
	return &continuousPush{upserting: rows, push: rows.table.client.ContinuousPush(cfg.Target.PoolID)}, nil
}

func (b *Builder) ingestion(ctx context.Context, f *flows.Flow) (engine.Sink, error) {
	rows, cfg, err := b.upserts(ctx, f)
	if err != nil {
		return nil, err
	}
	bucket, err := celonis.NewDataIngestion(cfg)
	if err != nil {
		return nil, err
	}
	return &dataIngestion{upserting: rows, bucket: bucket}, nil
}

func (b *Builder) dataPush(ctx context.Context, f *flows.Flow) (engine.Sink, error) {
	cfg, err := b.celonisConfig(ctx, f)
	if err != nil {
		return nil, err
	}
	table, err := b.tableOf(f, cfg)
	if err != nil {
		return nil, err
	}
	target, client := cfg.Target, table.client
	team, err := teamOf(target, client)
	if err != nil {
		return nil, err
	}
	return &dataPush{
		push: client.DataPush(target.PoolID), spec: f.Import, table: table, governor: b.Governor, team: team,
		sender:  sender{observer: b.Observer, harmless: isHarmless(f.Import), now: b.Now},
		steps:   steps{client: client, pool: target.PoolID, list: f.Import.Then, pollFor: b.PollFor, now: b.Now},
		pollFor: b.PollFor, now: b.Now, log: b.Log,
	}, nil
}
