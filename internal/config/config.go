// Package config reads the process's settings from the environment. Nothing
// below internal/app sees the environment.
package config

//go:generate sh -c "cd ../.. && go run ./internal/config/readme"

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/celonis-connector/connector/crypto"
)

// Config is every setting of a process. The desc tags are the README's table.
type Config struct {
	Listen      string        `env:"CONNECTOR_LISTEN" envDefault:"127.0.0.1:8080" desc:"address of the API; port 0 takes a free one"`
	DataDir     string        `env:"CONNECTOR_DATA_DIR" envDefault:"connector-data" desc:"folder of the embedded database and of uploaded files; every process that runs flows must see the same files"`
	DatabaseURL crypto.Secret `env:"CONNECTOR_DATABASE_URL" desc:"postgres://... ; empty keeps SQLite in the data folder"`
	RedisURL    crypto.Secret `env:"CONNECTOR_REDIS_URL" desc:"redis://, rediss://, redis-sentinel:// or redis-cluster:// ; empty starts an embedded one, which is enough for one process"`

	MasterKeys     crypto.Secret `env:"CONNECTOR_MASTER_KEYS" desc:"id:base64[,id:base64...], 32 bytes each, the first seals; made by connector keys generate"`
	MasterKeysFile string        `env:"CONNECTOR_MASTER_KEYS_FILE" desc:"file that holds the master keys instead"`

	SecretEnvPrefix string `env:"CONNECTOR_SECRET_ENV_PREFIX" desc:"connections may name secrets in environment variables that begin so, as {\"ref\":\"env:NAME\"}; empty allows none"`
	SecretFileDir   string `env:"CONNECTOR_SECRET_FILE_DIR" desc:"connections may name secrets in files below this folder, as {\"ref\":\"file:path\"}; empty allows none"`

	PublicURL string `env:"CONNECTOR_PUBLIC_URL" desc:"address under which callers reach the API, where it is not the one listened on"`

	TLSCertFile     string   `env:"CONNECTOR_TLS_CERT_FILE" desc:"certificate chain (PEM) of the API, which then speaks https only; a changed file is taken within seconds"`
	TLSKeyFile      string   `env:"CONNECTOR_TLS_KEY_FILE" desc:"private key (PEM) of the certificate"`
	TLSClientCAFile string   `env:"CONNECTOR_TLS_CLIENT_CA_FILE" desc:"authorities (PEM) of which every caller must show a certificate; empty asks for none"`
	TrustedProxies  []string `env:"CONNECTOR_TRUSTED_PROXIES" desc:"comma list of networks (10.0.0.0/8) of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed; empty believes none"`
	CORSOrigins     []string `env:"CONNECTOR_CORS_ORIGINS" desc:"comma list of origins (https://app.example.com) whose pages may call the API; empty allows none"`

	AllowedHosts []string `env:"CONNECTOR_ALLOWED_HOSTS" desc:"comma list of http(s)://host:port, and tcp://host:port for databases, that connections may reach beside *.celonis.cloud"`

	PublicSources bool   `env:"CONNECTOR_PUBLIC_SOURCES" envDefault:"false" desc:"true lets connections of type http, sql and s3, and files by URL, reach every host whose address is public"`
	SQLiteDir     string `env:"CONNECTOR_SQLITE_DIR" desc:"connections of type sql may read SQLite files below this folder; empty allows none"`
	MaxSource     int64  `env:"CONNECTOR_MAX_SOURCE_BYTES" envDefault:"10737418240" desc:"most that one run fetches of files by URL or of a blob store, in bytes"`

	OIDCIssuer         string `env:"CONNECTOR_OIDC_ISSUER" desc:"address of an OpenID Connect provider whose tokens are accepted beside our own; its host must be on CONNECTOR_ALLOWED_HOSTS; empty accepts none"`
	OIDCAudience       string `env:"CONNECTOR_OIDC_AUDIENCE" desc:"audience that its tokens must name"`
	OIDCScopesClaim    string `env:"CONNECTOR_OIDC_SCOPES_CLAIM" envDefault:"scope" desc:"claim that holds the scopes, as a text with blanks between or as a list"`
	OIDCScopePrefix    string `env:"CONNECTOR_OIDC_SCOPE_PREFIX" desc:"text before each scope in that claim; values without it are ignored"`
	OIDCWorkspaceClaim string `env:"CONNECTOR_OIDC_WORKSPACE_CLAIM" desc:"claim that names the workspace, where it is not the same for all"`
	OIDCWorkspace      string `env:"CONNECTOR_OIDC_WORKSPACE" desc:"workspace of all its tokens; default when no claim names it"`

	RateLimit        Rate `env:"CONNECTOR_RATE_LIMIT" envDefault:"100/400" desc:"requests a second of one API client, and how many at once after a pause; each process counts for itself; 0 is no limit"`
	RateLimitRecords Rate `env:"CONNECTOR_RATE_LIMIT_RECORDS" envDefault:"50/200" desc:"the same for POST /v1/flows/{id}/records, which has a budget of its own"`
	RateLimitFiles   Rate `env:"CONNECTOR_RATE_LIMIT_FILES" envDefault:"5/50" desc:"the same for POST /v1/files"`
	RateLimitAddress Rate `env:"CONNECTOR_RATE_LIMIT_ADDRESS" envDefault:"20/100" desc:"the same for requests without a token from one address"`
	RateLimitWrong   Rate `env:"CONNECTOR_RATE_LIMIT_WRONG" envDefault:"0.5/20" desc:"refused secrets and tokens a second from one address; a right one is never counted and never refused"`
	ClientUploads    int  `env:"CONNECTOR_CLIENT_UPLOADS" envDefault:"4" desc:"files that one API client sends at once"`
	AllUploads       int  `env:"CONNECTOR_ALL_UPLOADS" envDefault:"32" desc:"files that this process takes at once"`

	SMTPURL  crypto.Secret `env:"CONNECTOR_SMTP_URL" desc:"smtp://user:password@host:port, with STARTTLS, or smtps:// ; the server that e-mail goes out by; ?tls=optional allows a session without TLS; empty sends none"`
	SMTPFrom string        `env:"CONNECTOR_SMTP_FROM" desc:"address that e-mail comes from; needed with CONNECTOR_SMTP_URL"`

	Workers       int           `env:"CONNECTOR_WORKERS" envDefault:"2" desc:"runs done at once by this process"`
	Lease         time.Duration `env:"CONNECTOR_LEASE" envDefault:"30s" desc:"time after which the run of a worker that does not answer goes to another"`
	SweepInterval time.Duration `env:"CONNECTOR_SWEEP_INTERVAL" envDefault:"1s" desc:"pause between two sweeps for runs that are due"`
	SavedTests    int           `env:"CONNECTOR_SAVED_TESTS" envDefault:"10" desc:"test calls a minute that callers may make with one stored connection; each process counts for itself"`
	UnsavedTests  int           `env:"CONNECTOR_UNSAVED_TESTS" envDefault:"20" desc:"test calls a minute that a workspace may make with connections that are not stored"`
	ProbeFirst    time.Duration `env:"CONNECTOR_PROBE_FIRST" envDefault:"1m" desc:"pause before an offline connection is tested for the first time; it doubles with each failed test"`
	ProbeLongest  time.Duration `env:"CONNECTOR_PROBE_LONGEST" envDefault:"1h" desc:"longest pause between two tests of an offline connection"`
	StopTimeout   time.Duration `env:"CONNECTOR_STOP_TIMEOUT" envDefault:"20s" desc:"time that a graceful stop may take"`

	MaxUpload  int64 `env:"CONNECTOR_MAX_UPLOAD_BYTES" envDefault:"10737418240" desc:"largest file that POST /v1/files takes and that a run makes, in bytes"`
	ChunkBytes int   `env:"CONNECTOR_CHUNK_BYTES" envDefault:"16777216" desc:"size of a chunk's values in memory before encoding, in bytes"`
	Uploads    int   `env:"CONNECTOR_UPLOADS" envDefault:"4" desc:"chunks of one run under way to Celonis at once"`

	UploadTimeout time.Duration `env:"CONNECTOR_UPLOAD_TIMEOUT" envDefault:"2m" desc:"time that one upload of a chunk may take, beside what its bytes take on a line of 256 KiB a second"`
	PushWait      time.Duration `env:"CONNECTOR_PUSH_WAIT" envDefault:"30s" desc:"time that a worker watches Celonis load a push job before the run waits without a worker"`

	PushesPerHour   int64 `env:"CONNECTOR_PUSHES_PER_HOUR" desc:"push jobs that one Celonis team submits in a UTC clock hour, over all processes; empty takes what Celonis tells of the team, else 250"`
	PushesPerSecond int64 `env:"CONNECTOR_PUSHES_PER_SECOND" desc:"the same for a second, else 10"`

	IntelligencePerDay int64 `env:"CONNECTOR_INTELLIGENCE_PER_DAY" envDefault:"6000" desc:"requests to the Intelligence API that one Celonis team has in a UTC day, over all processes; it depends on the team's license"`

	LogLevel  string `env:"CONNECTOR_LOG_LEVEL" envDefault:"info" desc:"debug, info, warn or error"`
	LogFormat string `env:"CONNECTOR_LOG_FORMAT" envDefault:"text" desc:"text or json"`
}

// FromEnvironment reads the variables; an error names the one at fault, never a secret's value.
func FromEnvironment() (Config, error) { return from(nil) }

// Default gives the settings of an empty environment.
func Default() Config {
	c, err := from(map[string]string{})
	if err != nil {
		panic("internal error: the defaults do not parse: " + err.Error())
	}
	return c
}

func from(environment map[string]string) (Config, error) {
	var c Config
	opt := env.Options{Environment: environment}
	if err := env.ParseWithOptions(&c, opt); err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	return c, c.check()
}

func (c *Config) check() error {
	if !c.MasterKeys.IsZero() && c.MasterKeysFile != "" {
		return fmt.Errorf("configuration: CONNECTOR_MASTER_KEYS and CONNECTOR_MASTER_KEYS_FILE exclude each other")
	}
	if err := c.checkListening(); err != nil {
		return err
	}
	for name, ok := range map[string]bool{
		"CONNECTOR_WORKERS":          c.Workers > 0,
		"CONNECTOR_LEASE":            c.Lease >= time.Second,
		"CONNECTOR_SWEEP_INTERVAL":   c.SweepInterval >= 10*time.Millisecond,
		"CONNECTOR_SAVED_TESTS":      c.SavedTests > 0,
		"CONNECTOR_UNSAVED_TESTS":    c.UnsavedTests > 0,
		"CONNECTOR_PROBE_FIRST":      c.ProbeFirst >= 10*time.Millisecond,
		"CONNECTOR_PROBE_LONGEST":    c.ProbeLongest >= c.ProbeFirst,
		"CONNECTOR_STOP_TIMEOUT":     c.StopTimeout > 0,
		"CONNECTOR_MAX_UPLOAD_BYTES": c.MaxUpload > 0,
		"CONNECTOR_MAX_SOURCE_BYTES": c.MaxSource > 0,
		"CONNECTOR_CLIENT_UPLOADS":   c.ClientUploads > 0,
		"CONNECTOR_ALL_UPLOADS":      c.AllUploads >= c.ClientUploads,
		"CONNECTOR_CHUNK_BYTES":      c.ChunkBytes >= 64<<10 && c.ChunkBytes <= 256<<20,
		"CONNECTOR_UPLOADS":          c.Uploads > 0 && c.Uploads <= 64,
		"CONNECTOR_UPLOAD_TIMEOUT":   c.UploadTimeout >= 100*time.Millisecond,
		"CONNECTOR_PUSH_WAIT":        c.PushWait > 0,

		"CONNECTOR_PUSHES_PER_HOUR":      c.PushesPerHour >= 0,
		"CONNECTOR_INTELLIGENCE_PER_DAY": c.IntelligencePerDay > 0,
		"CONNECTOR_PUSHES_PER_SECOND":    c.PushesPerSecond >= 0 && c.PushesPerSecond <= 1000,
	} {
		if !ok {
			return fmt.Errorf("configuration: %s is out of range", name)
		}
	}
	return nil
}

// Keys gives the text of the keyring, from the variable or the file; empty when neither is set.
func (c *Config) Keys() (crypto.Secret, error) {
	if c.MasterKeysFile == "" {
		return c.MasterKeys, nil
	}
	text, err := os.ReadFile(c.MasterKeysFile)
	if err != nil {
		return crypto.Secret{}, fmt.Errorf("configuration: CONNECTOR_MASTER_KEYS_FILE: %w", err)
	}
	return crypto.NewSecret(strings.TrimSpace(string(text))), nil
}

// SQLitePath is the embedded database's file.
func (c *Config) SQLitePath() string { return filepath.Join(c.DataDir, "connector.db") }

// SpoolDir is the folder of uploaded files.
func (c *Config) SpoolDir() string { return filepath.Join(c.DataDir, "files") }

// Variable describes one setting.
type Variable struct{ Name, Default, Description string }

// Variables lists every setting in the order of Config.
func Variables() []Variable {
	t := reflect.TypeFor[Config]()
	out := make([]Variable, 0, t.NumField())
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		out = append(out, Variable{tag.Get("env"), tag.Get("envDefault"), tag.Get("desc")})
	}
	return out
}

// Markdown is the README's table of variables.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| variable | default | what it is |\n|---|---|---|\n")
	for _, v := range Variables() {
		value := ""
		if v.Default != "" {
			value = "`" + v.Default + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", v.Name, value, strings.ReplaceAll(v.Description, "|", `\|`))
	}
	return b.String()
}
