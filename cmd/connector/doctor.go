package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/celonis-connector/connector/internal/config"
	"github.com/celonis-connector/connector/internal/doctor"
	"github.com/spf13/cobra"
)

func newDoctor() *cobra.Command {
	var domain string
	var live, asJSON bool
	cmd := &cobra.Command{
		Use: "doctor", Args: cobra.NoArgs,
		Short: "Check keys, database, Redis, spool, TLS, egress and clocks, and say what to do",
		Long: `Looks at everything that this environment's service stands on and says what is
wrong and what to do about it. Status 0 when nothing is broken; warnings do not
change it. --live only asks a running service whether it lives, for containers.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.FromEnvironment()
			if err != nil {
				return failed(err)
			}
			if live {
				return failed(askLive(cmd.Context(), cfg))
			}
			findings := doctor.Examine(cmd.Context(), cfg, domain)
			return failed(printFindings(cmd, findings, asJSON))
		},
	}
	cmd.Flags().StringVar(&domain, "domain", "", "also reach this Celonis domain, such as acme.eu-1.celonis.cloud")
	cmd.Flags().BoolVar(&live, "live", false, "only ask GET /healthz of the service on CONNECTOR_LISTEN")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printFindings(cmd *cobra.Command, findings []doctor.Finding, asJSON bool) error {
	out := cmd.OutOrStdout()
	broken := 0
	for _, f := range findings {
		if f.Level == doctor.Broken {
			broken++
		}
		if asJSON {
			continue
		}
		fmt.Fprintf(out, "%-8s %-10s %s\n", f.Level, f.Part, f.Text)
		if f.Do != "" {
			fmt.Fprintf(out, "%-8s %-10s → %s\n", "", "", f.Do)
		}
	}
	if asJSON {
		if err := json.NewEncoder(out).Encode(map[string]any{"findings": findings}); err != nil {
			return err
		}
	}
	if broken > 0 {
		return &exitError{code: exitFailed}
	}
	return nil
}

// askLive asks the service on this machine for its health.
func askLive(ctx context.Context, cfg config.Config) error {
	host, port, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return fmt.Errorf("CONNECTOR_LISTEN: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	scheme, showed := "http", false
	if cfg.TLSCertFile != "" {
		scheme = "https"
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+net.JoinHostPort(host, port)+"/healthz", nil)
	if err != nil {
		return err
	}
	over := &http.Transport{TLSClientConfig: &tls.Config{
		// The certificate is for the service's public name, this is its port on
		// this machine, and nothing secret is sent: that it answers is all.
		InsecureSkipVerify: true,
		VerifyConnection:   func(tls.ConnectionState) error { showed = true; return nil },
	}}
	defer over.CloseIdleConnections()
	res, err := over.RoundTrip(req)
	if err != nil {
		if showed && cfg.TLSClientCAFile != "" {
			return nil // it answered, and wants a certificate that this command does not have
		}
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("/healthz answered %d", res.StatusCode)
	}
	return nil
}
