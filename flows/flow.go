// Package flows says what a flow and a run are: an export that reads records, a
// mapping that shapes them, an import that delivers them, and the states that a
// run goes through. It knows no SQL, no Gin and no HTTP; those stand behind the
// ports of ports.go.
package flows

import "time"

// ExportType names a kind of source.
type ExportType string

const (
	// ExportFile reads an uploaded file, or a path when a shell started the run.
	ExportFile ExportType = "file"
	// ExportRecords reads the records posted to the flow.
	ExportRecords ExportType = "records"
)

// Format is how a file's records are written.
type Format string

const (
	// CSV has a header line.
	CSV Format = "csv"
	// NDJSON has a JSON object on each line.
	NDJSON Format = "ndjson"
	// JSON is one array of objects.
	JSON Format = "json"
	// ParquetFile is a Parquet file of flat columns.
	ParquetFile Format = "parquet"
)

// ImportType names a kind of destination.
type ImportType string

// ImportDataPush pushes into a table of a data pool.
const ImportDataPush ImportType = "dataPush"

// Mode says what a push does to the rows that the table has.
type Mode string

const (
	// Replace drops the table's rows and fills it anew.
	Replace Mode = "replace"
	// Delta inserts, and updates rows with the same keys.
	Delta Mode = "delta"
)

// FileType is the format of a push's chunks.
type FileType string

const (
	// Parquet chunks carry types; the default.
	Parquet FileType = "parquet"
	// CSVChunks carry text.
	CSVChunks FileType = "csv"
)

// Flow is a stored flow. A run keeps the revision it started with.
type Flow struct {
	ID        string
	Workspace string
	// Revision grows by one with every change; it is the ETag.
	Revision  int64
	Enabled   bool
	CreatedAt time.Time
	UpdatedAt time.Time
	// Paused holds the flow's runs in the queue; triggers start runs all the same.
	Paused bool
	// Retrying marks a flow as ForRetry gives it; it is not stored.
	Retrying bool
	// Hook is what a write brings to the flow's webhook; a read leaves it nil.
	Hook *HookChange
	// Delivery is what a write brings to the secrets of the flow's import; a read leaves it nil.
	Delivery *DeliveryChange
	// Listen is what a write brings to the flow's subscription; a read leaves it nil.
	Listen *SubscriptionChange
	Spec
}

// Spec is what a caller writes of a flow.
type Spec struct {
	Name   string `json:"name" validate:"required,max=100"`
	Export Export `json:"export" validate:"required"`
	// Expand is a JSON Pointer to a list: each of its elements becomes a record, in which it stands in the list's place.
	// The ledger counts these. ExpandEmpty says what becomes of a record without elements.
	Expand      string      `json:"expand,omitempty" validate:"max=1024"`
	ExpandEmpty ExpandEmpty `json:"expandEmpty,omitempty" validate:"omitempty,oneof=keep drop"`
	// Filter is an expression; records for which it is false or null are counted as filtered. It sees the records that
	// Expand makes.
	Filter string `json:"filter,omitempty" validate:"max=4000"`
	// Lookups are the tables that the mapping and the filter look values up in.
	Lookups []LookupTable `json:"lookups,omitempty" validate:"max=20,dive"`
	// Mapping shapes records into rows; none means every field, with inferred types.
	Mapping []Rule `json:"mapping,omitempty" validate:"max=4000,dive"`
	Import  Import `json:"import" validate:"required"`
	// SchemaPolicy says what becomes of a value that contradicts its column's type; see Spec.Policy for an absent one.
	SchemaPolicy SchemaPolicy `json:"schemaPolicy,omitempty" validate:"omitempty,oneof=evolve freeze discardRow discardValue"`
	// MaxErrors is how many bad records a run bears; absent is DefaultMaxErrors.
	MaxErrors *Threshold `json:"maxErrors,omitempty"`
	// Schedule starts runs by itself; absent is none.
	Schedule *Schedule `json:"schedule,omitempty"`
	// Then are the ids of the flows that run once a run of this one has succeeded.
	Then []string `json:"then,omitempty" validate:"max=20,unique,dive,required,max=64"`
	// TraceKey lists the source's fields, or JSON Pointers, that tell a record from others in every run; absent are those of
	// the import's keys.
	TraceKey []string `json:"traceKey,omitempty" validate:"max=10,unique,dive,required,max=1024"`
	// ErrorRetentionDays is how long record errors are kept after their last change; absent is DefaultErrorRetentionDays.
	ErrorRetentionDays int `json:"errorRetentionDays,omitempty" validate:"omitempty,min=1,max=365"`
}

// Export is the source side of a flow.
type Export struct {
	Type ExportType `json:"type" validate:"required,oneof=file records http sql webhook auditLog loginHistory members permissions adoption pql mcpTool knowledgeModel odata eventSubscription scimUsers scimGroups"`
	// ConnectionID is the connection that is read through, where the type reads through one.
	ConnectionID string `json:"connectionId,omitempty" validate:"max=64"`
	// FileID names an uploaded file.
	FileID string `json:"fileId,omitempty" validate:"max=64"`
	// Path names a local file; only the shell may set it.
	Path string `json:"path,omitempty" validate:"max=4096"`
	// URL is where a file is fetched, as anybody or as the connection of type http logs in, whose base URL it then begins with.
	URL string `json:"url,omitempty" validate:"max=4096"`
	// Prefix is what the keys of the files begin with that are read of the bucket of a connection of type s3; "" reads all.
	Prefix string      `json:"prefix,omitempty" validate:"max=1024"`
	Format Format      `json:"format,omitempty" validate:"omitempty,oneof=csv ndjson json parquet"`
	CSV    *CSVOptions `json:"csv,omitempty"`
	// Webhook is that of ExportWebhook.
	Webhook *WebhookExport `json:"webhook,omitempty"`
	// Gather says how posted records become pushes; only for ExportRecords, ExportWebhook and ExportEventSubscription.
	Gather *Gather `json:"gather,omitempty"`
	// Request, ItemsPath and Paging are those of ExportHTTP. ItemsPath is a JSON Pointer to the records in an answer; "" is
	// the whole answer: an array of them, or one.
	Request   *HTTPRequest `json:"request,omitempty"`
	ItemsPath string       `json:"itemsPath,omitempty" validate:"max=1024"`
	Paging    *Paging      `json:"paging,omitempty"`
	// Query, PartitionBy, Partitions and QueryTimeout are those of ExportSQL. Query is one statement that reads.
	Query string `json:"query,omitempty" validate:"max=100000"`
	// PartitionBy is a column of the query whose values share the rows out over Partitions connections; Partitions 0 is four
	// with PostgreSQL, whose connections see one moment, and one with other databases.
	PartitionBy string `json:"partitionBy,omitempty" validate:"max=256"`
	Partitions  int    `json:"partitions,omitempty" validate:"min=0,max=8"`
	// QueryTimeout is in seconds; absent is DefaultQueryTimeout.
	QueryTimeout int `json:"queryTimeout,omitempty" validate:"min=0,max=86400"`
	// DataModelID is the data model that ExportPQL asks Query of.
	DataModelID string `json:"dataModelId,omitempty" validate:"max=64"`
	// Version is the generation of the API that ExportAuditLog, ExportAdoption and ExportPQL ask; absent is VersionAuto.
	Version APIVersion `json:"version,omitempty" validate:"omitempty,oneof=auto v1 v2"`
	// From and To bound the events that ExportAuditLog, ExportLoginHistory and ExportAdoption read, whatever the watermark
	// says: ISO 8601, in UTC without a zone; "" is open.
	From string `json:"from,omitempty" validate:"max=64"`
	To   string `json:"to,omitempty" validate:"max=64"`
	// IncludeInternal makes ExportMembers read the users of Celonis itself too.
	IncludeInternal bool `json:"includeInternal,omitempty"`
	// Asset, Tool, Arguments and Draft are those of ExportMCPTool. Arguments is a JSON object, which may hold placeholders.
	Asset     string `json:"asset,omitempty" validate:"max=256"`
	Tool      string `json:"tool,omitempty" validate:"max=256"`
	Arguments string `json:"arguments,omitempty" validate:"max=262144"`
	Draft     bool   `json:"draft,omitempty"`
	// KnowledgeModelID, Record, SliceBy, KeyFields and PageSize are those of ExportKnowledgeModel and ExportOData; PageSize 0
	// is what the team's license allows.
	KnowledgeModelID string   `json:"knowledgeModelId,omitempty" validate:"max=512"`
	Record           string   `json:"record,omitempty" validate:"max=256"`
	SliceBy          string   `json:"sliceBy,omitempty" validate:"max=256"`
	KeyFields        []string `json:"keyFields,omitempty" validate:"max=10,unique,dive,required,max=256"`
	PageSize         int      `json:"pageSize,omitempty" validate:"min=0,max=5000"`
	// TriggerID, Name, SkipErrors and StartFrom are those of ExportEventSubscription, whose KnowledgeModelID has the trigger.
	// Name is what the subscription is called in Celonis; absent is the flow's. StartFrom is StartLatest or an offset.
	TriggerID  string `json:"triggerId,omitempty" validate:"max=512"`
	Name       string `json:"name,omitempty" validate:"max=900"`
	SkipErrors bool   `json:"skipErrors,omitempty"`
	StartFrom  string `json:"startFrom,omitempty" validate:"max=20"`
	// Fields, KPIs, Filters, FilterExpr, Sort and Distinct are those of ExportKnowledgeModel.
	Fields     []string `json:"fields,omitempty" validate:"max=2000,unique,dive,required,max=256"`
	KPIs       []string `json:"kpis,omitempty" validate:"max=200,unique,dive,required,max=256"`
	Filters    []string `json:"filters,omitempty" validate:"max=50,unique,dive,required,max=256"`
	FilterExpr []string `json:"filterExpr,omitempty" validate:"max=50,dive,required,max=4000"`
	Sort       []string `json:"sort,omitempty" validate:"max=20,unique,dive,required,max=257"`
	Distinct   bool     `json:"distinct,omitempty"`
	// Select, Filter, FilterID and OrderBy are those of ExportOData; Filter in the language of SCIM, Attributes and Members
	// are those of ExportSCIMUsers and ExportSCIMGroups. Attributes are asked for beside the id; Members, of groups, makes a
	// record of each member.
	Select   []string `json:"select,omitempty" validate:"max=2000,unique,dive,required,max=256"`
	Filter   string   `json:"filter,omitempty" validate:"max=4000"`
	FilterID string   `json:"filterId,omitempty" validate:"max=256"`
	OrderBy  []string `json:"orderBy,omitempty" validate:"max=20,unique,dive,required,max=262"`

	Attributes []string `json:"attributes,omitempty" validate:"max=50,unique,dive,required,max=256"`
	Members    bool     `json:"members,omitempty"`
	// Delta says what of the source a run reads; absent is everything.
	Delta *DeltaSpec `json:"delta,omitempty"`
}

// CSVOptions says how a CSV file is written; an absent member is found out from the file.
type CSVOptions struct {
	Separator string `json:"separator,omitempty" validate:"max=1"`
	Quote     string `json:"quote,omitempty" validate:"max=1"`
	// Encoding is utf-8, utf-16, utf-16le, utf-16be, latin1 or windows-1252.
	Encoding string `json:"encoding,omitempty" validate:"omitempty,oneof=utf-8 utf-16 utf-16le utf-16be latin1 windows-1252"`
	// Header false names the columns column1, column2, ...; absent is true.
	Header *bool `json:"header,omitempty"`
}

// Rule makes one column of the rows.
type Rule struct {
	// To is the column's name in the table.
	To string `json:"to" validate:"required,max=128"`
	// From is a field name taken literally, or a JSON Pointer when it starts with "/"; absent is To.
	From string `json:"from,omitempty" validate:"max=1024"`
	// Expr computes the value in place of From; see package expression.
	Expr string `json:"expr,omitempty" validate:"max=4000"`
	// Lookup replaces the value by what a table has for it.
	Lookup *RuleLookup `json:"lookup,omitempty"`
	// Protect hides the value before it leaves.
	Protect *Protection `json:"protect,omitempty"`
	// Type is string, integer, float, boolean, date, datetime or time; absent is string.
	Type string `json:"type,omitempty" validate:"omitempty,oneof=string integer float boolean date datetime time"`
	// Length is the declared size of a string column in bytes, 1 to 65,000;
	// absent is found from a sample with room.
	Length int `json:"length,omitempty" validate:"min=0,max=65000"`
	// Format is the layout of dates and times in the source, in Java's letters
	// ("dd.MM.yyyy HH:mm:ss"), with RR for Oracle's year 1950 to 2049, or "excel" for
	// spreadsheet serial numbers; absent is ISO 8601 in its usual forms. A date of
	// zeros alone is null. For numbers, "comma" reads a decimal comma.
	Format string `json:"format,omitempty" validate:"max=64"`
	// Default stands in for a null, in the column's type.
	Default *Scalar `json:"default,omitempty"`
	// Required makes a record without a value an error.
	Required bool `json:"required,omitempty"`
}

// Import is the destination side of a flow.
type Import struct {
	Type ImportType `json:"type" validate:"required,oneof=dataPush continuousPush dataIngestion http webhook file scimUsers scimGroups"`
	// ConnectionID is the connection that is written through, where the type writes through one.
	ConnectionID string `json:"connectionId,omitempty" validate:"max=64"`
	// Table is the table of the data pool, of the types that fill one.
	Table string `json:"table,omitempty" validate:"max=128"`
	Mode  Mode   `json:"mode,omitempty" validate:"omitempty,oneof=replace delta delete"`
	// Keys are columns that tell rows apart; all but Replace need them.
	Keys []string `json:"keys,omitempty" validate:"max=100,unique,dive,required,max=128"`
	// OrderBy is the column whose highest value wins among the rows of a push that have the same keys; absent, the last row wins.
	OrderBy string `json:"orderBy,omitempty" validate:"max=128"`
	// AgeColumn is OrderBy's counterpart of an import of type dataIngestion, which needs it.
	AgeColumn string `json:"ageColumn,omitempty" validate:"max=128"`
	// DataConnectionID is the data connection whose schema gets the table; absent is the pool's own.
	DataConnectionID string   `json:"dataConnectionId,omitempty" validate:"max=64"`
	FileType         FileType `json:"fileType,omitempty" validate:"omitempty,oneof=parquet csv"`
	// Then is done in Celonis, in order, once the rows are in the table.
	Then []Step `json:"then,omitempty" validate:"max=20,dive"`
	// Format, FileName, CSV, Compression and KeepDays are those of ImportFile. FileName is a text with the placeholders
	// {flow}, {run}, {date}, {time} and {trigger}; absent is DefaultFileName. KeepDays absent is DefaultKeepDays.
	Format      Format      `json:"format,omitempty" validate:"omitempty,oneof=csv ndjson parquet"`
	FileName    string      `json:"fileName,omitempty" validate:"max=200"`
	CSV         *CSVOutput  `json:"csv,omitempty"`
	Compression Compression `json:"compression,omitempty" validate:"omitempty,oneof=none gzip zstd"`
	KeepDays    int         `json:"keepDays,omitempty" validate:"omitempty,min=1,max=365"`
	// Request, BodyFormat, ItemsPath, ResultsPath, IdempotencyHeader and Concurrency are those of ImportHTTP. BodyFormat is
	// BodyJSON or BodyNDJSON. ItemsPath is a JSON Pointer to where the rows stand in the body; "" is the whole body.
	// ResultsPath is a JSON Pointer to what the answer says of each row; absent, an answer speaks of all rows.
	Request     *DeliveryRequest `json:"request,omitempty"`
	BodyFormat  string           `json:"bodyFormat,omitempty" validate:"omitempty,oneof=json ndjson"`
	ItemsPath   string           `json:"itemsPath,omitempty" validate:"max=1024"`
	ResultsPath *string          `json:"resultsPath,omitempty" validate:"omitempty,max=1024"`
	// IdempotencyHeader names the header by whose value the API tells a repeated request.
	IdempotencyHeader string `json:"idempotencyHeader,omitempty" validate:"max=100"`
	// Concurrency is how many requests are under way at once; absent is 1, which keeps the order of rows.
	Concurrency int `json:"concurrency,omitempty" validate:"min=0,max=16"`
	// Webhook is that of ImportWebhook.
	Webhook *WebhookImport `json:"webhook,omitempty"`
	// Batch is how many rows a request of ImportHTTP and ImportWebhook has; absent is 1, whose body is an object.
	Batch int `json:"batch,omitempty" validate:"min=0,max=1000"`
	// OmitNulls leaves the members out of a body that have no value; else they are null.
	OmitNulls bool `json:"omitNulls,omitempty"`
	// Capture keeps the answers of a run as a file.
	Capture bool `json:"capture,omitempty"`
	// MatchBy to RoleDefault are those of ImportSCIMUsers and ImportSCIMGroups. MatchBy lists the attributes that a row's
	// user or group is looked for by; absent is externalId, then the name.
	MatchBy   []string   `json:"matchBy,omitempty" validate:"max=2,unique,dive,required,oneof=externalId userName displayName"`
	OnMissing OnMissing  `json:"onMissing,omitempty" validate:"omitempty,oneof=leave deactivate empty delete"`
	Guard     *SyncGuard `json:"guard,omitempty"`
	Scope     SyncScope  `json:"scope,omitempty" validate:"omitempty,oneof=managed all"`
	// IncludeAdmins lets those who have the role ADMIN be taken away; Keep lists the names of those who never are.
	IncludeAdmins bool     `json:"includeAdmins,omitempty"`
	Keep          []string `json:"keep,omitempty" validate:"max=1000,unique,dive,required,max=254"`
	// RoleDefault is the role of new ones whose row names none.
	RoleDefault string `json:"roleDefault,omitempty" validate:"omitempty,oneof=MEMBER ANALYST ADMIN"`
	// OnDisable and SendInvitation are those of ImportSCIMUsers.
	OnDisable      OnDisable `json:"onDisable,omitempty" validate:"omitempty,oneof=deactivate delete"`
	SendInvitation *bool     `json:"sendInvitation,omitempty"`
	// MemberBy, MemberMode, MemberSeparator and UnknownMembers are those of ImportSCIMGroups.
	MemberBy        string `json:"memberBy,omitempty" validate:"omitempty,oneof=externalId userName"`
	MemberMode      string `json:"memberMode,omitempty" validate:"omitempty,oneof=replace add"`
	MemberSeparator string `json:"memberSeparator,omitempty" validate:"max=4"`
	UnknownMembers  string `json:"unknownMembers,omitempty" validate:"omitempty,oneof=fail skip"`
}

// File is a file in the spool: an uploaded one, or one that a run has made.
type File struct {
	ID        string
	Workspace string
	Name      string
	Bytes     int64
	// SHA256 is the hex digest of the bytes as they are stored.
	SHA256    string
	CreatedAt time.Time
	// FlowID and RunID are those of the run that made the file, Format and Rows what it holds; "" and 0 of an uploaded one.
	FlowID string
	RunID  string
	Format Format
	Rows   int64
	// ExpiresAt is when the file's time is over, zero for never; RemovedAt is when its bytes went, zero while they are there.
	ExpiresAt time.Time
	RemovedAt time.Time
}
