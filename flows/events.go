package flows

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
)

const (
	// MaxEvents bounds the events of one delivery.
	MaxEvents = 10_000
	// maxRemoteID bounds the id of a subscription in Celonis, in bytes.
	maxRemoteID = 200
	// maxOffset bounds offsets, so that they can be counted with.
	maxOffset = 1 << 62
	// maxEventFields bounds the fields of one event.
	maxEventFields = 2000
)

// EventRecord is an event of a subscription as a record of the flow.
type EventRecord struct {
	Offset int64
	// SubscriptionID is the one that the event names as its own, "" for none.
	SubscriptionID string
	// Line is the record: a JSON object on a line, ended. Its members are eventId, triggerId, subscriptionId, offset,
	// creationDate, identifier and typedIdentifier, null where the event has none, and each field of the event under its id:
	// FLOAT and INT as numbers, DATE and STRING as text. A field whose id is one of these names gets "field_" before it.
	Line []byte
}

// ReadEvents reads what Celonis delivers: an array of events, or one of them, or
// an object with an array of them. Names may be written with hyphens or as one
// word. probe says that the body holds nothing of an event, as a look at the
// address does. Fault SubscriptionEvents.
func ReadEvents(body []byte) (events []EventRecord, probe bool, err error) {
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return nil, true, nil
	}
	items, err := eventItems(body)
	if err != nil {
		return nil, false, err
	}
	if len(items) > MaxEvents {
		return nil, false, fault.New(fault.SubscriptionEvents, "the delivery has more than %d events", MaxEvents)
	}
	for i, item := range items {
		e, known, err := readEvent(item)
		if err != nil {
			return nil, false, fault.New(fault.SubscriptionEvents, "event %d of the delivery: %s", i, err)
		}
		if !known {
			if len(items) == 1 {
				return nil, true, nil
			}
			return nil, false, fault.New(fault.SubscriptionEvents, "event %d of the delivery is none", i)
		}
		events = append(events, e)
	}
	return events, len(items) == 0, nil
}

// eventItems gives the events of a body, each as it was written.
func eventItems(body []byte) ([]json.RawMessage, error) {
	if !json.Valid(body) {
		return nil, fault.New(fault.RequestMalformed, "the body is not JSON")
	}
	var list []json.RawMessage
	switch body[0] {
	case '[':
		if err := json.Unmarshal(body, &list); err != nil {
			return nil, fault.Wrap(err, fault.RequestMalformed, "the body is not JSON")
		}
		return list, nil
	case '{':
		o := looseObject(body)
		for _, name := range []string{"events", "content"} {
			if inner := bytes.TrimSpace(o[name]); len(inner) > 0 && inner[0] == '[' {
				return eventItems(inner)
			}
		}
		return []json.RawMessage{body}, nil
	}
	return nil, fault.New(fault.SubscriptionEvents, "the body is neither an event nor an array of them")
}

// looseObject gives the members of an object by their names in lower case
// without hyphens and underscores; nil for anything else.
func looseObject(data []byte) map[string]json.RawMessage {
	var o map[string]json.RawMessage
	if err := json.Unmarshal(data, &o); err != nil {
		return nil
	}
	out := make(map[string]json.RawMessage, len(o))
	for name, value := range o {
		out[strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(name))] = value
	}
	return out
}

// readEvent reads one event; known is false for an object that has nothing of one.
func readEvent(item []byte) (e EventRecord, known bool, err error) {
	o := looseObject(item)
	inner := looseObject(o["event"])
	if o["offset"] == nil && inner == nil && o["subscriptionid"] == nil && o["eventid"] == nil {
		return e, false, nil
	}
	if e.Offset, err = offsetOf(o["offset"]); err != nil {
		return e, true, err
	}
	if e.SubscriptionID = plainText(o["subscriptionid"]); len(e.SubscriptionID) > maxRemoteID {
		return e, true, fmt.Errorf("the subscription's id is longer than %d bytes", maxRemoteID)
	}
	w := newEventWriter()
	w.text("eventId", firstText(o["eventid"], inner["id"], o["id"]))
	w.text("triggerId", firstText(o["triggerid"]))
	w.text("subscriptionId", firstText(o["subscriptionid"], o["subscriberid"]))
	w.raw("offset", []byte(strconv.FormatInt(e.Offset, 10)))
	w.text("creationDate", firstText(o["creationdate"], inner["creationdate"]))
	w.text("identifier", firstText(inner["identifier"]))
	w.raw("typedIdentifier", orJSONNull(inner["typedidentifier"]))
	if err := w.fields(inner["fields"]); err != nil {
		return e, true, err
	}
	e.Line = w.line()
	return e, true, nil
}

// offsetOf reads a whole number from 0, bare or in quotes.
func offsetOf(data json.RawMessage) (int64, error) {
	text := plainText(data)
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n >= maxOffset {
		return 0, fmt.Errorf("its offset is no whole number from 0")
	}
	return n, nil
}

// plainText gives a JSON string's text, and a number or boolean as it is written; "" for anything else.
func plainText(data json.RawMessage) string {
	data = bytes.TrimSpace(data)
	var s string
	switch {
	case len(data) == 0 || bytes.Equal(data, []byte("null")) || data[0] == '{' || data[0] == '[':
		return ""
	case data[0] != '"':
		return string(data)
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return ""
	}
	return s
}

func firstText(values ...json.RawMessage) string {
	for _, v := range values {
		if text := plainText(v); text != "" {
			return text
		}
	}
	return ""
}

func orJSONNull(data json.RawMessage) []byte {
	if len(bytes.TrimSpace(data)) == 0 {
		return []byte("null")
	}
	return data
}

// eventWriter writes the record of an event with its members in order.
type eventWriter struct {
	out   bytes.Buffer
	names map[string]bool
}

func newEventWriter() *eventWriter { return &eventWriter{names: map[string]bool{}} }

// text writes a member that is null when there is no text.
func (w *eventWriter) text(name, text string) {
	if text == "" {
		w.raw(name, []byte("null"))
		return
	}
	w.raw(name, quoted(text))
}

// raw writes a member; a name that is taken gets a number.
func (w *eventWriter) raw(name string, value []byte) {
	free := name
	for n := 2; w.names[free]; n++ {
		free = name + "_" + strconv.Itoa(n)
	}
	w.names[free] = true
	w.out.WriteByte("{,"[min(w.out.Len(), 1)])
	w.out.Write(quoted(free))
	w.out.WriteByte(':')
	if err := json.Compact(&w.out, value); err != nil { // the value is a part of valid JSON
		w.out.WriteString("null")
	}
}

func (w *eventWriter) line() []byte {
	w.out.WriteString("}\n")
	return w.out.Bytes()
}

func quoted(text string) []byte {
	out, err := json.Marshal(text)
	if err != nil { // a string always has a JSON form
		return []byte("null")
	}
	return out
}

// fields writes the fields of an event, each by its type.
func (w *eventWriter) fields(data json.RawMessage) error {
	data = bytes.TrimSpace(data)
	if len(data) == 0 || bytes.Equal(data, []byte("null")) {
		return nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(data, &list); err != nil {
		return fmt.Errorf("its fields are no array")
	}
	if len(list) > maxEventFields {
		return fmt.Errorf("it has more than %d fields", maxEventFields)
	}
	for _, item := range list {
		f := looseObject(item)
		name := firstText(f["id"], f["name"])
		if name == "" {
			return fmt.Errorf("one of its fields has no id")
		}
		if w.names[name] {
			name = "field_" + name
		}
		w.raw(name, typedValue(strings.ToUpper(plainText(f["type"])), f["value"]))
	}
	return nil
}

// typedValue gives a field's value as its type wants it; what does not fit the
// type stays as it came, for the flow's mapping to say what becomes of it.
func typedValue(kind string, value json.RawMessage) []byte {
	value = bytes.TrimSpace(value)
	if len(value) == 0 || bytes.Equal(value, []byte("null")) {
		return []byte("null")
	}
	if value[0] == '{' || value[0] == '[' {
		return value
	}
	text := plainText(value)
	switch kind {
	case "INT", "INTEGER", "LONG", "FLOAT", "DOUBLE", "NUMBER":
		if isNumber(strings.TrimSpace(text)) {
			return []byte(strings.TrimSpace(text))
		}
	case "DATE":
		if ms, err := strconv.ParseInt(text, 10, 64); err == nil && value[0] != '"' {
			return quoted(time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z07:00"))
		}
	case "STRING":
	default:
		return value
	}
	return quoted(text)
}

// isNumber reports whether a text is a number of JSON.
func isNumber(text string) bool {
	return text != "" && (text[0] == '-' || text[0] >= '0' && text[0] <= '9') && json.Valid([]byte(text))
}
