package celonissim

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// bulk does the operations of a Bulk in their order.
func (v *scimView) bulk(body map[string]any) scimReply {
	schemas, _ := body["schemas"].([]any)
	operations, _ := body["Operations"].([]any)
	switch {
	case !slices.Contains(schemas, any(scimMessages+"BulkRequest")):
		return refused(refuse(http.StatusBadRequest, "invalidSyntax", "schemas must name %sBulkRequest", scimMessages))
	case len(operations) > v.opts.BulkOperations:
		return refused(refuse(http.StatusRequestEntityTooLarge, "", "The number of operations exceeds maxOperations (%d)", v.opts.BulkOperations))
	}
	most, _ := body["failOnErrors"].(float64)
	made := map[string]string{}
	var answers []any
	failed := 0
	for _, one := range operations {
		operation, _ := one.(map[string]any)
		answer, ok := v.bulkOne(operation, made)
		answers = append(answers, answer)
		if !ok {
			if failed++; most > 0 && failed >= int(most) {
				break
			}
		}
	}
	return scimReply{status: http.StatusOK, body: map[string]any{"schemas": []any{scimMessages + "BulkResponse"}, "Operations": answers}}
}

func (v *scimView) bulkOne(operation map[string]any, made map[string]string) (map[string]any, bool) {
	text := func(name string) string { s, _ := operation[name].(string); return s }
	answer := map[string]any{"method": operation["method"]}
	id := text("bulkId")
	if id != "" {
		answer["bulkId"] = id
	}
	var reply scimReply
	c, wrong := v.bulkCall(text("method"), text("path"), text("version"))
	if wrong == nil {
		c.body, wrong = v.resolved(operation["data"], made)
	}
	if wrong == nil {
		reply = v.write(c)
	} else {
		reply = refused(wrong)
	}
	answer["status"] = strconv.Itoa(reply.status)
	if reply.refusal != nil {
		answer["response"] = reply.refusal.document()
		return answer, false
	}
	if r := reply.resource; r != nil {
		answer["location"] = v.location(r)
		if v.opts.ETags {
			answer["version"] = r.etag()
		}
		if id != "" {
			made[id] = r.id
		}
	}
	return answer, true
}

func (v *scimView) bulkCall(method, path, version string) (scimCall, *scimRefusal) {
	endpoint, id, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	c := scimCall{method: strings.ToUpper(method), id: id, match: version}
	switch endpoint {
	case "Users":
		c.kind = userKind()
	case "Groups":
		c.kind = groupKind()
	default:
		return c, refuse(http.StatusBadRequest, "invalidPath", "there is no %s", path)
	}
	isPost := c.method == http.MethodPost
	if isPost != (id == "") || !slices.Contains([]string{"POST", "PUT", "PATCH", "DELETE"}, c.method) {
		return c, refuse(http.StatusBadRequest, "invalidSyntax", "the operation %s %s is not known", method, path)
	}
	return c, nil
}

// resolved puts ids in the place of bulkIds.
func (v *scimView) resolved(data any, made map[string]string) (map[string]any, *scimRefusal) {
	object, ok := data.(map[string]any)
	if !ok {
		if data == nil {
			return nil, nil
		}
		return nil, refuse(http.StatusBadRequest, "invalidSyntax", "data must be an object")
	}
	list, _ := object["members"].([]any)
	for _, one := range list {
		member, _ := one.(map[string]any)
		value, _ := member["value"].(string)
		name, isRef := strings.CutPrefix(value, "bulkId:")
		if !isRef {
			continue
		}
		if made[name] == "" {
			return nil, refuse(http.StatusConflict, "", "there is no %s", value)
		}
		member["value"] = made[name]
	}
	return object, nil
}

// document is a refusal in the form of RFC 7644.
func (r *scimRefusal) document() map[string]any {
	out := map[string]any{"schemas": []any{scimMessages + "Error"}, "status": strconv.Itoa(r.status), "detail": r.detail}
	if r.kind != "" {
		out["scimType"] = r.kind
	}
	return out
}

// maxSCIMBody bounds the body of any request but Bulk.
const maxSCIMBody = 16 << 20

// readSCIM reads a body, or gives why it cannot be.
func readSCIM(w http.ResponseWriter, r *http.Request, most int64) (map[string]any, *scimRefusal) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if err != nil {
		return nil, refuse(http.StatusRequestEntityTooLarge, "", "The size of the request exceeds maxPayloadSize (%d)", most)
	}
	if t := r.Header.Get("Content-Type"); !strings.HasPrefix(t, "application/scim+json") && !strings.HasPrefix(t, "application/json") {
		return nil, refuse(http.StatusUnsupportedMediaType, "", "Content-Type must be application/scim+json")
	}
	var body map[string]any
	if json.Unmarshal(text, &body) != nil || body == nil {
		return nil, refuse(http.StatusBadRequest, "invalidSyntax", "the body is no JSON object")
	}
	return body, nil
}
