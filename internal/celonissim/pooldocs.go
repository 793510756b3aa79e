package celonissim

import (
	"cmp"
	"slices"
)

// poolDocument is a DataPool.
type poolDocument struct {
	Permissions                  []string `json:"permissions"`
	ID                           *string  `json:"id"`
	Name                         *string  `json:"name"`
	Description                  *string  `json:"description"`
	TimeStamp                    *int64   `json:"timeStamp"`
	ConfigurationStatus          *string  `json:"configurationStatus"`
	Locked                       bool     `json:"locked"`
	ContentID                    *string  `json:"contentId"`
	ContentVersion               *int     `json:"contentVersion"`
	Tags                         []any    `json:"tags"`
	OriginalID                   *string  `json:"originalId"`
	MonitoringTarget             bool     `json:"monitoringTarget"`
	CustomMonitoringTarget       bool     `json:"customMonitoringTarget"`
	CustomMonitoringTargetActive bool     `json:"customMonitoringTargetActive"`
	Exported                     bool     `json:"exported"`
	MonitoringColumnsMigrated    bool     `json:"monitoringMessageColumnsMigrated"`
	CreatorUserID                *string  `json:"creatorUserId"`
	ObjectID                     *string  `json:"objectId"`
}

func (p *pool) document() poolDocument {
	id, name, status, at := p.id, p.name, "CONFIGURED", p.timeModified.UnixMilli()
	return poolDocument{
		Permissions: []string{}, ID: &id, Name: &name, Description: p.description, TimeStamp: &at,
		ConfigurationStatus: &status, Tags: []any{}, ObjectID: &id,
	}
}

// poolRequest is what counts of a DataPool that a client sends.
type poolRequest struct {
	Name        *string `json:"name"`
	Description *string `json:"description"`
}

// tableDocument is a PoolTable. The list of tables does not carry columns.
type tableDocument struct {
	Name           string           `json:"name"`
	LoaderSource   *string          `json:"loaderSource"`
	Available      bool             `json:"available"`
	DataSourceID   *string          `json:"dataSourceId"`
	DataSourceName *string          `json:"dataSourceName"`
	Columns        []columnDocument `json:"columns"`
	Type           string           `json:"type"`
	SchemaName     string           `json:"schemaName"`
}

// columnDocument is a PoolColumn.
type columnDocument struct {
	Name   string `json:"name"`
	Length int    `json:"length"`
	Type   string `json:"type"`
}

func (p *pool) tableDocument(t *table) tableDocument {
	d := tableDocument{
		Name: t.key.name, Available: true, Columns: []columnDocument{}, Type: "TABLE", SchemaName: p.schema(t.key.connection),
	}
	if n, ok := p.source(t.key.connection); ok {
		d.DataSourceID, d.DataSourceName = &n.ID, &n.Name
	}
	return d
}

// sortedTables are the tables that a finished job has made.
func (p *pool) sortedTables() []*table {
	list := make([]*table, 0, len(p.tables))
	for _, t := range p.tables {
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b *table) int {
		return cmp.Or(cmp.Compare(a.key.connection, b.key.connection), cmp.Compare(a.key.name, b.key.name))
	})
	return list
}

// sourceDocument is a DataSource, which users know as a data connection.
type sourceDocument struct {
	ID                     string  `json:"id"`
	Name                   string  `json:"name"`
	PoolID                 string  `json:"poolId"`
	Type                   string  `json:"type"`
	Metadata               *string `json:"metadata"`
	UplinkID               *string `json:"uplinkId"`
	Connected              bool    `json:"connected"`
	Locked                 bool    `json:"locked"`
	UplinkName             *string `json:"uplinkName"`
	Signature              *string `json:"signature"`
	UseUplink              bool    `json:"useUplink"`
	InternalSystemID       *string `json:"internalSystemId"`
	InternalSystemSelected bool    `json:"internalSystemSelected"`
	Configuration          []any   `json:"configuration"`
	TargetSchemaName       string  `json:"targetSchemaName"`
	Exported               bool    `json:"exported"`
	ExportAvailable        bool    `json:"exportAvailable"`
	ExtractorPort          *int    `json:"extractorPort"`
	AnonymizationAlgorithm *string `json:"anonymizationAlgorithm"`
	SaltID                 *string `json:"saltId"`
	CustomExtractorID      *string `json:"customExtractorId"`
	CustomExtractorName    *string `json:"customExtractorName"`
	CreatorUserID          *string `json:"creatorUserId"`
	CreatorUsername        *string `json:"creatorUsername"`
	ReachableAndValid      bool    `json:"reachableAndValid"`
	NormalizedName         string  `json:"normalizedName"`
	Imported               bool    `json:"imported"`
	ParameterName          *string `json:"parameterName"`
	Configured             bool    `json:"configured"`
}

func (p *pool) sourceDocument(n Named) sourceDocument {
	return sourceDocument{
		ID: n.ID, Name: n.Name, PoolID: p.id, Type: "OTHER", Connected: true, Configuration: []any{},
		TargetSchemaName: p.schema(n.ID), ReachableAndValid: true, NormalizedName: n.Name, Configured: true,
	}
}

// modelDocument is a DataModel.
type modelDocument struct {
	Permissions              []string `json:"permissions"`
	ID                       string   `json:"id"`
	Name                     string   `json:"name"`
	Description              *string  `json:"description"`
	CreateDate               int64    `json:"createDate"`
	ChangedDate              int64    `json:"changedDate"`
	ConfigurationSkipped     bool     `json:"configurationSkipped"`
	PoolID                   string   `json:"poolId"`
	Unavailable              bool     `json:"unavailable"`
	Editable                 bool     `json:"editable"`
	CreatorUserID            *string  `json:"creatorUserId"`
	Tables                   []any    `json:"tables"`
	ForeignKeys              []any    `json:"foreignKeys"`
	ProcessConfigurations    []any    `json:"processConfigurations"`
	DataModelCalendarType    string   `json:"dataModelCalendarType"`
	FactoryCalendar          *string  `json:"factoryCalendar"`
	CustomCalendar           *string  `json:"customCalendar"`
	OriginalID               *string  `json:"originalId"`
	EventlogAutomergeEnabled bool     `json:"eventlogAutomergeEnabled"`
	AutoMergeExecutionMode   string   `json:"autoMergeExecutionMode"`
	EventLogCount            int      `json:"eventLogCount"`
	ObjectID                 string   `json:"objectId"`
}

func (p *pool) modelDocument(n Named) modelDocument {
	at := p.created.UnixMilli()
	return modelDocument{
		Permissions: []string{}, ID: n.ID, Name: n.Name, CreateDate: at, ChangedDate: at, PoolID: p.id, Editable: true,
		Tables: []any{}, ForeignKeys: []any{}, ProcessConfigurations: []any{}, DataModelCalendarType: "NONE",
		AutoMergeExecutionMode: "NON_DISTINCT", ObjectID: n.ID,
	}
}

// dataJobDocument is a data Job.
type dataJobDocument struct {
	ID                       string  `json:"id"`
	Name                     string  `json:"name"`
	DataPoolID               string  `json:"dataPoolId"`
	DataSourceID             *string `json:"dataSourceId"`
	TimeStamp                int64   `json:"timeStamp"`
	Status                   *string `json:"status"`
	CurrentExecutionID       *string `json:"currentExecutionId"`
	DAGBasedExecutionEnabled bool    `json:"dagBasedExecutionEnabled"`
	LatestExecutionItemID    *string `json:"latestExecutionItemId"`
}
