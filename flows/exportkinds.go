package flows

import (
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
	return map[ExportType]exportKind{
		ExportFile:    {members: []string{"fileId", "path", "format", "csv"}, check: checkFileExport},
		ExportRecords: {members: []string{"gather"}, check: nothingMore},
	}
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
	switch {
	case e.FileID == "" && e.Path == "":
		fields = append(fields, missing("/export/fileId", "must name a file uploaded with POST /v1/files"))
	case e.FileID != "" && e.Path != "":
		fields = append(fields, invalid("/export/path", "cannot be given beside fileId"))
	}
	if e.Format == "" {
		fields = append(fields, missing("/export/format", "must be one of csv, ndjson, json, parquet"))
	}
	if e.CSV != nil && e.Format != CSV && e.Format != "" {
		fields = append(fields, invalid("/export/csv", "belongs to the format csv only"))
	}
	return fields
}
