package main

import (
	"errors"
	"time"

	"github.com/celonis-connector/connector/internal/access"
	"github.com/celonis-connector/connector/internal/app"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/spf13/cobra"
)

func newClientsRotate() *cobra.Command {
	var f clientFlags
	var expires time.Duration
	var drop bool
	cmd := &cobra.Command{
		Use: "rotate ID", Args: cobra.ExactArgs(1), Short: "Make a new secret for an API client and print it, once",
		Long: "Makes a second secret, so that the first goes on working until every user has the new one.\n" +
			"--drop-oldest ends the older one: with two secrets before the new one is made, and with one after.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return withApp(cmd, func(a *app.App) error {
				return rotateClient(cmd, a, rotation{&f, args[0], expiry(expires), drop})
			})
		},
	}
	cmd.Flags().DurationVar(&expires, "expires-in", 0, "time after which the new secret ends; 0 is never")
	cmd.Flags().BoolVar(&drop, "drop-oldest", false, "end the oldest secret; its tokens end within seconds")
	return f.add(cmd)
}

// rotation is what a rotate was asked to do.
type rotation struct {
	*clientFlags
	id      string
	expires time.Time
	drop    bool
}

func rotateClient(cmd *cobra.Command, a *app.App, r rotation) error {
	c, err := a.Access.Get(cmd.Context(), r.workspace, r.id)
	if err != nil {
		return err
	}
	dropOldest := func() error {
		err := a.Access.DeleteSecret(cmd.Context(), r.workspace, r.id, c.Secrets[0].ID)
		if fault.Has(err, fault.AccessSecretNotFound) { // it had expired, and went when the new one came
			return nil
		}
		return err
	}
	full := len(c.Secrets) >= access.MaxSecrets
	if r.drop && full {
		if err := dropOldest(); err != nil {
			return err
		}
	}
	kept, secret, err := a.Access.AddSecret(cmd.Context(), access.Operator(r.workspace), r.id, r.expires)
	if fault.Has(err, fault.AccessSecretsFull) {
		return fault.Wrap(err, fault.AccessSecretsFull, "the API client has %d secrets already", access.MaxSecrets).
			WithHint("end the older one with --drop-oldest once nobody uses it")
	}
	if err != nil {
		return err
	}
	made := newSecret{c.ID, secret.Reveal(), kept.ID, timeOrNil(kept.ExpiresAt)}
	err = r.print(cmd.OutOrStdout(), made, func() { made.write(cmd.OutOrStdout(), c.Scopes) })
	if r.drop && !full && len(c.Secrets) > 0 {
		err = errors.Join(err, dropOldest())
	}
	return err
}
