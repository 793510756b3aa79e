package archtest_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// namedTest is a test as SECURITY.md names it.
var namedTest = regexp.MustCompile("`([a-z/]+): (Test[A-Za-z0-9]+)`")

// TestEveryRowOfTheThreatModelNamesItsTest: each outcome is held by tests that
// exist in the package that is named.
func TestEveryRowOfTheThreatModelNamesItsTest(t *testing.T) {
	t.Parallel()
	tests := map[string]string{} // by package, the text of its tests
	for _, p := range packages(t) {
		for _, file := range p.tests() {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			tests[p.name()] += string(text)
		}
	}
	rows, threats := 0, false
	for line := range strings.Lines(document(t, ".github/SECURITY.md")) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|---") {
			continue
		}
		if strings.HasPrefix(line, "| attack |") || strings.HasPrefix(line, "| what |") {
			threats = strings.HasPrefix(line, "| attack |")
			continue
		}
		if !threats {
			continue
		}
		rows++
		found := namedTest.FindAllStringSubmatch(line, -1)
		if len(found) == 0 {
			t.Errorf("no test holds the row %s", line)
		}
		for _, test := range found {
			if !strings.Contains(tests[test[1]], "func "+test[2]+"(t *testing.T)") {
				t.Errorf("the row %s names %s of %s, which is not there", line, test[2], test[1])
			}
		}
	}
	require.Greater(t, rows, 30)
}

// TestReleasesAreBuiltAsChecked: what CI builds twice and compares is what the
// image and the documents build.
func TestReleasesAreBuiltAsChecked(t *testing.T) {
	t.Parallel()
	const flags = `-trimpath -buildvcs=false -ldflags "-s -w -buildid= -X main.version=`
	for _, name := range []string{".ci/run", "cmd/connector/Dockerfile", ".github/SECURITY.md"} {
		require.Contains(t, document(t, name), flags, name)
	}
	for _, check := range []string{"govulncheck ./...", "staticcheck ./...", "go mod verify"} {
		require.Contains(t, document(t, ".ci/run"), check)
	}
}
