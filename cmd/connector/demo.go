package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/app"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/celonis-connector/connector/internal/config"
	"github.com/celonis-connector/connector/internal/eventlog"
	"github.com/spf13/cobra"
)

const (
	demoTable = "DEMO_EVENTS"
	demoSeed  = 20240102
	// listenVariable is the one setting of the environment that the demo heeds.
	listenVariable = "CONNECTOR_LISTEN"
)

type demoOptions struct {
	file string
	rows int
	once bool
}

func newDemo() *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use: "demo", Args: cobra.NoArgs,
		Short: "Show the main job from end to end, against a simulator in this process",
		Long: `Starts everything in this process, with a simulator in the place of Celonis:
makes a connection, tests it, uploads an event log, makes a flow, runs it, and
compares the simulator's table with the file, value by value. All of it goes
through the REST API. Then it stays up until Ctrl-C; --once ends it, with status
0 only if the ledger balances and the table equals the file. The API takes the
usual port, or a free one where that is taken; CONNECTOR_LISTEN names another.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.rows < 1 || o.rows > 50_000_000 {
				return &exitError{code: exitUsage, cause: errors.New("--rows is a number from 1 to 50,000,000")}
			}
			return failed(demo(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), o))
		},
	}
	cmd.Flags().StringVar(&o.file, "file", "", "push this CSV file instead of a generated purchase-to-pay event log")
	cmd.Flags().IntVar(&o.rows, "rows", 100_000, "events of the generated log")
	cmd.Flags().BoolVar(&o.once, "once", false, "end after the comparison")
	return cmd
}

// stage is what the demo runs on.
type stage struct {
	out   io.Writer
	app   *app.App
	api   *apiClient
	sim   *celonissim.Server
	team  celonissim.Team
	host  string // of the simulator
	dir   string
	input string
	rows  int
}

func demo(ctx context.Context, out, logs io.Writer, o demoOptions) error {
	s, closeStage, err := openStage(ctx, out, logs)
	if err != nil {
		return err
	}
	err = s.play(ctx, logs, o)
	if err == nil && !o.once {
		s.stayUp(ctx)
	}
	return errors.Join(err, closeStage())
}

// openStage starts the simulator and the service, each on a port of loopback.
func openStage(ctx context.Context, out, logs io.Writer) (_ *stage, _ func() error, err error) {
	s := &stage{out: out}
	var undo []func() error
	closeStage := func() error {
		var all []error
		for i := len(undo) - 1; i >= 0; i-- {
			all = append(all, undo[i]())
		}
		return errors.Join(all...)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, closeStage())
		}
	}()
	if s.dir, err = os.MkdirTemp("", "celonis-connector-demo-"); err != nil {
		return nil, nil, err
	}
	undo = append(undo, func() error { return os.RemoveAll(s.dir) })

	options := celonissim.DefaultOptions()
	s.team = options.Teams[0]
	s.sim = celonissim.New(options)
	base, err := s.sim.Start("127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	undo = append(undo, s.sim.Close)
	s.host = base[len("http://"):]

	cfg, err := demoConfig(s.dir, base)
	if err != nil {
		return nil, nil, err
	}
	port, err := demoPort(os.Getenv(listenVariable), cfg.Listen)
	if err != nil {
		return nil, nil, err
	}
	undo = append(undo, func() error {
		if err := port.Close(); !errors.Is(err, net.ErrClosed) { // the app has closed what it served on
			return err
		}
		return nil
	})
	if s.app, err = openApp(ctx, cfg, logs, app.WithListener(port)); err != nil {
		return nil, nil, err
	}
	undo = append(undo, func() error { return stopApp(ctx, cfg, s.app) })
	if err := s.app.Start(ctx, app.AllRoles()); err != nil {
		return nil, nil, err
	}
	s.api, err = newAPIClient(ctx, s.app)
	fmt.Fprintf(out, "celonis-connector demo\n  service    %s, everything embedded\n  simulator  %s, in the place of Celonis\n\n", s.app.URL(), base)
	return s, closeStage, err
}

func demoConfig(dir, simulator string) (config.Config, error) {
	key, err := crypto.GenerateEntry()
	if err != nil {
		return config.Config{}, err
	}
	cfg := config.Default()
	cfg.DataDir = filepath.Join(dir, "data")
	cfg.MasterKeys = crypto.NewSecret(key)
	cfg.AllowedHosts = []string{simulator}
	cfg.LogLevel = quietLog
	return cfg, nil
}

// demoPort binds the port of the demo's API: the one that was asked for, and no
// other; else the usual one, or a free one where that is taken.
func demoPort(asked, usual string) (net.Listener, error) {
	if asked != "" {
		l, err := net.Listen("tcp", asked)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", listenVariable, err)
		}
		return l, nil
	}
	if l, err := net.Listen("tcp", usual); err == nil {
		return l, nil
	}
	return net.Listen("tcp", "127.0.0.1:0")
}

// play goes through the main job, a line for each step.
func (s *stage) play(ctx context.Context, logs io.Writer, o demoOptions) error {
	if err := s.writeInput(o); err != nil {
		return err
	}
	connectionID, err := s.connect(ctx)
	if err != nil {
		return err
	}
	fileID, err := s.upload(ctx)
	if err != nil {
		return err
	}
	flowID, err := s.makeFlow(ctx, connectionID, fileID)
	if err != nil {
		return err
	}
	r, err := s.runFlow(ctx, flowID, newMeter(logs, false))
	if err != nil {
		return err
	}
	return s.compare(r)
}

func (s *stage) writeInput(o demoOptions) error {
	if o.file != "" {
		s.input = o.file
		_, err := os.Stat(o.file)
		return err
	}
	s.rows = o.rows
	s.input = filepath.Join(s.dir, "purchase-to-pay.csv")
	f, err := os.Create(s.input)
	if err != nil {
		return err
	}
	return errors.Join(eventlog.Write(f, eventlog.CSV, o.rows, demoSeed), f.Close())
}

func (s *stage) step(name, format string, args ...any) {
	fmt.Fprintf(s.out, "  %-10s %s\n", name, fmt.Sprintf(format, args...))
}

func (s *stage) connect(ctx context.Context) (string, error) {
	var c struct {
		ID       string `json:"id"`
		Status   string `json:"status"`
		LastTest struct {
			LatencyMs int64 `json:"latencyMs"`
			Steps     []struct {
				Step   string `json:"step"`
				OK     bool   `json:"ok"`
				Detail string `json:"detail"`
				Hint   string `json:"hint"`
			} `json:"steps"`
		} `json:"lastTest"`
	}
	err := s.api.call(ctx, "POST", "/v1/connections", map[string]any{
		"name": "Demo pool", "apiType": "dataPush", "domain": s.host, "authType": "custom",
		"appKey": appKeyOf(s.team), "poolId": s.team.Pools[0].ID,
	}, &c)
	if err != nil {
		return "", err
	}
	text := ""
	for _, step := range c.LastTest.Steps {
		if !step.OK {
			return "", fmt.Errorf("the test call failed at %s: %s; %s", step.Step, step.Detail, step.Hint)
		}
		text += step.Step + " ok, "
	}
	s.step("connection", "%q is %s: %s%d ms", "Demo pool", c.Status, text, c.LastTest.LatencyMs)
	return c.ID, nil
}

func appKeyOf(team celonissim.Team) string {
	for _, c := range team.Credentials {
		if c.Kind == celonissim.AppKey {
			return c.Key
		}
	}
	return ""
}

func (s *stage) upload(ctx context.Context) (string, error) {
	var f struct {
		ID    string `json:"id"`
		Bytes int64  `json:"bytes"`
	}
	if err := s.api.upload(ctx, s.input, &f); err != nil {
		return "", err
	}
	s.step("file", "%s, %s", filepath.Base(s.input), megabytes(f.Bytes))
	return f.ID, nil
}

func (s *stage) makeFlow(ctx context.Context, connectionID, fileID string) (string, error) {
	var f struct {
		ID string `json:"id"`
	}
	err := s.api.call(ctx, "POST", "/v1/flows", map[string]any{
		"name":   "Demo events",
		"export": map[string]any{"type": "file", "fileId": fileID, "format": "csv"},
		"import": map[string]any{"type": "dataPush", "connectionId": connectionID, "table": demoTable, "mode": "replace"},
	}, &f)
	if err != nil {
		return "", err
	}
	s.step("flow", "%q: every column of the file, types found from it, to table %s", "Demo events", demoTable)
	return f.ID, nil
}

// demoRun is what the demo reads of a run.
type demoRun struct {
	ID     string `json:"id"`
	State  string `json:"state"`
	Ledger struct {
		Read, Filtered, Pushed, Errored int64
	} `json:"ledger"`
	Bytes      int64     `json:"bytes"`
	Chunks     int64     `json:"chunks"`
	StartedAt  time.Time `json:"startedAt"`
	FinishedAt time.Time `json:"finishedAt"`
	Error      *struct {
		Code, Message, Hint string
	} `json:"error"`
}

func (r *demoRun) ended() bool {
	return r.State == "succeeded" || r.State == "failed" || r.State == "canceled"
}

func (s *stage) runFlow(ctx context.Context, flowID string, m *meter) (*demoRun, error) {
	r := new(demoRun)
	if err := s.api.call(ctx, "POST", "/v1/flows/"+flowID+"/runs", nil, r); err != nil {
		return nil, err
	}
	defer m.done()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for !r.ended() {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-ticker.C:
		}
		if p, ok := s.app.Worker.RunProgress(r.ID); ok {
			m.show(p)
		}
		if err := s.api.call(ctx, "GET", "/v1/runs/"+r.ID, nil, r); err != nil {
			return nil, err
		}
	}
	m.done()
	if r.State != "succeeded" {
		return nil, fmt.Errorf("the run %s: %s (%s); %s", r.State, r.Error.Message, r.Error.Code, r.Error.Hint)
	}
	took := r.FinishedAt.Sub(r.StartedAt)
	s.step("run", "%s in %s: %s rows/s, %d Parquet chunks, %s", r.State, took.Round(time.Millisecond),
		thousands(int64(float64(r.Ledger.Read)/took.Seconds())), r.Chunks, megabytes(r.Bytes))
	return r, nil
}

// compare holds the ledger and the simulator's table against the file.
func (s *stage) compare(r *demoRun) error {
	l := r.Ledger
	balances := l.Read == l.Filtered+l.Pushed+l.Errored
	s.step("ledger", "read %s = filtered %s + pushed %s + errored %s", thousands(l.Read), thousands(l.Filtered), thousands(l.Pushed), thousands(l.Errored))
	if !balances {
		return errors.New("the ledger does not balance")
	}
	table, ok := s.sim.Table(s.team.Pools[0].ID, demoTable)
	if !ok {
		return fmt.Errorf("the simulator has no table %s", demoTable)
	}
	rows, err := equalTable(s.input, table)
	if err != nil {
		return err
	}
	if l.Errored == 0 && int64(rows) != l.Pushed {
		return fmt.Errorf("the file has %d records and the ledger %d", rows, l.Pushed)
	}
	s.step("table", "%s has %s rows of %d columns, each value as in the file", demoTable, thousands(int64(table.Rows())), len(table.Columns()))
	return nil
}

func (s *stage) stayUp(ctx context.Context) {
	fmt.Fprintf(s.out, `
The service stays up; Ctrl-C ends it. The API is described at %s/docs. Try:

  curl -s -u '%s:%s' -d grant_type=client_credentials %s/oauth/token
  curl -s -H "Authorization: Bearer $TOKEN" %s/v1/connections
`, s.app.URL(), s.api.clientID, s.api.secret.Reveal(), s.app.URL(), s.app.URL())
	<-ctx.Done()
	fmt.Fprintln(s.out)
}
