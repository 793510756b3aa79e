// Command duckdb measures a whole push against DuckDB's COPY of the same file,
// side by side on the same machine. It is a module of its own, so that DuckDB
// is no dependency of the connector.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/celonis-connector/connector/internal/eventlog"
)

// seed makes the same event log on every machine.
const seed = 1

type options struct {
	rows, repeats, threads int
	formats                []eventlog.Format
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o, err := parse(os.Args[1:])
	if err == nil {
		err = run(ctx, o, os.Stdout)
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "duckdb:", err)
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	var o options
	var formats string
	set := flag.NewFlagSet("duckdb", flag.ContinueOnError)
	set.IntVar(&o.rows, "rows", 1_000_000, "rows of the event log")
	set.IntVar(&o.repeats, "repeats", 5, "how often each side is measured, in turn")
	set.IntVar(&o.threads, "threads", 2, "threads of DuckDB and cores of the connector")
	set.StringVar(&formats, "formats", "csv,ndjson", "comma list of csv and ndjson")
	if err := set.Parse(args); err != nil {
		return o, err
	}
	for name := range strings.SplitSeq(formats, ",") {
		f := eventlog.Format(name)
		if f != eventlog.CSV && f != eventlog.NDJSON {
			return o, fmt.Errorf("the format %q is neither csv nor ndjson", name)
		}
		o.formats = append(o.formats, f)
	}
	if o.rows < 1 || o.repeats < 1 || o.threads < 1 {
		return o, errors.New("-rows, -repeats and -threads are at least 1")
	}
	return o, nil
}

func run(ctx context.Context, o options, out io.Writer) error {
	dir, err := os.MkdirTemp("", "connector-duckdb-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	connector, err := buildConnector(ctx, dir, o.threads)
	if err != nil {
		return err
	}
	duck, err := openDuckDB(ctx, o.threads)
	if err != nil {
		return err
	}
	defer duck.close()
	fmt.Fprintf(out, "DuckDB %s: COPY to a Snappy Parquet file, %d threads, order kept, nothing uploaded\n", duck.version, o.threads)
	fmt.Fprintf(out, "connector: a whole push, %d cores, upload included, rows counted in a simulator that shares the cores\n", o.threads)
	for _, format := range o.formats {
		file := filepath.Join(dir, "events."+string(format))
		size, err := writeLog(file, format, o.rows)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "\n%s, %d rows of %d columns, %.1f MB\n", format, o.rows, len(eventlog.Columns()), float64(size)/1e6)
		if err := compare(ctx, duck, connector, input{file, format, o}, out); err != nil {
			return err
		}
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	return nil
}

// input is a file to measure with.
type input struct {
	path   string
	format eventlog.Format
	options
}

// compare measures both sides in turn, so that a noisy machine is noisy for both.
func compare(ctx context.Context, duck *duckDB, connector *connector, in input, out io.Writer) error {
	target := filepath.Join(filepath.Dir(in.path), "duckdb.parquet")
	var theirs, ours []time.Duration
	var peak int64
	for range in.repeats {
		took, err := duck.copy(ctx, in, target)
		if err != nil {
			return err
		}
		theirs = append(theirs, took)
		if err := os.Remove(target); err != nil {
			return err
		}
		pushed, err := connector.push(ctx, in)
		if err != nil {
			return err
		}
		ours = append(ours, time.Duration(pushed.Seconds*float64(time.Second)))
		peak = max(peak, pushed.PeakResident)
	}
	tell(out, "DuckDB", in.rows, theirs)
	tell(out, "connector", in.rows, ours)
	fmt.Fprintf(out, "  ratio      best %.2f, median %.2f; the connector's peak is %d MiB resident\n",
		best(theirs).Seconds()/best(ours).Seconds(), median(theirs).Seconds()/median(ours).Seconds(), peak>>20)
	return nil
}

func tell(out io.Writer, name string, rows int, times []time.Duration) {
	rate := func(d time.Duration) float64 { return float64(rows) / d.Seconds() / 1e6 }
	fmt.Fprintf(out, "  %-10s best %.2f s, %.2f M rows/s; median %.2f s, %.2f M rows/s\n",
		name, best(times).Seconds(), rate(best(times)), median(times).Seconds(), rate(median(times)))
}

func best(times []time.Duration) time.Duration { return slices.Min(times) }

func median(times []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

func writeLog(path string, format eventlog.Format, rows int) (size int64, err error) {
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	if err := errors.Join(eventlog.Write(f, format, rows, seed), f.Close()); err != nil {
		return 0, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
