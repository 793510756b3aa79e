package connections

import (
	"strings"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
)

// SecretRefs finds secrets that are kept outside of the database, where the
// operator allows it.
type SecretRefs interface {
	// Resolve gives the secret that a reference ("env:NAME", "file:relative/path") names now. Faults: SecretRefRefused,
	// SecretRefMissing.
	Resolve(ref string) (crypto.Secret, error)
}

// refMark begins a plaintext that is a reference. No key holds a control character.
const refMark = "\x01ref:"

// noRefs refuses every reference.
type noRefs struct{}

// Resolve implements SecretRefs.
func (noRefs) Resolve(string) (crypto.Secret, error) {
	return crypto.Secret{}, fault.New(fault.SecretRefRefused, "references to secrets are not allowed here").
		WithHint("give the secret itself, or ask the operator to set CONNECTOR_SECRET_ENV_PREFIX or CONNECTOR_SECRET_FILE_DIR")
}

// resolving is a Sealer that seals the name of a reference and, when it opens,
// looks up what the name stands for: at each use, and kept nowhere (I4).
type resolving struct {
	Sealer
	refs SecretRefs
}

// Seal implements Sealer.
func (r resolving) Seal(plain crypto.Secret, aad crypto.AAD) (string, error) {
	if ref, ok := plain.Ref(); ok {
		plain = crypto.NewSecret(refMark + ref)
	}
	return r.Sealer.Seal(plain, aad)
}

// Open implements Sealer.
func (r resolving) Open(envelope string, aad crypto.AAD) (crypto.Secret, error) {
	plain, err := r.Sealer.Open(envelope, aad)
	if err != nil {
		return crypto.Secret{}, err
	}
	ref, is := strings.CutPrefix(plain.Reveal(), refMark)
	if !is {
		return plain, nil
	}
	return lookUp(r.refs, ref, SecretField(aad.Field))
}

// lookUp resolves a reference and holds what it finds to the rules of its field.
func lookUp(refs SecretRefs, ref string, field SecretField) (crypto.Secret, error) {
	found, err := refs.Resolve(ref)
	if err != nil {
		return crypto.Secret{}, err
	}
	return cleanField(found, field)
}

// resolve puts what references name in the place of the references, so that a
// draft is checked and tested as it will be used, and notes their names in p.
func (s *Service) resolve(f *findings, d Draft, p *plan) Draft {
	p.refs = map[SecretField]string{}
	for field, secret := range d.givenSecrets() {
		ref, is := secret.Ref()
		if !is {
			continue
		}
		found, err := lookUp(s.deps.SecretRefs, ref, field)
		if err != nil {
			f.add("/"+string(field), err)
			continue
		}
		*secret, p.refs[field] = found, ref
	}
	return d
}

// kept gives the form in which a secret of the plan is stored: the name of its reference where it has one.
func (p *plan) kept(field SecretField, secret crypto.Secret) crypto.Secret {
	if ref := p.refs[field]; ref != "" {
		return crypto.NewRef(ref)
	}
	return secret
}
