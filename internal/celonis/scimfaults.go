package celonis

import (
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
)

// licenseWait is after how long a team without a free license is asked again.
const licenseWait = 15 * time.Minute

// The words by which a refusal is known whatever the form of its body. Celonis
// documents for all of these a status alone.
var (
	licenseWords = regexp.MustCompile(`licen[cs]e|(member|analyst|user|seat)s? (limit|quota)|maximum number of (users|members|analysts)`)
	jitWords     = regexp.MustCompile(`just[- ]in[- ]time|\bjit\b`)
	offWords     = regexp.MustCompile(`(scim|provisioning).*(not (enabled|active|activated|switched on)|disabled|deactivated|switched off|turned off)`)
	takenWords   = regexp.MustCompile(`already (exists|in use|taken|used)|exists already|is (taken|not unique)|duplicate|must be unique`)
	mailWords    = regexp.MustCompile(`(e-?mail|user ?name).*(change|modif|update|immutable|read[- ]?only)|(change|modif|update|immutable|read[- ]?only).*(e-?mail|user ?name)`)
)

// The values of scimType that the client tells apart.
const (
	scimUniqueness = "uniqueness"
	scimMutability = "mutability"
)

// scimCode looks closer at a refusal of the SCIM API than its status does.
func scimCode(code fault.Code, op operation, status int, a answer) fault.Code {
	reads := strings.HasPrefix(op.what, "list ") || strings.HasPrefix(op.what, "read ") || strings.HasPrefix(op.what, "search ")
	words := strings.ToLower(a.words)
	refused := status >= http.StatusBadRequest && status < http.StatusInternalServerError && status != http.StatusTooManyRequests
	switch {
	case status == http.StatusPreconditionFailed:
		return fault.CelonisStale
	case !refused || status == http.StatusUnauthorized:
		return code
	case reads && status == http.StatusConflict, jitWords.MatchString(words), offWords.MatchString(words), status == http.StatusForbidden && a.family == familyEmpty:
		return fault.CelonisSCIMOff
	case licenseWords.MatchString(words), status == http.StatusPaymentRequired:
		return fault.CelonisLicenses
	case a.code == scimUniqueness, strings.HasSuffix(a.code, ".unique"), status == http.StatusConflict, takenWords.MatchString(words) && status == http.StatusBadRequest:
		return fault.CelonisNotUnique
	case status == http.StatusBadRequest && mailWords.MatchString(words) && !strings.HasPrefix(op.what, "create "):
		return fault.CelonisMailFixed
	}
	return code
}

func scimSentence(code fault.Code, op operation) string {
	switch code {
	case fault.CelonisLicenses:
		return "the team has no license left for the request to " + op.what
	case fault.CelonisMailFixed:
		return "celonis does not change the e-mail address of a user at the request to " + op.what
	case fault.CelonisNotUnique:
		return "celonis has another one already at the request to " + op.what
	case fault.CelonisStale:
		return "celonis's resource was changed by somebody else before the request to " + op.what
	}
	return "celonis does not take the request to " + op.what + " over scim"
}

func scimHint(code fault.Code, a answer) string {
	switch code {
	case fault.CelonisLicenses:
		return "free a license in Celonis, Admin & Settings > Users, or buy more; then it goes on by itself"
	case fault.CelonisMailFixed:
		return "userName is the user's e-mail address and stays for good: deactivate the old user and create another, or ask Celonis support"
	case fault.CelonisNotUnique:
		return "a userName and a group's displayName are unique in the team: find the one that has it, and update that"
	}
	if jitWords.MatchString(strings.ToLower(a.words)) {
		return "SCIM and just-in-time provisioning exclude each other: in Celonis, Admin & Settings > Settings, switch just-in-time provisioning off and SCIM on"
	}
	return "switch SCIM on: in Celonis, Admin & Settings > Settings, with just-in-time provisioning switched off"
}

// ScimType gives the scimType of RFC 7644 in the refusal behind an error, "" without one.
func ScimType(err error) string {
	var e *statusError
	if errors.As(err, &e) && e.family == familySCIM {
		return e.code
	}
	return ""
}

// maybeDone reports whether a write may have been done although it gave an error.
func maybeDone(err error) bool {
	switch status := statusOf(err); {
	case errors.Is(err, errAnswerTooLong):
		return true
	case status >= http.StatusInternalServerError:
		return status != http.StatusNotImplemented && status != http.StatusHTTPVersionNotSupported
	case status != 0:
		return status == http.StatusRequestTimeout
	}
	switch fault.CodeOf(err) {
	case fault.CelonisDisconnected, fault.EgressTimeout, fault.CelonisAnswer:
		return true
	}
	return false
}

// lacks reports whether an error says that the server does not know what it was asked for.
func lacks(err error) bool {
	return isUnknownRoute(err) || ScimType(err) == "invalidFilter"
}
