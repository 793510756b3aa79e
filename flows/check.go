package flows

import (
	"context"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
)

// withDefaults fills what a caller left out, so that a read shows what will happen.
func withDefaults(s Spec) Spec {
	s.Export = exportDefaults(s.Export)
	s.Import = importDefaults(s.Import)
	if s.MaxErrors == nil {
		s.MaxErrors = &Threshold{Count: DefaultMaxErrors}
	}
	return s
}

// check finds every fault of a spec: its tags, the rules between its fields, and what it refers to.
func (s *Service) check(ctx context.Context, workspace string, spec Spec) error {
	fields := s.valid.Struct(spec)
	if len(fields) == 0 {
		fields = append(fields, checkExport(spec.Export)...)
		fields = append(fields, checkImport(spec)...)
		fields = append(fields, s.CheckMapping(spec)...)
		referred, err := s.checkReferences(ctx, workspace, spec)
		if err != nil {
			return err
		}
		fields = append(fields, referred...)
	}
	if len(fields) > 0 {
		return fault.New(fault.RequestInvalid, "the flow has %d invalid fields", len(fields)).WithFields(fields...)
	}
	return nil
}

func invalid(pointer, detail string) fault.Field {
	return fault.Field{Pointer: pointer, Code: fault.RequestFieldInvalid, Detail: detail}
}

func missing(pointer, detail string) fault.Field {
	return fault.Field{Pointer: pointer, Code: fault.RequestFieldMissing, Detail: detail}
}

func checkExport(e Export) (fields []fault.Field) {
	if e.Type == ExportRecords {
		for _, member := range []struct {
			pointer string
			given   bool
		}{
			{"/export/fileId", e.FileID != ""}, {"/export/path", e.Path != ""},
			{"/export/format", e.Format != ""}, {"/export/csv", e.CSV != nil},
		} {
			if member.given {
				fields = append(fields, invalid(member.pointer, "does not belong to an export of type records"))
			}
		}
		return fields
	}
	if e.Gather != nil {
		fields = append(fields, invalid("/export/gather", "belongs to an export of type records only"))
	}
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

// checkReferences looks up the connection and the file that a spec names.
func (s *Service) checkReferences(ctx context.Context, workspace string, spec Spec) (fields []fault.Field, err error) {
	c, err := s.Connections.Connection(ctx, workspace, spec.Import.ConnectionID)
	switch {
	case fault.Has(err, fault.ConnectionNotFound):
		fields = append(fields, fault.Field{Pointer: "/import/connectionId", Code: fault.ConnectionNotFound, Detail: "names no connection"})
	case err != nil:
		return nil, err
	case c.APIType != connections.DataPush:
		fields = append(fields, fault.Field{Pointer: "/import/connectionId", Code: fault.ConnectionAPIType,
			Detail: "names a connection whose apiType is not " + string(connections.DataPush)})
	}
	if spec.Export.FileID == "" {
		return fields, nil
	}
	_, err = s.Files.File(ctx, workspace, spec.Export.FileID)
	if fault.Has(err, fault.FileNotFound) {
		return append(fields, fault.Field{Pointer: "/export/fileId", Code: fault.FileNotFound, Detail: "names no uploaded file"}), nil
	}
	return fields, err
}
