package connections

import (
	"context"
	"reflect"
	"slices"
	"strings"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
)

// celonisMembers lists the members of Draft that belong to a connection to Celonis.
func celonisMembers() []string {
	return []string{"domain", "authType", "appKey", "apiKey", "accessKeyId", "secretAccessKey", "poolId", "oauthClientId", "scopes", "grant", "http"}
}

// outsideMembers lists the members of Draft that belong to an API type and an
// auth type, beside name and apiType. dialect matters for SQL.
func outsideMembers(api APIType, auth AuthType, dialect string) []string {
	switch api {
	case HTTP:
		return append([]string{"baseUrl", "testPath", "authType", "http"}, loginMembers(auth)...)
	case SQL:
		if dialect == SQLite {
			return []string{"dialect", "database"}
		}
		return []string{"dialect", "host", "database", "tls", "username", "password"}
	case S3:
		return []string{"endpoint", "region", "bucket", "accessKeyId", "secretAccessKey"}
	}
	return celonisMembers()
}

// loginMembers lists the members of an auth type of HTTP.
func loginMembers(auth AuthType) []string {
	switch auth {
	case Basic:
		return []string{"username", "password"}
	case Bearer:
		return []string{"token"}
	case HeaderAuth:
		return []string{"headerName", "headerValue"}
	case OAuth2:
		return []string{"oauthClientId", "scopes", "tokenUrl"}
	}
	return nil
}

// secretsOf lists the secrets that a connection of the types may hold; needed are those without which it cannot be used.
func secretsOf(api APIType, auth AuthType) (all []SecretField, needed int) {
	switch api {
	case HTTP:
		switch auth {
		case Basic:
			return []SecretField{Password}, 1
		case Bearer:
			return []SecretField{BearerToken}, 1
		case HeaderAuth:
			return []SecretField{HeaderValue}, 1
		}
		return nil, 0
	case SQL:
		return []SecretField{Password}, 0
	case S3:
		return []SecretField{AccessKeyID, SecretAccessKey}, 0
	}
	if field, ok := SecretFor(auth); ok {
		all, needed = []SecretField{field}, 1
	}
	return append(all, AccessKeyID, SecretAccessKey), needed
}

// givenSecrets are the draft's secrets by their names.
func (d *Draft) givenSecrets() map[SecretField]*crypto.Secret {
	return map[SecretField]*crypto.Secret{
		AppKey: &d.AppKey, APIKey: &d.APIKey, AccessKeyID: &d.AccessKeyID, SecretAccessKey: &d.SecretAccessKey,
		Password: &d.Password, BearerToken: &d.BearerToken, HeaderValue: &d.HeaderValue,
	}
}

// eachMember calls f with every member of a draft, those of embedded structs too.
func eachMember(v reflect.Value, f func(name string, value reflect.Value)) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.Anonymous {
			eachMember(v.Field(i), f)
			continue
		}
		f(name, v.Field(i))
	}
}

// refuseStrangers refuses members that do not belong to what the draft says it is.
func refuseStrangers(f *findings, d Draft, members []string) {
	what := "for apiType " + quote(string(d.APIType))
	if d.APIType == HTTP {
		what += " and authType " + quote(string(d.AuthType))
	}
	if d.APIType == SQL && d.Dialect != "" {
		what += " and dialect " + quote(d.Dialect)
	}
	eachMember(reflect.ValueOf(d), func(name string, value reflect.Value) {
		pointer := "/" + name
		if name == "name" || name == "apiType" || name == "maxRuns" || value.IsZero() || slices.Contains(members, name) || f.has(pointer) {
			return
		}
		f.add(pointer, fault.New(fault.RequestFieldInvalid, "must not be given %s", what))
	})
}

func quote(s string) string { return `"` + s + `"` }

// withoutOutsideLeftovers takes out of a merged patch what belongs to the auth
// type or dialect that an outside connection had: the caller did not write it.
func withoutOutsideLeftovers(d Draft, current *Connection) Draft {
	if current == nil || current.Outside == nil || current.APIType != d.APIType {
		return d
	}
	members := outsideMembers(d.APIType, d.AuthType, d.Dialect)
	was := current.Draft()
	old := map[string]reflect.Value{}
	eachMember(reflect.ValueOf(was), func(name string, value reflect.Value) { old[name] = value })
	eachMember(reflect.ValueOf(&d).Elem(), func(name string, value reflect.Value) {
		if name != "name" && name != "apiType" && name != "maxRuns" && !slices.Contains(members, name) && reflect.DeepEqual(value.Interface(), old[name].Interface()) {
			value.SetZero()
		}
	})
	return d
}

// checkKind: what a connection leads to stays: flows are written for it.
func checkKind(f *findings, d Draft, current *Connection) {
	if current == nil || current.APIType == d.APIType || f.has("/apiType") || !d.APIType.IsOutside() && !current.APIType.IsOutside() {
		return
	}
	f.add("/apiType", fault.New(fault.RequestFieldInvalid, "cannot change from %q to %q", current.APIType, d.APIType).
		WithHint("make another connection"))
}

// checkOutside reads the draft of an outside connection. The error is one of the repository.
func (s *Service) checkOutside(ctx context.Context, f *findings, d oauthDraft, current *Connection, p *plan) error {
	if d.APIType == HTTP && d.AuthType == "" {
		d.AuthType = NoAuth
	}
	p.authType, p.outside = d.AuthType, new(Outside)
	refuseStrangers(f, d.Draft, outsideMembers(d.APIType, d.AuthType, d.Dialect))
	p.http = checkHTTP(f, d.HTTP)
	domains := s.deps.Domains
	switch d.APIType {
	case HTTP:
		*p.outside = domains.checkHTTPMembers(f, d.Draft)
	case SQL:
		*p.outside = domains.checkSQLMembers(f, d.Outside)
	case S3:
		*p.outside = domains.checkS3Members(f, d.Outside)
	}
	checkOutsideSecrets(f, d.Draft, current, p)
	if d.APIType != HTTP || d.AuthType != OAuth2 {
		return nil
	}
	return s.checkOutsideOAuth(ctx, f, d, p)
}

// checkOutsideSecrets: a stored secret is kept by an update that leaves it out,
// but not where it would be sent to another place or by another way.
func checkOutsideSecrets(f *findings, d Draft, current *Connection, p *plan) {
	p.secrets, p.keep = map[SecretField]crypto.Secret{}, map[SecretField]bool{}
	if f.has("/authType") || f.has("/dialect") {
		return
	}
	fields, needed := secretsOf(d.APIType, p.authType)
	moved := whyMoved(current, p)
	given := d.givenSecrets()
	for i, field := range fields {
		pointer := "/" + string(field)
		stored := current != nil && current.Secrets[field].Envelope != ""
		switch {
		case f.has(pointer):
		case !given[field].IsZero():
			clean, err := cleanField(*given[field], field)
			if err != nil {
				f.add(pointer, err)
			}
			p.secrets[field] = clean
		case stored && moved != nil:
			if p.outside.Dialect == SQLite {
				continue
			}
			f.add(pointer, moved)
		case stored:
			p.keep[field] = true
		case i < needed && (current == nil || moved != nil || !current.lacksKey()):
			f.add(pointer, fault.New(fault.RequestFieldMissing, "must be given for authType %q", p.authType))
		}
	}
	if d.APIType == S3 {
		checkPair(f, p)
	}
}

// checkPair: the halves of an access key come together.
func checkPair(f *findings, p *plan) {
	for field, other := range map[SecretField]SecretField{AccessKeyID: SecretAccessKey, SecretAccessKey: AccessKeyID} {
		pointer := "/" + string(field)
		_, has := p.secrets[field]
		_, hasOther := p.secrets[other]
		if hasOther && !has && !p.keep[field] && !f.has(pointer) {
			f.add(pointer, fault.New(fault.RequestFieldMissing, "must be given beside the other half of the access key"))
		}
	}
}

// whyMoved gives the fault of a draft that would send stored secrets elsewhere, nil for one that does not.
func whyMoved(current *Connection, p *plan) error {
	if current == nil || current.Outside == nil {
		return nil
	}
	was, is := current.Outside, p.outside
	again := func(what string) error {
		return fault.New(fault.ConnectionSecretRequired, "must be given again, because %s", what).
			WithHint("a stored secret is never sent to a new place")
	}
	switch {
	case current.AuthType != p.authType:
		return again("the auth type changes")
	case was.BaseURL != is.BaseURL:
		return again("the base URL changes")
	case was.HeaderName != is.HeaderName:
		return again("the header changes")
	case was.Host != is.Host || was.Dialect != is.Dialect:
		return again("the host changes")
	case slices.Index(tlsModes(), is.TLS) > slices.Index(tlsModes(), was.TLS):
		return again("TLS protects it less")
	case was.Endpoint != is.Endpoint:
		return again("the endpoint changes")
	}
	return nil
}

// tlsModes lists how TLS is used, the strongest first.
func tlsModes() []string { return []string{TLSVerify, TLSRequire, TLSOff} }

// cleanField holds a secret to what its field takes: people choose a password, and a header may hold blanks.
func cleanField(given crypto.Secret, field SecretField) (crypto.Secret, error) {
	switch field {
	case Password:
		return cleanPassword(given)
	case HeaderValue:
		return cleanHeaderSecret(given)
	case BearerToken:
		return cleanSecret(given, "token")
	}
	return cleanSecret(given, "key")
}

// applyOutside writes the plan of an outside connection into c.
func (s *Service) applyOutside(c *Connection, p plan) (changed bool, err error) {
	changed = c.Outside == nil || *c.Outside != *p.outside || c.AuthType != p.authType || !c.HTTP.Equal(p.http)
	changed = applyOAuth(c, p) || changed
	c.Name, c.APIType, c.AuthType, c.Outside, c.HTTP, c.MaxRuns, c.UpdatedAt = p.name, p.apiType, p.authType, p.outside, p.http, p.maxRuns, s.deps.Now()
	for field := range c.Secrets {
		if !p.keep[field] {
			delete(c.Secrets, field)
			changed = true
		}
	}
	for field, secret := range p.secrets {
		if err := sealSecret(s.deps.Sealer, c, field, p.kept(field, secret), c.UpdatedAt); err != nil {
			return false, err
		}
		changed = true
	}
	return changed, nil
}

// outsideFlat gives the fields of a draft's embedded struct the pointers that they have in JSON.
func outsideFlat(fields []fault.Field) []fault.Field {
	for i := range fields {
		if rest, ok := strings.CutPrefix(fields[i].Pointer, "/Outside/"); ok {
			fields[i].Pointer = "/" + rest
		}
	}
	return fields
}
