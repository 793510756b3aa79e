package endpoint

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/celonis"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/engine"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/scim"
)

// scimFetcher brings the users or groups of a team.
type scimFetcher struct {
	*Builder
	workspace string
	export    flows.Export
}

var _ Fetcher = (*scimFetcher)(nil)

// scimSource makes the source of an export of what the SCIM API has.
func (b *Builder) scimSource(f *flows.Flow, r *flows.Run) (engine.Source, error) {
	return b.newCaptured(&scimFetcher{Builder: b, workspace: f.Workspace, export: f.Export}, r), nil
}

// Fetch implements Fetcher. A list that is written to while it is read page by
// page may leave somebody out. So a reading counts where as many came as Celonis
// says there are, and that number stayed; else two readings with the same.
func (f *scimFetcher) Fetch(ctx context.Context, out *Capture) error {
	client, err := f.celonisClient(ctx, f.workspace, f.export.ConnectionID)
	if err != nil {
		return err
	}
	keep, err := f.filter()
	if err != nil {
		return err
	}
	out.SetTypes(scimTypes())
	api := client.SCIM()
	var before adminReading
	for n := range maxReadings {
		r := adminReading{limit: out.limit, alike: map[digest]uint32{}}
		if err := r.begin(f.TempDir); err != nil {
			return err
		}
		r.told, err = f.read(ctx, api, keep, r.take)
		looked := errors.Is(err, ErrEnough)
		switch {
		case err != nil && !looked:
			return errors.Join(err, r.close())
		case looked, r.whole(), n > 0 && r.same(before) && !r.told.Moved:
			return errors.Join(f.deliver(&r, out), r.close())
		}
		if err := r.close(); err != nil {
			return err
		}
		before = r
	}
	return fault.New(fault.SourceRead, "%s changed in each of %d readings: celonis gives it in pages, and records moved from page to page", f.export.Type.Words(), maxReadings).
		WithHint("run the flow again when less is going on")
}

func (f *scimFetcher) deliver(r *adminReading, out *Capture) error {
	part, err := out.Part()
	if err != nil {
		return err
	}
	if err := r.each(part.Append); err != nil && !errors.Is(err, ErrEnough) {
		return err
	}
	return nil
}

// filter gives what looks at each resource once more, as a server may give
// more than a filter asks for; nil lets everything pass. With Attributes a
// resource may lack what the filter looks at, so that nothing can be told.
func (f *scimFetcher) filter() (*scim.Filter, error) {
	if f.export.Filter == "" || len(f.export.Attributes) > 0 {
		return nil, nil
	}
	return scim.ParseFilter(f.export.Filter)
}

func (f *scimFetcher) read(ctx context.Context, api *celonis.SCIM, keep *scim.Filter, each func(json.RawMessage) error) (celonis.Told, error) {
	q := scim.SearchRequest{Filter: f.export.Filter, Attributes: f.export.Attributes}
	take := func(resource scim.Resource, records ...map[string]any) error {
		if keep != nil && !keep.Matches(resource) {
			return nil
		}
		for _, record := range records {
			text, err := json.Marshal(record)
			if err != nil {
				return fault.Wrap(err, fault.CelonisAnswer, "a record in celonis's answer is no JSON")
			}
			if err := each(text); err != nil {
				return err
			}
		}
		return nil
	}
	if f.export.Type == flows.ExportSCIMUsers {
		return api.Users.Read(ctx, q, func(u scim.User) error { return take(u.Resource(scim.Both), userRecord(u)) })
	}
	return api.Groups.Read(ctx, q, func(g scim.Group) error {
		if f.export.Members {
			return take(g.Resource(scim.Both), memberRecords(g)...)
		}
		record := groupRecord(g)
		if len(f.export.Attributes) == 0 {
			// A group that tells of no members has none.
			record["memberCount"] = len(g.Members)
		}
		return take(g.Resource(scim.Both), record)
	})
}

// scimTypes are those of the fields that are no texts.
func scimTypes() map[string]columns.Type {
	return map[string]columns.Type{
		"active": columns.Boolean, "sendEmailOnInvitation": columns.Boolean, "created": columns.DateTime, "lastModified": columns.DateTime,
		"memberCount": columns.Integer,
	}
}

// userRecord is a user with the usual attributes as fields of their own. What
// Celonis has beside them stays as it is, lists and objects too.
func userRecord(u scim.User) map[string]any {
	record := map[string]any{}
	for name, value := range u.Extra {
		record[name] = value
	}
	texts(record, "id", u.ID, "externalId", u.ExternalID, "userName", u.UserName, "displayName", u.DisplayName, "role", u.Role, "email", mailOf(u))
	if u.Name != nil {
		texts(record, "givenName", u.Name.GivenName, "middleName", u.Name.MiddleName, "familyName", u.Name.FamilyName, "formattedName", u.Name.Formatted)
	}
	if u.Active != nil {
		record["active"] = *u.Active
	}
	if u.SendEmailOnInvitation != nil {
		record["sendEmailOnInvitation"] = *u.SendEmailOnInvitation
	}
	if u.Groups != nil {
		record["groups"] = memberList(u.Groups)
	}
	times(record, u.Meta)
	return record
}

func groupRecord(g scim.Group) map[string]any {
	record := map[string]any{}
	for name, value := range g.Extra {
		record[name] = value
	}
	texts(record, "id", g.ID, "externalId", g.ExternalID, "displayName", g.DisplayName, "role", g.Role)
	if g.Members != nil {
		record["members"], record["memberCount"] = memberList(g.Members), len(g.Members)
	}
	times(record, g.Meta)
	return record
}

// memberRecords are the members of a group, each with the group that it is in.
func memberRecords(g scim.Group) []map[string]any {
	out := make([]map[string]any, 0, len(g.Members))
	for _, m := range g.Members {
		record := map[string]any{}
		texts(record, "groupId", g.ID, "groupExternalId", g.ExternalID, "groupName", g.DisplayName, "groupRole", g.Role, "memberId", m.Value, "memberName", m.Display, "memberType", m.Type)
		out = append(out, record)
	}
	return out
}

func memberList(members []scim.Member) []map[string]any {
	list := make([]map[string]any, 0, len(members))
	for _, m := range members {
		one := map[string]any{}
		texts(one, "value", m.Value, "display", m.Display, "type", m.Type)
		list = append(list, one)
	}
	return list
}

// texts sets the fields of names and texts in turn; what Celonis does not tell is no field.
func texts(record map[string]any, namesAndTexts ...string) {
	for i := 0; i+1 < len(namesAndTexts); i += 2 {
		if namesAndTexts[i+1] != "" {
			record[namesAndTexts[i]] = namesAndTexts[i+1]
		}
	}
}

func times(record map[string]any, meta *scim.Meta) {
	if meta == nil {
		return
	}
	for name, at := range map[string]time.Time{"created": meta.Created, "lastModified": meta.LastModified} {
		if !at.IsZero() {
			record[name] = at.UTC().Format(time.RFC3339Nano)
		}
	}
}

// mailOf is a user's address: that of emails which is primary, else the first,
// else the userName, which is one in Celonis.
func mailOf(u scim.User) string {
	list, _ := u.Extra.Get("emails").([]any)
	first := ""
	for _, one := range list {
		object, _ := one.(map[string]any)
		mail := scim.Resource(object)
		if primary, _ := scim.Bool(mail.Get("primary")); primary && mail.Text("value") != "" {
			return mail.Text("value")
		}
		if first == "" {
			first = mail.Text("value")
		}
	}
	if first == "" {
		first = u.UserName
	}
	return first
}
