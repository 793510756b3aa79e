package connections

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/celonis-connector/connector/internal/form"
)

// Patterns of what a person pastes.
const (
	uuidPattern = `[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}`
	// poolAuthority is host and port of such an address.
	poolAuthority = `(?:[^/?#@\s:]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?`
	// poolAddress is an address whose path, or client-side route, leads to a data pool.
	poolAddress = `^\s*(?:[Hh][Tt][Tt][Pp][Ss]?://)?` + poolAuthority + `[/?#](?:[^\s]*[/?#&=])?` +
		`(?:(?:[Dd][Aa][Tt][Aa]-)?[Pp][Oo][Oo][Ll][Ss]?|[Pp][Oo][Oo][Ll][Ii][Dd])[/?#&=]+` + uuidPattern + `(?:[/?#&=][^\s]*)?\s*$`
	poolPattern = `^\s*` + uuidPattern + `\s*$|` + poolAddress
)

// plainName: a name has a visible character and no control characters.
func plainName() form.Schema {
	return form.Schema{"pattern": `^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$`}
}

// secretSchema is what cleanSecret takes. It is empty where the stored secret is kept.
func secretSchema() form.Schema {
	return form.Schema{
		"maxLength": maxKey,
		"pattern":   `^$|^\s*[!-~]+\s*$`,
		"not":       form.Schema{"pattern": strings.Join(notSecrets(), "|")},
	}
}

// notSecrets lists patterns of masks and of what is pasted with a key.
func notSecrets() []string {
	patterns := []string{
		`\*\*\*`,
		`^\s*` + form.AnyCase("authorization:"),
		`^\s*` + form.AnyOf([]string{"bearer", "appkey"}) + `[:\s]`,
		`^\s*[\[\]<>(){}]*` + form.AnyOf(maskWords()) + `[\[\]<>(){}]*\s*$`,
	}
	var same []string
	for c := '!'; c <= '~'; c++ {
		if c < 'A' || c > 'Z' {
			same = append(same, "(?:"+form.AnyCase(string(c))+")+")
		}
	}
	return append(patterns, `^\s*(?:`+strings.Join(same, "|")+`)\s*$`)
}

// scopeHint offers the catalog, and "all" for everything that is to be had.
func scopeHint(path, all string) form.Hint {
	h := form.Hint{
		Path: path, Label: "Scope", Help: "A right in Celonis.",
		Titles: map[string]string{AllScopes: all}, Groups: map[string]string{},
	}
	scopes := []string{AllScopes}
	for _, s := range CelonisScopes() {
		scopes = append(scopes, s.Scope)
		h.Titles[s.Scope], h.Groups[s.Scope] = s.Grants, s.Group
	}
	// Other systems have scopes of their own; the rules hold those of Celonis to the catalog.
	h.Refine = form.Schema{"anyOf": []form.Schema{{"enum": scopes}, {"pattern": scopePattern}}}
	return h
}

// headerNameSchema is what wrongHeaderName refuses of a single name.
func headerNameSchema() form.Schema {
	return form.Schema{
		"pattern": "^[0-9A-Za-z!#$%&'*+\\-.^_`|~]+$",
		"not":     form.Schema{"pattern": "^" + form.AnyOf(ownHeaders()) + "$|" + form.AnyOf(secretWords())},
	}
}

func headerValueSchema() form.Schema {
	return form.Schema{
		"pattern": `^\s*[!-~](?:[ -~]*[!-~])?\s*$`,
		"not":     form.Schema{"pattern": `^\s*` + form.AnyOf(secretPrefixes())},
	}
}

// schema is what Parse takes: a host or an address of a team under
// celonis.cloud, or of an endpoint that the operator allows.
func (p *DomainPolicy) schema() form.Schema {
	const (
		label  = `[0-9A-Za-z](?:[0-9A-Za-z\-]{0,61}[0-9A-Za-z])?`
		before = `^\s*`
		rest   = `(?:[/?#][!-\[\]-~]*)?\s*$`
		scheme = `(?:[Hh][Tt][Tt][Pp][Ss]?://)?`
	)
	hosts := []string{scheme + label + `\.` + label + `\.` + form.AnyCase(celonisRoot) + `\.?`}
	for _, endpoint := range slices.Sorted(maps.Keys(p.endpoints)) {
		hosts = append(hosts, endpointPattern(endpoint, p.endpoints))
	}
	return form.Schema{
		"pattern": before + "(?:" + strings.Join(hosts, "|") + ")" + rest,
		"not":     form.Schema{"pattern": before + scheme + `(?:[^/?#]*\.)?` + form.AnyCase("xn--")},
	}
}

// endpointPattern is one allowed endpoint: a default port may be written, and
// http may not be asked for with https.
func endpointPattern(endpoint string, all map[string]bool) string {
	scheme, host, _ := strings.Cut(endpoint, "://")
	schemes, port := form.AnyCase("http")+"://", "80"
	if scheme == "https" || all["https://"+host] {
		schemes = form.AnyCase("http") + "[Ss]?://"
	}
	if scheme == "https" {
		port = "443"
	}
	pattern := "(?:" + schemes + ")?" + form.AnyCase(host)
	if !regexp.MustCompile(`:[0-9]+$`).MatchString(host) {
		pattern += "(?::" + port + ")?"
	}
	return pattern
}
