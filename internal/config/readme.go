package config

import (
	"fmt"
	"strings"
)

// The marks between which the README shows the table of variables.
const (
	ReadmeBegin = "<!-- config:begin -->"
	ReadmeEnd   = "<!-- config:end -->"
)

// IntoReadme gives the README with the table of variables between its marks; an error when it has no marks.
func IntoReadme(readme string) (string, error) {
	before, rest, ok := strings.Cut(readme, ReadmeBegin)
	_, after, found := strings.Cut(rest, ReadmeEnd)
	if !ok || !found {
		return "", fmt.Errorf("the README lacks %s and %s", ReadmeBegin, ReadmeEnd)
	}
	return before + ReadmeBegin + "\n" + Markdown() + ReadmeEnd + after, nil
}
