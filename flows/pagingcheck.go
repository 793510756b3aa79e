package flows

import "github.com/celonis-connector/connector/internal/fault"

// checkPaging finds what a type of paging lacks, and what belongs to another one.
func checkPaging(p *Paging, used usage) (fields []fault.Field) {
	if p == nil {
		for _, name := range []Placeholder{PlacePage, PlaceOffset, PlaceToken} {
			if used.all[name] {
				fields = append(fields, missing("/export/paging", "must say how pages are counted, as the request holds {{"+string(name)+"}}"))
			}
		}
		return fields
	}
	fields = checkPointers(pointed{"/export/paging/tokenPath", p.TokenPath}, pointed{"/export/paging/nextUrlPath", p.NextURLPath},
		pointed{"/export/paging/hasMorePath", p.HasMorePath}, pointed{"/export/paging/totalPath", p.TotalPath})
	fields = append(fields, p.strangers()...)
	switch p.Type {
	case PagingPage:
		fields = append(fields, carried("/export/paging/pageParam", p.PageParam, used.all[PlacePage])...)
	case PagingOffset:
		fields = append(fields, carried("/export/paging/offsetParam", p.OffsetParam, used.all[PlaceOffset])...)
	case PagingToken:
		fields = append(fields, carried("/export/paging/tokenParam", p.TokenParam, used.all[PlaceToken])...)
	case PagingBody:
		if !used.body[PlacePage] && !used.body[PlaceOffset] && !used.body[PlaceToken] {
			fields = append(fields, missing("/export/request/body", "must hold {{page}}, {{offset}} or {{token}}"))
		}
	}
	needsToken := p.Type == PagingToken || p.Type == PagingBody && used.all[PlaceToken]
	if needsToken && p.TokenPath == "" {
		fields = append(fields, missing("/export/paging/tokenPath", "must point to the token in the answer"))
	}
	if p.Type == PagingNextURL && p.NextURLPath == "" {
		fields = append(fields, missing("/export/paging/nextUrlPath", "must point to the next URL in the answer"))
	}
	if (p.SizeParam != "" || used.all[PlacePageSize]) && p.PageSize == 0 {
		fields = append(fields, missing("/export/paging/pageSize", "must be given where it is asked for"))
	}
	return fields
}

// carried: something must carry what changes from page to page, or every page would be the first.
func carried(pointer, param string, inRequest bool) []fault.Field {
	if param != "" || inRequest {
		return nil
	}
	return []fault.Field{missing(pointer, "must name the query parameter, where the request holds no placeholder for it")}
}

// strangers finds members that belong to another type of paging.
func (p *Paging) strangers() (fields []fault.Field) {
	counts := p.Type == PagingPage || p.Type == PagingBody
	tokens := p.Type == PagingToken || p.Type == PagingBody
	for _, m := range []struct {
		pointer    string
		given, may bool
	}{
		{"/export/paging/pageParam", p.PageParam != "", p.Type == PagingPage},
		{"/export/paging/offsetParam", p.OffsetParam != "", p.Type == PagingOffset},
		{"/export/paging/tokenParam", p.TokenParam != "", p.Type == PagingToken},
		{"/export/paging/firstPage", p.FirstPage != nil, counts},
		{"/export/paging/tokenPath", p.TokenPath != "", tokens},
		{"/export/paging/nextUrlPath", p.NextURLPath != "", p.Type == PagingNextURL},
	} {
		if m.given && !m.may {
			fields = append(fields, invalid(m.pointer, "does not belong to paging of type "+string(p.Type)))
		}
	}
	return fields
}

// checkHTTPDelta: a run must be able to tell what is new, and where to go on.
func checkHTTPDelta(e Export, used usage) (fields []fault.Field) {
	d := e.Delta
	if d == nil || d.Mode != ReadDelta {
		return nil
	}
	asks := used.all[PlaceWatermark]
	switch {
	case d.Field == "" && !asks:
		fields = append(fields, missing("/export/delta/field", "must name the field that orders the records, or the request must hold {{watermark}}"))
	case d.Field == "" && d.Kind() != MarkTime:
		fields = append(fields, missing("/export/delta/field", "must name the field whose highest value is the next watermark, as it is no time"))
	}
	if used.bare[PlaceWatermark] && d.Start == "" {
		fields = append(fields, missing("/export/delta/start", "must be given, as the first run has no other value for {{watermark}} outside of a query parameter"))
	}
	if used.all[PlaceUntil] && d.Kind() != MarkTime && d.Behind == "" {
		fields = append(fields, invalid("/export/delta/behind", "must name a flow, as a run without one has no value for {{until}} that is no time"))
	}
	return fields
}
