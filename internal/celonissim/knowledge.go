package celonissim

import "net/http"

// KnowledgeModel is a knowledge model of the Intelligence API; ID is "<package key>.<model key>".
type KnowledgeModel struct {
	ID   string
	Name string
	// Published looks like "2024-01-15 08:00:00"; empty is a fixed date.
	Published string
	Records   []Record
	Filters   []Described
	// FilterExprs are the expressions of Filters by their ids; a filter without one lets every row through.
	FilterExprs map[string]string
	KPIs        []KPI
	Triggers    []Trigger
}

// Record is a record of a knowledge model.
type Record struct {
	Described
	Fields []RecordField
	// Rows are the record's rows; nil is none.
	Rows *Rows
}

// RecordField is a field of a record. Type is string, date, integer, boolean,
// number, datetime, timestamp or float.
type RecordField struct {
	Described
	Type, Format, Unit string
	// NotSortable and NotFilterable keep rows from being sorted and filtered by the field.
	NotSortable, NotFilterable bool
}

// Described is an object with an id, a name and words about it.
type Described struct {
	ID, Name, Description string
}

// KPI is a key figure of a knowledge model.
type KPI struct {
	Described
	Format, Unit string
	// Direction says whether more or less is better, in the model's own words.
	Direction string
	// Target is the value to reach, nil for none.
	Target *float64
	// Sum is the field whose values are added up; "" counts rows.
	Sum string
}

// Trigger is an event of a knowledge model that can be subscribed to.
type Trigger struct {
	ID, Name string
	// Record is the id of the record whose changes it tells of.
	Record string
}

// modelRequest is a request for a part of a knowledge model.
type modelRequest struct {
	*http.Request
	w     http.ResponseWriter
	model KnowledgeModel
}

// readModel finds the knowledge model of a request.
func (s *Server) readModel(h func(modelRequest)) guarded {
	return func(w http.ResponseWriter, r *http.Request, c caller) {
		for _, m := range c.team.models {
			if m.ID == r.PathValue("km") {
				h(modelRequest{r, w, m})
				return
			}
		}
		writeNotFound(w, codeModelUnknown, "The knowledge model was not found.")
	}
}

type modelDetails struct {
	ID           string  `json:"id"`
	Name         string  `json:"name"`
	ExtendedKMID *string `json:"extendedKMId"`
}

func getKnowledgeModel(r modelRequest) {
	writeJSON(r.w, http.StatusOK, modelDetails{ID: r.model.ID, Name: r.model.Name})
}

type filterItem struct {
	ID          string  `json:"id"`
	Name        string  `json:"name"`
	Description *string `json:"description"`
}

func (s *Server) listFilters(r modelRequest) {
	writeList(s, r.w, r.Request, r.model.Filters, func(d Described) filterItem { return filterItem{d.ID, d.Name, orNil(d.Description)} })
}

type recordItem struct {
	ID               string  `json:"id"`
	Name             string  `json:"name"`
	Description      *string `json:"description"`
	ShortDisplayName *string `json:"shortDisplayName"`
	InternalNote     *string `json:"internalNote"`
}

func recordItemOf(d Described) recordItem {
	return recordItem{ID: d.ID, Name: d.Name, Description: orNil(d.Description)}
}

func (s *Server) listRecords(r modelRequest) {
	writeList(s, r.w, r.Request, r.model.Records, func(m Record) recordItem { return recordItemOf(m.Described) })
}

type fieldItem struct {
	recordItem
	Type   string  `json:"type"`
	Format *string `json:"format"`
	Unit   *string `json:"unit"`
}

type recordDetails struct {
	recordItem
	Fields []fieldItem `json:"fields"`
}

func getRecord(r modelRequest) {
	for _, m := range r.model.Records {
		if m.ID != r.PathValue("record") {
			continue
		}
		d := recordDetails{recordItemOf(m.Described), []fieldItem{}}
		for _, f := range m.Fields {
			d.Fields = append(d.Fields, fieldItem{recordItemOf(f.Described), f.Type, orNil(f.Format), orNil(f.Unit)})
		}
		writeJSON(r.w, http.StatusOK, d)
		return
	}
	writeNotFound(r.w, codeRecordUnknown, "The record was not found.")
}

type kpiItem struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Description *string  `json:"description"`
	Format      *string  `json:"format"`
	Unit        *string  `json:"unit"`
	Direction   *string  `json:"direction"`
	Target      *float64 `json:"target"`
	Parameters  []any    `json:"parameters"`
}

func (s *Server) listKPIs(r modelRequest) {
	writeList(s, r.w, r.Request, r.model.KPIs, func(k KPI) kpiItem {
		return kpiItem{k.ID, k.Name, orNil(k.Description), orNil(k.Format), orNil(k.Unit), orNil(k.Direction), k.Target, []any{}}
	})
}

type triggerItem struct {
	ID     string `json:"id"`
	Record string `json:"record"`
	Name   string `json:"name"`
}

func (s *Server) listTriggers(r modelRequest) {
	writeList(s, r.w, r.Request, r.model.Triggers, func(t Trigger) triggerItem { return triggerItem{t.ID, t.Record, t.Name} })
}

type triggerField struct {
	Name   string  `json:"name"`
	Type   string  `json:"type"`
	Format *string `json:"format"`
	Unit   *string `json:"unit"`
}

type triggerDetails struct {
	ID     string         `json:"id"`
	Name   string         `json:"name"`
	Fields []triggerField `json:"fields"`
}

// getTrigger answers a trigger with the fields of its record.
func getTrigger(r modelRequest) {
	for _, t := range r.model.Triggers {
		if t.ID != r.PathValue("trigger") {
			continue
		}
		d := triggerDetails{t.ID, t.Name, []triggerField{}}
		for _, m := range r.model.Records {
			for _, f := range m.Fields {
				if m.ID == t.Record {
					d.Fields = append(d.Fields, triggerField{f.Name, f.Type, orNil(f.Format), orNil(f.Unit)})
				}
			}
		}
		writeJSON(r.w, http.StatusOK, d)
		return
	}
	writeNotFound(r.w, codeTriggerUnknown, "The trigger was not found.")
}

func orNil(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
