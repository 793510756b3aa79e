package flows

// scimTemplate completes the template of an export of what the SCIM API has.
func scimTemplate(t FlowTemplate, export Export, table string, columns []Rule) FlowTemplate {
	t = lists(t, export.Type, table, columns)
	t.Spec.Export.Members = export.Members
	for _, c := range columns {
		if c.Required {
			t.Spec.Import.Keys = append(t.Spec.Import.Keys, c.To)
		}
	}
	return t
}

func scimUserColumns() []Rule {
	return []Rule{
		{To: "ID", From: "id", Type: "string", Length: 200, Required: true},
		{To: "EXTERNAL_ID", From: "externalId", Type: "string", Length: 400},
		{To: "USER_NAME", From: "userName", Type: "string", Length: 400},
		{To: "DISPLAY_NAME", From: "displayName", Type: "string", Length: 1000},
		{To: "EMAIL", From: "email", Type: "string", Length: 400},
		{To: "ACTIVE", From: "active", Type: "boolean"},
		{To: "ROLE", From: "role", Type: "string", Length: 100},
		{To: "GIVEN_NAME", From: "givenName", Type: "string", Length: 1000},
		{To: "FAMILY_NAME", From: "familyName", Type: "string", Length: 1000},
		{To: "CREATED", From: "created", Type: "datetime"},
		{To: "LAST_MODIFIED", From: "lastModified", Type: "datetime"},
	}
}

func scimGroupColumns() []Rule {
	return []Rule{
		{To: "ID", From: "id", Type: "string", Length: 200, Required: true},
		{To: "EXTERNAL_ID", From: "externalId", Type: "string", Length: 400},
		{To: "DISPLAY_NAME", From: "displayName", Type: "string", Length: 1000},
		{To: "ROLE", From: "role", Type: "string", Length: 100},
		{To: "MEMBER_COUNT", From: "memberCount", Type: "integer"},
		{To: "CREATED", From: "created", Type: "datetime"},
		{To: "LAST_MODIFIED", From: "lastModified", Type: "datetime"},
	}
}

func scimMemberColumns() []Rule {
	return []Rule{
		{To: "GROUP_ID", From: "groupId", Type: "string", Length: 200, Required: true},
		{To: "GROUP_NAME", From: "groupName", Type: "string", Length: 1000},
		{To: "GROUP_EXTERNAL_ID", From: "groupExternalId", Type: "string", Length: 400},
		{To: "MEMBER_ID", From: "memberId", Type: "string", Length: 200, Required: true},
		{To: "MEMBER_NAME", From: "memberName", Type: "string", Length: 1000},
	}
}
