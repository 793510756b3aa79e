// Package testservers starts the real servers that tests need: redis-server,
// PostgreSQL and MariaDB, from binaries of this machine, on free loopback ports with
// their files in a temporary folder. Nothing outlives the test process, even
// when that is killed: each server hangs on a pipe that the kernel closes.
package testservers

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// RequireEnv names the variable that turns a missing server binary from a
// skipped test into a failed one; continuous integration sets it to 1.
const RequireEnv = "CONNECTOR_TEST_REQUIRE_SERVICES"

const (
	startTimeout = 30 * time.Second
	startTries   = 3
	pollEvery    = 10 * time.Millisecond
)

// startAgain tells a server's keeper to start it again once it has ended.
const startAgain = "START"

// missing ends the test because a server binary is not installed.
func missing(t testing.TB, binary, install string) {
	t.Helper()
	message := fmt.Sprintf("%s is not installed; %s", binary, install)
	if os.Getenv(RequireEnv) == "1" {
		t.Fatalf("%s (%s=1 demands it)", message, RequireEnv)
	}
	t.Skip(message)
}

// findBinary looks on PATH and then in the folders that match the patterns,
// the last of them (the newest version) first.
func findBinary(name string, patterns ...string) (string, bool) {
	if path, err := exec.LookPath(name); err == nil {
		return path, true
	}
	for _, pattern := range patterns {
		found, _ := filepath.Glob(filepath.Join(pattern, name))
		slices.Sort(found)
		if len(found) > 0 {
			return found[len(found)-1], true
		}
	}
	return "", false
}

// freePort gives a loopback port that was free a moment ago. Another process
// can still take it first, which is why starts are tried again and why each
// server is asked whether it is the one that was started.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// awaitReady asks probe until it succeeds or the time is over.
func awaitReady(probe func() error) error {
	deadline := time.Now().Add(startTimeout)
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := probe()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not ready after %s: %w", startTimeout, err)
		}
		<-tick.C
	}
}

// tail gives the end of a log file for an error message.
func tail(path string) string {
	const keep = 2000
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-keep):])
}
