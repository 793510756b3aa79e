package celonis

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
)

// Members hands over the team's users: objects with userId, nameAndEmail,
// userRole, status, lastLogin, inactivityPeriod and group[{name, teamRole}].
// lastLogin, which Celonis writes as "M/D/YYYY, h:mm:ss AM UTC", is given in
// ISO 8601; nameAndEmail, "Name (mail)", is given as name and email beside.
func (c *Client) Members(ctx context.Context, includeInternal bool, each func(json.RawMessage) error) (Told, error) {
	query := url.Values{"includeInternal": {strconv.FormatBool(includeInternal)}}
	return c.readAdmin(ctx, adminList{what: "read the members", path: "/api/external/members", needs: connections.ReadMembers, query: query}, func(record json.RawMessage) error {
		member, err := readMember(record)
		if err != nil {
			return err
		}
		return each(member)
	})
}

func readMember(record json.RawMessage) (json.RawMessage, error) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(record, &m); err != nil || m == nil {
		return nil, fault.New(fault.CelonisAnswer, "a member in celonis's answer is no JSON object")
	}
	put := func(name, value string) error {
		text, err := json.Marshal(value)
		m[name] = text
		return err
	}
	if at, ok := parseLastLogin(wordOf(m["lastLogin"])); ok {
		if err := put("lastLogin", at.Format(time.RFC3339)); err != nil {
			return nil, err
		}
	}
	if name, mail, ok := splitNameAndEmail(wordOf(m["nameAndEmail"])); ok {
		if err := put("name", name); err != nil {
			return nil, err
		}
		if err := put("email", mail); err != nil {
			return nil, err
		}
	}
	return json.Marshal(m)
}

// The forms of lastLogin, and the spaces that stand in them in place of a plain one.
const (
	lastLoginLayout   = "1/2/2006, 3:04:05 PM"
	lastLoginLayout24 = "1/2/2006, 15:04:05"
	lastLoginMinutes  = "1/2/2006, 3:04 PM"
	narrowSpace       = "\u202f"
	hardSpace         = "\u00a0"
)

// parseLastLogin reads the text of a last login; one whose zone is not UTC is not understood.
func parseLastLogin(s string) (time.Time, bool) {
	s = strings.NewReplacer(narrowSpace, " ", hardSpace, " ").Replace(strings.TrimSpace(s))
	for _, zone := range []string{" UTC", " GMT", " Z"} {
		s = strings.TrimSuffix(s, zone)
	}
	for _, layout := range []string{lastLoginLayout, lastLoginLayout24, lastLoginMinutes} {
		if at, err := time.Parse(layout, s); err == nil {
			return at.UTC(), true
		}
	}
	return time.Time{}, false
}

// splitNameAndEmail cuts "Name (mail)".
func splitNameAndEmail(s string) (name, mail string, ok bool) {
	rest, ok := strings.CutSuffix(strings.TrimSpace(s), ")")
	open := strings.LastIndex(rest, "(")
	if !ok || open < 0 || !strings.Contains(rest[open:], "@") {
		return "", "", false
	}
	return strings.TrimSpace(rest[:open]), strings.TrimSpace(rest[open+1:]), true
}
