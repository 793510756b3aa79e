package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// module is the one that this module's go.mod replaces by the tree around it.
const module = "github.com/celonis-connector/connector"

// connector is the built program.
type connector struct {
	binary string
	cores  int
}

func buildConnector(ctx context.Context, dir string, cores int) (*connector, error) {
	root, err := output(exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", module))
	if err != nil {
		return nil, err
	}
	c := &connector{binary: filepath.Join(dir, "connector"), cores: cores}
	build := exec.CommandContext(ctx, "go", "build", "-o", c.binary, "./cmd/connector")
	build.Dir = strings.TrimSpace(string(root))
	_, err = output(build)
	return c, err
}

// pushed is what a measured push tells of itself.
type pushed struct {
	RowsThere    int     `json:"rowsInSimulator"`
	Seconds      float64 `json:"seconds"`
	PeakResident int64   `json:"peakResidentBytes"`
}

// push pushes the file in a process of its own, from the run's request to the
// end of the push job.
func (c *connector) push(ctx context.Context, in input) (pushed, error) {
	cmd := exec.CommandContext(ctx, c.binary, "bench", "--file", in.path, "--format", string(in.format),
		"--rows", strconv.Itoa(in.rows), "--typed", "--peer=false", "--json")
	cmd.Env = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(c.cores))
	text, err := output(cmd)
	if err != nil {
		return pushed{}, err
	}
	var p pushed
	if err := json.Unmarshal(text, &p); err != nil {
		return pushed{}, fmt.Errorf("connector bench: %w: %s", err, text)
	}
	if p.RowsThere != in.rows {
		return pushed{}, fmt.Errorf("the simulator counts %d rows, the file has %d", p.RowsThere, in.rows)
	}
	return p, nil
}

func output(cmd *exec.Cmd) ([]byte, error) {
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", cmd, err, stderr.String())
	}
	return out, nil
}
