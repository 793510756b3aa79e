package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/celonis-connector/connector/internal/config"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/telemetry"
)

// tlsPart is the certificate's name among the parts of the service.
const tlsPart = "tls"

// certificates is the TLS of the API, read from files. A handshake looks
// whether they changed since they were read, so that a renewed certificate is
// taken without a restart; what cannot be read or does not fit leaves the pair
// before in use. Any number of goroutines may use it.
type certificates struct {
	certFile, keyFile, caFile string
	now                       func() time.Time
	log                       *slog.Logger
	health                    *telemetry.Health

	mu      sync.Mutex
	current *tls.Config
	expires time.Time
	// seen is what the files looked like when they were last read, failed what came of it.
	seen   []fileStamp
	failed error
}

// fileStamp tells one content of a file from another.
type fileStamp struct {
	size     int64
	modified time.Time
}

// LoadTLS reads the files of a configuration; it gives nil for one without TLS,
// and else when the certificate ends.
func LoadTLS(cfg config.Config, now time.Time) (*tls.Config, time.Time, error) {
	if cfg.TLSCertFile == "" {
		return nil, time.Time{}, nil
	}
	pair, err := tls.LoadX509KeyPair(cfg.TLSCertFile, cfg.TLSKeyFile)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("CONNECTOR_TLS_CERT_FILE, CONNECTOR_TLS_KEY_FILE: %w", err)
	}
	if pair.Leaf.NotAfter.Before(now) {
		return nil, time.Time{}, fmt.Errorf("CONNECTOR_TLS_CERT_FILE: the certificate ended on %s", pair.Leaf.NotAfter.UTC().Format(time.DateOnly))
	}
	made := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	if cfg.TLSClientCAFile != "" {
		text, err := os.ReadFile(cfg.TLSClientCAFile)
		if err != nil {
			return nil, time.Time{}, fmt.Errorf("CONNECTOR_TLS_CLIENT_CA_FILE: %w", err)
		}
		made.ClientCAs, made.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
		if !made.ClientCAs.AppendCertsFromPEM(text) {
			return nil, time.Time{}, fmt.Errorf("CONNECTOR_TLS_CLIENT_CA_FILE: %q holds no certificate", cfg.TLSClientCAFile)
		}
	}
	return made, pair.Leaf.NotAfter, nil
}

// openTLS reads the files for the first time; what is wrong with them then
// ends the start. Without TLS it gives nil.
func (a *App) openTLS() (*certificates, error) {
	if a.cfg.TLSCertFile == "" {
		return nil, nil
	}
	c := &certificates{
		certFile: a.cfg.TLSCertFile, keyFile: a.cfg.TLSKeyFile, caFile: a.cfg.TLSClientCAFile, now: a.now, log: a.log, health: a.health,
	}
	c.seen = c.stamps()
	var err error
	if c.current, c.expires, err = c.load(); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return c, nil
}

func (c *certificates) load() (*tls.Config, time.Time, error) {
	return LoadTLS(config.Config{TLSCertFile: c.certFile, TLSKeyFile: c.keyFile, TLSClientCAFile: c.caFile}, c.now())
}

// stamps looks at the files; one that is not there has the zero stamp.
func (c *certificates) stamps() []fileStamp {
	var out []fileStamp
	for _, name := range []string{c.certFile, c.keyFile, c.caFile} {
		stamp := fileStamp{}
		if info, err := os.Stat(name); err == nil {
			stamp = fileStamp{info.Size(), info.ModTime()}
		}
		out = append(out, stamp)
	}
	return out
}

// refresh takes the files where they changed, and tells of it.
func (c *certificates) refresh() {
	stamps := c.stamps()
	changed := false
	for i, stamp := range stamps {
		changed = changed || stamp.size != c.seen[i].size || !stamp.modified.Equal(c.seen[i].modified)
	}
	if !changed {
		return
	}
	defer c.tell()
	c.seen = stamps
	fresh, expires, err := c.load()
	if c.failed = err; err != nil {
		c.log.Warn("the new TLS certificate is not taken, the one before stays in use", "error", err)
		return
	}
	c.current, c.expires = fresh, expires
	c.log.Info("a new TLS certificate is in use", "ends", expires.UTC())
}

// server is the configuration of a server that takes what stands at each handshake.
func (c *certificates) server() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.refresh()
		return c.current, nil
	}}
}

// check looks at the files although nobody calls.
func (c *certificates) check() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refresh()
	c.tell()
}

// tell reports how the certificate is: sick once the one in use has ended; a
// new one that is not taken is told without making the service sick.
func (c *certificates) tell() {
	switch {
	case c.expires.Before(c.now()):
		c.health.ReportAt(tlsPart, time.Time{}, fault.New(fault.Unavailable, "the TLS certificate ended on %s", c.expires.UTC().Format(time.DateOnly)))
	case c.failed != nil:
		c.health.ReportAt(tlsPart, now(), fault.Wrap(c.failed, fault.Unavailable, "the new TLS certificate is not taken, the one before stays in use"))
	default:
		c.health.Report(tlsPart, nil)
	}
}

// scheme is that of the API's own address.
func (a *App) scheme() string {
	if a.certificates != nil {
		return "https"
	}
	return "http"
}

// warnIfOpen says that tokens travel in the clear when the API listens on more
// than loopback, without TLS and with nothing before it that has it.
func (a *App) warnIfOpen(ctx context.Context) {
	addr, ok := a.listener.Addr().(*net.TCPAddr)
	if ok && !addr.IP.IsLoopback() && a.certificates == nil && !strings.HasPrefix(a.cfg.PublicURL, "https://") {
		a.log.WarnContext(ctx, "the API listens on a public address without TLS: set CONNECTOR_TLS_CERT_FILE, or put a proxy that ends TLS before it and set CONNECTOR_PUBLIC_URL to its https address, or listen on loopback", "address", addr.String())
	}
}
