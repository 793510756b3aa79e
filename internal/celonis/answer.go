package celonis

import (
	"bytes"
	"encoding/json"
	"html"
	"regexp"
	"strings"
)

// family is the form of an error body.
type family string

// The families that Celonis's services use. Which one comes does not depend
// on the Content-Type alone, so every body is looked at.
const (
	familyProblem    family = "problem"    // title, status, detail, errorCode or instance
	familyAuth       family = "auth"       // error; with error_description from the token endpoint
	familyValidation family = "validation" // errors[] or a bare array: attribute, error, errorCode
	familyFrontend   family = "frontend"   // frontendErrorKey, errorInformation
	familyReference  family = "reference"  // reference, message, shortMessage: carries a support id
	familySCIM       family = "scim"       // schemas, detail, scimType
	familyText       family = "text"
	familyEmpty      family = "empty"
	familyHTML       family = "html"
	familyJSON       family = "json" // JSON of no known form
)

// answer is an error body that was read.
type answer struct {
	family family
	// words are Celonis's own, not yet redacted.
	words string
	// code is Celonis's error code, "" without one.
	code string
}

// readAnswer reads an error body of any family. It never fails: what is of no
// known form is kept as text.
func readAnswer(contentType string, body []byte) answer {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")))
	switch {
	case len(body) == 0:
		return answer{family: familyEmpty}
	case isHTML(contentType, body):
		return answer{family: familyHTML, words: pageTitle(body)}
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(body, &object) == nil && object != nil {
		return readObject(object, body)
	}
	var list []map[string]json.RawMessage
	if json.Unmarshal(body, &list) == nil && len(list) > 0 {
		words, code := validationWords(list)
		if words != "" {
			return answer{familyValidation, words, code}
		}
	}
	return answer{family: familyText, words: plain(body)}
}

func isHTML(contentType string, body []byte) bool {
	start := bytes.ToLower(body[:min(len(body), 64)])
	return bytes.HasPrefix(start, []byte("<!doctype html")) || bytes.HasPrefix(start, []byte("<html")) ||
		(strings.Contains(strings.ToLower(contentType), "html") && body[0] == '<')
}

var titleTag = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`)

func pageTitle(body []byte) string {
	m := titleTag.FindSubmatch(body[:min(len(body), maxRead)])
	if m == nil {
		return ""
	}
	return html.UnescapeString(string(m[1]))
}

func readObject(o map[string]json.RawMessage, body []byte) answer {
	word := func(key string) string { return wordOf(o[key]) }
	switch {
	case o["errors"] != nil:
		var list []map[string]json.RawMessage
		if json.Unmarshal(o["errors"], &list) == nil && len(list) > 0 {
			words, code := validationWords(list)
			return answer{familyValidation, words, code}
		}
	case o["frontendErrorKey"] != nil:
		return answer{familyFrontend, join(": ", word("frontendErrorKey"), word("errorInformation")), word("frontendErrorKey")}
	case o["scimType"] != nil || strings.Contains(word("schemas"), "scim"):
		return answer{familySCIM, word("detail"), word("scimType")}
	case o["errorCode"] != nil || o["detail"] != nil || o["title"] != nil:
		return answer{familyProblem, join(": ", word("title"), word("detail")), word("errorCode")}
	case o["reference"] != nil || o["shortMessage"] != nil || o["message"] != nil:
		words := join(": ", word("error"), firstOf(word("message"), word("shortMessage")))
		if ref := word("reference"); ref != "" && !strings.Contains(words, ref) {
			words = join(", ", words, "reference "+ref)
		}
		return answer{family: familyReference, words: words}
	case o["error"] != nil:
		return answer{familyAuth, join(": ", word("error"), word("error_description")), word("error")}
	}
	return answer{family: familyJSON, words: plain(body)}
}

// validationWords joins the first faults of a list, each with its attribute.
func validationWords(list []map[string]json.RawMessage) (words, code string) {
	const most = 5
	var parts []string
	for i, item := range list {
		if i == most {
			parts = append(parts, "and more")
			break
		}
		text := firstOf(wordOf(item["error"]), wordOf(item["message"]), wordOf(item["errorCode"]))
		parts = append(parts, join(": ", wordOf(item["attribute"]), text))
	}
	return join("; ", parts...), wordOf(list[0]["errorCode"])
}

// wordOf gives a JSON value as text: a string as it is, null as "", all else as JSON.
func wordOf(raw json.RawMessage) string {
	var s string
	if len(raw) == 0 || json.Unmarshal(raw, &s) == nil {
		return s
	}
	return plain(raw)
}

// plain gives a body as text. JSON is written anew without escapes, so that
// nothing hides in them from redaction.
func plain(body []byte) string {
	var value any
	if json.Unmarshal(body, &value) != nil {
		return string(body)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(value) != nil {
		return string(body)
	}
	return strings.TrimSpace(b.String())
}

func join(sep string, parts ...string) string {
	var kept []string
	for _, p := range parts {
		if p != "" && (len(kept) == 0 || kept[len(kept)-1] != p) {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, sep)
}

func firstOf(parts ...string) string {
	for _, p := range parts {
		if p != "" {
			return p
		}
	}
	return ""
}
