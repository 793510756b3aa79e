package flows

import (
	"slices"
	"strings"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/form"
)

// Form is the form of a flow.
func Form() form.Spec {
	s := form.Spec{
		Title: "Flow", Help: "What is read, how it is shaped and where it goes.", Of: Spec{},
		Hints: []form.Hint{{
			Path: "/name", Label: "Name", Example: "Permits",
			Help: "What people know the flow by. It is unique in the workspace, whatever its case.",
		}},
		Rules: map[string][]form.Schema{},
	}
	join := func(pointer, label string, part form.Spec) {
		s.Hints = append(s.Hints, form.Hint{Path: pointer, Label: label, Help: part.Help})
		hints, rules := part.Under(pointer)
		s.Hints = append(s.Hints, hints...)
		for at, list := range rules {
			s.Rules[at] = list
		}
	}
	join("/export", "Export", ExportForm())
	s.Hints = append(s.Hints, shapingHints()...)
	s.Hints = append(s.Hints, askingHints()...)
	s.Hints = append(s.Hints, mappingHints()...)
	s.Hints = append(s.Hints, ruleShapingHints()...)
	s.Rules["/mapping/*"] = mappingRules()
	join("/import", "Import", ImportForm())
	s.Hints = append(s.Hints, form.Hint{
		Path: "/schemaPolicy", Label: "Values that do not fit",
		Help: "What becomes of a value that contradicts its column's type. Left out: types found from a sample widen, and a mapping's types send the record to the errors.",
		Titles: map[string]string{
			string(Evolve): "Widen the column", string(Freeze): "Fail the run", string(DiscardRow): "Keep the record as an error",
			string(DiscardValue): "Leave the value out, with a warning",
		},
	}, form.Hint{
		Path: "/maxErrors", Label: "Bad records allowed", Default: DefaultMaxErrors, Example: "5%",
		Help: "How many bad records a run bears before it fails: a count, or a share of those read.",
		Refine: form.Schema{
			"type": []string{"integer", "string"}, "minimum": 0,
			"pattern": `^\s*(?:100(?:\.0*)?|[0-9]{1,2}(?:\.[0-9]*)?|\.[0-9]+)\s*%\s*$`,
			"not":     form.Schema{"type": "string", "pattern": `^[0.\s]*%\s*$`},
		},
	}, form.Hint{
		Path: "/traceKey", Label: "What identifies a record", Example: []string{"ORDER_ID"},
		Help: "The source's fields, or JSON Pointers, that tell a record from others in every run. Left out: the fields of the import's keys.",
	}, form.Hint{
		Path: "/errorRetentionDays", Label: "Days that errors are kept", Default: DefaultErrorRetentionDays,
		Help: "How long a record error is kept after its last change.",
	})
	s.Hints = append(s.Hints, scheduleHints()...)
	return s
}

// ExportForm is the form of a flow's export.
func ExportForm() form.Spec {
	isFile, isCSV := form.Is("type", ExportFile), form.Is("format", CSV)
	s := form.Spec{
		Title: "Export", Help: "Where records come from.", Of: Export{},
		Hints: []form.Hint{
			{
				Path: "/type", Label: "Source", Help: "A file that was uploaded, or records that are posted to the flow.",
				Titles: exportTitles(map[string]string{string(ExportFile): "An uploaded file", string(ExportRecords): "Posted records", string(ExportHTTP): "A REST API", string(ExportSQL): "A database", string(ExportWebhook): "A webhook"}),
			},
			{
				Path: "/fileId", Label: "File", ShowWhen: []form.When{isFile}, Upload: "/v1/files",
				Help: "The file to read: upload it, and the id that is answered is the value.", Example: "0199f3a0-7c1e-7b54-9a3e-2f6c1d0b8e11",
			},
			{Path: "/path", Omit: true},
			{
				Path: "/url", Label: "URL", ShowWhen: []form.When{isFile}, Example: "https://files.example.com/exports/orders.csv",
				Refine: form.Schema{"pattern": `^$|^[Hh][Tt][Tt][Pp][Ss]?://[^\s/?#@\\]+(?:[/?][^\s#]*)?$`},
				Help:   "Where each run fetches the file, in the place of an uploaded one. It is shown as it is: a key belongs into a connection.",
			},
			{
				Path: "/connectionId", Label: "Connection", ShowWhen: []form.When{form.Is("type", connectedExports()...)}, Example: "0199f3a0-2222-7b54-9a3e-2f6c1d0b8e11",
				Help: "Who reads: a connection of type http for an API, or to log in where the URL is; of type s3 for the files of its bucket; of type sql for a database; a connection to Celonis for what is read from there.",
				OptionsFrom: &form.Options{
					Path: "/v1/connections", Value: "id", Label: "name", Where: map[string]any{"apiType": append(connections.OutsideTypes(), celonisKeys()...)},
				},
			},
			{
				Path: "/prefix", Label: "Prefix", ShowWhen: []form.When{isFile}, Example: "exports/orders/",
				Help: "What the keys of the bucket's files begin with. Left out, all files are read.",
			},
			{
				Path: "/format", Label: "Format", ShowWhen: []form.When{form.Is("type", ExportFile, ExportHTTP)}, Help: "How the records are written. Left out for an API, its answers tell.",
				Titles: map[string]string{string(CSV): "CSV with a header line", string(NDJSON): "A JSON object on each line", string(JSON): "A JSON array of objects", string(ParquetFile): "Parquet with flat columns"},
			},
			{
				Path: "/csv", Label: "CSV", ShowWhen: []form.When{form.Is("type", ExportFile, ExportHTTP), isCSV},
				Help: "How the CSV file is written. What is left out is found out from the file.",
			},
			{Path: "/csv/separator", Label: "Separator", Help: "The character between cells.", Example: ";"},
			{Path: "/csv/quote", Label: "Quote", Help: "The character around cells.", Example: `"`},
			{Path: "/csv/encoding", Label: "Encoding", Help: "The character encoding."},
			{
				Path: "/csv/header", Label: "Header line", Default: true,
				Help: "Whether the first line names the columns. Without it they are column1, column2 and so on.",
			},
			{
				Path: "/gather", Label: "Gathering", ShowWhen: []form.When{form.Is("type", ExportRecords, ExportWebhook, ExportEventSubscription)},
				Help: "How posted records become pushes: whichever bound is met first starts one. Every push counts against the team's hourly submissions.",
			},
			{Path: "/gather/rows", Label: "Records", Default: DefaultGatherRows, Help: "How many records start a push."},
			{Path: "/gather/bytes", Label: "Bytes", Default: DefaultGatherBytes, Help: "How many bytes of them, as NDJSON, start a push."},
			{
				Path: "/gather/seconds", Label: "Seconds", Default: DefaultGatherSeconds, Example: 60,
				Help: "How long after the first record a push starts. 0 pushes at once.",
			},
		},
		Rules: map[string][]form.Schema{"": {
			form.If(map[string]any{"type": ExportFile}, form.All(form.Need("format"), filePlaces(), form.Absent("gather"), form.Schema{
				"if":   form.Schema{"required": []string{"csv"}},
				"then": form.Schema{"properties": form.Schema{"format": form.Schema{"const": CSV}}},
			})),
			form.If(map[string]any{"type": ExportRecords}, form.All(form.Without("fileId", "url", "connectionId", "prefix"), form.Absent("format", "csv"))),
		}},
	}
	s.Hints = append(s.Hints, httpExportHints()...)
	s.Hints = append(s.Hints, sqlHints()...)
	s.Rules[""] = append(s.Rules[""], sqlRules()...)
	s.Hints = append(s.Hints, celonisHints()...)
	s.Hints = append(s.Hints, knowledgeHints()...)
	s.Rules[""] = append(s.Rules[""], celonisRules()...)
	s.Rules[""] = append(s.Rules[""], knowledgeRules()...)
	s.Hints = append(s.Hints, subscriptionHints()...)
	s.Rules[""] = append(s.Rules[""], subscriptionRules()...)
	s.Hints = append(s.Hints, deltaHints()...)
	s.Hints = append(s.Hints, webhookHints()...)
	s.Rules[""] = append(s.Rules[""], webhookRules()...)
	s.Rules["/webhook/auth"] = webhookAuthRules()
	for at, list := range httpExportRules() {
		s.Rules[at] = append(s.Rules[at], list...)
	}
	return s
}

// tableForbidden are the characters that a table's name cannot hold, beside control characters.
const tableForbidden = "\"'`;/\\"

// ImportForm is the form of a flow's import.
func ImportForm() form.Spec {
	table := form.Picker("tables", "connectionId")
	table.Custom = true
	columns := form.Picker("columns", "connectionId")
	columns.Params, columns.Custom = map[string]string{"table": "table"}, true
	isPush := []form.When{form.Is("type", ImportDataPush)}
	return form.Spec{
		Title: "Import", Help: "Where rows go.", Of: Import{},
		Hints: slices.Concat([]form.Hint{
			{
				Path: "/type", Label: "Destination", Help: "What takes the rows.",
				Titles: map[string]string{
					string(ImportDataPush):       "A table of a data pool, by push jobs (Data Push)",
					string(ImportContinuousPush): "A table of a data pool, upserted at intervals of Celonis's own (Continuous Data Push)",
					string(ImportDataIngestion):  "A table of a data connection, by files in a bucket (Standard Data Ingestion)",
					string(ImportHTTP):           "A REST API",
					string(ImportWebhook):        "A URL that takes signed webhooks",
					string(ImportFile):           "Files to download",
					string(ImportSCIMUsers):      "Users of the Celonis team (SCIM)",
					string(ImportSCIMGroups):     "Groups of the Celonis team (SCIM)",
				},
			},
			{
				Path: "/connectionId", Label: "Connection", ShowWhen: []form.When{form.Is("type", importsWith("connectionId")...)},
				Help: "The connection that takes the rows: to the data pool, or of type http for an API.", Example: "0199f3a0-1111-7b54-9a3e-2f6c1d0b8e11",
				OptionsFrom: &form.Options{
					Path: "/v1/connections", Value: "id", Label: "name", Where: map[string]any{"apiType": writtenTypes()},
				},
			},
			{
				Path: "/table", Label: "Table", ShowWhen: []form.When{form.Is("type", importsWith("table")...)}, Help: "The table to fill. One that is not there yet is made.", Example: "PERMIT_EVENTS", OptionsFrom: table,
				Refine: form.Schema{"pattern": `^[^\x00-\x1f\x7f-\x9f` + strings.ReplaceAll(tableForbidden, `\`, `\\`) + `]+$`},
				HowTo:  []string{"In Celonis, open Data Integration and the data pool: its tables stand under Database schema."},
			},
			{
				Path: "/mode", Label: "Mode", Default: Replace, ShowWhen: isPush, Help: "What a push does to the rows that the table has.",
				Titles: map[string]string{
					string(Replace): "Replace: fill the table anew", string(Delta): "Delta: insert, and update rows with the same keys",
					string(Delete): "Delete: take out the rows with these keys",
				},
			},
			{
				Path: "/keys", Label: "Keys", ShowWhen: []form.When{form.Is("type", importsWith("keys")...)}, Help: "The columns that tell rows apart. Everything but mode replace needs them.", Example: []string{"CASE_ID"}, OptionsFrom: columns,
			},
			{Path: "/keys/*", Label: "Column", Help: "A column of the rows."},
			{
				Path: "/orderBy", Label: "Order by", OptionsFrom: columns,
				ShowWhen: []form.When{form.Is("type", ImportDataPush, ImportContinuousPush)},
				Help:     "The column whose highest value wins among rows of a push with the same keys. Left out, the last row wins.",
			},
			{
				Path: "/ageColumn", Label: "Age column", OptionsFrom: columns, ShowWhen: []form.When{form.Is("type", ImportDataIngestion)},
				Help: "The column whose highest value wins among rows with the same keys.",
			},
			{
				Path: "/dataConnectionId", Label: "Data connection", ShowWhen: []form.When{form.Is("type", importsWith("dataConnectionId")...)}, OptionsFrom: form.Picker("dataConnections", "connectionId"),
				Help: "The data connection whose schema gets the table. Left out, the table is the pool's own.",
			},
			{
				Path: "/fileType", Label: "Chunks", Default: Parquet, ShowWhen: isPush, Help: "The format in which rows travel to Celonis.",
				Titles: map[string]string{string(Parquet): "Parquet", string(CSVChunks): "CSV"},
			},
			{Path: "/then", Label: "Afterwards", ShowWhen: isPush, Help: "What is done in Celonis, in order, once the rows are in the table."},
			{
				Path: "/then/*/type", Label: "Step", Help: "What is done.",
				Titles: map[string]string{string(StepDataJob): "Execute a data job", string(StepDataModel): "Load a data model"},
			},
			{
				Path: "/then/*/id", Label: "Id", Help: "The id of the data job or data model in the pool.", Example: "7c9e6679-7425-40de-944b-e07fc1f90ae7",
				HowTo: []string{"In Celonis, open Data Integration, the data pool and there the data job or data model: its id stands in the address."},
			},
			{
				Path: "/then/*/mode", Label: "Mode", Default: JobFull, ShowWhen: []form.When{form.Is("type", StepDataJob)},
				Help: "Whether the data job loads everything or what is new.",
			},
			{
				Path: "/then/*/partial", Label: "Tables", ShowWhen: []form.When{form.Is("type", StepDataModel)},
				Help: "The ids of the data model's tables to load. Left out, the whole model is loaded.",
			},
			{Path: "/then/*/wait", Label: "Wait", Default: true, Help: "Whether the run waits for the step's end."},
			{Path: "/then/*/timeout", Label: "Timeout in seconds", Default: DefaultStepTimeout, Help: "How long the step may take."},
			{
				Path: "/then/*/onFailure", Label: "On failure", Default: Fail, Help: "What a failed step does to the run, whose rows are in the table by then.",
				Titles: map[string]string{string(Fail): "The run fails", string(Warn): "A warning is kept and the run goes on"},
			},
		}, fileImportHints(), scimHints(), deliveryHints()),
		Rules: importRules(),
	}
}

// importRules are the rules between an import's members: what every type needs and does not have comes from the table of
// types.
func importRules() map[string][]form.Schema {
	ordered := form.Schema{"if": form.Need("orderBy"), "then": form.Schema{"properties": form.Schema{"mode": form.Schema{"const": Delta}}, "required": []string{"mode"}}}
	return map[string][]form.Schema{
		"": append(append(append(append(importKindRules(), scimRules()...), fileImportRules()...), deliveryRules()...),
			form.If(map[string]any{"type": ImportDataPush}, ordered),
			form.If(map[string]any{"type": ImportContinuousPush}, form.Need("keys")),
			form.If(map[string]any{"type": ImportDataIngestion}, form.Need("keys", "ageColumn", "dataConnectionId")),
			form.If(map[string]any{"mode": Delta}, form.Need("keys")),
			form.If(map[string]any{"mode": Delete}, form.Need("keys")),
		),
		"/then/*": {
			form.If(map[string]any{"type": StepDataJob}, form.Without("partial")),
			form.If(map[string]any{"type": StepDataModel}, form.Absent("mode")),
		},
	}
}

func mappingHints() []form.Hint {
	isText := []form.When{form.Is("type", "string", nil)}
	return []form.Hint{
		{
			Path: "/mapping", Label: "Mapping",
			Help: "How a record becomes a row, a rule for each column. Without rules every field is taken as it is, with types found from a sample.",
		},
		{Path: "/mapping/*/to", Label: "Column", Help: "The column's name in the table.", Example: "CASE_ID"},
		{
			Path: "/mapping/*/from", Label: "Field", Example: "case:concept:name", Refine: form.Schema{"pattern": `^$|^[^/]|^(?:/(?:[^/~]|~[01])*)+$`},
			Help: "The field of the record: a name taken literally, or a JSON Pointer when it starts with a slash. Left out, it is the column's name.",
		},
		{Path: "/mapping/*/type", Label: "Type", Default: "string", Help: "The column's type."},
		{
			Path: "/mapping/*/length", Label: "Length", ShowWhen: isText, Example: 200,
			Help: "The declared size of a text column in bytes. Left out, it is found from a sample, with room.",
		},
		{
			Path: "/mapping/*/format", Label: "Format", ShowWhen: []form.When{form.Is("type", "date", "datetime", "time", "integer", "float")},
			Help:    "The layout of dates and times in the source, in Java's letters; \"comma\" for numbers with a decimal comma. Left out, ISO 8601 and a decimal point.",
			Example: "dd.MM.yyyy HH:mm:ss",
		},
		{
			Path: "/mapping/*/default", Label: "Default", Help: "Stands in for a record without a value.", Example: "open",
			Refine: form.Schema{"type": []string{"string", "number", "boolean"}},
		},
		{Path: "/mapping/*/required", Label: "Required", Default: false, Help: "Whether a record without a value is an error."},
	}
}

// mappingRules: text and booleans have no format, numbers one.
func mappingRules() []form.Schema {
	plain := form.Schema{"properties": form.Schema{"format": form.Schema{"maxLength": 0}}}
	comma := form.Schema{"properties": form.Schema{"format": form.Schema{"enum": []string{"", "comma"}}}}
	return []form.Schema{
		{"if": form.Schema{"not": form.Schema{"required": []string{"type"}}}, "then": plain},
		{"if": form.Schema{"properties": form.Schema{"type": form.Schema{"enum": []string{"string", "boolean"}}}}, "then": plain},
		{"if": form.Schema{"properties": form.Schema{"type": form.Schema{"enum": []string{"integer", "float"}}}, "required": []string{"type"}}, "then": comma},
	}
}
