package doctor

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/celonis-connector/connector/internal/egress"
	"github.com/celonis-connector/connector/internal/fault"
)

// dialWithin bounds the look at one host of the allow-list.
const dialWithin = 3 * time.Second

func (e *examination) egress(ctx context.Context, domain string) {
	allowed, err := egress.ParseAllowed(strings.Join(e.cfg.AllowedHosts, ","))
	if err != nil {
		e.broken("egress", err)
		return
	}
	e.add("egress", Good, "", "connections may reach *.%s and %d hosts of CONNECTOR_ALLOWED_HOSTS", egress.Domain, len(allowed))
	if e.cfg.PublicSources {
		e.add("egress", Good, "", "what flows read from may be any public host (CONNECTOR_PUBLIC_SOURCES)")
	}
	way := egress.New(egress.Policy{Allowed: allowed, DialTimeout: dialWithin, TLSTimeout: dialWithin})
	defer way.CloseIdle()
	e.listed(ctx, way, allowed)
	if domain != "" {
		e.domain(ctx, way, domain)
	}
}

// listed dials every endpoint of the operator's list, all at once.
func (e *examination) listed(ctx context.Context, way *egress.Egress, allowed []egress.Endpoint) {
	failures := make([]error, len(allowed))
	var dials sync.WaitGroup
	for i, endpoint := range allowed {
		dials.Go(func() { failures[i] = dial(ctx, way, endpoint) })
	}
	dials.Wait()
	for i, err := range failures {
		if err == nil {
			e.add("egress", Good, "", "%s takes connections", allowed[i])
			continue
		}
		f := fault.From(err)
		text := f.Message
		if f.Cause != nil {
			text += ": " + f.Cause.Error()
		}
		e.add("egress", Warning, "start the host, mend the entry, or take it off CONNECTOR_ALLOWED_HOSTS", "%s: %s", allowed[i], text)
	}
}

// dial connects over the way that calls to the endpoint take, and hangs up.
func dial(ctx context.Context, way *egress.Egress, endpoint egress.Endpoint) error {
	over := way.DialDatabase
	switch endpoint.Scheme {
	case "http":
		over = way.Transport().DialContext
	case "https":
		over = way.Transport().DialTLSContext
	}
	conn, err := over(ctx, "tcp", net.JoinHostPort(endpoint.Host, endpoint.Port))
	if err != nil {
		return err
	}
	return conn.Close()
}

// domain calls a Celonis domain.
func (e *examination) domain(ctx context.Context, way *egress.Egress, domain string) {
	origin, err := way.Origin(domain)
	if err != nil {
		e.broken("egress", err)
		return
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, origin.String()+"/api/cloud/team", nil)
	if err != nil {
		e.broken("egress", err)
		return
	}
	res, err := way.Client(15 * time.Second).Do(req)
	if err != nil {
		e.broken("egress", fault.From(err))
		return
	}
	defer res.Body.Close()
	e.add("egress", Good, "", "%s answers", domain)
	if there, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		e.clock(domain, there)
	}
}
