package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newVersion() *cobra.Command {
	var asJSON, asSBOM bool
	cmd := &cobra.Command{
		Use: "version", Short: "Print the version, or what this program is made of", Args: cobra.NoArgs,
		Long: `Prints the version. --json tells how the program was built; --sbom prints its
bill of materials in the format CycloneDX 1.6: every module with its version and
the hash that it was checked against, as the program itself holds them.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			info, ok := debug.ReadBuildInfo()
			if !ok {
				info = &debug.BuildInfo{}
			}
			out := cmd.OutOrStdout()
			switch {
			case asSBOM:
				return failed(printJSON(out, newSBOM(version, info)))
			case asJSON:
				return failed(printJSON(out, newBuild(version, info)))
			}
			_, err := fmt.Fprintf(out, "connector %s\n", versionText())
			return failed(err)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print version, Go version, commit and target as JSON")
	cmd.Flags().BoolVar(&asSBOM, "sbom", false, "print the bill of materials (CycloneDX JSON)")
	cmd.MarkFlagsMutuallyExclusive("json", "sbom")
	return cmd
}

func printJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// build is how the program was built; what the build did not note is left out.
type build struct {
	Version   string `json:"version"`
	GoVersion string `json:"goVersion,omitempty"`
	Module    string `json:"module,omitempty"`
	Revision  string `json:"revision,omitempty"`
	Time      string `json:"time,omitempty"`
	// Modified is whether files differed from the revision.
	Modified bool   `json:"modified"`
	OS       string `json:"os,omitempty"`
	Arch     string `json:"arch,omitempty"`
	Trimmed  bool   `json:"trimmed"`
	Modules  int    `json:"modules"`
}

func newBuild(version string, info *debug.BuildInfo) build {
	set := settingsOf(info)
	return build{
		Version: version, GoVersion: info.GoVersion, Module: info.Main.Path, Revision: set["vcs.revision"], Time: set["vcs.time"],
		Modified: set["vcs.modified"] == "true", OS: set["GOOS"], Arch: set["GOARCH"], Trimmed: set["-trimpath"] == "true", Modules: len(info.Deps),
	}
}

func settingsOf(info *debug.BuildInfo) map[string]string {
	set := map[string]string{}
	for _, s := range info.Settings {
		set[s.Key] = s.Value
	}
	return set
}

func versionText() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version
	}
	text := version + " " + info.GoVersion
	if revision := settingsOf(info)["vcs.revision"]; len(revision) >= 12 {
		text += " " + revision[:12]
	}
	return text
}
