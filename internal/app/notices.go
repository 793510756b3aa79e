package app

import (
	"context"
	"fmt"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/egress"
	"github.com/celonis-connector/connector/internal/notify"
)

// WithNoticePace gives the App another pace at which notices that were not taken are sent again.
func WithNoticePace(p notify.Pace) Option { return func(a *App) { a.noticePace = p } }

// makeNotices makes what tells of changes, and what lets callers follow runs.
func (a *App) makeNotices(domains *connections.DomainPolicy) error {
	mailer, err := a.mailer()
	if err != nil {
		return err
	}
	a.sender = &notify.Sender{
		Transport: a.Egress.OutsideTransport(), Sealer: a.Keyring, Uses: a.uses, Mailer: mailer, PublicURL: a.address(), Now: a.now,
	}
	a.Notifications = flows.NewNotificationService(flows.NotificationDeps{
		Notifications: a.Store, Flows: a.Store, Sealer: a.Keyring, Sender: a.sender, AllowURL: domains.AllowURL,
		Email: mailer != nil, Now: a.now, NewID: newID,
	})
	a.Watches = flows.NewWatches(flows.WatchDeps{
		Runs: a.Store, Progress: a.Queue, Limits: flows.DefaultWatchLimits(), Pace: flows.DefaultWatchPace(), Log: a.log,
	})
	return nil
}

// mailer gives what sends e-mail, nil where the operator has no server for it.
// It dials that server and no other.
func (a *App) mailer() (*notify.Mailer, error) {
	if a.cfg.SMTPURL.IsZero() {
		return nil, nil
	}
	server, err := notify.ParseServer(a.cfg.SMTPURL)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	way := egress.New(egress.Policy{Allowed: []egress.Endpoint{{Scheme: "tcp", Host: server.Host, Port: server.Port}}})
	a.opened.push("mail", func(context.Context) error { way.CloseIdle(); return nil })
	mailer, err := notify.NewMailer(server, a.cfg.SMTPFrom, way.DialDatabase)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return mailer, nil
}

// dispatcher delivers notices.
func (a *App) dispatcher() *notify.Dispatcher {
	return &notify.Dispatcher{Store: a.Store, Sender: a.sender, Pace: a.noticePace, Every: a.cfg.SweepInterval, Now: a.now, Log: a.log}
}
