package celonissim

import (
	"cmp"
	"crypto/tls"
	"log/slog"
	"time"
)

// Keep says how much of the pushed data a server holds on to.
type Keep int

const (
	// KeepValues keeps every value: rows can be read back.
	KeepValues Keep = iota
	// KeepHashes parses everything and keeps a count and a content hash, and
	// for DELTA with keys an index of hashes. It cannot do what needs values:
	// columns missing in a keyed chunk count as null whatever the upsert
	// strategy, a DELTA with keys on rows that were loaded without looking at
	// these keys ends in ERROR, and so does a duplicateRemovalColumn of strings.
	KeepHashes
	// KeepCounts reads Parquet footers and counts CSV records only. Keys are
	// not applied: the count is of the rows received.
	KeepCounts
)

// Options says what a Server is. The zero value is a team without credentials
// or pools, with the documented limits, instant jobs and chunks in memory.
type Options struct {
	// Teams are the teams served. A request goes to the team whose Host is the
	// request's Host header, else to the first.
	Teams []Team
	// Limits are the submit and upload limits, the same for every team.
	Limits Limits
	// Answers chooses among the plausible answers where the platform's are unknown.
	Answers Answers
	// Events chooses how event subscriptions behave.
	Events Events
	// OAuth chooses how the token endpoint behaves.
	OAuth OAuth
	// Keep says what tables hold.
	Keep Keep
	// SpoolDir is an existing directory for received chunks; empty keeps them in memory.
	SpoolDir string
	// QueueDelay and RunDelay are how long a job stays QUEUED, and RUNNING
	// before its data is read.
	QueueDelay, RunDelay time.Duration
	// ControlDelay is added to every request but uploads, ChunkDelay to uploads.
	ControlDelay, ChunkDelay time.Duration
	// Workers is how many row groups are parsed at a time; 0 is one a core.
	Workers int
	// JournalSize is how many requests the journal holds; 0 is 10,000.
	JournalSize int
	// Seed drives the faults that have a probability; the same seed and the
	// same order of requests give the same faults.
	Seed uint64
	// TLS makes Start serve HTTPS.
	TLS *tls.Config
	// NoAdmin switches the /_sim/ routes off.
	NoAdmin bool
	// Now is the clock of limits, logs and dates; nil is time.Now. Delays use
	// real time.
	Now func() time.Time
	// Log receives one debug line a request and the jobs' endings; nil discards.
	Log *slog.Logger
	// OnRequest is called when a request's header has been read, before
	// anything is done for it; it may block. It runs on the request's goroutine.
	OnRequest func(Request)
	// OnAnswer is called when a request has been dealt with, before its
	// answer is sure to have left.
	OnAnswer func(Answer)
	// OnJob is called at every status that a push job reaches, outside of any
	// lock of the server; it may block, and then blocks the job.
	OnJob func(JobEvent)
}

// Team is a Celonis team: its users' credentials and its pools.
type Team struct {
	// Host picks the team by the request's Host header; may be empty for the first.
	Host string
	// ID and Name identify the team; empty ones are generated.
	ID, Name string
	// Domain is what /api/cloud/team answers; empty is "sim".
	Domain string
	// Credentials are the keys accepted.
	Credentials []Credential
	// OAuthClients are the OAuth clients registered.
	OAuthClients []OAuthClient
	// Pools are the team's data pools.
	Pools []Pool
	// KnowledgeModels are what the Intelligence API tells of.
	KnowledgeModels []KnowledgeModel
	// Agents are the Process Copilots that can be asked.
	Agents []Agent
	// SCIM chooses how the SCIM API behaves.
	SCIM SCIM
	// Disabled names APIs that the team has not: they answer 403 with an empty body.
	Disabled []API
}

// API names a part of the platform that a team may lack.
type API string

// The parts that can be switched off for a team.
const (
	APIDataPush     API = "dataPush"
	APIIntegration  API = "integration"
	APIIntelligence API = "intelligence"
	// APIAdmin are the admin export APIs, APITools the MCP server assets.
	APIAdmin API = "admin"
	APITools API = "tools"
	// APISCIM is the SCIM API.
	APISCIM API = "scim"
)

// CredentialKind says under which prefix a key is accepted.
type CredentialKind string

const (
	// AppKey is an application key, sent as "Authorization: AppKey <key>".
	AppKey CredentialKind = "appKey"
	// APIKey is a user's API key, sent as "Authorization: Bearer <key>".
	APIKey CredentialKind = "apiKey"
)

// Credential is a key with its permissions.
type Credential struct {
	// Name appears in the journal in the key's place.
	Name string `json:"name"`
	// Kind is the prefix that the key needs.
	Kind CredentialKind `json:"kind"`
	// Key is the secret text.
	Key string `json:"key"`
	// PushPools are the ids of pools with the Data Push permission; "*" is every pool.
	PushPools []string `json:"pushPools"`
	// ListPools allows reading pools, tables, columns, data connections, models and jobs.
	ListPools bool `json:"listPools"`
	// ManagePools allows creating, changing and deleting pools.
	ManagePools bool `json:"managePools"`
	// Intelligence allows the Intelligence API.
	Intelligence bool `json:"intelligence"`
	// Admin allows the admin export APIs.
	Admin bool `json:"admin"`
	// UserProvisioning allows the SCIM API.
	UserProvisioning bool `json:"userProvisioning"`
}

// Pool is a data pool to start with.
type Pool struct {
	// ID is a UUID; empty is generated.
	ID string `json:"id"`
	// Name is unique in the team.
	Name string `json:"name"`
	// DataSources are its data connections, each with a schema of its own.
	DataSources []Named `json:"dataSources"`
	// DataModels and DataJobs are listed, and can be loaded and executed.
	DataModels []Named `json:"dataModels"`
	DataJobs   []Named `json:"dataJobs"`
	// IngestionKeys are the access keys of its Data Ingestion app, IngestionTables what that app knows of tables.
	IngestionKeys   []IngestionKey   `json:"ingestionKeys"`
	IngestionTables []IngestionTable `json:"ingestionTables"`
}

// Named is an object of which only id and name matter; an empty id is generated.
type Named struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Limits are the platform's limits. Zero fields mean the documented number.
type Limits struct {
	// SubmitsOff switches both submit limits off.
	SubmitsOff bool
	// SubmitsPerSecond is 10, SubmitsPerHour 250 a UTC clock hour, for the team.
	SubmitsPerSecond, SubmitsPerHour int
	// ChunkBytes is the largest file of an upload, 1 GB.
	ChunkBytes int64
	// PageSize is the Intelligence API's largest page, which depends on the license: 50.
	PageSize int
	// KnowledgeRows is how many rows of a filtered and sorted record are shown: 5,000; below 0 is every one.
	KnowledgeRows int
	// KnowledgePerDay is 6,000 requests for rows of knowledge models in a UTC day, KnowledgePerSecond and KnowledgeAtOnce
	// are 20; below 0 is no limit.
	KnowledgePerDay, KnowledgePerSecond, KnowledgeAtOnce int
}

// The documented limits of the Data Push API and the Intelligence API.
const (
	DefaultSubmitsPerSecond = 10
	DefaultSubmitsPerHour   = 250
	DefaultChunkBytes       = 1 << 30
	// DefaultPageSize is that of the smallest license.
	DefaultPageSize = 50
)

func (l Limits) withDefaults() Limits {
	if l.SubmitsPerSecond == 0 {
		l.SubmitsPerSecond = DefaultSubmitsPerSecond
	}
	if l.SubmitsPerHour == 0 {
		l.SubmitsPerHour = DefaultSubmitsPerHour
	}
	if l.ChunkBytes == 0 {
		l.ChunkBytes = DefaultChunkBytes
	}
	if l.PageSize == 0 {
		l.PageSize = DefaultPageSize
	}
	l.KnowledgeRows = cmp.Or(l.KnowledgeRows, 5000)
	l.KnowledgePerDay = cmp.Or(l.KnowledgePerDay, 6000)
	l.KnowledgePerSecond = cmp.Or(l.KnowledgePerSecond, 20)
	l.KnowledgeAtOnce = cmp.Or(l.KnowledgeAtOnce, 20)
	return l
}

// RateHeaders is the form in which a 429 says when to come back.
type RateHeaders string

const (
	// RateSeconds sends x-ratelimit-limit, -remaining and -reset, the last in seconds to wait.
	RateSeconds RateHeaders = "seconds"
	// RateDateTime is RateSeconds with x-ratelimit-reset as a UTC date-time.
	RateDateTime RateHeaders = "dateTime"
	// RateRetryAfter sends Retry-After in seconds and nothing else.
	RateRetryAfter RateHeaders = "retryAfter"
	// RateNone sends no header.
	RateNone RateHeaders = "none"
)

// LargePages is what happens to a page size above the license's.
type LargePages string

const (
	// LargePagesCapped answers with the largest page that is allowed, and says its size.
	LargePagesCapped LargePages = "capped"
	// LargePagesRefused answers 400.
	LargePagesRefused LargePages = "refused"
)

// Answers chooses among plausible answers of the platform. The zero value is
// the assumption thought most likely.
type Answers struct {
	// NoOldPath and NoNewPath let /integration/... or /data-ingestion/... Data Push paths answer 404.
	NoOldPath, NoNewPath bool
	// NotFound is the body of a 404 of Data Push: BodyEmpty (default) or BodyValidation.
	NotFound BodyFamily
	// ClosedJobStatus answers a chunk for a job that is not NEW: 400 (default) or 409.
	ClosedJobStatus int
	// RawChunkStatus answers an upload that is not multipart: 415 (default) or 400.
	RawChunkStatus int
	// RateHeaders is the form of the headers of submit answers; RateSeconds is the default.
	RateHeaders RateHeaders
	// Checksum of listed chunks: "sha256" (default), "md5" or "none". It is
	// computed at the listing, so chunks first listed after their job was
	// executed have none.
	Checksum string
	// DeltaAddsColumns lets a DELTA job bring columns the table has not; else that job ends in ERROR.
	DeltaAddsColumns bool
	// DeltaKeepsLengths leaves a table's VARCHAR lengths as they are when a
	// DELTA job declares longer ones; else they grow.
	DeltaKeepsLengths bool
	// LargePages answers a page size above Limits.PageSize; LargePagesCapped is the default.
	LargePages LargePages
	// Knowledge chooses among the answers with rows of knowledge models.
	Knowledge KnowledgeAnswers
}

func (a Answers) withDefaults() Answers {
	if a.NotFound == "" {
		a.NotFound = BodyEmpty
	}
	if a.ClosedJobStatus == 0 {
		a.ClosedJobStatus = 400
	}
	if a.RawChunkStatus == 0 {
		a.RawChunkStatus = 415
	}
	if a.RateHeaders == "" {
		a.RateHeaders = RateSeconds
	}
	if a.Checksum == "" {
		a.Checksum = "sha256"
	}
	if a.LargePages == "" {
		a.LargePages = LargePagesCapped
	}
	return a
}
