package celonissim

import (
	"encoding/json"
	"net/http"

	"github.com/google/uuid"
)

// BodyFamily names a form of error body. The platform's services answer in
// different ones.
type BodyFamily string

const (
	// BodyEmpty is no body at all.
	BodyEmpty BodyFamily = "empty"
	// BodyProblem has title, status, detail and errorCode (application/problem+json).
	BodyProblem BodyFamily = "problem"
	// BodyAuth has the single field error.
	BodyAuth BodyFamily = "auth"
	// BodyValidation has errors[] of attribute, error, errorCode, additionalInfo.
	BodyValidation BodyFamily = "validation"
	// BodyFrontend has frontendErrorKey and errorInformation.
	BodyFrontend BodyFamily = "frontend"
	// BodyReference has reference, message and shortMessage with a support id.
	BodyReference BodyFamily = "reference"
	// BodyText is plain text.
	BodyText BodyFamily = "text"
	// BodyHTML is a gateway's page.
	BodyHTML BodyFamily = "html"
)

// The error codes and texts of documented answers.
const (
	codeAccess       = "ADMIN_ACCESS_ERROR"
	codeRateExceeded = "LIMIT_RATE_EXCEEDED"
	prefixMessage    = "Authorization header must start with 'Bearer ' or 'AppKey '."
)

type problem struct {
	Type      string `json:"type,omitempty"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	ErrorCode string `json:"errorCode"`
}

type validationItem struct {
	Attribute      string  `json:"attribute"`
	Error          string  `json:"error"`
	ErrorCode      string  `json:"errorCode"`
	AdditionalInfo *string `json:"additionalInfo"`
}

type validationErrors struct {
	Errors []validationItem `json:"errors"`
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	writeJSONAs(w, status, "application/json", body)
}

func writeJSONAs(w http.ResponseWriter, status int, contentType string, body any) {
	data, err := json.Marshal(body)
	if err != nil {
		panic("internal error: " + err.Error())
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = w.Write(data)
}

func writeProblem(w http.ResponseWriter, p problem) {
	writeJSONAs(w, p.Status, "application/problem+json", p)
}

func writeInvalid(w http.ResponseWriter, items ...validationItem) {
	writeJSON(w, http.StatusBadRequest, validationErrors{Errors: items})
}

func invalid(attribute, code, text string) validationItem {
	return validationItem{Attribute: attribute, Error: text, ErrorCode: code}
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

func writeUnauthorized(w http.ResponseWriter) {
	writeJSON(w, http.StatusUnauthorized, map[string]string{"error": "Unauthorized"})
}

func writeForbidden(w http.ResponseWriter) {
	writeProblem(w, problem{
		Title: "Access Denied.", Status: http.StatusForbidden,
		Detail: "You do not have the permission for this action.", ErrorCode: codeAccess,
	})
}

// writeFamily answers a status in a family, for faults and for answers whose
// form is a switch.
func writeFamily(w http.ResponseWriter, status int, family BodyFamily) {
	title := http.StatusText(status)
	switch family {
	case BodyProblem:
		writeProblem(w, problem{Title: title, Status: status, Detail: title, ErrorCode: problemCode(status)})
	case BodyAuth:
		writeJSON(w, status, map[string]string{"error": title})
	case BodyValidation:
		writeJSON(w, status, validationErrors{Errors: []validationItem{invalid("request", "request.invalid", title)}})
	case BodyFrontend:
		writeJSON(w, status, map[string]string{"frontendErrorKey": "error.general", "errorInformation": title})
	case BodyReference:
		writeReference(w, status)
	case BodyText:
		writeText(w, status, title)
	case BodyHTML:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		_, _ = w.Write([]byte("<html><head><title>" + title + "</title></head><body><h1>" + title + "</h1></body></html>"))
	default:
		w.WriteHeader(status)
	}
}

func writeReference(w http.ResponseWriter, status int) {
	id := uuid.NewString()
	writeJSON(w, status, map[string]string{
		"reference":    id,
		"message":      "There was an internal error. Celonis Support ID: " + id,
		"shortMessage": "Celonis Support ID: " + id,
	})
}

func problemCode(status int) string {
	switch status {
	case http.StatusForbidden:
		return codeAccess
	case http.StatusTooManyRequests:
		return codeRateExceeded
	case http.StatusNotFound:
		return "RESOURCE_NOT_FOUND"
	case http.StatusConflict:
		return "RESOURCE_CONFLICT"
	default:
		return "GENERAL_ERROR"
	}
}

// familyOf is the family in which a status usually comes.
func familyOf(status int) BodyFamily {
	switch status {
	case http.StatusUnauthorized:
		return BodyAuth
	case http.StatusBadRequest:
		return BodyValidation
	case http.StatusForbidden, http.StatusConflict, http.StatusTooManyRequests:
		return BodyProblem
	case http.StatusInternalServerError:
		return BodyReference
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return BodyHTML
	default:
		return BodyEmpty
	}
}
