package flows

import (
	"context"
	"slices"
	"strings"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
)

// withDefaults fills what a caller left out, so that a read shows what will happen.
func withDefaults(s Spec) Spec {
	s.Export = exportDefaults(s.Export)
	s.Export = httpDefaults(s.Export)
	s.Export = sqlDefaults(s.Export)
	s.Export = webhookDefaults(s.Export)
	s.Export = adminDefaults(s.Export)
	s.Export = mcpDefaults(s.Export)
	s.Export = subscriptionDefaults(s.Export)
	s.Export.Delta = deltaDefaults(s.Export.Delta)
	s.Import = importDefaults(s.Import)
	s.Lookups = askingDefaults(s.Lookups)
	s.Schedule = scheduleDefaults(s.Schedule)
	if s.Expand != "" && s.ExpandEmpty == "" {
		s.ExpandEmpty = ExpandKeep
	}
	if s.MaxErrors == nil {
		s.MaxErrors = &Threshold{Count: DefaultMaxErrors}
	}
	if s.ErrorRetentionDays == 0 {
		s.ErrorRetentionDays = DefaultErrorRetentionDays
	}
	return s
}

// check finds every fault of a spec: its tags, the rules between its fields, and what it refers to. id is the flow's, ""
// for a new one.
func (s *Service) check(ctx context.Context, workspace, id string, spec Spec) error {
	fields := append(s.valid.Struct(spec), spec.Missing()...)
	if len(fields) == 0 {
		fields = append(fields, checkExport(spec.Export)...)
		fields = append(fields, checkDelta(spec)...)
		fields = append(fields, checkImport(spec)...)
		fields = append(fields, checkProvisioning(spec)...)
		fields = append(fields, checkEventKeys(spec)...)
		fields = append(fields, checkSchedule(spec.Schedule)...)
		fields = append(fields, checkAsking(spec.Lookups)...)
		fields = append(fields, s.CheckMapping(spec)...)
		referred, err := s.checkReferences(ctx, workspace, spec)
		if err != nil {
			return err
		}
		fields = append(fields, referred...)
		behind, err := s.checkBehind(ctx, workspace, id, spec)
		if err != nil {
			return err
		}
		fields = append(fields, behind...)
		followers, err := s.checkThen(ctx, workspace, id, spec.Then)
		if err != nil {
			return err
		}
		fields = append(fields, followers...)
	}
	if len(fields) > 0 {
		return fault.New(fault.RequestInvalid, "invalid fields of the flow: %d", len(fields)).WithFields(fields...)
	}
	return nil
}

func invalid(pointer, detail string) fault.Field {
	return fault.Field{Pointer: pointer, Code: fault.RequestFieldInvalid, Detail: detail}
}

func missing(pointer, detail string) fault.Field {
	return fault.Field{Pointer: pointer, Code: fault.RequestFieldMissing, Detail: detail}
}

// checkReferences looks up the connections and the file that a spec names.
func (s *Service) checkReferences(ctx context.Context, workspace string, spec Spec) (fields []fault.Field, err error) {
	for _, use := range spec.connectionUses() {
		c, err := s.Connections.Connection(ctx, workspace, use.id)
		switch {
		case fault.Has(err, fault.ConnectionNotFound):
			fields = append(fields, fault.Field{Pointer: use.pointer, Code: fault.ConnectionNotFound, Detail: "names no connection"})
		case err != nil:
			return nil, err
		case !slices.Contains(use.types, c.APIType):
			fields = append(fields, fault.Field{Pointer: use.pointer, Code: fault.ConnectionAPIType,
				Detail: "names a connection whose apiType is not " + joinTypes(use.types)})
		case use.pointer == "/export/connectionId":
			fields = append(fields, spec.Export.checkBelow(c)...)
			fields = append(fields, spec.Export.checkDialect(c)...)
		}
	}
	for _, use := range spec.fileUses() {
		f, err := s.Files.File(ctx, workspace, use.id)
		switch {
		case fault.Has(err, fault.FileNotFound):
			fields = append(fields, fault.Field{Pointer: use.pointer, Code: fault.FileNotFound, Detail: "names no file"})
		case err != nil:
			return nil, err
		case f.IsGone():
			fields = append(fields, fault.Field{Pointer: use.pointer, Code: fault.FileGone, Detail: "names a file whose time is over"})
		}
	}
	return fields, nil
}

// connectionUse is a place of a spec that names a connection.
type connectionUse struct {
	pointer, id string
	types       []connections.APIType
}

// connectionUses lists the connections that a spec names.
func (s Spec) connectionUses() []connectionUse {
	uses := []connectionUse{{"/import/connectionId", s.Import.ConnectionID, s.Import.writes()}}
	if id := s.Export.ConnectionID; id != "" {
		uses = append(uses, connectionUse{"/export/connectionId", id, s.Export.reads()})
	}
	uses = append(uses, s.agentUses()...)
	return slices.DeleteFunc(uses, func(u connectionUse) bool { return u.id == "" })
}

// ConnectionIDs lists the connections that a flow uses, each once, the import's first.
func (s Spec) ConnectionIDs() []string {
	var ids []string
	for _, u := range s.connectionUses() {
		if !slices.Contains(ids, u.id) {
			ids = append(ids, u.id)
		}
	}
	return ids
}

func joinTypes(types []connections.APIType) string {
	words := make([]string, len(types))
	for i, t := range types {
		words[i] = string(t)
	}
	return strings.Join(words, " or ")
}
