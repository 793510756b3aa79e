package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/app"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/celonis-connector/connector/internal/eventlog"
	"github.com/spf13/cobra"
)

type benchOptions struct {
	rows              int
	format            string
	file              string
	typed, peer, json bool
	cpuProfile        string
}

func newBench() *cobra.Command {
	var o benchOptions
	cmd := &cobra.Command{
		Use: "bench", Args: cobra.NoArgs,
		Short: "Measure a whole push on this machine against a peer",
		Long: `Writes an event log of 12 columns, pushes it as connector push does to a
simulator in a process of its own, and counts the rows there. In the same run
the same file goes through a peer: the standard library's CSV or JSON reader and
parquet-go's generic writer, on one core, with nothing uploaded. What counts is
the ratio. Peak memory is this process's resident set before the peer runs.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.rows < 1 || (o.format != "csv" && o.format != "ndjson") {
				return &exitError{code: exitUsage, cause: errors.New("--rows is at least 1 and --format csv or ndjson")}
			}
			return failed(bench(cmd, o))
		},
	}
	cmd.Flags().IntVar(&o.rows, "rows", 1_000_000, "rows of the event log")
	cmd.Flags().StringVar(&o.format, "format", "csv", "csv or ndjson")
	cmd.Flags().StringVar(&o.file, "file", "", "such a log that is there already, of --rows rows")
	cmd.Flags().BoolVar(&o.typed, "typed", false, "push with a mapping that gives every column's type, instead of finding them")
	cmd.Flags().BoolVar(&o.peer, "peer", true, "measure the peer, too")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	cmd.Flags().StringVar(&o.cpuProfile, "cpuprofile", "", "write a CPU profile of the push")
	_ = cmd.Flags().MarkHidden("cpuprofile")
	return cmd
}

// mapping gives every column its type where that is asked for.
func (o benchOptions) mapping() []flows.Rule {
	if !o.typed {
		return nil
	}
	var rules []flows.Rule
	for _, name := range eventlog.Columns() {
		rule := flows.Rule{To: name, Type: eventlog.Type(name)}
		if rule.Type == "string" {
			rule.Length = typedLength
		}
		rules = append(rules, rule)
	}
	return rules
}

// typedLength is room enough for each string of the log, in bytes.
const typedLength = 80

// input gives the log's path and size; one that was not given is written to dir.
func (o benchOptions) input(dir string) (path string, size int64, err error) {
	if o.file == "" {
		path = filepath.Join(dir, "events."+o.format)
		size, err = writeLog(path, eventlog.Format(o.format), o.rows)
		return path, size, err
	}
	info, err := os.Stat(o.file)
	if err != nil {
		return "", 0, err
	}
	return o.file, info.Size(), nil
}

// benchResult is one measurement.
type benchResult struct {
	Rows         int     `json:"rows"`
	Format       string  `json:"format"`
	InputBytes   int64   `json:"inputBytes"`
	PushedBytes  int64   `json:"pushedBytes"`
	RowsThere    int     `json:"rowsInSimulator"`
	Seconds      float64 `json:"seconds"`
	RowsPerSec   int64   `json:"rowsPerSecond"`
	PeakResident int64   `json:"peakResidentBytes"`
	PeerSeconds  float64 `json:"peerSeconds,omitempty"`
	PeerRate     int64   `json:"peerRowsPerSecond,omitempty"`
	Ratio        float64 `json:"ratio,omitempty"`
}

func bench(cmd *cobra.Command, o benchOptions) error {
	ctx := cmd.Context()
	dir, err := os.MkdirTemp("", "celonis-connector-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	input, size, err := o.input(dir)
	if err != nil {
		return err
	}
	sim, stop, err := startSimulator(ctx)
	if err != nil {
		return err
	}
	defer stop()
	res := benchResult{Rows: o.rows, Format: o.format, InputBytes: size}
	p := benchPush{dir: dir, input: input, sim: sim, mapping: o.mapping(), profile: o.cpuProfile}
	if err := p.measure(cmd, &res); err != nil {
		return err
	}
	res.PeakResident = peakResident()
	if o.peer {
		if err := measurePeer(input, o.format, &res); err != nil {
			return err
		}
		res.Ratio = float64(res.RowsPerSec) / float64(res.PeerRate)
	}
	if o.json {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(res)
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "input      %s rows of 12 columns, %s, %s\n", thousands(int64(res.Rows)), o.format, megabytes(res.InputBytes))
	fmt.Fprintf(out, "connector  %.2f s, %s rows/s, %s pushed, %s rows counted in the simulator, peak %d MiB resident\n",
		res.Seconds, thousands(res.RowsPerSec), megabytes(res.PushedBytes), thousands(int64(res.RowsThere)), res.PeakResident>>20)
	if !o.peer {
		return nil
	}
	fmt.Fprintf(out, "peer       %.2f s, %s rows/s (standard library and parquet-go, one core, no upload)\n", res.PeerSeconds, thousands(res.PeerRate))
	fmt.Fprintf(out, "ratio      %.2f\n", res.Ratio)
	return nil
}

func writeLog(path string, format eventlog.Format, rows int) (int64, error) {
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	if err := errors.Join(eventlog.Write(f, format, rows, demoSeed), f.Close()); err != nil {
		return 0, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// simulated is how to reach a simulator.
type simulated struct {
	Base   string `json:"base"`
	AppKey string `json:"appKey"`
	Pool   string `json:"pool"`
}

// startSimulator runs this program once more, as the simulator, so that its
// memory and its garbage are not the connector's.
func startSimulator(ctx context.Context) (simulated, func(), error) {
	self, err := os.Executable()
	if err != nil {
		return simulated{}, nil, err
	}
	child := exec.CommandContext(ctx, self, benchSimulator)
	child.Stderr = os.Stderr
	in, err := child.StdinPipe()
	if err != nil {
		return simulated{}, nil, err
	}
	out, err := child.StdoutPipe()
	if err != nil {
		return simulated{}, nil, err
	}
	if err := child.Start(); err != nil {
		return simulated{}, nil, err
	}
	stop := func() { in.Close(); _ = child.Wait() }
	var sim simulated
	if err := json.NewDecoder(out).Decode(&sim); err != nil {
		stop()
		return simulated{}, nil, err
	}
	return sim, stop, nil
}

const benchSimulator = "bench-simulator"

// newBenchSimulator serves until its standard input ends, which it does with the parent.
func newBenchSimulator() *cobra.Command {
	return &cobra.Command{
		Use: benchSimulator, Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options := celonissim.DefaultOptions()
			options.Keep = celonissim.KeepCounts
			options.Answers.Checksum = "none" // summing up what was uploaded is the simulator's own work
			sim := celonissim.New(options)
			base, err := sim.Start("127.0.0.1:0")
			if err != nil {
				return failed(err)
			}
			defer sim.Close()
			team := options.Teams[0]
			if err := json.NewEncoder(cmd.OutOrStdout()).Encode(simulated{Base: base, AppKey: appKeyOf(team), Pool: team.Pools[0].ID}); err != nil {
				return failed(err)
			}
			_, err = io.Copy(io.Discard, os.Stdin)
			return failed(err)
		},
	}
}

// benchPush is a push to measure.
type benchPush struct {
	dir, input string
	sim        simulated
	mapping    []flows.Rule
	profile    string
}

// measure pushes the file in this process and counts the rows at the far side.
func (p benchPush) measure(cmd *cobra.Command, res *benchResult) error {
	ctx, sim := cmd.Context(), p.sim
	cfg, err := demoConfig(p.dir, sim.Base)
	if err != nil {
		return err
	}
	a, err := openApp(ctx, cfg, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer func() { _ = stopApp(ctx, cfg, a) }()
	c, err := a.Connections.Create(ctx, app.Workspace, connections.Draft{
		Name: "Bench", APIType: connections.DataPush, Domain: strings.TrimPrefix(sim.Base, "http://"),
		AuthType: connections.Custom, AppKey: crypto.NewSecret(sim.AppKey), PoolID: sim.Pool,
	}, connections.CreateOptions{})
	if err != nil {
		return err
	}
	const table = "BENCH"
	spec, err := (&pushOptions{table: table, mode: string(flows.Replace)}).spec(p.input, c.ID)
	if err != nil {
		return err
	}
	spec.Mapping = p.mapping
	flow, err := a.Flows.Create(ctx, app.Workspace, spec)
	if err != nil {
		return err
	}
	endProfile, err := profileCPU(p.profile)
	if err != nil {
		return err
	}
	began := time.Now()
	r, err := runHere(ctx, a, flow.ID, newMeter(io.Discard, true))
	endProfile()
	if err != nil {
		return err
	}
	res.Seconds = time.Since(began).Seconds()
	if r.State != flows.Succeeded || !r.Ledger.Balanced() {
		return fmt.Errorf("the run is %s: %+v, %+v", r.State, r.Ledger, r.Error)
	}
	res.RowsPerSec, res.PushedBytes = int64(float64(res.Rows)/res.Seconds), r.Bytes
	res.RowsThere, err = rowsThere(ctx, sim, table)
	if err == nil && res.RowsThere != res.Rows {
		err = fmt.Errorf("the simulator counts %d rows, the file has %d", res.RowsThere, res.Rows)
	}
	return err
}

// profileCPU writes a profile to the path until the function it gives is called; a path of "" is none.
func profileCPU(path string) (end func(), err error) {
	if path == "" {
		return func() {}, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { pprof.StopCPUProfile(); f.Close() }, nil
}

func rowsThere(ctx context.Context, sim simulated, table string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, sim.Base+"/_sim/pools/"+sim.Pool+"/tables/"+table, nil)
	if err != nil {
		return 0, err
	}
	res, err := (&http.Transport{}).RoundTrip(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	var told struct {
		Rows int `json:"rows"`
	}
	err = json.NewDecoder(res.Body).Decode(&told)
	return told.Rows, err
}

// peakResident is the most memory that this process had resident, in bytes; 0 where the system does not tell.
func peakResident() int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		var kib int64
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kib); n == 1 {
			return kib << 10
		}
	}
	return 0
}
