package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func noEnvironment(string) string { return "" }

// running is a started command.
type running struct {
	base  string
	lines string
	stop  func() error
}

func run(t *testing.T, env func(string) string, args ...string) running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	read, write := io.Pipe()
	cmd := command(env, write)
	cmd.SetArgs(append([]string{"--listen", "127.0.0.1:0"}, args...))
	done := make(chan error, 1)
	go func() { done <- cmd.ExecuteContext(ctx) }()
	r := running{stop: func() error { cancel(); return <-done }}
	lines := bufio.NewScanner(read)
	for lines.Scan() {
		r.lines += lines.Text() + "\n"
		if strings.Contains(lines.Text(), "Data connection") {
			break
		}
	}
	go func() { _, _ = io.Copy(io.Discard, read) }()
	r.base = regexp.MustCompile(`https?://\S+`).FindString(r.lines)
	require.NotEmpty(t, r.base, r.lines)
	return r
}

func status(t *testing.T, url, auth string) int {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", auth)
	res, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return res.StatusCode
}

func TestServe(t *testing.T) {
	t.Parallel()
	const pool = "11111111-2222-3333-4444-555555555555"
	dir := t.TempDir()
	env := func(name string) string {
		return map[string]string{"CELONIS_SIM_APP_KEY": "from-env", "CELONIS_SIM_POOL_ID": "from-env"}[name]
	}
	r := run(t, env, "--pool-id", pool, "--api-key", "k", "--spool-dir", dir)
	jobs := r.base + "/integration/api/v1/data-push/" + pool + "/jobs/"
	require.Equal(t, 200, status(t, jobs, "AppKey from-env"))
	require.Equal(t, 200, status(t, jobs, "Bearer k"))
	require.Contains(t, r.lines, "from-env")
	require.NoError(t, check(t.Context(), strings.TrimPrefix(r.base, "http://"), false))
	require.NoError(t, r.stop())
	require.Error(t, check(t.Context(), strings.TrimPrefix(r.base, "http://"), false))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestGeneratedKeys(t *testing.T) {
	t.Parallel()
	r := run(t, noEnvironment, "--no-admin", "--no-limits", "--count-only")
	key := regexp.MustCompile(`App key +(\S+)`).FindStringSubmatch(r.lines)[1]
	require.Equal(t, 200, status(t, r.base+"/api/cloud", "AppKey "+key))
	require.Equal(t, 404, status(t, r.base+"/_sim/state", ""))
	require.NoError(t, r.stop())
}

func TestTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"team.sim.celonis.cloud"}, NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	for name, block := range map[string]*pem.Block{"cert": {Type: "CERTIFICATE", Bytes: cert}, "key": {Type: "PRIVATE KEY", Bytes: der}} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600))
	}
	r := run(t, noEnvironment, "--tls-cert", filepath.Join(dir, "cert"), "--tls-key", filepath.Join(dir, "key"))
	require.NoError(t, check(t.Context(), strings.TrimPrefix(r.base, "https://"), true))
	require.NoError(t, r.stop())
}

func TestBadSettings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		env  map[string]string
		want string
	}{
		{[]string{"--pool-id", "x"}, nil, `--pool-id "x" is not a UUID`},
		{[]string{"--tls-cert", "/nonexistent"}, nil, "reading --tls-cert"},
		{[]string{"--listen", "nowhere"}, nil, "missing port"},
		{[]string{"--spool-dir", "/nonexistent"}, nil, "no such file"},
		{nil, map[string]string{"CELONIS_SIM_JOB_DELAY": "soon"}, "CELONIS_SIM_JOB_DELAY"},
		{[]string{"--healthcheck", "--listen", ":1"}, nil, "connect"},
	} {
		cmd := command(func(name string) string { return c.env[name] }, io.Discard)
		cmd.SetArgs(c.args)
		require.ErrorContains(t, cmd.ExecuteContext(t.Context()), c.want)
	}
}
