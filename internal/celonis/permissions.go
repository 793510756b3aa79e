package celonis

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
)

// maxPermissions bounds the one answer that holds all permissions of a team, in bytes.
const maxPermissions = 1 << 30

// Permissions hands over who holds which permission: objects with subjectName,
// subjectType, subjectId, groups, role, service, objectName, objectType,
// objectId and actions[]. Celonis documents it for OAuth alone, with the scope
// authorization.permissions:read.
func (c *Client) Permissions(ctx context.Context, each func(json.RawMessage) error) (Told, error) {
	told := Told{Total: -1}
	k := call{op: operation{areaAdmin, "read the permissions"}, method: http.MethodGet, path: "/api/authorization/external/permissions", repeatable: true}
	err := c.stream(ctx, k, maxPermissions, func(body io.Reader) error {
		return eachMember(body, "permissions", func(record json.RawMessage) error {
			told.Records++
			return each(record)
		})
	})
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) || errors.Is(err, errNoList) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		err = fault.Wrap(err, fault.CelonisAnswer, "the answer to the request to read the permissions is not a list of permissions")
	}
	if c.authType != connections.OAuth2 && (fault.Has(err, fault.CelonisForbidden) || fault.Has(err, fault.CelonisUnauthorized)) {
		return told, fault.From(err).WithHint("celonis documents the permissions export for OAuth clients alone: use a connection with authType oauth2 and the scope %s",
			strings.Join(connections.ScopesFor(connections.ReadPermissions), " or "))
	}
	return told, c.scoped(err, connections.ReadPermissions)
}

// errNoList says that a document has not the list that it should have.
var errNoList = errors.New("no such list")

// eachMember hands over the elements of the list with a name in an object, one at a time.
func eachMember(body io.Reader, name string, each func(json.RawMessage) error) error {
	d := json.NewDecoder(body)
	if t, err := d.Token(); errors.Is(err, io.EOF) {
		return nil // 204, or nothing in 200
	} else if err != nil || t != json.Delim('{') {
		return errors.Join(err, errNoList)
	}
	found := false
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		if key != name {
			var skipped json.RawMessage
			if err := d.Decode(&skipped); err != nil {
				return err
			}
			continue
		}
		found = true
		if err := eachElement(d, each); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return errors.Join(err, io.ErrUnexpectedEOF)
	}
	if !found {
		return errNoList
	}
	return nil
}

func eachElement(d *json.Decoder, each func(json.RawMessage) error) error {
	t, err := d.Token()
	switch {
	case err != nil:
		return err
	case t == nil:
		return nil
	case t != json.Delim('['):
		return errNoList
	}
	for d.More() {
		var record json.RawMessage
		if err := d.Decode(&record); err != nil {
			return err
		}
		if err := each(record); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}
