package connections

import (
	"github.com/celonis-connector/connector/internal/form"
)

// Form is the form of a connection: Draft, what each property is and where in
// Celonis its value is found, and the rules that check keeps.
func Form(p *DomainPolicy) form.Spec {
	// keyed is what logging in to Celonis by a key takes.
	keyed := func(secret string) form.Schema {
		return form.All(form.Need(secret), form.Without(otherThan(secret)...), form.Without("oauthClientId", "scopes"), form.Absent("grant"))
	}
	return form.Spec{
		Title: "Connection", Help: "A stored way into one Celonis team, or to a system that flows read from. It is tested when it is saved.",
		Of: Draft{}, Hints: draftHints(p),
		Rules: map[string][]form.Schema{"": append([]form.Schema{
			form.If(map[string]any{"apiType": DataPush}, poolNeeded()),
			form.If(map[string]any{"apiType": Intelligence}, form.Without("poolId", string(AccessKeyID), string(SecretAccessKey))),
			ifThen(among("apiType", celonisTypes()...), catalogued("scopes")),
			{"if": form.Need(string(AccessKeyID)), "then": form.Need(string(SecretAccessKey))},
			{"if": form.Need(string(SecretAccessKey)), "then": form.Need(string(AccessKeyID))},
			form.If(map[string]any{"authType": Custom}, keyed(string(AppKey))),
			form.If(map[string]any{"authType": Token}, keyed(string(APIKey))),
			ifThen(form.All(among("apiType", celonisTypes()...), among("authType", OAuth2)),
				form.All(form.Need("oauthClientId", "scopes"), form.Without(string(AppKey), string(APIKey)))),
		}, outsideRules()...)},
	}
}

func otherThan(secret string) []string {
	if secret == string(AppKey) {
		return []string{string(APIKey)}
	}
	return []string{string(AppKey)}
}

// poolNeeded: the pool's id, or its address in the place of the domain.
func poolNeeded() form.Schema {
	return form.Schema{"anyOf": []form.Schema{
		form.Need("poolId"),
		{"properties": form.Schema{"domain": form.Schema{"pattern": poolAddress}}},
	}}
}

func draftHints(p *DomainPolicy) []form.Hint {
	hints := []form.Hint{
		{
			Path: "/name", Label: "Name", Refine: plainName(), Example: "Production, purchase to pay",
			Help: "What people pick the connection by. It is unique in the workspace, whatever its case.",
		},
		{
			Path: "/apiType", Label: "API type",
			Help: "What the connection leads to: the side of Celonis that brings data in or takes insight out, or a system that flows read from.",
			Titles: map[string]string{
				string(DataPush): "Data Push: bring data into a data pool", string(Intelligence): "Intelligence: take KPIs, records and events out",
				string(HTTP): "HTTP: read a REST API or files of a web server", string(SQL): "SQL: read a database", string(S3): "S3: read files of a blob store",
			},
		},
		{
			Path: "/domain", Label: "Domain", Refine: p.schema(), Example: "acme.eu-1.celonis.cloud", Placeholder: "team.realm.celonis.cloud",
			Help: "The host of your Celonis team. A pasted address is cut down to it.",
			HowTo: []string{
				"Sign in to Celonis in the browser.",
				"Copy what stands in the address bar between https:// and the next slash.",
			},
			ShowWhen: []form.When{form.Is("apiType", DataPush, Intelligence)},
		},
		{
			Path: "/authType", Label: "Authentication",
			Help:     "How the connection logs in. OAuth is what Celonis recommends; the keys are simpler to begin with.",
			ShowWhen: []form.When{form.Is("apiType", DataPush, Intelligence, HTTP)},
			Titles: map[string]string{
				string(Custom): "App key (a key of an application)", string(Token): "API key (a key of a user)", string(OAuth2): "OAuth 2.0 (an OAuth client and scopes)",
				string(NoAuth): "None", string(Basic): "User name and password", string(Bearer): "Bearer token", string(HeaderAuth): "A secret in a header",
			},
		},
	}
	hints = append(hints, keyHints()...)
	hints = append(hints, oauthHints()...)
	hints = append(hints, form.Hint{
		Path: "/poolId", Label: "Data pool", Refine: form.Schema{"pattern": "^\\s*$|" + poolPattern}, Example: "3e4f5a6b-7c8d-4e9f-8a0b-1c2d3e4f5a6b",
		Help: "The data pool that receives the data: its id, or the address of one of its pages.",
		HowTo: []string{
			"In Celonis, open Data Integration and the data pool.",
			"Copy the id after /pools/ from the address bar, or the whole address.",
		},
		ShowWhen:    []form.When{form.Is("apiType", DataPush)},
		OptionsFrom: picked("pools", "id"),
	})
	hints = append(hints, ingestionHints()...)
	hints = append(hints, outsideHints()...)
	return append(hints, httpHints()...)
}

// picked is a picker beside which a value of one's own may be given.
func picked(kind, connection string) *form.Options {
	o := form.Picker(kind, connection)
	o.Custom = true
	return o
}

func keyHints() []form.Hint {
	return []form.Hint{
		{
			Path: "/" + string(AppKey), Label: "App key", Secret: true, Refine: secretSchema(),
			Help: "The key of an application in Celonis. It is stored encrypted and never shown again.",
			HowTo: []string{
				"As an admin, open Admin & Settings and there Applications.",
				"Choose Add new application and then Application key, name the key and save it.",
				"Copy the key at once: Celonis shows it this one time.",
				"Give the key its permissions: for Data Push, on the data pool; for Intelligence, on the package with the knowledge model.",
			},
			ShowWhen: []form.When{form.Is("authType", Custom)},
		},
		{
			Path: "/" + string(APIKey), Label: "API key", Secret: true, Refine: secretSchema(),
			Help: "The key of a user, with this user's rights. It is stored encrypted and never shown again.",
			HowTo: []string{
				"Sign in to Celonis as the user whose rights the connection shall have.",
				"Open the profile at the lower left, then Edit profile.",
				"Under API keys, enter a name and choose Create API key.",
				"Copy the key at once: Celonis shows it this one time.",
			},
			ShowWhen: []form.When{form.Is("authType", Token)},
		},
	}
}

func oauthHints() []form.Hint {
	isOAuth := []form.When{form.Is("authType", OAuth2)}
	return []form.Hint{
		{
			Path: "/oauthClientId", Label: "OAuth client", ShowWhen: isOAuth, Example: "0199f3a0-7c1e-7b54-9a3e-2f6c1d0b8e11",
			Help:        "The stored OAuth client that the connection logs in with. Many connections may use one.",
			OptionsFrom: &form.Options{Path: "/v1/oauth-clients", Value: "id", Label: "name"},
		},
		{
			Path: "/scopes", Label: "Scopes", ShowWhen: isOAuth, Example: []string{"integration.data-pools:data_push"},
			Help: "What the connection asks Celonis for: as little as its flows need. The OAuth client must have each of them.",
		},
		scopeHint("/scopes/*", "every scope of the OAuth client"),
		{
			Path: "/grant", Label: "Grant", ShowWhen: isOAuth, Default: ClientCredentials,
			Help: "Whether the connection acts as the OAuth client itself or for a user who allows it once in the browser.",
			Titles: map[string]string{
				string(ClientCredentials): "Client credentials: act as the OAuth client", string(AuthorizationCode): "Authorization code: act for a user",
			},
		},
	}
}

func httpHints() []form.Hint {
	return []form.Hint{
		{Path: "/maxRuns", Label: "Runs at a time", Example: 2, Help: "How many runs may use the connection at once; the others wait. Left out, there is no bound."},
		{Path: "/http", Label: "HTTP", View: form.HTTP, Help: "How the connection's calls are made. What is left out is the service's own choice."},
		{
			Path: "/http/headers", Label: "Extra headers", View: form.HTTP,
			Help: "Go along with every call to Celonis. They are stored and shown as they are, so they must hold no secret.",
		},
		{
			Path: "/http/headers/*/name", Label: "Name", View: form.HTTP, Refine: headerNameSchema(), Example: "X-Route",
			Help: "The header's name, once in the list. Headers that log in or that the service sets are refused.",
		},
		{
			Path: "/http/headers/*/value", Label: "Value", View: form.HTTP, Refine: headerValueSchema(), Example: "eu",
			Help: "Printable ASCII on one line.",
		},
		{
			Path: "/http/timeoutSeconds", Label: "Timeout in seconds", View: form.HTTP, Default: 60,
			Help: "Bounds one try of a call. The bound of an upload follows from its size.",
		},
		{
			Path: "/http/concurrency", Label: "Calls at a time", View: form.HTTP, Example: 4,
			Help: "How many calls one process has under way, over all runs of the connection.",
		},
		{
			Path: "/http/requestsPerSecond", Label: "Calls a second", View: form.HTTP, Example: 5,
			Help: "How many calls one process begins a second, in the mean and over all runs of the connection.",
		},
		{
			Path: "/http/retries", Label: "Retries", View: form.HTTP, Default: 3,
			Help: "How often a call that may be repeated is repeated after a passing failure.",
		},
	}
}

// OAuthClientForm is the form of an OAuth client.
func OAuthClientForm(p *DomainPolicy) form.Spec {
	return form.Spec{
		Title: "OAuth client", Help: "How we log in to Celonis by OAuth: the client that an admin registered there.",
		Of: OAuthClientDraft{},
		Hints: []form.Hint{
			{
				Path: "/name", Label: "Name", Refine: plainName(), Example: "Acme production",
				Help: "What people pick the OAuth client by. It is unique in the workspace, whatever its case.",
			},
			{
				Path: "/clientId", Label: "Client id", Refine: form.Schema{"pattern": `^\s*[!-~]+\s*$`}, Example: "5f0c2a9e-connector",
				Help: "The id that Celonis gave the OAuth client. It is no secret.",
				HowTo: []string{
					"As an admin, open Admin & Settings and there Applications.",
					"Choose Add new application and then OAuth client, and name it.",
					"Choose the authentication method Client secret basic, and under Define scopes what the client may do.",
					"Choose Create and copy the client id and the client secret.",
				},
			},
			{
				Path: "/clientSecret", Label: "Client secret", Secret: true, Refine: secretSchema(),
				Help:  "The secret that Celonis gave with the id. It is stored encrypted, sent to the valid domains only and never shown again.",
				HowTo: []string{"Celonis shows the secret once, when the OAuth client is created; make a new secret there when it is lost."},
			},
			{
				Path: "/authMethod", Label: "Authentication method", Default: ClientSecretBasic,
				Help:   "How the client proves itself, as it was chosen in Celonis.",
				Titles: map[string]string{string(ClientSecretBasic): "Client secret basic", string(ClientSecretPost): "Client secret post"},
			},
			{
				Path: "/validDomains", Label: "Valid domains", Example: []string{"acme.eu-1.celonis.cloud"},
				Help:  "The only hosts that the secret may be sent to.",
				HowTo: []string{"Copy what stands in the browser's address bar between https:// and the next slash when you are signed in to Celonis."},
			},
			{Path: "/validDomains/*", Label: "Domain", Help: "A host of a Celonis team, or one that a connection of type http or its token URL has.", Refine: p.clientHostSchema()},
			{
				Path: "/allowedScopes", Label: "Allowed scopes", Example: []string{"integration.data-pools:data_push"},
				Help:  "The scopes that the client has in Celonis. Its connections ask for some or all of them.",
				HowTo: []string{"In Celonis, open Admin & Settings, Applications and the OAuth client: the scopes stand under Define scopes."},
			},
			scopeHint("/allowedScopes/*", "every scope of Celonis"),
		},
		Rules: map[string][]form.Schema{"": {form.Need("clientSecret"), clientScopes()}},
	}
}
