package celonis

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
)

// JobType says what a push job does with the table.
type JobType string

const (
	// Replace drops the table and fills it anew.
	Replace JobType = "REPLACE"
	// Delta upserts (and deletes) by the keys.
	Delta JobType = "DELTA"
)

// FileType is the form of a job's chunks.
type FileType string

const (
	// Parquet is what Celonis assumes when nothing is said.
	Parquet FileType = "PARQUET"
	// CSV needs the parsing options.
	CSV FileType = "CSV"
)

// UpsertStrategy says what a delta does with columns that a chunk lacks.
type UpsertStrategy string

const (
	// KeepMissing leaves them as they are.
	KeepMissing UpsertStrategy = "UPSERT_WITH_UNCHANGED_METADATA"
	// NullMissing makes them null.
	NullMissing UpsertStrategy = "UPSERT_WITH_NULLIFICATION"
)

// JobStatus is where a push job stands. Values that are not listed here pass through.
type JobStatus string

// The states of a push job: it takes chunks while new, and nothing of it is
// visible before it is submitted (I3).
const (
	JobNew      JobStatus = "NEW"
	JobQueued   JobStatus = "QUEUED"
	JobRunning  JobStatus = "RUNNING"
	JobDone     JobStatus = "DONE"
	JobError    JobStatus = "ERROR"
	JobCanceled JobStatus = "CANCELED"
)

// Terminal reports whether the job will not change any more.
func (s JobStatus) Terminal() bool { return s == JobDone || s == JobError || s == JobCanceled }

// JobSpec is a push job to create.
type JobSpec struct {
	Table string
	Type  JobType
	// FileType "" is Parquet.
	FileType FileType
	// DataConnectionID names the data connection whose schema gets the table; "" is the pool's global schema.
	DataConnectionID string
	// Keys are the primary key; Delta needs them.
	Keys []string
	// Schema is always declared, with a length for every string: Celonis cuts undeclared ones at 80 characters.
	Schema columns.Schema
	// CSV says how to read CSV chunks; needed for them only.
	CSV *columns.CSVParsingOptions
	// UpsertStrategy "" leaves the choice to Celonis.
	UpsertStrategy UpsertStrategy
}

// Job is a push job as Celonis tells it.
type Job struct {
	ID               string
	Table            string
	Type             JobType
	FileType         FileType
	Status           JobStatus
	DataConnectionID string
	// TargetSchema is the database schema of the table.
	TargetSchema string
	Keys         []string
	// Logs are Celonis's own lines, the oldest first.
	Logs         []string
	LastModified time.Time
}

// jobBody is a DataPushJob of Celonis, in both directions.
type jobBody struct {
	ID                string                     `json:"id,omitempty"`
	TargetName        string                     `json:"targetName"`
	Type              JobType                    `json:"type"`
	FileType          FileType                   `json:"fileType,omitempty"`
	DataPoolID        string                     `json:"dataPoolId,omitempty"`
	ConnectionID      string                     `json:"connectionId,omitempty"`
	Keys              []string                   `json:"keys"`
	UpsertStrategy    UpsertStrategy             `json:"upsertStrategy,omitempty"`
	TableSchema       *schemaBody                `json:"tableSchema,omitempty"`
	CSVParsingOptions *columns.CSVParsingOptions `json:"csvParsingOptions,omitempty"`
}

type schemaBody struct {
	TableName string       `json:"tableName"`
	Columns   []columnBody `json:"columns"`
}

type columnBody struct {
	ColumnName  string `json:"columnName"`
	ColumnType  string `json:"columnType"`
	FieldLength int    `json:"fieldLength,omitempty"`
	PKField     bool   `json:"pkField"`
}

func (s JobSpec) body(pool string) (jobBody, error) {
	schema, err := s.schemaBody()
	if err != nil {
		return jobBody{}, err
	}
	b := jobBody{
		TargetName: s.Table, Type: s.Type, FileType: s.FileType, DataPoolID: pool, ConnectionID: s.DataConnectionID,
		Keys: append([]string{}, s.Keys...), UpsertStrategy: s.UpsertStrategy, TableSchema: schema,
	}
	if b.FileType == "" {
		b.FileType = Parquet
	}
	if b.FileType == CSV {
		if s.CSV == nil {
			return jobBody{}, fault.New(fault.Internal, "a push job of CSV chunks needs the parsing options")
		}
		b.CSVParsingOptions = s.CSV
	}
	return b, nil
}

func (s JobSpec) schemaBody() (*schemaBody, error) {
	switch {
	case s.Table == "" || len(s.Schema) == 0:
		return nil, fault.New(fault.CelonisSchemaTooWide, "a push job needs a table name and at least one column")
	case s.Type == Delta && len(s.Keys) == 0:
		return nil, fault.New(fault.CelonisSchemaTooWide, "a delta push into table %q needs keys", s.Table)
	}
	for _, key := range s.Keys {
		if s.Schema.Index(key) < 0 {
			return nil, fault.New(fault.CelonisSchemaTooWide, "the key %q is not a column of table %q", key, s.Table)
		}
	}
	b := &schemaBody{TableName: s.Table, Columns: make([]columnBody, len(s.Schema))}
	for i, f := range s.Schema {
		c := columnBody{ColumnName: f.Name, ColumnType: strings.ToUpper(f.Type.String()), PKField: slices.Contains(s.Keys, f.Name)}
		if f.Type == columns.String {
			if f.Length < 1 || f.Length > columns.MaxStringBytes {
				return nil, fault.New(fault.CelonisSchemaTooWide, "the string column %q must be declared with a length of 1 to %d, not %d", f.Name, columns.MaxStringBytes, f.Length)
			}
			c.FieldLength = f.Length
		}
		b.Columns[i] = c
	}
	return b, nil
}

// jobAnswer is a DataPushJob as it comes back; every field may be null.
type jobAnswer struct {
	ID           string    `json:"id"`
	TargetName   string    `json:"targetName"`
	Type         JobType   `json:"type"`
	FileType     FileType  `json:"fileType"`
	Status       JobStatus `json:"status"`
	ConnectionID string    `json:"connectionId"`
	TargetSchema string    `json:"targetSchema"`
	Keys         []string  `json:"keys"`
	Logs         []string  `json:"logs"`
	LastModified moment    `json:"lastModified"`
}

func (a jobAnswer) job() Job {
	return Job{
		ID: a.ID, Table: a.TargetName, Type: a.Type, FileType: a.FileType, Status: a.Status, DataConnectionID: a.ConnectionID,
		TargetSchema: a.TargetSchema, Keys: a.Keys, Logs: a.Logs, LastModified: time.Time(a.LastModified),
	}
}

// moment reads a point in time as epoch milliseconds or ISO text; what it
// cannot read is the zero time.
type moment time.Time

// UnmarshalJSON takes numbers, texts and null.
func (m *moment) UnmarshalJSON(raw []byte) error {
	var text string
	var millis float64
	switch {
	case json.Unmarshal(raw, &millis) == nil && millis != 0:
		*m = moment(time.UnixMilli(int64(millis)).UTC())
	case json.Unmarshal(raw, &text) == nil && text != "":
		for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05.999999999"} {
			if t, err := time.Parse(layout, text); err == nil {
				*m = moment(t.UTC())
				return nil
			}
		}
	}
	return nil
}
