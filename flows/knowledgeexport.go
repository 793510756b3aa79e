package flows

import (
	"slices"
	"strings"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/form"
)

const (
	// ExportKnowledgeModel reads records or KPIs of a knowledge model through a connection of type intelligence.
	ExportKnowledgeModel ExportType = "knowledgeModel"
	// ExportOData reads a record by the OData feed of its knowledge model.
	ExportOData ExportType = "odata"
)

const (
	// DefaultKnowledgePage is the largest page that any license allows; Celonis cuts it down to the team's.
	DefaultKnowledgePage = 5000
	// knowledgeFields is how many fields and KPIs one request may name.
	knowledgeFields = 200
)

// knowledgeKinds are the entries of exportKinds for the exports of this file.
func knowledgeKinds() map[ExportType]exportKind {
	reads := []connections.APIType{connections.Intelligence}
	both := []string{"connectionId", "knowledgeModelId", "record", "sliceBy", "keyFields", "pageSize", "delta"}
	return map[ExportType]exportKind{
		ExportKnowledgeModel: {
			reads: reads, check: checkKnowledge,
			members: append([]string{"fields", "kpis", "filters", "filterExpr", "sort", "distinct"}, both...),
		},
		ExportOData: {reads: reads, check: checkKnowledge, members: append([]string{"select", "filter", "filterId", "orderBy"}, both...)},
	}
}

// IsKnowledge reports whether the export reads a knowledge model.
func (e Export) IsKnowledge() bool { return e.Type == ExportKnowledgeModel || e.Type == ExportOData }

// Columns are the fields that the export names, none for every one of its record.
func (e Export) Columns() []string {
	if e.Type == ExportOData {
		return e.Select
	}
	return e.Fields
}

// RowOrder is the order that the export asks for, with a minus before descending fields.
func (e Export) RowOrder() []string {
	if e.Type != ExportOData {
		return e.Sort
	}
	order := make([]string, len(e.OrderBy))
	for i, item := range e.OrderBy {
		name, direction, _ := strings.Cut(strings.TrimSpace(item), " ")
		if order[i] = name; strings.EqualFold(strings.TrimSpace(direction), "desc") {
			order[i] = "-" + name
		}
	}
	return order
}

func checkKnowledge(e Export) (fields []fault.Field) {
	if e.ConnectionID == "" {
		fields = append(fields, missing("/export/connectionId", "must name a connection of type intelligence"))
	}
	if e.KnowledgeModelID == "" {
		fields = append(fields, missing("/export/knowledgeModelId", "must name a knowledge model, as <package key>.<knowledge model key>"))
	}
	if e.Record == "" {
		fields = append(fields, checkWithoutRecord(e)...)
	} else if len(e.KPIs) > 0 {
		fields = append(fields, invalid("/export/kpis", "belongs to an export without a record, whose fields are written record.field"))
	}
	return append(fields, checkColumns(e)...)
}

func checkWithoutRecord(e Export) []fault.Field {
	switch {
	case e.Type == ExportOData:
		return []fault.Field{missing("/export/record", "must name a record")}
	case len(e.Fields)+len(e.KPIs) == 0:
		return []fault.Field{missing("/export/record", "must name a record, where neither fields nor KPIs are named")}
	}
	return nil
}

// checkColumns: what is sorted, compared or joined by must be among the columns, and many of them need keys.
func checkColumns(e Export) (fields []fault.Field) {
	columns := e.Columns()
	if len(columns) > 0 {
		known := append(slices.Clone(columns), e.KPIs...)
		for _, name := range e.RowOrder() {
			if name = strings.TrimLeft(name, "+-"); !slices.Contains(known, name) {
				fields = append(fields, invalid("/export/"+map[bool]string{true: "orderBy", false: "sort"}[e.Type == ExportOData], "must name fields of the export, and "+name+" is none"))
				break
			}
		}
		if f := e.markField(); f != "" && !slices.Contains(known, f) {
			fields = append(fields, invalid("/export/delta/field", "must be one of the export's fields"))
		}
	}
	if e.Delta.Follows() && e.Delta.Field == "" {
		fields = append(fields, missing("/export/delta/field", "must name a field of the record"))
	}
	if len(columns)+len(e.KPIs) <= knowledgeFields {
		return fields
	}
	const reason = "must name the fields that tell records apart, as more than 200 fields are read in several requests whose rows are joined by them"
	switch {
	case len(e.KPIs) > 0 || e.Distinct:
		fields = append(fields, invalid("/export/"+map[bool]string{true: "select", false: "fields"}[e.Type == ExportOData], "must be at most 200 together with the KPIs, as KPIs and distinct rows cannot be joined"))
	case len(e.KeyFields) == 0:
		fields = append(fields, missing("/export/keyFields", reason))
	}
	return fields
}

func (e Export) markField() string {
	if e.Delta.Follows() {
		return e.Delta.Field
	}
	return ""
}

// knowledgeHints are those of the members that the exports of this file have for themselves.
func knowledgeHints() []form.Hint {
	is := func(types ...any) []form.When { return []form.When{form.Is("type", types...)} }
	both, model, feed := is(ExportKnowledgeModel, ExportOData), is(ExportKnowledgeModel), is(ExportOData)
	named := is(ExportKnowledgeModel, ExportOData, ExportEventSubscription)
	pick := func(kind string, params map[string]string) *form.Options {
		o := form.Picker(kind, "connectionId")
		o.Params, o.Custom = params, true
		return o
	}
	ofModel := map[string]string{"knowledgeModel": "knowledgeModelId"}
	ofRecord := map[string]string{"knowledgeModel": "knowledgeModelId", "record": "record"}
	fields := pick("fields", ofRecord)
	return []form.Hint{
		{
			Path: "/knowledgeModelId", Label: "Knowledge model", ShowWhen: named, OptionsFrom: pick("knowledgeModels", nil), Example: "order-to-cash.orders",
			Help: "The knowledge model that is read: <package key>.<knowledge model key>.", HowTo: []string{"In Celonis Studio, open the package: a model must be published to be read."},
		},
		{Path: "/record", Label: "Record", ShowWhen: both, OptionsFrom: pick("records", ofModel), Example: "ORDER", Help: "The record whose rows are read. Left out, the model is asked as a whole, for KPIs."},
		{Path: "/fields", Label: "Fields", ShowWhen: model, OptionsFrom: fields, Example: []string{"ORDER_ID", "NET_VALUE"}, Help: "The fields that are read. Left out, every field of the record."},
		{Path: "/kpis", Label: "KPIs", ShowWhen: model, OptionsFrom: pick("kpis", ofModel), Example: []string{"ORDER_COUNT"}, Help: "The KPIs that are read, for each combination of the fields."},
		{Path: "/filters", Label: "Filters", ShowWhen: model, OptionsFrom: pick("filters", ofModel), Example: []string{"OPEN_ORDERS"}, Help: "Filters of the knowledge model that rows must pass."},
		{Path: "/filterExpr", Label: "Filter expressions", ShowWhen: model, Example: []string{"NET_VALUE gt 100"}, Help: "OData expressions that must all hold for a row: eq ne gt ge lt le in, and or not, contains startswith endswith."},
		{Path: "/sort", Label: "Sort", ShowWhen: model, Example: []string{"-NET_VALUE"}, Help: "The order of the rows, with a minus before descending fields. It is kept while all rows fit into what Celonis shows at once."},
		{Path: "/distinct", Label: "Distinct rows", ShowWhen: model, Default: false, Help: "Whether rows that are alike come once."},
		{Path: "/select", Label: "Select", ShowWhen: feed, OptionsFrom: fields, Example: []string{"ORDER_ID"}, Help: "The fields that are read. Left out, every field of the record."},
		{
			Path: "/filter", Label: "Filter", ShowWhen: is(ExportOData, ExportSCIMUsers, ExportSCIMGroups), Example: "NET_VALUE gt 100",
			Help: "What must hold for a row: an OData expression, or for users and groups a filter of SCIM, such as active eq true.",
		},
		{Path: "/filterId", Label: "Filter of the model", ShowWhen: feed, OptionsFrom: pick("filters", ofModel), Example: "OPEN_ORDERS", Help: "A filter of the knowledge model that rows must pass."},
		{Path: "/orderBy", Label: "Order by", ShowWhen: feed, Example: []string{"ORDER_ID desc"}, Help: "The order of the rows. It is kept while all rows fit into what Celonis shows at once."},
		{Path: "/sliceBy", Label: "Slice by", ShowWhen: both, OptionsFrom: fields, Example: "ORDER_ID", Help: "The field whose ranges share rows out over requests where Celonis shows only the first 5,000. Left out, one is chosen."},
		{Path: "/keyFields", Label: "Key fields", ShowWhen: both, OptionsFrom: fields, Example: []string{"ORDER_ID"}, Help: "The fields that tell records apart. More than 200 fields need them."},
		{Path: "/pageSize", Label: "Page size", ShowWhen: both, Example: 50, Help: "How many rows a request asks for. Left out, as many as the team's license allows."},
	}
}

// knowledgeRules: the exports of this file take their own members, and no other export takes theirs.
func knowledgeRules() (rules []form.Schema) {
	own := map[string]bool{}
	for _, kind := range knowledgeKinds() {
		for _, name := range kind.members {
			own[name] = name != "connectionId" && name != "delta"
		}
	}
	for _, t := range sortedExports() {
		members := exportKinds()[t].members
		knows := func(name string) bool { return !slices.Contains(members, name) }
		if _, mine := knowledgeKinds()[t]; mine {
			rules = append(rules, form.If(map[string]any{"type": t}, form.All(form.Need("connectionId", "knowledgeModelId"), strangers(knows))))
			continue
		}
		rules = append(rules, form.If(map[string]any{"type": t}, strangers(func(name string) bool { return own[name] && knows(name) })))
	}
	return append(rules, form.If(map[string]any{"type": ExportOData}, form.Need("record")))
}

// knowledgeTitles name the exports of this file.
func knowledgeTitles() map[string]string {
	return map[string]string{
		string(ExportKnowledgeModel): "Celonis: records and KPIs of a knowledge model", string(ExportOData): "Celonis: the OData feed of a knowledge model",
	}
}
