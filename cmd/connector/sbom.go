package main

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"runtime/debug"
	"strings"

	"github.com/google/uuid"
)

// sbom is a bill of materials in the format CycloneDX 1.6. It holds no time, so
// that two builds of the same sources give the same bytes.
type sbom struct {
	Schema       string           `json:"$schema"`
	Format       string           `json:"bomFormat"`
	SpecVersion  string           `json:"specVersion"`
	SerialNumber string           `json:"serialNumber"`
	Version      int              `json:"version"`
	Metadata     sbomMetadata     `json:"metadata"`
	Components   []sbomComponent  `json:"components"`
	Dependencies []sbomDependency `json:"dependencies"`
}

type sbomMetadata struct {
	Component  sbomComponent  `json:"component"`
	Properties []sbomProperty `json:"properties,omitempty"`
}

type sbomComponent struct {
	Type       string         `json:"type"`
	Ref        string         `json:"bom-ref"`
	Name       string         `json:"name"`
	Version    string         `json:"version,omitempty"`
	Scope      string         `json:"scope,omitempty"`
	PURL       string         `json:"purl,omitempty"`
	Hashes     []sbomHash     `json:"hashes,omitempty"`
	Properties []sbomProperty `json:"properties,omitempty"`
}

type sbomHash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type sbomProperty struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type sbomDependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn,omitempty"`
}

// newSBOM lists what a build holds: the standard library and every module that
// is linked in, as it is after replacements.
func newSBOM(version string, info *debug.BuildInfo) sbom {
	b := sbom{
		Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", Format: "CycloneDX", SpecVersion: "1.6", Version: 1,
		Components: []sbomComponent{},
	}
	b.Metadata.Component = sbomComponent{
		Type: "application", Ref: "connector", Name: "connector", Version: version, PURL: purl(info.Main.Path, version),
	}
	for _, s := range info.Settings {
		if !strings.HasPrefix(s.Key, "-ldflags") { // they may name folders of the machine
			b.Metadata.Properties = append(b.Metadata.Properties, sbomProperty{"go:build:" + s.Key, s.Value})
		}
	}
	root := sbomDependency{Ref: b.Metadata.Component.Ref}
	add := func(c sbomComponent) {
		b.Components = append(b.Components, c)
		root.DependsOn = append(root.DependsOn, c.Ref)
		b.Dependencies = append(b.Dependencies, sbomDependency{Ref: c.Ref})
	}
	if v := strings.TrimPrefix(info.GoVersion, "go"); v != "" {
		add(sbomComponent{Type: "library", Ref: purl("std", v), Name: "std", Version: v, Scope: "required", PURL: purl("std", v)})
	}
	for _, m := range info.Deps {
		add(componentOf(m))
	}
	b.Dependencies = append([]sbomDependency{root}, b.Dependencies...)
	b.SerialNumber = "urn:uuid:" + serialOf(b).String()
	return b
}

// serialOf makes a number out of the content, so that the same content has the same one.
func serialOf(b sbom) uuid.UUID {
	text, err := json.Marshal(b)
	if err != nil { // structs of strings always have a JSON form
		return uuid.Nil
	}
	return uuid.NewSHA1(uuid.NameSpaceURL, text)
}

func componentOf(m *debug.Module) sbomComponent {
	replaced := ""
	if m.Replace != nil {
		replaced, m = m.Path, m.Replace
	}
	c := sbomComponent{Type: "library", Ref: purl(m.Path, m.Version), Name: m.Path, Version: m.Version, Scope: "required", PURL: purl(m.Path, m.Version)}
	if m.Sum != "" {
		c.Properties = append(c.Properties, sbomProperty{"go:sum", m.Sum})
		// The sum is the SHA-256 of the list of the module's files with theirs.
		if sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(m.Sum, "h1:")); err == nil && strings.HasPrefix(m.Sum, "h1:") {
			c.Hashes = []sbomHash{{"SHA-256", hex.EncodeToString(sum)}}
		}
	}
	if replaced != "" {
		c.Properties = append(c.Properties, sbomProperty{"go:replaces", replaced})
	}
	return c
}

// purl is a module's package URL. A version's plus sign must be encoded there.
func purl(path, version string) string {
	if path == "" {
		return ""
	}
	text := "pkg:golang/" + path
	if version != "" {
		text += "@" + strings.ReplaceAll(version, "+", "%2B")
	}
	return text
}
