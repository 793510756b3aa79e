package doctor

import (
	"net"
	"os"
	"strings"
	"time"

	"github.com/celonis-connector/connector/internal/app"
)

// renewBefore is how long before its end a certificate should have been renewed.
const renewBefore = 14 * 24 * time.Hour

// listening tells who can call the API and over what.
func (e *examination) listening() {
	_, ends, err := app.LoadTLS(e.cfg, time.Now())
	switch {
	case err != nil:
		e.add("tls", Broken, "mend the file, or unset the variable to serve without TLS", "%v", err)
		return
	case e.cfg.TLSCertFile == "":
		e.withoutTLS()
		return
	case time.Until(ends) < renewBefore:
		e.add("tls", Warning, "renew the certificate: the files are read anew when they change", "the certificate ends on %s", ends.UTC().Format(time.DateOnly))
	default:
		e.add("tls", Good, "", "the certificate and its key fit, until %s", ends.UTC().Format(time.DateOnly))
	}
	if info, err := os.Stat(e.cfg.TLSKeyFile); err == nil && info.Mode().Perm()&0o077 != 0 {
		e.add("tls", Warning, "chmod 600 the file", "CONNECTOR_TLS_KEY_FILE can be read by others of this machine (%s)", info.Mode().Perm())
	}
}

func (e *examination) withoutTLS() {
	host, _, err := net.SplitHostPort(e.cfg.Listen)
	ip := net.ParseIP(host)
	switch {
	case err != nil:
		e.add("tls", Broken, "give it as host:port", "CONNECTOR_LISTEN: %v", err)
	case host == "localhost", ip != nil && ip.IsLoopback():
		e.add("tls", Good, "", "without TLS, on loopback only")
	case strings.HasPrefix(e.cfg.PublicURL, "https://"):
		e.add("tls", Good, "", "without TLS, behind %s", e.cfg.PublicURL)
	default:
		e.add("tls", Warning, "set CONNECTOR_TLS_CERT_FILE, or put a proxy that ends TLS before it and set CONNECTOR_PUBLIC_URL to its https address",
			"the API listens on %s without TLS: tokens travel in the clear", e.cfg.Listen)
	}
}
