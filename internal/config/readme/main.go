// Command readme writes the table of variables into the README; go generate runs it.
package main

import (
	"fmt"
	"os"

	"github.com/celonis-connector/connector/internal/config"
)

func main() {
	if err := write("README.md"); err != nil {
		fmt.Fprintln(os.Stderr, "readme:", err)
		os.Exit(1)
	}
}

func write(path string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text, err := config.IntoReadme(string(old))
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}
