package celonissim

import (
	"time"

	"github.com/google/uuid"
)

// The statuses of a push job.
const (
	statusNew     = "NEW"
	statusQueued  = "QUEUED"
	statusRunning = "RUNNING"
	statusDone    = "DONE"
	statusError   = "ERROR"
)

// The job types, file types, chunk types and upsert strategies.
const (
	typeReplace = "REPLACE"
	typeDelta   = "DELTA"

	fileParquet = "PARQUET"
	fileCSV     = "CSV"

	chunkUpsert = "UPSERT"
	chunkDelete = "DELETE"

	strategyUnchanged = "UPSERT_WITH_UNCHANGED_METADATA"
	strategyNullify   = "UPSERT_WITH_NULLIFICATION"
)

// The lengths of a VARCHAR in bytes.
const (
	defaultVarchar = 80
	maxVarchar     = 65_000
)

// jobDocument is a DataPushJob as it is sent and answered.
type jobDocument struct {
	ID                    *string      `json:"id"`
	TargetName            *string      `json:"targetName"`
	Type                  *string      `json:"type"`
	FileType              *string      `json:"fileType"`
	DataPoolID            *string      `json:"dataPoolId"`
	ConnectionID          *string      `json:"connectionId"`
	Keys                  []string     `json:"keys"`
	UpsertStrategy        *string      `json:"upsertStrategy"`
	FallbackVarcharLength *int         `json:"fallbackVarcharLength"`
	TableSchema           *tableSchema `json:"tableSchema"`
	CSVParsingOptions     *csvOptions  `json:"csvParsingOptions"`
	ChangeDate            *timestamp   `json:"changeDate"`
	AllowDuplicate        *bool        `json:"allowDuplicate"`
	ForeignKeys           *string      `json:"foreignKeys"`
	PostExecutionQuery    *string      `json:"postExecutionQuery"`
	MirrorTargetNames     []string     `json:"mirrorTargetNames"`
	Status                *string      `json:"status"`
	TargetSchema          *string      `json:"targetSchema"`
	LastModified          *timestamp   `json:"lastModified"`
	LastPing              *timestamp   `json:"lastPing"`
	Logs                  []string     `json:"logs"`
}

type tableSchema struct {
	TableName *string        `json:"tableName"`
	Columns   []schemaColumn `json:"columns"`
}

type schemaColumn struct {
	ColumnName  *string `json:"columnName"`
	ColumnType  *string `json:"columnType"`
	FieldLength *int    `json:"fieldLength"`
	Decimals    *int    `json:"decimals"`
	PKField     *bool   `json:"pkField"`
}

// job is a push job. Its fields are guarded by the server's mutex; the chunks
// are fixed once the status has left NEW.
type job struct {
	id     string
	target string
	// doc is what the client sent, with the server's fields left out.
	doc      jobDocument
	csv      *csvFormat
	status   string
	logs     []string
	modified time.Time
	chunks   []*chunk
	// gone says that the job was deleted or forgotten.
	gone bool
	// order is the submit's duplicateRemovalColumn.
	order string
	fault jobFault
	rows  int64
}

// chunk is an accepted file.
type chunk struct {
	id      string
	kind    string
	created time.Time
	file    *spooled
	bytes   int64
}

// JobEvent is a status that a push job has reached.
type JobEvent struct {
	Pool, Job, Table, Status string
	// Logs are the job's lines so far.
	Logs []string
}

func newJob(doc jobDocument, now time.Time) *job {
	j := &job{id: uuid.NewString(), doc: doc, target: *doc.TargetName, status: statusNew, modified: now}
	return j
}

func (j *job) isDelta() bool { return *j.doc.Type == typeDelta }

func (j *job) connection() string { return text(j.doc.ConnectionID, "") }

func (j *job) table() tableKey { return tableKey{j.connection(), j.target} }

func (j *job) isCSV() bool { return text(j.doc.FileType, fileParquet) == fileCSV }

func (j *job) fallback() int {
	if n := j.doc.FallbackVarcharLength; n != nil {
		return *n
	}
	return defaultVarchar
}

// say adds a log line in the platform's form.
func (j *job) say(now time.Time, line string) {
	j.logs = append(j.logs, now.UTC().Format("2006-01-02T15:04:05")+" - "+line)
	j.modified = now
}

// document is the job as the API answers it.
func (j *job) document(p *pool) jobDocument {
	d := j.doc
	schema := p.schema(j.connection())
	modified := timestamp(j.modified.UnixMilli())
	d.ID, d.Status, d.DataPoolID, d.TargetSchema = &j.id, &j.status, &p.id, &schema
	status := j.status
	d.Status = &status
	d.LastModified, d.LastPing = &modified, nil
	d.Logs = append([]string{}, j.logs...)
	if d.Keys == nil {
		d.Keys = []string{}
	}
	return d
}

func (j *job) dropFiles() {
	for _, c := range j.chunks {
		c.file.drop()
	}
}

func (j *job) bytes() int64 {
	var n int64
	for _, c := range j.chunks {
		n += c.bytes
	}
	return n
}
