package celonis_test

import (
	"bufio"
	"net/http"
	"os"
	process "os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/celonis"
	"github.com/celonis-connector/connector/internal/scim"
)

// skipForeign skips a test for what the machine lacks, unless services are required.
func skipForeign(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CONNECTOR_TEST_REQUIRE_SERVICES") == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf("skipped: "+format, args...)
}

// foreignSCIM installs the SCIM server of another house from npm, at the versions of its lock file.
func foreignSCIM(t testing.TB) (folder, node string) {
	t.Helper()
	node, err := process.LookPath("node")
	if err != nil {
		skipForeign(t, "node is not on this machine")
	}
	npm, err := process.LookPath("npm")
	if err != nil {
		skipForeign(t, "npm is not on this machine")
	}
	folder = t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", ".npmrc", "server.mjs"} {
		data, err := os.ReadFile(filepath.Join("foreign", "scim", name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), data, 0o600))
	}
	install := process.CommandContext(t.Context(), npm, "ci", "--ignore-scripts", "--prefer-offline", "--fetch-retries=1")
	install.Dir = folder
	if out, err := install.CombinedOutput(); err != nil {
		skipForeign(t, "the npm registry cannot be reached: %v\n%s", err, out)
	}
	return folder, node
}

// startForeign starts the server and gives its address.
func startForeign(t testing.TB, folder, node string, args ...string) string {
	t.Helper()
	server := process.CommandContext(t.Context(), node, append([]string{"server.mjs"}, args...)...)
	server.Dir, server.Stderr = folder, os.Stderr
	// The server ends when its input does, even when this process is killed.
	input, err := server.StdinPipe()
	require.NoError(t, err)
	output, err := server.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, server.Start())
	t.Cleanup(func() {
		_ = input.Close()
		_ = server.Wait()
	})
	line, err := bufio.NewReader(output).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(line)
}

// TestSCIMServerOfAnotherHouse does to a server that knows nothing of Celonis all that the client can do.
func TestSCIMServerOfAnotherHouse(t *testing.T) {
	t.Parallel()
	folder, node := foreignSCIM(t)
	for name, args := range map[string][]string{"lenient": nil, "strict": {"strict"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			transport := &http.Transport{}
			t.Cleanup(transport.CloseIdleConnections)
			c := newClient(t, celonis.Config{
				Target: target(startForeign(t, folder, node, args...)), Transport: transport, Retry: celonis.RetryPolicy{Base: time.Millisecond, Timeout: 20 * time.Second},
			})
			api := c.SCIM()
			exerciseSCIM(t, api)

			// What Celonis adds is none of its attributes: it must not be in the way.
			u := named("role@example.com")
			u.Role, u.SendEmailOnInvitation = scim.RoleAdmin, pointer(true)
			u, err := api.Users.Create(t.Context(), u)
			require.NoError(t, err)
			require.NoError(t, api.Users.Delete(t.Context(), u.ID))
		})
	}
}
