package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// prefix begins the names of the environment variables.
const prefix = "CELONIS_SIM_"

// variable is the environment variable of a flag.
func variable(flag string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// fromEnvironment sets the flags that were not given from the environment.
func fromEnvironment(cmd *cobra.Command, env func(string) string) error {
	var first error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		value := env(variable(f.Name))
		if f.Changed || value == "" || first != nil || f.Name == "help" {
			return
		}
		if err := cmd.Flags().Set(f.Name, value); err != nil {
			first = fmt.Errorf("%s: %w", variable(f.Name), err)
		}
	})
	return first
}
