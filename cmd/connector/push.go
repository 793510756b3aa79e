package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/app"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/spf13/cobra"
)

type pushOptions struct {
	connection, table, mode, format, mapping   string
	separator, quote, encoding, dataConnection string
	keys                                       []string
	maxErrors                                  string
	noHeader, csvChunks, json                  bool
}

func newPush() *cobra.Command {
	var o pushOptions
	cmd := &cobra.Command{
		Use: "push FILE --connection NAME --table TABLE", Args: cobra.ExactArgs(1),
		Short: "Push a file into a table of a data pool",
		Long: `Pushes a CSV, NDJSON or JSON file (also as .gz or .zst) into a table of a data
pool, with the connections of this environment's database. Without --mapping
every field becomes a column whose type is found from the file's beginning.

The run is kept in the database like any other. When the shell dies, a service
on the same machine and database finishes it; Ctrl-C cancels it.

Exit codes: 0 every record is in the table, 3 done but some records are bad,
4 the connection does not work, 1 failed otherwise, 2 wrong usage, 130 interrupted.`,
		Example: `  connector push orders.csv --connection "Prod pool" --table ORDERS
  connector push events.ndjson.gz --connection "Prod pool" --table EVENTS --mode delta --key CASE_ID --key EVENTTIME`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return withApp(cmd, func(a *app.App) error { return push(cmd, a, args[0], o) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.connection, "connection", "", "name or id of the connection")
	f.StringVar(&o.table, "table", "", "table of the pool")
	f.StringVar(&o.mode, "mode", string(flows.Replace), "replace the table's rows, or delta: insert, and update by --key")
	f.StringArrayVar(&o.keys, "key", nil, "column that tells rows apart; may be given again")
	f.StringVar(&o.format, "format", "", "csv, ndjson, json or parquet; found from the file's name when not given")
	f.StringVar(&o.mapping, "mapping", "", "JSON file with a flow's mapping")
	f.StringVar(&o.separator, "separator", "", "CSV separator; found from the header when not given")
	f.StringVar(&o.quote, "quote", "", `CSV quote, " when not given`)
	f.StringVar(&o.encoding, "encoding", "", "CSV encoding: utf-8, utf-16, utf-16le, utf-16be, latin1, windows-1252")
	f.BoolVar(&o.noHeader, "no-header", false, "the CSV file has no header; columns are column1, column2, ...")
	f.StringVar(&o.dataConnection, "data-connection", "", "id of the data connection whose schema gets the table")
	f.BoolVar(&o.csvChunks, "csv-chunks", false, "send CSV chunks instead of Parquet")
	f.StringVar(&o.maxErrors, "max-errors", "", `bad records that the run bears: a count or a percentage such as "5%"`)
	f.BoolVar(&o.json, "json", false, "print the run as one JSON object, and nothing else")
	_ = cmd.MarkFlagRequired("connection")
	_ = cmd.MarkFlagRequired("table")
	return cmd
}

func push(cmd *cobra.Command, a *app.App, file string, o pushOptions) error {
	ctx := cmd.Context()
	c, err := findConnection(ctx, a, o.connection)
	if err != nil {
		return err
	}
	if err := bringOnline(ctx, a, c); err != nil {
		return err
	}
	spec, err := o.spec(file, c.ID)
	if err != nil {
		return &exitError{code: exitUsage, cause: err}
	}
	flow, err := saveShellFlow(ctx, a, spec)
	if err != nil {
		return err
	}
	started := time.Now()
	r, err := runHere(ctx, a, flow.ID, newMeter(cmd.ErrOrStderr(), o.json))
	if err != nil {
		return err
	}
	return report(cmd, r, o, time.Since(started))
}

func findConnection(ctx context.Context, a *app.App, nameOrID string) (*connections.Connection, error) {
	c, err := a.Store.ConnectionByName(ctx, app.Workspace, nameOrID)
	if !fault.Has(err, fault.ConnectionNotFound) {
		return c, err
	}
	if c, err := a.Store.Connection(ctx, app.Workspace, nameOrID); err == nil {
		return c, nil
	}
	return nil, &exitError{code: exitConnection, cause: fault.New(fault.ConnectionNotFound, "there is no connection %q", nameOrID).
		WithHint("make one with POST /v1/connections; the names are in GET /v1/connections")}
}

// bringOnline tests an offline connection, which may work again by now: a shell does not wait for the next probe.
func bringOnline(ctx context.Context, a *app.App, c *connections.Connection) error {
	if c.Status != connections.Offline {
		return nil
	}
	if _, err := a.Connections.Test(ctx, app.Workspace, c.ID); err != nil {
		return &exitError{code: exitConnection, cause: err}
	}
	c, err := a.Connections.Get(ctx, app.Workspace, c.ID)
	if err == nil && c.Status == connections.Offline {
		why := offlineReason(c)
		return &exitError{code: exitConnection, cause: fault.New(why.Code, "%s", why.Message).WithHint("%s", why.Hint)}
	}
	return err
}

// offlineReason tells what made a connection go offline: the failed step of its last test.
func offlineReason(c *connections.Connection) *flows.RunError {
	if c.LastTest != nil {
		for _, step := range c.LastTest.Steps {
			if !step.OK {
				return &flows.RunError{Code: step.Code, Message: step.Detail, Hint: step.Hint}
			}
		}
	}
	return &flows.RunError{Code: fault.ConnectionOffline, Message: fmt.Sprintf("the connection %q is offline", c.Name), Hint: "give it its key"}
}

// spec makes the flow that does what the flags say.
func (o *pushOptions) spec(file, connectionID string) (flows.Spec, error) {
	path, err := filepath.Abs(file)
	if err != nil {
		return flows.Spec{}, err
	}
	format, err := formatOf(file, o.format)
	if err != nil {
		return flows.Spec{}, err
	}
	spec := flows.Spec{
		Name:   "shell: " + o.table,
		Export: flows.Export{Type: flows.ExportFile, Path: path, Format: format},
		Import: flows.Import{
			Type: flows.ImportDataPush, ConnectionID: connectionID, Table: o.table, Mode: flows.Mode(o.mode),
			Keys: o.keys, DataConnectionID: o.dataConnection,
		},
	}
	if o.csvChunks {
		spec.Import.FileType = flows.CSVChunks
	}
	if format == flows.CSV {
		header := !o.noHeader
		spec.Export.CSV = &flows.CSVOptions{Separator: o.separator, Quote: o.quote, Encoding: o.encoding, Header: &header}
	}
	if o.maxErrors != "" {
		spec.MaxErrors, err = parseThreshold(o.maxErrors)
		if err != nil {
			return flows.Spec{}, fmt.Errorf("--max-errors %w", err)
		}
	}
	if o.mapping != "" {
		if spec.Mapping, err = readMapping(o.mapping); err != nil {
			return flows.Spec{}, err
		}
	}
	return spec, nil
}

// parseThreshold reads a count or a percentage as the API does.
func parseThreshold(text string) (*flows.Threshold, error) {
	t := new(flows.Threshold)
	if err := t.UnmarshalJSON([]byte(text)); err == nil {
		return t, nil
	}
	quoted, err := json.Marshal(text)
	if err != nil {
		return nil, err
	}
	if err := t.UnmarshalJSON(quoted); err != nil {
		return nil, errors.New(fault.From(err).Message)
	}
	return t, nil
}

func formatOf(file, given string) (flows.Format, error) {
	if given != "" {
		return flows.Format(given), nil
	}
	name := strings.ToLower(filepath.Base(file))
	for _, packed := range []string{".gz", ".zst"} {
		name = strings.TrimSuffix(name, packed)
	}
	switch filepath.Ext(name) {
	case ".csv", ".tsv", ".txt":
		return flows.CSV, nil
	case ".ndjson", ".jsonl":
		return flows.NDJSON, nil
	case ".json":
		return flows.JSON, nil
	case ".parquet", ".pq":
		return flows.ParquetFile, nil
	}
	return "", fmt.Errorf("the name %q does not tell the format: give --format csv, ndjson, json or parquet", filepath.Base(file))
}

func readMapping(path string) ([]flows.Rule, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	decoder := json.NewDecoder(io.LimitReader(f, 1<<20))
	decoder.DisallowUnknownFields()
	var rules []flows.Rule
	if err := decoder.Decode(&rules); err != nil {
		return nil, fmt.Errorf("--mapping %s: %w", path, err)
	}
	return rules, nil
}

// saveShellFlow keeps one flow for each table that is pushed from a shell.
func saveShellFlow(ctx context.Context, a *app.App, spec flows.Spec) (*flows.Flow, error) {
	f, err := a.Flows.GetByName(ctx, app.Workspace, spec.Name)
	if fault.Has(err, fault.FlowNotFound) {
		return a.Flows.Create(ctx, app.Workspace, spec)
	}
	if err != nil {
		return nil, err
	}
	return a.Flows.Update(ctx, app.Workspace, f.ID, spec, f.Revision)
}

// runHere does a run of the flow in this process until it has ended. A run
// that waits is waited for, but not for a connection that went offline; one
// that a service on the same database took is followed. An interrupt cancels it.
func runHere(ctx context.Context, a *app.App, flowID string, m *meter) (*flows.Run, error) {
	defer m.done()
	r, err := a.Flows.StartRun(ctx, app.Workspace, flowID)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() {
		_, _ = a.Flows.CancelRun(context.WithoutCancel(ctx), app.Workspace, r.ID)
	})
	defer stop()
	alive := context.WithoutCancel(ctx) // the cancel above ends the run; its row must still be settled
	for {
		claimed, err := a.Worker.Claim(alive, r.ID)
		switch {
		case err == nil:
			showing, stopShowing := context.WithCancel(alive)
			shown := make(chan struct{})
			go func() { defer close(shown); showRun(showing, a, r.ID, m) }()
			a.Worker.Do(alive, claimed, func(context.Context) error { return nil })
			stopShowing()
			<-shown
		case !fault.Has(err, fault.RunStateConflict):
			return nil, err
		}
		if r, err = a.Flows.Run(alive, app.Workspace, r.ID); err != nil || r.State.Ended() {
			return r, err
		}
		if isOffline(r) {
			return giveUp(alive, a, r)
		}
		m.waiting(r)
		select {
		case <-time.After(waitFor(r)):
		case <-ctx.Done():
		}
	}
}

func isOffline(r *flows.Run) bool {
	return r.State == flows.Waiting && r.Error != nil && r.Error.Code == fault.ConnectionOffline
}

// giveUp cancels a run that waits for an offline connection and gives it the
// reason. A run that went on meanwhile is canceled too.
func giveUp(ctx context.Context, a *app.App, r *flows.Run) (*flows.Run, error) {
	canceled, err := a.Flows.CancelRun(ctx, app.Workspace, r.ID)
	if err != nil {
		return nil, err
	}
	canceled.State, canceled.Error = flows.Canceled, r.Error
	f, err := a.Flows.Get(ctx, app.Workspace, r.FlowID)
	if err != nil {
		return nil, err
	}
	if c, err := a.Connections.Get(ctx, app.Workspace, f.Import.ConnectionID); err == nil && c.Status == connections.Offline {
		canceled.Error = offlineReason(c)
	}
	return canceled, nil
}

// waitFor is how long to wait before looking at a run again.
func waitFor(r *flows.Run) time.Duration {
	const look = 200 * time.Millisecond
	if r.State == flows.Waiting {
		return min(max(time.Until(r.ResumeAt), look), time.Second)
	}
	return look
}

func showRun(ctx context.Context, a *app.App, runID string, m *meter) {
	every(ctx, 100*time.Millisecond, func() {
		if p, ok := a.Worker.RunProgress(runID); ok {
			m.show(p)
		}
	})
}

// pushReport is the JSON form of a finished push.
type pushReport struct {
	RunID     string          `json:"runId"`
	State     flows.State     `json:"state"`
	Table     string          `json:"table"`
	Ledger    flows.Ledger    `json:"ledger"`
	Bytes     int64           `json:"bytes"`
	Chunks    int64           `json:"chunks"`
	PushJobID string          `json:"pushJobId,omitempty"`
	Seconds   float64         `json:"seconds"`
	Error     *flows.RunError `json:"error,omitempty"`
}

func report(cmd *cobra.Command, r *flows.Run, o pushOptions, took time.Duration) error {
	out := cmd.OutOrStdout()
	code := exitCodeOf(r)
	if o.json {
		err := json.NewEncoder(out).Encode(pushReport{
			RunID: r.ID, State: r.State, Table: o.table, Ledger: r.Ledger, Bytes: r.Bytes, Chunks: r.Chunks,
			PushJobID: r.PushJobID, Seconds: took.Seconds(), Error: r.Error,
		})
		if err != nil || code == exitOK {
			return err
		}
		return &exitError{code: code}
	}
	l := r.Ledger
	switch {
	case r.State == flows.Succeeded:
		fmt.Fprintf(out, "%s: %s rows pushed in %s (%s rows/s, %d chunks, %s)\n", o.table, thousands(l.Pushed),
			took.Round(time.Millisecond), thousands(int64(float64(l.Read)/took.Seconds())), r.Chunks, megabytes(r.Bytes))
		fmt.Fprintf(out, "ledger: read %s = filtered %s + pushed %s + errored %s\n", thousands(l.Read), thousands(l.Filtered), thousands(l.Pushed), thousands(l.Errored))
	case r.Error == nil || r.Error.Code == fault.RunCanceled:
		fmt.Fprintf(out, "canceled; nothing of it is in the table\n")
	default:
		f := fault.New(r.Error.Code, "%s", r.Error.Message)
		if r.Error.Hint != "" {
			f = f.WithHint("%s", r.Error.Hint)
		}
		return &exitError{code: code, cause: f}
	}
	if r.HasErrors() {
		fmt.Fprintf(out, "%s records are bad: GET /v1/flows/%s/errors?runId=%s lists them\n", thousands(l.Errored), r.FlowID, r.ID)
	}
	if code == exitOK {
		return nil
	}
	return &exitError{code: code}
}

func exitCodeOf(r *flows.Run) int {
	switch {
	case r.State == flows.Succeeded && !r.HasErrors():
		return exitOK
	case r.State == flows.Succeeded:
		return exitRecords
	case r.Error != nil && (isConnectionFault(r.Error.Code) || r.State == flows.Canceled && r.Error.Code != fault.RunCanceled):
		return exitConnection
	case r.State == flows.Canceled:
		return exitInterrupted
	}
	return exitFailed
}

func isConnectionFault(code fault.Code) bool {
	switch code {
	case fault.CelonisUnauthorized, fault.CelonisSchemeMixup, fault.CelonisForbidden, fault.CelonisAPIDisabled, fault.CelonisPoolNotFound,
		fault.EgressDNS, fault.EgressRefused, fault.EgressTLS, fault.EgressTimeout, fault.EgressUnreachable, fault.ConnectionNotFound, fault.ConnectionOffline:
		return true
	}
	return false
}
