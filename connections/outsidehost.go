package connections

import (
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
)

// OutsidePolicy says where outside connections may lead beside the operator's
// allowed endpoints.
type OutsidePolicy struct {
	// Public allows every host; the dialer still refuses those whose addresses are not public.
	Public bool
	// SQLiteDir is the folder below which SQLite files may be read; "" allows none.
	SQLiteDir string
}

// WithOutside gives a policy that has the outside part, too.
func (p *DomainPolicy) WithOutside(o OutsidePolicy) *DomainPolicy {
	return &DomainPolicy{endpoints: p.endpoints, outside: o}
}

const (
	urlHint     = `give an address such as "https://api.example.com/v2", without user name, query and fragment`
	outsideHint = "an operator can allow the host with CONNECTOR_ALLOWED_HOSTS, or every public host with CONNECTOR_PUBLIC_SOURCES=true"
)

// defaultSQLPorts are the ports of the dialects where a host has none.
func defaultSQLPorts() map[string]string {
	return map[string]string{PostgreSQL: "5432", MySQL: "3306", SQLServer: "1433"}
}

func refuseHost(host string) *fault.Error {
	return fault.New(fault.ConnectionDomain, "the host %q may not be reached", clip(host)).WithHint("%s", outsideHint)
}

// ParseURL reads the URL of a system outside of Celonis and gives it in one
// form: host in lower case, no default port, no slash at the end. https may
// lead to every host that is allowed, http only to the operator's endpoints.
// Faults: RequestFieldInvalid, ConnectionDomain.
func (p *DomainPolicy) ParseURL(text string) (string, error) {
	u, err := readURL(text)
	if err != nil {
		return "", err
	}
	if u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return "", fault.New(fault.RequestFieldInvalid, "must not have a query or a fragment").WithHint("%s", urlHint)
	}
	if err := p.allowURL(u); err != nil {
		return "", err
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// AllowURL reports whether a URL with a path and a query may be fetched.
// Faults: RequestFieldInvalid, ConnectionDomain.
func (p *DomainPolicy) AllowURL(text string) error {
	u, err := readURL(text)
	if err != nil {
		return err
	}
	return p.allowURL(u)
}

func readURL(text string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(text))
	switch {
	case err != nil || u.Opaque != "" || u.Hostname() == "" || strings.ContainsFunc(text, unicode.IsControl) || strings.Contains(text, `\`):
		return nil, fault.New(fault.RequestFieldInvalid, "must be a URL").WithHint("%s", urlHint)
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fault.New(fault.RequestFieldInvalid, "must begin with https://").WithHint("%s", urlHint)
	case u.User != nil:
		// It is not repeated: there may be a password in it.
		return nil, fault.New(fault.RequestFieldInvalid, "must not hold a user name").WithHint("user name and password have fields of their own")
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		if segment == "." || segment == ".." {
			return nil, fault.New(fault.RequestFieldInvalid, "must not hold %q in its path", segment)
		}
	}
	u.Host = withoutDefaultPort(u.Scheme, strings.TrimSuffix(strings.ToLower(u.Host), "."))
	return u, nil
}

func (p *DomainPolicy) allowURL(u *url.URL) error {
	switch {
	case p.endpoints[u.Scheme+"://"+u.Host]:
		return nil
	case u.Scheme == "http" && p.mayBePublic(u.Hostname()):
		return fault.New(fault.ConnectionDomain, "the host %q is called by https only", clip(u.Host)).WithHint("write https://")
	case u.Scheme == "https" && u.Port() == "" && strings.HasSuffix(u.Host, "."+celonisRoot), u.Scheme == "https" && p.mayBePublic(u.Hostname()):
		return nil
	}
	return refuseHost(u.Host)
}

// mayBePublic tells a name that may have a public address, where such may be reached.
func (p *DomainPolicy) mayBePublic(host string) bool {
	return p.outside.Public && strings.Contains(host, ".") && !isAddress(host) && hostName(host)
}

// hostName tells a name of letters, digits, hyphens and underscores between dots.
func hostName(host string) bool {
	if len(host) > maxHost {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > maxLabel || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}

// ParseOutsideHost reads a valid domain of an OAuth client whose token endpoint
// is not Celonis's: a host, host:port, or a URL of which these are taken. Fault ConnectionDomain.
func (p *DomainPolicy) ParseOutsideHost(text string) (string, error) {
	text = strings.TrimSpace(text)
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := readURL(text)
	if err != nil {
		return "", err
	}
	return u.Host, p.allowURL(u)
}

// parseSQLHost reads host:port of a database; the port may be left out.
func (p *DomainPolicy) parseSQLHost(text, dialect string) (string, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = strings.Trim(text, "[]"), defaultSQLPorts()[dialect]
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number == 0 || host == "" || !isAddress(host) && !hostName(host) {
		return "", fault.New(fault.RequestFieldInvalid, "must be a host or host:port").WithHint(`give the host alone, for example "db.example.com:5432"`)
	}
	address := net.JoinHostPort(host, strconv.FormatUint(number, 10))
	if !p.endpoints["tcp://"+address] && !p.mayBePublic(host) {
		return "", fault.New(fault.ConnectionDomain, "the database host %q may not be reached", clip(address)).
			WithHint("an operator can allow it as tcp://host:port in CONNECTOR_ALLOWED_HOSTS, or every public host with CONNECTOR_PUBLIC_SOURCES=true")
	}
	return address, nil
}

// sqliteFile gives the file that a connection of dialect SQLite reads.
func (p *DomainPolicy) sqliteFile(database string) (string, error) {
	dir := p.outside.SQLiteDir
	switch {
	case dir == "":
		return "", fault.New(fault.ConnectionDomain, "SQLite files may not be read here").
			WithHint("an operator can allow those below a folder with CONNECTOR_SQLITE_DIR")
	case !filepath.IsLocal(filepath.FromSlash(database)) || strings.ContainsAny(database, "?#\x00") || strings.HasPrefix(database, "file:"):
		return "", fault.New(fault.RequestFieldInvalid, "must be a path below the operator's folder, without %q", "..")
	}
	whole, err := filepath.Abs(dir)
	if err != nil {
		return "", fault.Wrap(err, fault.Internal, "the folder of SQLite files has no path")
	}
	file := filepath.Join(whole, filepath.FromSlash(database))
	// A link may not lead out of the folder. A file that is not there is the driver's to tell of.
	real, err := filepath.EvalSymlinks(file)
	if err != nil {
		return file, nil
	}
	if whole, err = filepath.EvalSymlinks(whole); err != nil {
		return "", fault.Wrap(err, fault.Internal, "the folder of SQLite files has no path")
	}
	if rel, err := filepath.Rel(whole, real); err != nil || !filepath.IsLocal(rel) {
		return "", fault.New(fault.ConnectionDomain, "the file leads out of the operator's folder")
	}
	return real, nil
}

// openOutside checks again where a target leads, and gives a SQLite file its whole path.
func (p *DomainPolicy) openOutside(t *OutsideTarget) (err error) {
	switch t.APIType {
	case HTTP:
		_, err = p.ParseURL(t.BaseURL)
		if err == nil && t.TokenURL != "" {
			_, err = p.ParseURL(t.TokenURL)
		}
	case S3:
		_, err = p.ParseURL(t.Endpoint)
	case SQL:
		if t.Dialect == SQLite {
			t.Database, err = p.sqliteFile(t.Database)
			return err
		}
		_, err = p.parseSQLHost(t.Host, t.Dialect)
	}
	return err
}

func need(f *findings, pointer, value, what string) bool {
	if value == "" && !f.has(pointer) {
		f.add(pointer, fault.New(fault.RequestFieldMissing, "must be given for %s", what))
	}
	return value != "" && !f.has(pointer)
}

func (p *DomainPolicy) checkHTTPMembers(f *findings, d Draft) Outside {
	o := Outside{
		BaseURL: strings.TrimSpace(d.BaseURL), TestPath: strings.TrimSpace(d.TestPath), HeaderName: strings.TrimSpace(d.HeaderName),
		TokenURL: strings.TrimSpace(d.TokenURL), Username: strings.TrimSpace(d.Username),
	}
	var err error
	if need(f, "/baseUrl", o.BaseURL, `apiType "http"`) {
		if o.BaseURL, err = p.ParseURL(o.BaseURL); err != nil {
			f.add("/baseUrl", err)
		}
	}
	if o.TestPath != "" && !f.has("/testPath") {
		if err := checkTestPath(o.TestPath); err != nil {
			f.add("/testPath", err)
		}
	}
	what := `authType ` + quote(string(d.AuthType))
	switch d.AuthType {
	case Custom, Token:
		f.add("/authType", fault.New(fault.RequestFieldInvalid, "must be one of %s, %s, %s, %s, %s for apiType %q", NoAuth, Basic, Bearer, HeaderAuth, OAuth2, HTTP))
	case Basic:
		if need(f, "/username", o.Username, what) {
			checkUsername(f, o.Username)
		}
	case HeaderAuth:
		if need(f, "/headerName", o.HeaderName, what) {
			checkSecretHeader(f, o.HeaderName)
		}
	case OAuth2:
		if need(f, "/tokenUrl", o.TokenURL, what) {
			if o.TokenURL, err = p.ParseURL(o.TokenURL); err != nil {
				f.add("/tokenUrl", err)
			}
		}
	}
	return o
}

// checkTestPath: a test call stays below the base URL.
func checkTestPath(path string) error {
	u, err := url.Parse(path)
	if err != nil || u.Scheme != "" || u.Host != "" || u.Fragment != "" || strings.Contains(path, `\`) || strings.ContainsFunc(path, unicode.IsControl) {
		return fault.New(fault.RequestFieldInvalid, "must be a path below the base URL, for example %q", "/status")
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		if segment == ".." {
			return fault.New(fault.RequestFieldInvalid, "must not hold %q", segment)
		}
	}
	return nil
}

func checkUsername(f *findings, name string) {
	if strings.ContainsFunc(name, unicode.IsControl) {
		f.add("/username", fault.New(fault.RequestFieldInvalid, "must not hold control characters"))
	}
}

// checkSecretHeader: a header that logs in is none that this service or HTTP itself sets, but for Authorization.
func checkSecretHeader(f *findings, name string) {
	lower := strings.ToLower(name)
	if strings.Trim(lower, "abcdefghijklmnopqrstuvwxyz0123456789"+tokenExtra) != "" {
		f.add("/headerName", fault.New(fault.RequestFieldInvalid, "must hold only letters, digits and %s", tokenExtra))
		return
	}
	for _, own := range ownHeaders() {
		if lower == own && lower != "authorization" {
			f.add("/headerName", fault.New(fault.RequestFieldInvalid, "the header %q is set by the service and not by a connection", name))
		}
	}
}

func (p *DomainPolicy) checkSQLMembers(f *findings, d Outside) Outside {
	o := Outside{Dialect: d.Dialect, Host: strings.TrimSpace(d.Host), Database: strings.TrimSpace(d.Database), TLS: d.TLS, Username: strings.TrimSpace(d.Username)}
	if !need(f, "/dialect", o.Dialect, `apiType "sql"`) {
		return o
	}
	hasDatabase := need(f, "/database", o.Database, `apiType "sql"`)
	if o.Dialect == SQLite {
		if hasDatabase {
			if _, err := p.sqliteFile(o.Database); err != nil {
				f.add("/database", err)
			}
		}
		return o
	}
	if hasDatabase && strings.ContainsFunc(o.Database, unicode.IsControl) {
		f.add("/database", fault.New(fault.RequestFieldInvalid, "must not hold control characters"))
	}
	if o.TLS == "" {
		o.TLS = TLSVerify
	}
	if need(f, "/username", o.Username, "dialect "+quote(o.Dialect)) {
		checkUsername(f, o.Username)
	}
	if need(f, "/host", o.Host, "dialect "+quote(o.Dialect)) {
		var err error
		if o.Host, err = p.parseSQLHost(o.Host, o.Dialect); err != nil {
			f.add("/host", err)
		}
	}
	return o
}

// The forms of a bucket's and a region's name.
const (
	bucketPattern = `^[0-9a-z][0-9a-z.-]{1,61}[0-9a-z]$`
	regionPattern = `^[0-9A-Za-z-]+$`
	// DefaultRegion is the region of a bucket that names none, as stores that have only one take it.
	DefaultRegion = "us-east-1"
)

var (
	bucketName = regexp.MustCompile(bucketPattern)
	regionName = regexp.MustCompile(regionPattern)
)

func (p *DomainPolicy) checkS3Members(f *findings, d Outside) Outside {
	o := Outside{Endpoint: strings.TrimSpace(d.Endpoint), Region: strings.TrimSpace(d.Region), Bucket: strings.TrimSpace(d.Bucket)}
	if need(f, "/endpoint", o.Endpoint, `apiType "s3"`) {
		endpoint, err := p.ParseURL(o.Endpoint)
		if u, _ := url.Parse(endpoint); err == nil && u.Path != "" {
			err = fault.New(fault.RequestFieldInvalid, "must not have a path").WithHint("the bucket has a field of its own")
		}
		if err != nil {
			f.add("/endpoint", err)
		}
		o.Endpoint = endpoint
	}
	if o.Region == "" {
		o.Region = DefaultRegion
	}
	if !regionName.MatchString(o.Region) && !f.has("/region") {
		f.add("/region", fault.New(fault.RequestFieldInvalid, "must hold only letters, digits and hyphens"))
	}
	if need(f, "/bucket", o.Bucket, `apiType "s3"`) && !bucketName.MatchString(o.Bucket) {
		f.add("/bucket", fault.New(fault.RequestFieldInvalid, "must be a bucket's name: 3 to 63 lower-case letters, digits, dots and hyphens"))
	}
	return o
}

// cleanPassword refuses what cannot be a password. Nothing of it is changed but line breaks at its ends.
func cleanPassword(given crypto.Secret) (crypto.Secret, error) {
	password := strings.Trim(given.Reveal(), "\r\n")
	_, isRef := given.Ref()
	switch {
	case isRef:
		return crypto.Secret{}, fault.New(fault.SecretRefRefused, "a reference is not taken here").WithHint("give the password itself")
	case password == "":
		return crypto.Secret{}, fault.New(fault.SecretInvalid, "the password is empty")
	case looksMasked(password):
		return crypto.Secret{}, fault.New(fault.SecretMask, "the value is a mask, not a password").
			WithHint("leave the field out to keep the stored password, or give the password itself")
	case len(password) > maxKey:
		return crypto.Secret{}, fault.New(fault.SecretInvalid, "the password is longer than %d characters", maxKey)
	case strings.ContainsFunc(password, unicode.IsControl):
		return crypto.Secret{}, fault.New(fault.SecretInvalid, "the password holds a control character")
	}
	return crypto.NewSecret(password), nil
}

// cleanHeaderSecret refuses what cannot be the value of a header that logs in.
func cleanHeaderSecret(given crypto.Secret) (crypto.Secret, error) {
	value := strings.TrimSpace(given.Reveal())
	_, isRef := given.Ref()
	switch {
	case isRef:
		return crypto.Secret{}, fault.New(fault.SecretRefRefused, "a reference is not taken here").WithHint("give the value itself")
	case value == "":
		return crypto.Secret{}, fault.New(fault.SecretInvalid, "the value is empty")
	case looksMasked(value):
		return crypto.Secret{}, fault.New(fault.SecretMask, "the value is a mask, not a secret").
			WithHint("leave the field out to keep the stored value, or give the value itself")
	case len(value) > maxKey:
		return crypto.Secret{}, fault.New(fault.SecretInvalid, "the value is longer than %d characters", maxKey)
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }):
		return crypto.Secret{}, fault.New(fault.SecretInvalid, "the value must hold only printable ASCII, on one line")
	}
	return crypto.NewSecret(value), nil
}
