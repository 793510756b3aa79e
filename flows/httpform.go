package flows

import (
	"maps"
	"slices"

	"github.com/celonis-connector/connector/internal/form"
)

// pointerPattern is that of a JSON Pointer.
const pointerPattern = `^(?:/(?:[^/~]|~[01])*)*$`

// httpExportHints are those of an export of type http.
func httpExportHints() []form.Hint {
	isHTTP := []form.When{form.Is("type", ExportHTTP)}
	answers := []form.When{form.Is("type", ExportHTTP, ExportMCPTool)}
	isPost := []form.When{form.Is("method", MethodPost)}
	pages := func(types ...any) []form.When { return []form.When{form.Is("type", types...)} }
	pointer := form.Schema{"pattern": pointerPattern}
	return []form.Hint{
		{
			Path: "/request", Label: "Request", ShowWhen: isHTTP,
			Help: "What is asked of the API. Its texts may hold {{watermark}}, {{until}}, {{runStart}}, {{page}}, {{offset}}, {{token}} and {{pageSize}}.",
		},
		{Path: "/request/method", Label: "Method", Default: MethodGet, Help: "How the API is asked.", Titles: map[string]string{MethodGet: "GET", MethodPost: "POST"}},
		{Path: "/request/url", Label: "Path", Example: "v2/orders", Refine: form.Schema{"pattern": `^[^\s#\\]*$`}, Help: "The path below the connection's base URL."},
		{Path: "/request/query", Label: "Query", Help: "Parameters of the query. One that is only a placeholder without a value is left out."},
		{Path: "/request/query/*/name", Label: "Name", Example: "updated_since", Help: "The parameter's name."},
		{Path: "/request/query/*/value", Label: "Value", Example: "{{watermark}}", Help: "The parameter's value. It is shown as it is: a key belongs into the connection."},
		{Path: "/request/headers", Label: "Headers", Help: "Headers of the request, beside those of the connection. They must hold no secret."},
		{Path: "/request/headers/*/name", Label: "Name", Example: "Accept", Help: "The header's name."},
		{Path: "/request/headers/*/value", Label: "Value", Example: "application/json", Help: "The header's value."},
		{
			Path: "/request/body", Label: "Body", ShowWhen: isPost, Example: `{"since": "{{watermark}}", "offset": {{offset}}}`,
			Help: "What is sent: JSON, or another text with the header Content-Type. Values are escaped for where they stand.",
		},
		{
			Path: "/request/retryPost", Label: "POST only reads", Default: false, ShowWhen: isPost,
			Help: "Whether a POST may be sent again when its answer was lost.",
		},
		{
			Path: "/itemsPath", Label: "Records at", ShowWhen: answers, Example: "/data/items", Refine: pointer,
			Help: "The JSON Pointer of the array of records in an answer. Left out, the whole answer is the array, or one record.",
		},
		{Path: "/paging", Label: "Paging", ShowWhen: answers, Help: "How the API is asked for the next page. Left out, there is one page."},
		{
			Path: "/paging/type", Label: "Type", Help: "What names the next page.",
			Titles: map[string]string{
				string(PagingPage): "The page's number", string(PagingOffset): "How many records came before", string(PagingToken): "A token in the answer",
				string(PagingLink): "The header Link", string(PagingNextURL): "A URL in the answer", string(PagingBody): "A placeholder in the request's body",
			},
		},
		{Path: "/paging/pageParam", Label: "Page parameter", ShowWhen: pages(PagingPage), Example: "page", Help: "The query parameter with the page's number."},
		{Path: "/paging/offsetParam", Label: "Offset parameter", ShowWhen: pages(PagingOffset), Example: "offset", Help: "The query parameter with the number of records before the page."},
		{Path: "/paging/tokenParam", Label: "Token parameter", ShowWhen: pages(PagingToken), Example: "cursor", Help: "The query parameter that hands the token over."},
		{Path: "/paging/firstPage", Label: "First page", Default: 1, ShowWhen: pages(PagingPage, PagingBody), Help: "The number of the first page."},
		{Path: "/paging/pageSize", Label: "Page size", Example: 100, Help: "How many records a full page has. A shorter page is the last one."},
		{Path: "/paging/sizeParam", Label: "Size parameter", Example: "limit", Help: "The query parameter that asks for so many."},
		{Path: "/paging/tokenPath", Label: "Token at", ShowWhen: pages(PagingToken, PagingBody), Example: "/meta/next", Refine: pointer, Help: "The JSON Pointer of the next page's token. Behind the records' pointer, /-/id is that of the last record."},
		{Path: "/paging/nextUrlPath", Label: "Next URL at", ShowWhen: pages(PagingNextURL), Example: "/links/next", Refine: pointer, Help: "The JSON Pointer of the next page's URL."},
		{Path: "/paging/hasMorePath", Label: "Has more at", Example: "/hasMore", Refine: pointer, Help: "The JSON Pointer of what says whether there is another page."},
		{Path: "/paging/totalPath", Label: "Total at", Example: "/total", Refine: pointer, Help: "The JSON Pointer of the number of all records."},
		{Path: "/paging/maxPages", Label: "Most pages", Default: DefaultMaxPages, Help: "How many pages a run reads at most. To reach it fails the run."},
	}
}

// deltaHints are those of a delta.
func deltaHints() []form.Hint {
	isDelta := []form.When{form.Is("mode", ReadDelta)}
	return []form.Hint{
		{
			Path: "/delta", Label: "What is new", ShowWhen: []form.When{form.Is("type", deltaExports()...)},
			Help: "What of the source a run reads. Left out, every run reads everything.",
		},
		{
			Path: "/delta/mode", Label: "Mode", Help: "What a run reads.",
			Titles: map[string]string{string(ReadAll): "Everything", string(ReadDelta): "What came since the run before", string(ReadOnce): "Everything, once"},
		},
		{
			Path: "/delta/field", Label: "Field", Example: "updatedAt", ShowWhen: []form.When{form.Is("mode", ReadDelta, ReadAll)},
			Help: "The record's field whose highest value is where the next run begins: a name, or a JSON Pointer.",
		},
		{
			Path: "/delta/type", Label: "Type", Default: MarkTime, ShowWhen: []form.When{form.Is("mode", ReadDelta, ReadAll)}, Help: "How values are compared.",
			Titles: map[string]string{string(MarkTime): "Times", string(MarkInteger): "Integers", string(MarkText): "Texts"},
		},
		{Path: "/delta/start", Label: "Start", ShowWhen: isDelta, Example: "2026-01-01T00:00:00Z", Help: "Where the first run begins. Left out, it reads everything."},
		{Path: "/delta/lag", Label: "Lag", ShowWhen: isDelta, Example: "PT5M", Help: "How far before that a run begins, for records that come late: a duration, or a number for integers."},
		{Path: "/delta/behind", Label: "Keep behind", ShowWhen: isDelta, Help: "Another flow: a run reads no further than that one has come.", OptionsFrom: &form.Options{Path: "/v1/flows", Value: "id", Label: "name"}},
	}
}

// deltaRules: only a delta of mode delta has a place where it begins.
func deltaRules() []form.Schema {
	other := form.Without("start", "lag", "behind")
	return []form.Schema{form.If(map[string]any{"mode": ReadAll}, other), form.If(map[string]any{"mode": ReadOnce}, other)}
}

// httpExportRules: an API is read through a connection; what is sent belongs to POST.
func httpExportRules() map[string][]form.Schema {
	needs := func(t PagingType, names ...string) form.Schema {
		return form.If(map[string]any{"type": t}, form.Need(names...))
	}
	return map[string][]form.Schema{
		"": {
			form.If(map[string]any{"type": ExportHTTP}, form.All(form.Need("connectionId"), form.Without("fileId", "url", "prefix"), form.Absent("gather"), form.Schema{
				"properties": form.Schema{"format": form.Schema{"enum": []Format{CSV, NDJSON, JSON}}},
			}, form.Schema{
				"if":   form.Schema{"required": []string{"csv"}},
				"then": form.Schema{"properties": form.Schema{"format": form.Schema{"const": CSV}}, "required": []string{"format"}},
			})),
			form.If(map[string]any{"type": ExportFile}, strangeToHTTP()),
			form.If(map[string]any{"type": ExportRecords}, form.All(strangeToHTTP(), form.Absent("delta"))),
		},
		"/request": {{
			"if":   form.Schema{"not": form.Schema{"properties": form.Schema{"method": form.Schema{"const": MethodPost}}, "required": []string{"method"}}},
			"then": form.All(form.Without("body"), form.Schema{"properties": form.Schema{"retryPost": form.Schema{"enum": []bool{false}}}}),
		}},
		"/paging": {needs(PagingToken, "tokenPath"), needs(PagingNextURL, "nextUrlPath")},
		"/delta":  deltaRules(),
	}
}

// strangeToHTTP is an export that reads no API.
func strangeToHTTP() form.Schema {
	return form.All(form.Absent("request", "paging"), form.Without("itemsPath"))
}

// deltaExports lists the types of exports that know what is new.
func deltaExports() (types []any) {
	for _, t := range sortedExports() {
		if slices.Contains(exportKinds()[t].members, "delta") {
			types = append(types, t)
		}
	}
	return types
}

func sortedExports() []ExportType { return slices.Sorted(maps.Keys(exportKinds())) }
