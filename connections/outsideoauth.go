package connections

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/form"
)

// clientHost reads a valid domain of an OAuth client: a team of Celonis, or
// another host that may be reached. The fault is that of Parse, because most
// clients are Celonis's.
func (s *OAuthClientService) clientHost(text string) (string, error) {
	domain, err := s.deps.Domains.Parse(text)
	if err == nil {
		return domain.Host, nil
	}
	if host, otherErr := s.deps.Domains.ParseOutsideHost(text); otherErr == nil && !strings.HasSuffix(host, celonisRoot) {
		return host, nil
	}
	return "", err
}

// isCelonisHost tells a team of Celonis from other hosts. What the operator
// lists by its address is taken for Celonis: a simulator, a proxy.
func isCelonisHost(host string) bool {
	return strings.HasSuffix(host, "."+celonisRoot) || isAddress(host) || !strings.Contains(host, ".")
}

// checkClientScopes: a client of Celonis has scopes of the catalog, any other
// one those that its own system knows, or none.
func checkClientScopes(f *findings, d OAuthClientDraft) []string {
	if len(d.ValidDomains) > 0 && !slices.ContainsFunc(d.ValidDomains, isCelonisHost) {
		return checkFreeScopes(f, "/allowedScopes", d.AllowedScopes)
	}
	if len(d.AllowedScopes) == 0 {
		if !f.has("/allowedScopes") {
			f.add("/allowedScopes", fault.New(fault.RequestFieldMissing, "must be given"))
		}
		return d.AllowedScopes
	}
	scopes, err := ParseCelonisScopes(d.AllowedScopes)
	f.addEach("/allowedScopes", err)
	return scopes
}

var scopeForm = regexp.MustCompile(scopePattern)

// checkFreeScopes reads scopes that no catalog lists, each once and in the order given.
func checkFreeScopes(f *findings, pointer string, given []string) []string {
	scopes := []string{}
	for i, scope := range given {
		at := pointer + "/" + strconv.Itoa(i)
		if !scopeForm.MatchString(scope) && !f.has(at) {
			f.add(at, fault.New(fault.OAuthScopeUnknown, "must be one scope, of printable ASCII without blanks and quotes"))
		}
		if scope = strings.TrimSpace(scope); !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	return scopes
}

// clientHostSchema is what clientHost takes.
func (p *DomainPolicy) clientHostSchema() form.Schema {
	celonis := p.schema()
	if !p.outside.Public {
		return celonis
	}
	return form.Schema{"anyOf": []form.Schema{celonis, {"pattern": `^\s*(?:[Hh][Tt][Tt][Pp][Ss]://)?(?:[A-Za-z0-9_-]+\.)+[A-Za-z][A-Za-z0-9_-]*(?::[0-9]{1,5})?(?:/[^\s\\]*)?\s*$`}}}
}

// clientScopes is the rule of checkClientScopes.
func clientScopes() form.Schema {
	celonis := form.Schema{"pattern": form.AnyCase(celonisRoot) + `|^\s*(?:[Hh][Tt][Tt][Pp][Ss]?://)?(?:[0-9.]+|\[[^\]]*\]|[^./:]+)(?::[0-9]+)?(?:[/?#].*)?\s*$`}
	return ifThen(form.Schema{"properties": form.Schema{"validDomains": form.Schema{"contains": celonis}}},
		form.All(form.Need("allowedScopes"), catalogued("allowedScopes")))
}
