package celonis

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
)

// area is the part of Celonis that a call speaks to; hints depend on it.
type area uint8

const (
	areaTeam area = iota
	areaPools
	areaPush
	areaSubmit
	areaIntelligence
	areaAdmin
	areaTools
	areaSCIM
	areaChat
)

// operation says what a call is for, in the words of an error.
type operation struct {
	area area
	// what completes "the request to ...".
	what string
}

// unknownWait is how long a refusal for the rate without a time is waited out.
const unknownWait = time.Minute

// statusError is the cause of a fault that an answer told: the facts for the log.
type statusError struct {
	method, path string
	status       int
	family       family
	code         string
	requestID    string
}

func (e *statusError) Error() string {
	s := fmt.Sprintf("%s %s answered %d (%s body, request %s)", e.method, e.path, e.status, e.family, e.requestID)
	if e.code != "" {
		s += " " + e.code
	}
	return s
}

// statusOf gives the HTTP status behind a fault, 0 when no answer came.
func statusOf(err error) int {
	var e *statusError
	if errors.As(err, &e) {
		return e.status
	}
	return 0
}

// errorCodeRate is Celonis's error code for a spent rate, in whatever status.
const errorCodeRate = "LIMIT_RATE_EXCEEDED"

// statusFault turns an answer that is no success into a fault.
func (c *Client) statusFault(op operation, r *reply) *fault.Error {
	a := readAnswer(r.header.Get("Content-Type"), r.body)
	cause := &statusError{r.method, r.path, r.status, a.family, c.redact.words(a.code), r.requestID}
	code := codeOf(op, r.status, a)
	if op.area == areaSCIM {
		code = scimCode(code, op, r.status, a)
	}
	e := fault.Wrap(cause, code, "%s", sentence(code, op, r.status))
	if words := c.redact.words(a.words); words != "" {
		e.Message += fmt.Sprintf(": celonis says %q", words)
	}
	if hint := c.hint(code, op, a); hint != "" {
		e = e.WithHint("%s", hint)
	}
	switch {
	case code == fault.CelonisLicenses:
		return e.WithResumeAt(c.now().Add(licenseWait))
	case code == fault.CelonisRateLimited:
		return e.WithResumeAt(c.comeAgain(op, r.header, a))
	case r.status == http.StatusNotImplemented || r.status == http.StatusHTTPVersionNotSupported:
		return e.WithRetry(fault.Never)
	}
	if at, known := resumeAt(r.header, c.now()); known && e.Retry() == fault.Later {
		return e.WithResumeAt(at)
	}
	return e
}

func codeOf(op operation, status int, a answer) fault.Code {
	switch {
	case status == http.StatusTooManyRequests || a.code == errorCodeRate:
		return fault.CelonisRateLimited
	case status == http.StatusUnauthorized:
		return fault.CelonisUnauthorized
	case status == http.StatusForbidden && a.family == familyEmpty && (op.area == areaIntelligence || op.area == areaChat || op.area == areaAdmin):
		return fault.CelonisAPIDisabled
	case status == http.StatusForbidden:
		return fault.CelonisForbidden
	case status >= http.StatusInternalServerError:
		return fault.CelonisServer
	case a.code == "LIMIT_SIZE_NOTFOUND" || a.code == "LIMIT_NOTFOUND":
		return fault.CelonisAPIDisabled
	case a.family == familyHTML || status < http.StatusBadRequest:
		return fault.CelonisAnswer
	}
	switch status {
	case http.StatusNotFound, http.StatusGone:
		return fault.CelonisNotFound
	case http.StatusConflict:
		return fault.CelonisConflict
	case http.StatusRequestEntityTooLarge:
		return fault.CelonisTooLarge
	case http.StatusRequestTimeout, http.StatusTooEarly:
		return fault.CelonisServer
	}
	return fault.CelonisRejected
}

func sentence(code fault.Code, op operation, status int) string {
	switch code {
	case fault.CelonisLicenses, fault.CelonisMailFixed, fault.CelonisNotUnique, fault.CelonisSCIMOff, fault.CelonisStale:
		return scimSentence(code, op)
	case fault.CelonisUnauthorized:
		return fmt.Sprintf("celonis does not accept the key at the request to %s", op.what)
	case fault.CelonisForbidden:
		return fmt.Sprintf("the key may not %s", op.what)
	case fault.CelonisAPIDisabled:
		return fmt.Sprintf("the api that would %s is not enabled for the team", op.what)
	case fault.CelonisRateLimited:
		return fmt.Sprintf("celonis's rate limit is reached at the request to %s", op.what)
	case fault.CelonisNotFound:
		return fmt.Sprintf("celonis did not find what the request to %s names", op.what)
	case fault.CelonisConflict:
		return fmt.Sprintf("celonis reports a conflict at the request to %s", op.what)
	case fault.CelonisTooLarge:
		return fmt.Sprintf("the request to %s is too large for celonis", op.what)
	case fault.CelonisRejected:
		return fmt.Sprintf("celonis refused the request to %s with status %d", op.what, status)
	case fault.CelonisAnswer:
		return fmt.Sprintf("the answer to the request to %s (status %d) is not one of celonis's api", op.what, status)
	}
	return fmt.Sprintf("celonis answered the request to %s with status %d", op.what, status)
}

// hint says where in Celonis to put a fault right.
func (c *Client) hint(code fault.Code, op operation, a answer) string {
	switch code {
	case fault.CelonisUnauthorized:
		return c.keyHint()
	case fault.CelonisForbidden:
		return c.permissionHint(op.area)
	case fault.CelonisAPIDisabled:
		if op.area == areaAdmin {
			return "ask Celonis or the team's administrator to enable the API for the team"
		}
		return "ask Celonis or the team's administrator to enable the Intelligence API for the team"
	case fault.CelonisAnswer:
		return domainHint
	case fault.CelonisTooLarge:
		return "send smaller chunks"
	case fault.CelonisLicenses, fault.CelonisMailFixed, fault.CelonisNotUnique, fault.CelonisSCIMOff:
		return scimHint(code, a)
	}
	if a.family == familyHTML {
		return "the answer is a web page: a proxy may stand between, or Celonis is under maintenance"
	}
	return ""
}

func (c *Client) keyHint() string {
	if c.authType == connections.OAuth2 {
		return "the access token is new, and the API does not take it: check that the OAuth client is active, " + clientPlace
	}
	if c.authType == connections.Custom {
		return "copy the application key anew or make another: in Celonis, Admin & Settings > Applications > Application key; " +
			"with a user's API key choose the auth type token instead"
	}
	return "make another API key: in Celonis, Profile > Edit profile > API keys; with an application key choose the auth type custom instead"
}

func (c *Client) permissionHint(a area) string {
	if c.authType == connections.OAuth2 {
		return c.scopeHint(a)
	}
	who := "the user who made the API key"
	if c.authType == connections.Custom {
		who = "the application key"
	}
	return permissionPlace(who, a)
}

// permissionPlace says where somebody is given a permission.
func permissionPlace(who string, a area) string {
	switch a {
	case areaPush, areaSubmit:
		return fmt.Sprintf("grant %s the permission \"Data Push API\" on the data pool: in Celonis, Data Integration, the pool's Permissions", who)
	case areaPools:
		return fmt.Sprintf("grant %s a permission on the data pool: in Celonis, Data Integration, the pool's Permissions", who)
	case areaChat:
		return fmt.Sprintf("grant %s access to the package with the agent: in Celonis Studio, the package's Permissions", who)
	case areaSCIM:
		return fmt.Sprintf("grant %s the permission \"User Provisioning\": in Celonis, Admin & Settings > Permissions", who)
	case areaIntelligence:
		return fmt.Sprintf("grant %s access to the package with the knowledge model: in Celonis Studio, the package's Permissions", who)
	}
	return fmt.Sprintf("grant %s a permission: in Celonis, Admin & Settings > Permissions", who)
}

// comeAgain says when a spent rate is worth another call: by the headers, by
// the clock time in Celonis's own words, else after a guess. Submits are
// counted by the UTC clock hour.
func (c *Client) comeAgain(op operation, h http.Header, a answer) time.Time {
	now := c.now()
	if at, known := resumeAt(h, now); known {
		return at
	}
	if at, known := resumeAtClock(a.words, now); known {
		return at
	}
	if op.area == areaAdmin {
		return now.Add(adminWait)
	}
	if op.area == areaSubmit {
		const most = 5 * time.Minute
		hour := now.Truncate(time.Hour).Add(time.Hour)
		return minTime(hour, now.Add(most))
	}
	return now.Add(unknownWait)
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
