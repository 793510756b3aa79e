package telemetry

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
)

// LogOptions say what is logged and how.
type LogOptions struct {
	// Level is "debug", "info" (also when empty), "warn" or "error".
	Level string
	// Format is "json" (also when empty) or "text".
	Format string
	// Redactor knows the live secrets; nil means that none are looked for by value.
	Redactor *Redactor
}

// NewLogger makes a logger that writes a line a record to w. Values under keys
// that name a secret are replaced, and live secrets are replaced wherever they
// stand in the line. It returns fault RequestFieldInvalid for an unknown level
// or format.
func NewLogger(w io.Writer, opts LogOptions) (*slog.Logger, error) {
	var level slog.Level
	if opts.Level != "" {
		if err := level.UnmarshalText([]byte(opts.Level)); err != nil {
			return nil, fault.New(fault.RequestFieldInvalid, "%q is no log level", opts.Level).
				WithHint("the levels are debug, info, warn and error")
		}
	}
	if opts.Redactor != nil {
		w = redactingWriter{w, opts.Redactor}
	}
	handlerOptions := &slog.HandlerOptions{Level: level, ReplaceAttr: replaceAttr}
	switch opts.Format {
	case "", "json":
		return slog.New(slog.NewJSONHandler(w, handlerOptions)), nil
	case "text":
		return slog.New(slog.NewTextHandler(w, handlerOptions)), nil
	}
	return nil, fault.New(fault.RequestFieldInvalid, "%q is no log format", opts.Format).
		WithHint("the formats are json and text")
}

// redactingWriter replaces live secrets in finished lines: whatever way a
// secret took into a line, a message, an error, a header or a struct, it passes
// here. The handlers of slog write each record by one call.
type redactingWriter struct {
	next     io.Writer
	redactor *Redactor
}

// Write is io.Writer.
func (w redactingWriter) Write(line []byte) (int, error) {
	if _, err := w.next.Write(w.redactor.Bytes(line)); err != nil {
		return 0, err
	}
	return len(line), nil
}

// replaceAttr redacts by key. Values with keys of their own (maps, headers,
// structs) are gone through.
func replaceAttr(groups []string, a slog.Attr) slog.Attr {
	if SecretKey(a.Key) {
		return slog.String(a.Key, redacted)
	}
	for _, group := range groups {
		if SecretKey(group) {
			return slog.String(a.Key, redacted)
		}
	}
	if a.Value.Kind() == slog.KindAny {
		a.Value = slog.AnyValue(plainValue(a.Value.Any()))
	}
	return a
}

// plainValue gives a value of slog.Any in a form whose every key was looked at.
func plainValue(value any) any {
	switch v := value.(type) {
	case nil, *slog.Source, slog.Level, bool, int, int64, float64:
		return v
	case error:
		return v.Error()
	case *url.URL:
		return v.Redacted()
	case fmt.Stringer:
		return v.String()
	case []byte:
		return string(v)
	}
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprintf("%T", value)
	}
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		return fmt.Sprintf("%T", value)
	}
	return withoutSecrets(tree)
}

func withoutSecrets(tree any) any {
	switch v := tree.(type) {
	case map[string]any:
		for key, inner := range v {
			if SecretKey(key) {
				v[key] = redacted
				continue
			}
			v[key] = withoutSecrets(inner)
		}
	case []any:
		for i := range v {
			v[i] = withoutSecrets(v[i])
		}
	}
	return tree
}

// secretEndings are the ends of keys that name a secret, written without
// separators in lower case.
var secretEndings = []string{
	"authorization", "appkey", "apikey", "secret", "secrets", "password", "passwd", "passphrase", "token", "tokens", "cookie",
	"credential", "credentials", "privatekey", "masterkey", "masterkeys", "accesskey", "signature", "bearer", "dsn", "databaseurl", "redisurl",
}

// SecretKey reports whether a key, a header's or a field's name says that its
// value is secret: "Authorization", "app_key", "clientSecret", "X-Api-Key".
func SecretKey(key string) bool {
	plain := strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		}
		return -1
	}, key)
	for _, ending := range secretEndings {
		if strings.HasSuffix(plain, ending) {
			return true
		}
	}
	return false
}
