package app

import (
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/config"
	"github.com/celonis-connector/connector/internal/fault"
)

// ownPrefix begins the service's own variables, the master keys among them: no reference may name one.
const ownPrefix = "CONNECTOR_"

// secretRefs finds secrets in environment variables and files, where the operator allows it.
type secretRefs struct {
	envPrefix string
	dir       string
}

var _ connections.SecretRefs = secretRefs{}

func newSecretRefs(cfg config.Config) secretRefs {
	return secretRefs{cfg.SecretEnvPrefix, cfg.SecretFileDir}
}

// Resolve implements connections.SecretRefs.
func (s secretRefs) Resolve(ref string) (crypto.Secret, error) {
	kind, name, _ := strings.Cut(ref, ":")
	switch kind {
	case "env":
		return s.variable(name)
	case "file":
		return s.file(name)
	}
	return crypto.Secret{}, fault.New(fault.SecretRefRefused, "a reference begins with \"env:\" or \"file:\"")
}

func (s secretRefs) variable(name string) (crypto.Secret, error) {
	switch {
	case s.envPrefix == "":
		return crypto.Secret{}, fault.New(fault.SecretRefRefused, "references to environment variables are not allowed").
			WithHint("an operator allows them with CONNECTOR_SECRET_ENV_PREFIX")
	case !strings.HasPrefix(name, s.envPrefix) || strings.HasPrefix(strings.ToUpper(name), ownPrefix):
		return crypto.Secret{}, fault.New(fault.SecretRefRefused, "the name of the environment variable must begin with %q", s.envPrefix)
	}
	value, ok := os.LookupEnv(name)
	if !ok {
		return crypto.Secret{}, fault.New(fault.SecretRefMissing, "the environment variable %q is not set", clipped(name)).
			WithHint("set it for every process of the service, and start them anew")
	}
	return crypto.NewSecret(value), nil
}

// maxSecretFile bounds what is read of a file, in bytes.
const maxSecretFile = 64 << 10

// file reads a file below the folder; os.Root keeps symbolic links from leading out of it.
func (s secretRefs) file(name string) (crypto.Secret, error) {
	switch {
	case s.dir == "":
		return crypto.Secret{}, fault.New(fault.SecretRefRefused, "references to files are not allowed").
			WithHint("an operator allows them with CONNECTOR_SECRET_FILE_DIR")
	case !filepath.IsLocal(name) || strings.Contains(name, "..") || strings.ContainsRune(name, 0):
		return crypto.Secret{}, fault.New(fault.SecretRefRefused, "the path of the file must be relative, without \"..\"")
	}
	value, err := s.read(name)
	if err != nil {
		return crypto.Secret{}, fault.Wrap(err, fault.SecretRefMissing, "the file %q cannot be read", clipped(name)).
			WithHint("it must be a plain file below the operator's folder for secrets, not a link out of it")
	}
	return crypto.NewSecret(value), nil
}

func (s secretRefs) read(name string) (string, error) {
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	// A pipe would hold the caller up; what is opened is looked at again.
	if info, err := root.Stat(name); err != nil || !info.Mode().IsRegular() {
		return "", orNotRegular(err)
	}
	f, err := root.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", orNotRegular(err)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSecretFile))
	return string(text), err
}

func orNotRegular(err error) error {
	if err != nil {
		return err
	}
	return os.ErrInvalid
}

// clipped shortens a foreign name for a sentence.
func clipped(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
