package httpapi

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/httpapi/strictjson"
)

const (
	// maxRatio bounds how much larger a packed body may become.
	maxRatio = 100
	// ratioFrom is the size from which that is looked at, in bytes.
	ratioFrom = 64 << 10
	// maxFormMembers bounds the members of a form.
	maxFormMembers = 10_000
	// maxChallenge bounds a challenge, in bytes.
	maxChallenge = 4096
)

// delivered is the body of a delivery.
type delivered struct {
	media, coding string
	body          []byte
	itemsPath     string
	// most bounds the body, unpacked too.
	most int64
}

// unpack takes the packing off. Faults: RequestMediaType, RequestTooLarge, RequestInvalid.
func (d *delivered) unpack() error {
	switch strings.ToLower(strings.TrimSpace(d.coding)) {
	case "", "identity":
		return nil
	case "gzip", "x-gzip":
	default:
		return fault.New(fault.RequestMediaType, "the Content-Encoding %q is not taken", shorten(d.coding)).WithHint("send the body as it is, or with gzip")
	}
	packed, err := gzip.NewReader(bytes.NewReader(d.body))
	if err != nil {
		return fault.Wrap(err, fault.RequestInvalid, "the body is not gzip, as its Content-Encoding says")
	}
	most := min(d.most, max(int64(len(d.body))*maxRatio, ratioFrom))
	plain, err := io.ReadAll(io.LimitReader(packed, most+1))
	switch {
	case err != nil:
		return fault.Wrap(err, fault.RequestInvalid, "the gzip of the body is broken")
	case int64(len(plain)) > most && most < d.most:
		return fault.New(fault.RequestTooLarge, "the body unpacks to more than %d times its size", maxRatio)
	case int64(len(plain)) > most:
		return fault.New(fault.RequestTooLarge, "the body unpacks to more than %d bytes", most)
	}
	d.body = plain
	return nil
}

// isJSON reports whether a media type is JSON; a sender that says nothing is taken to send it.
func isJSON(media string) bool {
	return media == mediaJSON || strings.HasSuffix(media, "+json")
}

// records reads the body. No records at all are no fault: a webhook may have
// nothing to tell. Faults: RequestMediaType, RequestMalformed, RequestInvalid.
func (d *delivered) records() (ndjson []byte, count int64, err error) {
	media, charset := parseMediaType(d.media)
	if d.media == "" {
		media = mediaJSON
	}
	rs := records{base: d.itemsPath}
	switch {
	case charset != "" && !strings.EqualFold(charset, "utf-8"):
		err = fault.New(fault.RequestMediaType, "the charset %q is not taken", shorten(charset)).WithHint("send UTF-8")
	case isJSON(media):
		err = d.take(&rs, d.body, 0)
	case media == mediaNDJSON || media == mediaNDJSON2:
		err = d.takeLines(&rs)
	case media == mediaForm:
		var record []byte
		if record, err = formRecord(d.body); err == nil {
			err = d.take(&rs, record, 0)
		}
	default:
		err = fault.New(fault.RequestMediaType, "the Content-Type %q is not taken here", shorten(d.media)).
			WithHint("send %s", strings.Join([]string{mediaJSON, mediaNDJSON, mediaForm}, ", "))
	}
	if err == nil {
		err = invalid(rs.faults)
	}
	if err != nil {
		return nil, 0, err
	}
	return rs.ndjson, rs.count, nil
}

func (d *delivered) takeLines(rs *records) error {
	number := 0
	for line := range bytes.SplitSeq(d.body, []byte{'\n'}) {
		number++
		if line = bytes.Trim(line, " \t\r"); len(line) == 0 {
			continue
		}
		if err := d.take(rs, line, number); err != nil {
			return fault.New(fault.CodeOf(err), "line %d: %s", number, fault.From(err).Message).WithFields(fault.From(err).Fields...)
		}
	}
	return nil
}

// take adds the records of a document: what stands at itemsPath, one object or an array of them.
func (d *delivered) take(rs *records, document []byte, line int) error {
	if isBlank(document) {
		return fault.New(fault.RequestMalformed, "the body is empty")
	}
	if err := strictjson.Check(document); err != nil {
		return err
	}
	found, err := at(document, d.itemsPath)
	if err != nil {
		return err
	}
	if found[0] != '[' {
		rs.add(found, line)
		return nil
	}
	for record := range strictjson.Elements(found) {
		rs.add(record, line)
	}
	return nil
}

// at gives the part of a JSON text that a JSON Pointer names. Fault
// RequestInvalid with how far the pointer leads.
func at(document []byte, pointer string) ([]byte, error) {
	part := bytes.TrimSpace(document)
	if pointer == "" {
		return part, nil
	}
	walked := ""
	for name := range strings.SplitSeq(pointer[1:], "/") {
		walked += "/" + name
		name = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
		next, ok := child(part, name)
		if !ok {
			return nil, fault.New(fault.RequestInvalid, "the records are not where the flow's itemsPath says").
				WithFields(fault.Field{Pointer: walked, Code: fault.RequestFieldMissing, Detail: "is not in the body"})
		}
		part = bytes.TrimSpace(next)
	}
	return part, nil
}

func child(part []byte, name string) ([]byte, bool) {
	switch part[0] {
	case '{':
		var members map[string]json.RawMessage
		if err := json.Unmarshal(part, &members); err != nil {
			return nil, false
		}
		next, ok := members[name]
		return next, ok
	case '[':
		want, err := strconv.Atoi(name)
		if err != nil || strconv.Itoa(want) != name {
			return nil, false
		}
		for item := range strictjson.Elements(part) {
			if want == 0 {
				return item, true
			}
			want--
		}
	}
	return nil, false
}

// formRecord makes an object of a form: a text for each member, a list of texts
// for one that is there more than once. Faults: RequestMalformed, RequestTooLarge.
func formRecord(body []byte) ([]byte, error) {
	if bytes.Count(body, []byte{'&'}) >= maxFormMembers {
		return nil, fault.New(fault.RequestTooLarge, "the form has more than %d members", maxFormMembers)
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, fault.Wrap(err, fault.RequestMalformed, "the body is not a form of type %s", mediaForm)
	}
	record := make(map[string]any, len(form))
	for name, values := range form {
		for _, text := range append([]string{name}, values...) {
			if !utf8.ValidString(text) {
				return nil, fault.New(fault.RequestMalformed, "the form holds bytes that are no UTF-8")
			}
		}
		record[name] = values[0]
		if len(values) > 1 {
			record[name] = values
		}
	}
	text, err := encode(record)
	return bytes.TrimSpace(text), err
}

// challenge gives the text that a sender wants back to see that the URL is ours.
func (d *delivered) challenge() (text string, is bool) {
	if media, _ := parseMediaType(d.media); d.media != "" && !isJSON(media) {
		return "", false
	}
	var ask struct {
		Challenge *string `json:"challenge"`
	}
	if err := json.Unmarshal(d.body, &ask); err != nil || ask.Challenge == nil || len(*ask.Challenge) > maxChallenge {
		return "", false
	}
	return *ask.Challenge, true
}
