package endpoint_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/budget"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/celonis-connector/connector/internal/endpoint"
	"github.com/celonis-connector/connector/internal/engine"
)

const (
	poolID   = "11111111-2222-3333-4444-555555555555"
	sourceID = "aaaaaaaa-2222-3333-4444-555555555555"
	appKey   = "app-key-of-the-endpoint-tests"
	keyID    = "ACCESSKEYOFTHETESTS"
	secret   = "secret-of-the-access-key-of-the-tests"
	jobID    = "data-job"
	modelID  = "data-model"
)

// kit is a simulator and the rooms between it and a source.
type kit struct {
	*celonissim.Server
	t       testing.TB
	target  connections.Target
	deps    endpoint.Deps
	options engine.Options
}

func newKit(t testing.TB, change ...func(*celonissim.Options)) *kit {
	t.Helper()
	o := celonissim.Options{Limits: celonissim.Limits{SubmitsOff: true}, Teams: []celonissim.Team{{
		Credentials: []celonissim.Credential{
			{Name: "app", Kind: celonissim.AppKey, Key: appKey, PushPools: []string{poolID}, ListPools: true, ManagePools: true},
			{Name: "push only", Kind: celonissim.AppKey, Key: appKey + "2", PushPools: []string{poolID}},
		},
		Pools: []celonissim.Pool{{
			ID: poolID, Name: "Pool", DataSources: []celonissim.Named{{ID: sourceID, Name: "ERP"}},
			DataModels: []celonissim.Named{{ID: modelID, Name: "Model"}}, DataJobs: []celonissim.Named{{ID: jobID, Name: "Job"}},
			IngestionKeys: []celonissim.IngestionKey{{AccessKeyID: keyID, SecretAccessKey: secret}},
		}},
	}}}
	for _, c := range change {
		c(&o)
	}
	k := &kit{Server: celonissim.New(o), t: t, options: engine.Options{ChunkBytes: 1, TempDir: t.TempDir()}}
	url, err := k.Start("127.0.0.1:0")
	require.NoError(t, err)
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		require.NoError(t, k.Close())
	})
	k.target = connections.Target{
		BaseURL: url, APIType: connections.DataPush, AuthType: connections.Custom, Key: crypto.NewSecret(appKey), PoolID: poolID,
		Ingestion: &connections.IngestionKey{AccessKeyID: crypto.NewSecret(keyID), SecretAccessKey: crypto.NewSecret(secret)},
	}
	k.deps = endpoint.Deps{
		Targets: k, Transport: transport, Observer: silent{}, Governor: open{}, Log: slog.New(slog.DiscardHandler),
		Now: time.Now, PollFor: 20 * time.Second,
	}
	return k
}

// Target implements endpoint.Targets.
func (k *kit) Target(context.Context, string, string) (connections.Target, error) {
	return k.target, nil
}

type silent struct{}

func (silent) ChunkUploaded(bool, int64, time.Duration) {}

// open is a governor that has always room.
type open struct{}

func (open) Permit(context.Context, budget.Team, string) (time.Time, error) { return time.Time{}, nil }
func (open) Ready(context.Context, string, string) error                    { return nil }
func (open) Refused(context.Context, string, time.Time) error               { return nil }

// rules are those of rows "id,name,n".
func rules() []flows.Rule {
	return []flows.Rule{
		{To: "ID", From: "id", Type: "integer"}, {To: "NAME", From: "name", Type: "string", Length: 40}, {To: "N", From: "n", Type: "integer"},
	}
}

func flowOf(i flows.Import) *flows.Flow {
	if i.Table == "" {
		i.Table = "T"
	}
	return &flows.Flow{ID: "flow", Workspace: "w", Spec: flows.Spec{Name: "flow", Mapping: rules(), Import: i}}
}

func (k *kit) sink(f *flows.Flow) engine.Sink {
	k.t.Helper()
	s, err := endpoint.NewBuilder(k.deps).Sink(k.t.Context(), f)
	require.NoError(k.t, err)
	return s
}

// csv writes rows "id,name,n" to a file; each row is long enough for the file
// to have several blocks.
func (k *kit) csv(rows ...string) string {
	k.t.Helper()
	path := filepath.Join(k.t.TempDir(), "rows.csv")
	require.NoError(k.t, os.WriteFile(path, []byte("id,name,n\n"+strings.Join(rows, "\n")+"\n"), 0o600))
	return path
}

// many gives n rows with ids from 0; name pads them.
func many(n int) []string {
	rows := make([]string, n)
	for i := range rows {
		rows[i] = fmt.Sprintf("%d,name-%030d,%d", i, i, i)
	}
	return rows
}

// journal keeps checkpoints; fail, when set, breaks the attempt instead of saving.
type journal struct {
	mu   sync.Mutex
	last flows.Checkpoint
	// history are the checkpoints in order.
	history []flows.Checkpoint
	fail    func(c flows.Checkpoint) error
}

// Save implements engine.Journal.
func (j *journal) Save(_ context.Context, c flows.Checkpoint, _ []flows.RecordError) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.fail != nil {
		if err := j.fail(c); err != nil {
			return err
		}
	}
	j.last = c
	j.history = append(j.history, c)
	return nil
}

func (j *journal) checkpoint() flows.Checkpoint {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last
}

// push does one attempt of a flow that reads a file.
func (k *kit) push(ctx context.Context, f *flows.Flow, path string, j *journal) (flows.Ledger, error) {
	k.t.Helper()
	f.Export = flows.Export{Type: flows.ExportFile, Path: path, Format: flows.CSV}
	b := endpoint.NewBuilder(k.deps)
	source, err := b.Source(f, new(flows.Run))
	require.NoError(k.t, err)
	sink, err := b.Sink(ctx, f)
	if err != nil {
		return flows.Ledger{}, err
	}
	return engine.New(k.options).Run(ctx, engine.Job{
		Source: source, Sink: sink, Journal: j, Rules: f.Mapping, Keys: f.Import.Keys,
		MaxErrors: flows.Threshold{Count: 10}, Checkpoint: j.checkpoint(),
	})
}

// mustPush does an attempt that must succeed.
func (k *kit) mustPush(f *flows.Flow, rows ...string) flows.Ledger {
	k.t.Helper()
	ledger, err := k.push(k.t.Context(), f, k.csv(rows...), &journal{})
	require.NoError(k.t, err)
	require.True(k.t, ledger.Balanced())
	return ledger
}

// rows gives a table's rows as "id,name,n" by id.
func (k *kit) rows(i flows.Import) map[string]string {
	k.t.Helper()
	<-k.Settled(poolID, i.DataConnectionID, i.Table)
	table, ok := k.TableOf(poolID, i.DataConnectionID, i.Table)
	out := map[string]string{}
	if !ok {
		return out
	}
	for r := range table.Rows() {
		var cells []string
		for _, c := range []string{"ID", "NAME", "N"} {
			text, null := table.Value(c, r)
			if null {
				text = "<null>"
			}
			cells = append(cells, text)
		}
		if _, twice := out[cells[0]]; twice {
			require.FailNow(k.t, "a row is there twice", cells[0])
		}
		out[cells[0]] = strings.Join(cells, ",")
	}
	require.Zero(k.t, table.CutValues())
	return out
}

func expected(rows []string) map[string]string {
	out := map[string]string{}
	for _, r := range rows {
		id, _, _ := strings.Cut(r, ",")
		out[id] = r
	}
	return out
}
