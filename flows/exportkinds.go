package flows

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
)

// exportKind is what is particular to one type of export.
type exportKind struct {
	// reads lists the API types of the connections that it may read through; none reads through no connection.
	reads []connections.APIType
	// members lists the members of Export, by their names in JSON, that belong to it beside type.
	members []string
	// check finds what is missing, and what contradicts another member.
	check func(Export) []fault.Field
}

// exportKinds is the one list of what an export can be.
func exportKinds() map[ExportType]exportKind {
	kinds := map[ExportType]exportKind{
		ExportFile: {
			reads:   []connections.APIType{connections.HTTP, connections.S3},
			members: []string{"fileId", "path", "url", "connectionId", "prefix", "format", "csv", "delta"}, check: checkFileExport,
		},
		ExportHTTP: {
			reads:   []connections.APIType{connections.HTTP},
			members: []string{"connectionId", "request", "itemsPath", "paging", "format", "csv", "delta"}, check: checkHTTPExport,
		},
		ExportSQL: {
			reads:   []connections.APIType{connections.SQL},
			members: []string{"connectionId", "query", "partitionBy", "partitions", "queryTimeout", "delta"}, check: checkSQLExport,
		},
		ExportRecords: {members: []string{"gather"}, check: nothingMore},
		ExportWebhook: {members: []string{"webhook", "itemsPath", "gather"}, check: checkWebhook},
		ExportPQL:     pqlKind(),
		ExportMCPTool: mcpKind(),

		ExportEventSubscription: subscriptionKind(),
	}
	maps.Copy(kinds, adminKinds())
	maps.Copy(kinds, knowledgeKinds())
	maps.Copy(kinds, scimExportKinds())
	return kinds
}

func nothingMore(Export) []fault.Field { return nil }

// checkExport finds members that do not belong to the export's type, and what the type itself finds.
func checkExport(e Export) (fields []fault.Field) {
	kind := exportKinds()[e.Type]
	v := reflect.ValueOf(e)
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		if name == "type" || v.Field(i).IsZero() || slices.Contains(kind.members, name) {
			continue
		}
		fields = append(fields, invalid("/export/"+name, "does not belong to an export of type "+string(e.Type)))
	}
	return append(fields, kind.check(e)...)
}

func checkFileExport(e Export) (fields []fault.Field) {
	fields = append(fields, checkFilePlace(e)...)
	if e.Format == "" {
		fields = append(fields, missing("/export/format", "must be one of csv, ndjson, json, parquet"))
	}
	if e.CSV != nil && e.Format != CSV && e.Format != "" {
		fields = append(fields, invalid("/export/csv", "belongs to the format csv only"))
	}
	return fields
}
