package archtest_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/celonis-connector/connector/internal/config"
	"github.com/stretchr/testify/require"
)

// document reads a document of the module's root; the test is skipped where there is none.
func document(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("there is no %s", name)
	}
	require.NoError(t, err)
	return string(text)
}

var (
	quoted = regexp.MustCompile("`([^`\n]+)`")
	path   = regexp.MustCompile(`^[A-Za-z0-9_.*-]+(/[A-Za-z0-9_.*-]+)*/?$`)
)

// named gives the paths of the module that a text names in backticks: what
// starts with one of its folders, or is a file of its root.
func named(text string, top map[string]bool) (out []string) {
	for _, m := range quoted.FindAllStringSubmatch(text, -1) {
		word, _, _ := strings.Cut(m[1], ":") // path: symbol
		word = strings.TrimPrefix(word, "./")
		first, rest, below := strings.Cut(word, "/")
		switch {
		case !path.MatchString(word):
		case below && rest != "..." && top[first], !below && (filepath.Ext(word) == ".md" || filepath.Ext(word) == ".yml"):
			out = append(out, strings.TrimSuffix(strings.TrimSuffix(word, "..."), "/"))
		}
	}
	return out
}

func topFolders(t *testing.T) map[string]bool {
	t.Helper()
	entries, err := os.ReadDir(root)
	require.NoError(t, err)
	top := map[string]bool{}
	for _, e := range entries {
		if e.IsDir() {
			top[e.Name()] = true
		}
	}
	require.True(t, top["internal"] && top["cmd"])
	return top
}

func TestDocumentsNameWhatExists(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"README.md", "CONTRIBUTING.md"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, p := range named(document(t, name), topFolders(t)) {
				found, err := filepath.Glob(filepath.Join(root, p))
				require.NoError(t, err)
				require.NotEmpty(t, found, "%s names %q, which is not there", name, p)
			}
		})
	}
}

// The scan must find what is there, or an empty result would mean nothing.
func TestNamedFindsPaths(t *testing.T) {
	t.Parallel()
	text := "see `internal/app/app.go: New`, `cmd/connector/`, `CONTRIBUTING.md`; not `GET /v1/flows`, `a/b`, `go test ./...` or `./...`"
	require.Equal(t, []string{"internal/app/app.go", "cmd/connector", "CONTRIBUTING.md"},
		named(text, map[string]bool{"internal": true, "cmd": true}))
}

func TestConfigurationTableIsGenerated(t *testing.T) {
	t.Parallel()
	const begin, end = "<!-- config:begin -->", "<!-- config:end -->"
	text := document(t, "README.md")
	_, rest, ok := strings.Cut(text, begin)
	require.True(t, ok, "README.md has no %s", begin)
	table, _, ok := strings.Cut(rest, end)
	require.True(t, ok, "README.md has no %s after %s", end, begin)
	require.Equal(t, strings.TrimSpace(config.Markdown()), strings.TrimSpace(table),
		"the table of variables is not what internal/config says; put this between the markers:\n%s", config.Markdown())
}
