// Package archtest_test keeps the shape of the module: which package may import
// which, what only some of them may do, and that the documents tell the truth.
package archtest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/celonis-connector/connector"

// arrows says which packages of the module a package may import. A name stands
// for the package and all below it; the longest that fits a package decides.
// A package that no line fits fails the test: a new one needs a line here.
var arrows = map[string][]string{
	// Ground floor: no package of the module but each other's fault.
	"crypto":                 {},
	"openapi":                {},
	"internal/fault":         {},
	"internal/columns":       {"internal/fault"},
	"internal/config/readme": {"internal/config"},
	"internal/config":        {"crypto"},
	"internal/egress":        {"internal/fault"},
	"internal/spool":         {"internal/fault"},

	"internal/form":      {},
	"internal/pace":      {},
	"internal/scim":      {"internal/fault"},
	"internal/audit":     {},
	"internal/validate":  {"internal/fault"},
	"internal/telemetry": {"crypto", "internal/fault"},

	// Domain: knows no adapter.
	"connections":        {"crypto", "internal/audit", "internal/fault", "internal/form", "internal/pace", "internal/validate"},
	"connections/picker": {"connections", "internal/fault"},
	"flows":              {"connections", "crypto", "internal/sqlsource/query", "internal/fault", "internal/columns", "internal/form", "internal/scim", "internal/validate", "flows/budget", "flows/schedule", "internal/pace"},
	"flows/mapping":      {"flows", "internal/fault", "internal/columns"},

	// Adapters: never each other.
	"internal/store":              {"connections", "flows", "crypto", "internal/access", "internal/audit", "internal/fault", "internal/scim", "internal/scimgate"},
	"internal/store/storetest":    {"connections", "flows", "crypto", "internal/access", "internal/audit", "internal/fault", "internal/store", "internal/scim", "internal/scimgate"},
	"internal/queue":              {"flows", "internal/fault", "internal/pace"},
	"internal/sqlsource":          {"crypto", "internal/fault", "internal/sqlsource/query"},
	"internal/sqlsource/query":    {},
	"internal/notify":             {"crypto", "flows", "internal/audit", "internal/fault"},
	"internal/outside":            {"connections", "crypto", "internal/fault", "internal/pace"},
	"internal/kmsource":           {"internal/fault"},
	"internal/httpsink":           {"flows", "internal/columns", "internal/fault", "internal/httpsource", "internal/outside", "internal/pace"},
	"internal/httpsource":         {"connections", "flows", "crypto", "internal/columns", "internal/fault", "internal/pace"},
	"internal/celonis":            {"connections", "crypto", "internal/columns", "internal/fault", "internal/scim", "internal/pace"},
	"internal/httpapi":            {"connections", "flows", "crypto", "internal/access", "internal/audit", "internal/portable", "internal/fault", "internal/form", "internal/httpapi/strictjson", "internal/pace", "internal/validate", "openapi", "internal/scim", "internal/scimgate"},
	"internal/httpapi/strictjson": {"internal/fault"},

	// The parts of a run.
	"internal/access":    {"crypto", "internal/fault"},
	"internal/engine":    {"flows", "internal/columns", "internal/fault"},
	"internal/provision": {"internal/fault"},
	"internal/endpoint":  {"connections", "flows", "internal/celonis", "internal/columns", "internal/engine", "internal/fault", "internal/httpsink", "internal/httpsource", "internal/kmsource", "internal/listener", "internal/outside", "internal/provision", "internal/scim", "internal/spool", "internal/sqlsource", "internal/pace"},
	"internal/worker":    {"flows", "internal/audit", "internal/engine", "internal/fault", "internal/pace"},
	"internal/portable":  {"connections", "flows", "internal/audit", "internal/fault"},
	"internal/preview":   {"connections", "flows", "internal/columns", "internal/engine", "internal/fault", "internal/pace"},
	"internal/scimgate":  {"crypto", "internal/audit", "internal/fault", "internal/scim"},
	"internal/scheduler": {"flows", "internal/fault"},
	"internal/listener":  {"flows", "crypto", "internal/audit", "internal/fault"},

	// The top joins everything.
	"internal/app": {
		"connections", "flows", "crypto", "internal/access", "internal/audit", "internal/celonis", "internal/columns", "internal/config",
		"internal/egress", "internal/endpoint", "internal/engine", "internal/fault", "internal/httpapi", "internal/listener", "internal/notify", "internal/outside", "internal/portable", "internal/preview", "internal/queue",
		"internal/scheduler", "internal/spool", "internal/sqlsource", "internal/store", "internal/telemetry", "internal/worker", "internal/scim", "internal/scimgate",
	},
	"internal/doctor": {
		"crypto", "internal/app", "internal/config", "internal/egress", "internal/fault", "internal/queue", "internal/spool", "internal/store",
	},
	"cmd/connector": {
		"connections", "flows", "crypto", "internal/access", "internal/app", "internal/audit", "internal/portable", "internal/celonissim", "internal/config",
		"internal/doctor", "internal/engine", "internal/eventlog", "internal/fault",
	},
	"cmd/celonis-sim": {"internal/celonissim"},

	// The simulator shares nothing with the client, so that a wrong name fails a test.
	"internal/celonissim": {},
	"internal/eventlog":   {},

	// Only tests.
	"internal/apptest":     {"internal/celonissim"},
	"internal/testservers": {},
	"internal/archtest":    {},
}

// outside says which packages of elsewhere a package must not import, and
// those whose list is the only one allowed beside the standard library.
var (
	forbidden = map[string][]string{
		"connections":      {"database/sql", "net/http", "github.com/gin-gonic", "github.com/redis", "os"},
		"flows":            {"database/sql", "net/http", "github.com/gin-gonic", "github.com/redis", "os"},
		"internal/engine":  {"database/sql", "net/http", "github.com/gin-gonic", "github.com/redis"},
		"internal/worker":  {"database/sql", "net/http", "github.com/gin-gonic", "github.com/redis"},
		"internal/celonis": {"database/sql", "github.com/gin-gonic", "github.com/redis"},
		"internal/httpapi": {"database/sql", "github.com/redis"},
		"internal/store":   {"net/http", "github.com/gin-gonic", "github.com/redis"},
		"internal/queue":   {"net/http", "github.com/gin-gonic", "database/sql"},
	}
	only = map[string][]string{
		"crypto":         {"golang.org/x/crypto"},
		"internal/fault": {},
	}
	testHelpers = []string{"internal/apptest", "internal/testservers", "internal/store/storetest", "internal/archtest"}
)

// goPackage is what the tests read of go list.
type goPackage struct {
	ImportPath, Dir                    string
	GoFiles, TestGoFiles, XTestGoFiles []string
	Imports, TestImports, XTestImports []string
}

// name is the package's path within the module; "" is the module itself.
func (p *goPackage) name() string { return local(p.ImportPath) }

// sources gives the files that are no tests.
func (p *goPackage) sources() []string { return inDir(p.Dir, p.GoFiles) }

// tests gives the test files.
func (p *goPackage) tests() []string {
	return inDir(p.Dir, slices.Concat(p.TestGoFiles, p.XTestGoFiles))
}

func inDir(dir string, names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = filepath.Join(dir, name)
	}
	return out
}

// local cuts the module's path off; a package of elsewhere stays as it is.
func local(path string) string {
	if path == module {
		return ""
	}
	return strings.TrimPrefix(path, module+"/")
}

func isOurs(path string) bool { return path == module || strings.HasPrefix(path, module+"/") }

func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// under reports whether a package is root or below it.
func under(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }

// longest gives the key of table that fits the package best.
func longest[T any](table map[string]T, name string) (key string, ok bool) {
	for k := range table {
		if under(name, k) && (!ok || len(k) > len(key)) {
			key, ok = k, true
		}
	}
	return key, ok
}

var listOnce = sync.OnceValues(func() ([]goPackage, error) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,TestGoFiles,XTestGoFiles,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, errors.New("go list: " + err.Error() + "\n" + stderr.String())
	}
	var all []goPackage
	decoder := json.NewDecoder(bytes.NewReader(out))
	for {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
})

// root is the module's folder as seen from this one.
var root = filepath.Join("..", "..")

func packages(t *testing.T) []goPackage {
	t.Helper()
	all, err := listOnce()
	require.NoError(t, err)
	require.Greater(t, len(all), 20, "go list found too few packages to be the module")
	return all
}

func TestImportsPointDownward(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		key, ok := longest(arrows, p.name())
		if !ok {
			t.Errorf("%s: no line in arrows says what it may import", p.name())
			continue
		}
		for _, i := range p.Imports {
			if !isOurs(i) {
				continue
			}
			if !slices.ContainsFunc(arrows[key], func(may string) bool { return under(local(i), may) }) {
				t.Errorf("%s imports %s, which the line %q does not allow", p.name(), local(i), key)
			}
		}
	}
}

// Every line must fit a package, else it allows what is not there.
func TestNoArrowIsStale(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, p := range packages(t) {
		names[p.name()] = true
	}
	for key, allowed := range arrows {
		require.True(t, names[key], "arrows speaks of %q, which is no package", key)
		for _, to := range allowed {
			require.True(t, names[to], "the line %q allows %q, which is no package", key, to)
		}
	}
}

func TestAdaptersDoNotKnowEachOther(t *testing.T) {
	t.Parallel()
	adapters := []string{"internal/store", "internal/queue", "internal/celonis", "internal/httpapi"}
	for _, p := range packages(t) {
		for _, i := range p.Imports {
			for _, from := range adapters {
				for _, to := range adapters {
					if from != to && under(p.name(), from) && under(local(i), to) {
						t.Errorf("the adapter %s imports the adapter %s", p.name(), local(i))
					}
				}
			}
			if (under(p.name(), "connections") || under(p.name(), "flows")) && slices.ContainsFunc(adapters, func(a string) bool { return under(local(i), a) }) {
				t.Errorf("the domain package %s imports the adapter %s", p.name(), local(i))
			}
		}
	}
}

// The simulator's tests may not know the client either.
func TestSimulatorStandsAlone(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		if !under(p.name(), "internal/celonissim") {
			continue
		}
		for _, i := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			if isOurs(i) && !under(local(i), "internal/celonissim") {
				t.Errorf("%s imports %s", p.name(), local(i))
			}
		}
	}
}

func TestTestHelpersStayInTests(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		for _, i := range p.Imports {
			if slices.ContainsFunc(testHelpers, func(h string) bool { return under(local(i), h) }) {
				t.Errorf("%s imports %s outside of a test", p.name(), local(i))
			}
		}
	}
}

func TestImportsFromElsewhere(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		for _, i := range p.Imports {
			if key, ok := longest(forbidden, p.name()); ok && slices.ContainsFunc(forbidden[key], func(no string) bool { return i == no || no != "os" && under(i, no) }) {
				t.Errorf("%s imports %s", p.name(), i)
			}
			if key, ok := longest(only, p.name()); ok && !isStandard(i) && !isOurs(i) &&
				!slices.ContainsFunc(only[key], func(may string) bool { return under(i, may) }) {
				t.Errorf("%s imports %s; beside the standard library it may import %q", p.name(), i, only[key])
			}
		}
	}
}
