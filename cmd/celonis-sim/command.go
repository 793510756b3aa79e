package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/celonis-connector/connector/internal/celonissim"
)

// settings are the command's flags.
type settings struct {
	listen, appKey, apiKey       string
	oauthID, oauthSecret         string
	tokenLifetime                time.Duration
	pool, poolName, source, team string
	spoolDir                     string
	countOnly, footersOnly       bool
	tlsCert, tlsKey              string
	noLimits, noAdmin, verbose   bool
	jobDelay                     time.Duration
	healthcheck                  bool
}

const long = `celonis-sim plays a Celonis team over HTTP, for trying out a connector without a
team of your own. It accepts Data Push jobs with Parquet and CSV chunks, keeps
what was pushed, and holds to the platform's limits and habits: 250 submits an
hour, strings cut at 80 bytes unless their length is declared, and so on.

Keys and the pool id are made up and printed at the start unless you give them.
They are printed because they open nothing but this simulator. It is meant for
your own machine: whoever reaches its port can read what was pushed under /_sim/.

To look at what it holds, and to make it misbehave:

  curl http://127.0.0.1:9090/_sim/state
  curl http://127.0.0.1:9090/_sim/pools/POOL/tables/TABLE/rows
  curl -d '{"route":"push.*","status":503,"times":3}' http://127.0.0.1:9090/_sim/faults
  curl -X DELETE http://127.0.0.1:9090/_sim/faults

Every flag can also be set by an environment variable: CELONIS_SIM_ and the
flag's name in capitals, with _ for -, such as CELONIS_SIM_LISTEN. A flag on the
command line wins.`

// shutdownTime is how long requests under way may take after a signal.
const shutdownTime = 10 * time.Second

// command builds the command; env reads the environment.
func command(env func(string) string, out io.Writer) *cobra.Command {
	s := &settings{}
	cmd := &cobra.Command{
		Use:           "celonis-sim",
		Short:         "Serve a simulated Celonis team",
		Long:          long,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		PreRunE:       func(cmd *cobra.Command, _ []string) error { return fromEnvironment(cmd, env) },
		RunE: func(cmd *cobra.Command, _ []string) error {
			if s.healthcheck {
				return check(cmd.Context(), s.listen, s.tlsCert != "")
			}
			return s.serve(cmd.Context(), out)
		},
	}
	cmd.SetOut(out)
	f := cmd.Flags()
	f.StringVar(&s.listen, "listen", "127.0.0.1:9090", "address to serve on")
	f.StringVar(&s.appKey, "app-key", "", "application key to accept (Authorization: AppKey ...)")
	f.StringVar(&s.apiKey, "api-key", "", "user API key to accept (Authorization: Bearer ...)")
	f.StringVar(&s.oauthID, "oauth-client-id", "", "id of the OAuth client to accept at /oauth2/token")
	f.StringVar(&s.oauthSecret, "oauth-client-secret", "", "secret of the OAuth client")
	f.DurationVar(&s.tokenLifetime, "token-lifetime", celonissim.DefaultTokenLifetime, "how long an access token lives")
	f.StringVar(&s.pool, "pool-id", "", "id of the data pool, a UUID")
	f.StringVar(&s.poolName, "pool-name", "Simulated pool", "name of the data pool")
	f.StringVar(&s.source, "connection-id", "", "id of the pool's data connection")
	f.StringVar(&s.team, "team", "Simulated team", "name of the team")
	f.StringVar(&s.spoolDir, "spool-dir", "", "directory for chunks that wait for their job; without it they wait in memory")
	f.BoolVar(&s.countOnly, "count-only", false, "keep a row count and a content hash of each table instead of its values")
	f.BoolVar(&s.footersOnly, "footers-only", false, "only count rows, by Parquet footers and CSV records; values and keys are not looked at")
	f.StringVar(&s.tlsCert, "tls-cert", "", "PEM file of a certificate, to serve HTTPS")
	f.StringVar(&s.tlsKey, "tls-key", "", "PEM file of the certificate's key")
	f.BoolVar(&s.noLimits, "no-limits", false, "do not limit submits")
	f.BoolVar(&s.noAdmin, "no-admin", false, "do not serve /_sim/")
	f.DurationVar(&s.jobDelay, "job-delay", 20*time.Millisecond, "time a job takes besides the reading of its data")
	f.BoolVar(&s.verbose, "verbose", false, "log every request to standard error")
	f.BoolVar(&s.healthcheck, "healthcheck", false, "ask the simulator at --listen whether it is well, and exit with 0 if so")
	return cmd
}

func (s *settings) options() (celonissim.Options, error) {
	o := celonissim.DefaultOptions()
	team := &o.Teams[0]
	team.Name = s.team
	if s.appKey != "" {
		team.Credentials[0].Key = s.appKey
	}
	if s.apiKey != "" {
		team.Credentials[1].Key = s.apiKey
	}
	client := &team.OAuthClients[0]
	if s.oauthID != "" {
		client.ID = s.oauthID
	}
	if s.oauthSecret != "" {
		client.Secret = s.oauthSecret
	}
	o.OAuth.TokenLifetime = s.tokenLifetime
	pool := &team.Pools[0]
	pool.Name = s.poolName
	for _, id := range []struct {
		flag, value string
		to          *string
	}{{"pool-id", s.pool, &pool.ID}, {"connection-id", s.source, &pool.DataSources[0].ID}} {
		if id.value == "" {
			continue
		}
		if _, err := uuid.Parse(id.value); err != nil {
			return o, fmt.Errorf("--%s %q is not a UUID", id.flag, id.value)
		}
		*id.to = id.value
	}
	o.QueueDelay, o.RunDelay = s.jobDelay/2, s.jobDelay/2
	o.Limits.SubmitsOff, o.NoAdmin = s.noLimits, s.noAdmin
	switch {
	case s.footersOnly:
		o.Keep = celonissim.KeepCounts
	case s.countOnly:
		o.Keep = celonissim.KeepHashes
	}
	if s.tlsCert != "" || s.tlsKey != "" {
		pair, err := tls.LoadX509KeyPair(s.tlsCert, s.tlsKey)
		if err != nil {
			return o, fmt.Errorf("reading --tls-cert and --tls-key: %w", err)
		}
		o.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	}
	if s.verbose {
		o.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return o, nil
}

// serve runs the simulator until the context ends.
func (s *settings) serve(ctx context.Context, out io.Writer) error {
	o, err := s.options()
	if err != nil {
		return err
	}
	if s.spoolDir != "" {
		// A folder of our own, so that nothing is left behind by a killed process but it.
		if o.SpoolDir, err = os.MkdirTemp(s.spoolDir, "celonis-sim-*"); err != nil {
			return err
		}
		defer os.RemoveAll(o.SpoolDir)
	}
	sim := celonissim.New(o)
	base, err := sim.Start(s.listen)
	if err != nil {
		return err
	}
	s.announce(out, base, o)
	<-ctx.Done()
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	return sim.Shutdown(ending)
}

func (s *settings) announce(out io.Writer, base string, o celonissim.Options) {
	team := o.Teams[0]
	fmt.Fprintf(out, "Simulated Celonis team at %s\n\n", base)
	fmt.Fprintf(out, "  App key          %s\n", team.Credentials[0].Key)
	fmt.Fprintf(out, "  API key          %s\n", team.Credentials[1].Key)
	fmt.Fprintf(out, "  OAuth client     %s\n", team.OAuthClients[0].ID)
	fmt.Fprintf(out, "  OAuth secret     %s\n", team.OAuthClients[0].Secret)
	fmt.Fprintf(out, "  Pool             %s  (%s)\n", team.Pools[0].ID, team.Pools[0].Name)
	fmt.Fprintf(out, "  Data connection  %s  (%s)\n", team.Pools[0].DataSources[0].ID, team.Pools[0].DataSources[0].Name)
	if !o.NoAdmin {
		fmt.Fprintf(out, "\nWhat it holds: %s/_sim/state\n", base)
	}
}
