package connections

import (
	"slices"

	"github.com/celonis-connector/connector/internal/form"
)

// celonisTypes lists the API types of connections to Celonis.
func celonisTypes() []APIType { return []APIType{Intelligence, DataPush} }

// among holds while a property is there and has one of the values.
func among[T any](property string, values ...T) form.Schema {
	return form.Schema{"properties": form.Schema{property: form.Schema{"enum": values}}, "required": []string{property}}
}

// ifThen is a rule whose condition is a schema.
func ifThen(condition, then form.Schema) form.Schema {
	return form.Schema{"if": condition, "then": then}
}

// outsideOnly lists the members that no connection to Celonis has.
func outsideOnly() []string {
	return []string{
		"baseUrl", "testPath", "headerName", "headerValue", "tokenUrl", "token", "username", "password",
		"dialect", "host", "database", "tls", "endpoint", "region", "bucket",
	}
}

// others gives the members out of all that are none of these.
func others(all []string, these ...string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(m string) bool { return slices.Contains(these, m) })
}

// foreign refuses the members of other kinds of connections; what a struct or
// an enum has must be absent, what a text or a list has may be empty.
func foreign(members []string) form.Schema {
	var empty, absent []string
	for _, m := range members {
		if slices.Contains([]string{"http", "grant", "authType", "tls", "dialect"}, m) {
			absent = append(absent, m)
			continue
		}
		empty = append(empty, m)
	}
	return form.All(form.Without(empty...), form.Absent(absent...))
}

// outsideRules are the rules of every API type beside those of connections to Celonis.
func outsideRules() []form.Schema {
	all := slices.Concat(celonisMembers(), outsideOnly())
	members := func(api APIType, auth AuthType, dialect string) form.Schema {
		return foreign(others(all, outsideMembers(api, auth, dialect)...))
	}
	celonis := among("apiType", celonisTypes()...)
	isHTTP, isSQL, isS3 := among("apiType", HTTP), among("apiType", SQL), among("apiType", S3)
	rules := []form.Schema{
		ifThen(celonis, form.All(form.Need("domain"), among("authType", Custom, Token, OAuth2), foreign(outsideOnly()))),
		ifThen(isHTTP, form.All(form.Need("baseUrl"), form.Schema{"properties": form.Schema{"authType": form.Schema{"enum": httpAuthTypes()}}})),
		ifThen(form.All(isHTTP, form.Schema{"not": form.Schema{"required": []string{"authType"}}}), members(HTTP, NoAuth, "")),
		ifThen(isSQL, form.Need("dialect", "database")),
		ifThen(isS3, form.All(form.Need("endpoint", "bucket"), members(S3, "", ""))),
	}
	needed := map[AuthType][]string{Basic: {"username", "password"}, Bearer: {"token"}, HeaderAuth: {"headerName", "headerValue"}, OAuth2: {"oauthClientId", "tokenUrl"}}
	for _, auth := range httpAuthTypes() {
		then := members(HTTP, auth, "")
		if n := needed[auth]; len(n) > 0 {
			then = form.All(form.Need(n...), then)
		}
		rules = append(rules, ifThen(form.All(isHTTP, among("authType", auth)), then))
	}
	for _, dialect := range []string{PostgreSQL, MySQL, SQLServer, SQLite} {
		then := members(SQL, "", dialect)
		if dialect != SQLite {
			then = form.All(form.Need("host", "username"), then)
		}
		rules = append(rules, ifThen(form.All(isSQL, among("dialect", dialect)), then))
	}
	return rules
}

func httpAuthTypes() []AuthType { return []AuthType{NoAuth, Basic, Bearer, HeaderAuth, OAuth2} }

const (
	urlPattern  = `^\s*[Hh][Tt][Tt][Pp][Ss]?://[^\s/?#@\\]+(?:/[^\s?#\\]*)?\s*$`
	hostPattern = `^\s*(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?\s*$`
)

// outsideHints are the properties of outside connections.
func outsideHints() []form.Hint {
	return slices.Concat(httpTargetHints(), sqlHints(), s3Hints())
}

func httpTargetHints() []form.Hint {
	isHTTP := form.Is("apiType", HTTP)
	when := func(auth AuthType) []form.When { return []form.When{isHTTP, form.Is("authType", auth)} }
	return []form.Hint{
		{
			Path: "/baseUrl", Label: "Base URL", ShowWhen: []form.When{isHTTP}, Refine: optionalPattern(urlPattern), Example: "https://api.example.com/v2",
			Help: "What every address of the API begins with. Flows give paths below it, and nothing else is called.",
			HowTo: []string{
				"Look into the API's documentation for its base address or server.",
				"Leave out what changes from call to call, and everything after a question mark.",
			},
		},
		{
			Path: "/testPath", Label: "Test path", ShowWhen: []form.When{isHTTP}, Example: "/status",
			Help: "The path below the base URL that a test call asks for with GET. Left out, it is the base URL itself.",
		},
		{
			Path: "/headerName", Label: "Header", ShowWhen: when(HeaderAuth), Example: "X-Api-Key", Refine: optionalPattern("^\\s*[0-9A-Za-z!#$%&'*+\\-.^_`|~]+\\s*$"),
			Help: "The name of the header that carries the secret.",
		},
		{
			Path: "/headerValue", Label: "Header's value", Secret: true, ShowWhen: when(HeaderAuth), Refine: headerSecretSchema(),
			Help:  "The secret. It is stored encrypted and never shown again.",
			HowTo: []string{"Make a key in the settings of the system, often under API or Integrations, and copy it whole."},
		},
		{
			Path: "/token", Label: "Token", Secret: true, ShowWhen: when(Bearer), Refine: secretSchema(),
			Help:  "Goes along as \"Authorization: Bearer ...\". It is stored encrypted and never shown again.",
			HowTo: []string{"Make a token in the settings of the system, often under API or Integrations, and copy it without the word Bearer."},
		},
		{
			Path: "/tokenUrl", Label: "Token URL", ShowWhen: when(OAuth2), Refine: optionalPattern(urlPattern), Example: "https://login.example.com/oauth2/token",
			Help: "Where the OAuth client gets access tokens by client credentials. Its host and that of the base URL must be among the client's valid domains.",
		},
		{
			Path: "/username", Label: "User name", Example: "reader",
			ShowWhen: []form.When{form.Is("apiType", HTTP, SQL), form.Is("authType", Basic, nil), form.Is("dialect", PostgreSQL, MySQL, SQLServer, nil)},
			Help:     "Who logs in. A user who may only read is enough.",
		},
		{
			Path: "/password", Label: "Password", Secret: true, Refine: passwordSchema(),
			ShowWhen: []form.When{form.Is("apiType", HTTP, SQL), form.Is("authType", Basic, nil), form.Is("dialect", PostgreSQL, MySQL, SQLServer, nil)},
			Help:     "The user's password. It is stored encrypted and never shown again.",
		},
	}
}

func sqlHints() []form.Hint {
	isSQL := form.Is("apiType", SQL)
	isServer := []form.When{isSQL, form.Is("dialect", PostgreSQL, MySQL, SQLServer)}
	return []form.Hint{
		{
			Path: "/dialect", Label: "Database system", ShowWhen: []form.When{isSQL}, Help: "What kind of database it is.",
			Titles: map[string]string{PostgreSQL: "PostgreSQL", MySQL: "MySQL or MariaDB", SQLServer: "Microsoft SQL Server", SQLite: "SQLite file"},
		},
		{
			Path: "/host", Label: "Host", ShowWhen: isServer, Refine: optionalPattern(hostPattern), Example: "db.example.com:5432",
			Help: "Host and port of the database server. Left out, the port is the system's usual one.",
			HowTo: []string{
				"Ask who runs the database for its host and port, and for a user who may only read.",
				"The operator of this service must allow the host: CONNECTOR_ALLOWED_HOSTS with tcp://host:port.",
			},
		},
		{
			Path: "/database", Label: "Database", ShowWhen: []form.When{isSQL}, Example: "sales",
			Help: "The name of the database; of SQLite, the path of its file below the operator's folder.",
		},
		{
			Path: "/tls", Label: "TLS", ShowWhen: isServer, Default: TLSVerify, Help: "How the way to the database is protected.",
			Titles: map[string]string{TLSVerify: "Encrypted, and the certificate is checked", TLSRequire: "Encrypted, whoever answers", TLSOff: "Not encrypted"},
		},
	}
}

func s3Hints() []form.Hint {
	isS3 := []form.When{form.Is("apiType", S3)}
	return []form.Hint{
		{
			Path: "/endpoint", Label: "Endpoint", ShowWhen: isS3, Refine: optionalPattern(urlPattern), Example: "https://s3.eu-central-1.amazonaws.com",
			Help:  "The address of the store that speaks the protocol of Amazon S3.",
			HowTo: []string{"Of Amazon S3, it is https://s3.<region>.amazonaws.com; of another store, see its settings or documentation."},
		},
		{
			Path: "/region", Label: "Region", ShowWhen: isS3, Default: DefaultRegion, Example: "eu-central-1", Refine: optionalPattern(regionPattern),
			Help: "The region of the bucket.",
		},
		{
			Path: "/bucket", Label: "Bucket", ShowWhen: isS3, Example: "exports", Refine: optionalPattern(bucketPattern),
			Help: "The bucket that holds the files.",
		},
	}
}

// optionalPattern is a pattern that an empty text fits, too.
func optionalPattern(pattern string) form.Schema { return form.Schema{"pattern": `^\s*$|` + pattern} }

// passwordSchema is what cleanPassword takes. It is empty where the stored one is kept.
func passwordSchema() form.Schema {
	return form.Schema{
		"maxLength": maxKey, "pattern": `^[\r\n]*[^\x00-\x1f\x7f-\x9f]*[\r\n]*$`,
		"not": form.Schema{"pattern": `\*\*\*|^\s*[\[\]<>(){}]*` + form.AnyOf(maskWords()) + `[\[\]<>(){}]*\s*$`},
	}
}

// headerSecretSchema is what cleanHeaderSecret takes.
func headerSecretSchema() form.Schema {
	s := passwordSchema()
	s["pattern"] = `^\s*[ -~]*\s*$`
	return s
}

// scopeItem is what a scope may be where no catalog lists it (RFC 6749).
const scopePattern = `^\s*[!#-\[\]-~]+\s*$`

// catalogued is a rule of a list of scopes that are Celonis's.
func catalogued(list string) form.Schema {
	scopes := []string{AllScopes}
	for _, s := range CelonisScopes() {
		scopes = append(scopes, s.Scope)
	}
	return form.Schema{"properties": form.Schema{list: form.Schema{"items": form.Schema{"enum": scopes}}}}
}
