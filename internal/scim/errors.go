package scim

import (
	"net/http"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
)

// TypeOf gives the scimType of RFC 7644, table 9, for a fault's code; "" where none fits.
func TypeOf(code fault.Code) string {
	switch code {
	case fault.ScimFilter:
		return "invalidFilter"
	case fault.ScimTooMany:
		return "tooMany"
	case fault.ScimUniqueness:
		return "uniqueness"
	case fault.ScimMutability:
		return "mutability"
	case fault.ScimSyntax, fault.RequestMalformed, fault.RequestUnknownField, fault.RequestWrongType:
		return "invalidSyntax"
	case fault.ScimPath:
		return "invalidPath"
	case fault.ScimNoTarget:
		return "noTarget"
	case fault.ScimValue, fault.RequestInvalid, fault.RequestFieldInvalid, fault.RequestFieldMissing:
		return "invalidValue"
	case fault.ScimVersion:
		return "invalidVers"
	case fault.ScimSensitive:
		return "sensitive"
	}
	return ""
}

// ErrorOf writes a fault as SCIM tells it: with the hint and every finding in
// the detail, and a status that identity providers understand. What they should
// try again is 429 or 503.
func ErrorOf(f *fault.Error) Error {
	e := Error{Schemas: []string{URNError}, ScimType: TypeOf(f.Code), Detail: f.Message, Status: Status(statusOf(f))}
	for i, field := range f.Fields {
		if text := strings.TrimPrefix(field.Pointer, "/") + ": " + field.Detail; i > 0 || text != f.Message {
			e.Detail += "; " + text
		}
	}
	if f.Hint != "" {
		e.Detail += "; " + f.Hint
	}
	return e
}

func statusOf(f *fault.Error) int {
	code, status := string(f.Code), fault.Describe(f.Code).Status
	switch {
	case f.Code == fault.CelonisRateLimited:
		return http.StatusTooManyRequests
	case strings.HasPrefix(code, "celonis."), strings.HasPrefix(code, "egress."):
		if f.Retry() != fault.Never {
			return http.StatusServiceUnavailable
		}
		return http.StatusBadGateway
	case status == http.StatusUnprocessableEntity:
		return http.StatusBadRequest
	}
	return status
}
