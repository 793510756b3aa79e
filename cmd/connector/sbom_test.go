package main

import (
	"bytes"
	"encoding/json"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// out is what a command prints.
func out(t *testing.T, args ...string) []byte {
	t.Helper()
	var stdout, stderr bytes.Buffer
	require.Equal(t, exitOK, run(t.Context(), args, &stdout, &stderr), stderr.String())
	return stdout.Bytes()
}

// TestSBOMNamesEveryModule holds the bill of this test's own program, whose
// modules are those of go.mod, against the format.
func TestSBOMNamesEveryModule(t *testing.T) {
	t.Parallel()
	text := out(t, "version", "--sbom")
	require.Equal(t, text, out(t, "version", "--sbom"), "the same program has the same bill")
	var b sbom
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&b))
	require.Equal(t, []string{"CycloneDX", "1.6"}, []string{b.Format, b.SpecVersion})
	require.Equal(t, 1, b.Version)
	require.Regexp(t, `^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`, b.SerialNumber)
	require.Equal(t, "application", b.Metadata.Component.Type)

	refs := map[string]bool{b.Metadata.Component.Ref: true}
	hash, where := regexp.MustCompile(`^[0-9a-f]{64}$`), regexp.MustCompile(`^pkg:golang/[^@ +]+@[^@ +]+$`)
	for _, c := range b.Components {
		require.False(t, refs[c.Ref], "two components have the reference %s", c.Ref)
		refs[c.Ref] = true
		require.Equal(t, "library", c.Type)
		require.NotEmpty(t, c.Name)
		require.Regexp(t, where, c.PURL)
		for _, h := range c.Hashes {
			require.Equal(t, "SHA-256", h.Algorithm)
			require.Regexp(t, hash, h.Content)
		}
		require.True(t, c.Name == "std" || len(c.Hashes) == 1, "%s has no hash", c.Name)
	}
	info, ok := debug.ReadBuildInfo()
	require.True(t, ok)
	require.Greater(t, len(info.Deps), 20)
	require.Len(t, b.Components, len(info.Deps)+1, "every module and the standard library")
	require.Equal(t, b.Metadata.Component.Ref, b.Dependencies[0].Ref)
	require.Len(t, b.Dependencies[0].DependsOn, len(b.Components))
	for _, d := range b.Dependencies {
		require.True(t, refs[d.Ref], d.Ref)
	}
	for _, name := range []string{"github.com/gin-gonic/gin", "github.com/redis/go-redis/v9", "github.com/jackc/pgx/v5"} {
		require.Contains(t, string(text), `"name": "`+name+`"`)
	}
}

func TestSBOMOfReplacedAndOddModules(t *testing.T) {
	t.Parallel()
	b := newSBOM("1.2.3", &debug.BuildInfo{
		GoVersion: "go1.26.0", Main: debug.Module{Path: "example.org/main"},
		Deps: []*debug.Module{
			{Path: "example.org/old", Version: "v1.0.0", Replace: &debug.Module{Path: "example.org/fork", Version: "v1.0.1+incompatible", Sum: "h1:" + strings.Repeat("A", 43) + "="}},
			{Path: "example.org/local", Version: "v0.0.0", Sum: "h9:odd"},
		},
		Settings: []debug.BuildSetting{{Key: "-ldflags", Value: "-X main.x=/home/me"}, {Key: "GOOS", Value: "linux"}},
	})
	require.Equal(t, "pkg:golang/example.org/main@1.2.3", b.Metadata.Component.PURL)
	require.Equal(t, []sbomProperty{{"go:build:GOOS", "linux"}}, b.Metadata.Properties)
	require.Len(t, b.Components, 3)
	require.Equal(t, "pkg:golang/std@1.26.0", b.Components[0].PURL)
	fork := b.Components[1]
	require.Equal(t, "pkg:golang/example.org/fork@v1.0.1%2Bincompatible", fork.PURL)
	require.Equal(t, []sbomHash{{"SHA-256", strings.Repeat("0", 64)}}, fork.Hashes)
	require.Contains(t, fork.Properties, sbomProperty{"go:replaces", "example.org/old"})
	require.Empty(t, b.Components[2].Hashes, "a hash of a kind that is not known is not told as another")
	require.Equal(t, []sbomProperty{{"go:sum", "h9:odd"}}, b.Components[2].Properties)
	require.Empty(t, newSBOM("dev", &debug.BuildInfo{}).Components)
}

func TestVersionAsJSON(t *testing.T) {
	t.Parallel()
	var b build
	require.NoError(t, json.Unmarshal(out(t, "version", "--json"), &b))
	require.Equal(t, version, b.Version)
	require.True(t, strings.HasPrefix(b.GoVersion, "go1."), b.GoVersion)
	require.Greater(t, b.Modules, 20)
	require.True(t, strings.HasPrefix(string(out(t, "version")), "connector "+version+" go1."))
	var stdout, stderr bytes.Buffer
	require.Equal(t, exitUsage, run(t.Context(), []string{"version", "--json", "--sbom"}, &stdout, &stderr))
}
