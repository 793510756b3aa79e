// Command connector stores connections to Celonis and runs flows between them
// and files, posted records and other systems.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // schedules name zones, and a machine need not have them

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/spf13/cobra"
)

// version is set by the linker.
var version = "dev"

// The exit codes, which connector --help lists.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitRecords     = 3
	exitConnection  = 4
	exitTampered    = 5
	exitInterrupted = 130
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program: it gives the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	var coded *exitError
	if !errors.As(err, &coded) {
		fmt.Fprintf(stderr, "connector: %v\n", err)
		fmt.Fprintf(stderr, "run connector --help for the commands\n")
		return exitUsage
	}
	if coded.cause != nil {
		tell(stderr, coded.cause)
	}
	return coded.code
}

// tell prints an error as a person wants it: the sentence, then the hint.
func tell(w io.Writer, err error) {
	var f *fault.Error
	if !errors.As(err, &f) {
		fmt.Fprintf(w, "connector: %v\n", err)
		return
	}
	fmt.Fprintf(w, "connector: %s (%s)\n", f.Message, f.Code)
	for _, field := range f.Fields {
		fmt.Fprintf(w, "  %s: %s\n", field.Pointer, field.Detail)
	}
	if f.Hint != "" {
		fmt.Fprintf(w, "  hint: %s\n", f.Hint)
	}
	if f.Cause != nil && f.Fields == nil {
		fmt.Fprintf(w, "  cause: %v\n", f.Cause)
	}
}

// exitError carries an exit code through cobra.
type exitError struct {
	code  int
	cause error
}

func (e *exitError) Error() string {
	if e.cause == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.cause.Error()
}

func (e *exitError) Unwrap() error { return e.cause }

// failed wraps what a command's work returned, so that it is not taken for a
// fault of its usage.
func failed(err error) error {
	if err == nil {
		return nil
	}
	var coded *exitError
	if errors.As(err, &coded) {
		return err
	}
	if errors.Is(err, context.Canceled) {
		return &exitError{code: exitInterrupted}
	}
	return &exitError{code: exitFailed, cause: err}
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "connector",
		Short: "Connects Celonis data pools with files, posted records and other systems",
		Long: `connector stores connections to Celonis, checks them with a test call, and runs
flows that push records into data pools: nothing lost, nothing doubled.

Start with
  connector demo              everything in one process, against a simulator
  connector serve             the service; its settings are CONNECTOR_* variables
  connector push orders.csv   push one file from a shell
  connector ask ...           ask a Process Copilot agent from a shell

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but some records are bad,
4 the connection does not work, 5 the audit log was tampered with, 130 interrupted.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       versionText(),
	}
	root.AddCommand(newServe(), newDemo(), newPush(), newAsk(), newDoctor(), newKeys(), newConfig(), newClients(), newAudit(), newBench(), newBenchSimulator(), newVersion())
	root.CompletionOptions.HiddenDefaultCmd = true
	return root
}
