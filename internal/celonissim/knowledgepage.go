package celonissim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// writePage writes a page as the switches say.
func (s *Server) writePage(r modelRequest, p *dataPage) {
	a := s.opts.Answers.Knowledge
	n := s.countPage()
	if a.GoneAfter > 0 && n > a.GoneAfter {
		writeNotFound(r.w, codeModelUnknown, "The knowledge model was not found.")
		return
	}
	total := len(p.rows)
	switch a.Totals {
	case TotalOfAll:
		total = p.total
	case TotalWrong:
		total = 7
	}
	sort, _ := json.Marshal(append([]string{}, p.sort...))
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"page":%d,"pageSize":%d,"total":%d,"sort":%s,"content":{"headers":`, p.page, p.size, total, sort)
	b.Write(p.headers(a.TextFlags))
	b.WriteString(`,"data":`)
	if a.DeepData {
		b.WriteByte('[')
	}
	p.writeRows(&b)
	if a.DeepData {
		b.WriteByte(']')
	}
	b.WriteString("}}")
	body := b.Bytes()
	if a.CutEvery > 0 && n%a.CutEvery == 0 {
		body = body[:len(body)/2]
	}
	r.w.Header().Set("Content-Type", "application/json")
	_, _ = r.w.Write(body)
}

func (s *Server) countPage() int {
	s.knowledge.mu.Lock()
	defer s.knowledge.mu.Unlock()
	s.knowledge.pages++
	return s.knowledge.pages
}

func (p *dataPage) headers(asText bool) []byte {
	type header struct {
		ID          string `json:"id"`
		Name        string `json:"name"`
		Type        string `json:"type"`
		Format      string `json:"format"`
		Unit        string `json:"unit"`
		Aggregation any    `json:"aggregation"`
		Filterable  any    `json:"filterable"`
		Sortable    any    `json:"sortable"`
	}
	flag := func(b bool) any {
		if asText {
			return strconv.FormatBool(b)
		}
		return b
	}
	out := []header{}
	for _, c := range p.columns {
		out = append(out, header{
			c.id, c.Name, c.Type, c.Format, c.Unit, flag(c.kpi != nil), flag(c.kpi == nil && !c.NotFilterable), flag(!c.NotSortable),
		})
	}
	text, _ := json.Marshal(out)
	return text
}

func (p *dataPage) writeRows(b *bytes.Buffer) {
	names := make([][]byte, len(p.columns))
	for i, c := range p.columns {
		names[i], _ = json.Marshal(c.id)
	}
	b.WriteByte('[')
	for i, row := range p.rows {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('{')
		for j, v := range row {
			if j > 0 {
				b.WriteByte(',')
			}
			b.Write(names[j])
			b.WriteByte(':')
			writeCell(b, v)
		}
		b.WriteByte('}')
	}
	b.WriteByte(']')
}

func writeCell(b *bytes.Buffer, v any) {
	switch v := v.(type) {
	case int:
		b.WriteString(strconv.Itoa(v))
	case float64:
		b.WriteString(strconv.FormatFloat(v, 'f', -1, 64))
	default:
		text, _ := json.Marshal(v)
		b.Write(text)
	}
}
