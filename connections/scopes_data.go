package connections

// CelonisScopes is the catalog of the scopes that an OAuth client can have in
// Celonis, in the order of its groups.
func CelonisScopes() []CelonisScope {
	return []CelonisScope{
		{"Action engine", "action-engine.projects", "work with Action Engine projects, as far as its own permissions go", "Action Engine projects", []Operation{UpdateActionEngine}},

		{"Audit", "audit.log:read", "read who changed what in the team", "Audit Log API", []Operation{ReadAuditLog}},

		{"Authorization", "authorization.permissions:read", "read who holds which permission", "Permissions API", []Operation{ReadPermissions}},

		{"Integration", "integration.data-models:read", "see data models and their loads", "Data models", []Operation{ListDataModels}},
		{"Integration", "integration.data-pools", "do everything with data pools, writing included", "Data Push API, Continuous Data Push API, data pools", []Operation{PushRows, PushContinuously, ListPools, QueryDataModels}},
		{"Integration", "integration.data-pools:continuous_data_push", "push rows into data pools continuously", "Continuous Data Push API", []Operation{PushContinuously}},
		{"Integration", "integration.data-pools:data_push", "push rows into data pools", "Data Push API", []Operation{PushRows}},
		{"Integration", "integration.data-pools:query", "query the tables of data pools", "Data pool queries", []Operation{QueryDataModels}},
		{"Integration", "integration.data-pools:read", "see data pools and their tables", "Data pools", []Operation{ListPools}},

		{"Intelligence API", "intelligence.conversations:write", "hold conversations with a Process Copilot", "Chat API", []Operation{AskProcessCopilot}},
		{"Intelligence API", "intelligence.knowledge-models:read", "read knowledge models: their data, records, filters, KPIs and triggers", "Knowledge Model API", []Operation{ReadKnowledgeModels}},
		{"Intelligence API", "intelligence.subscriptions:manage", "make, change and replay subscriptions to triggers of knowledge models", "Event Subscription API", []Operation{SubscribeToEvents}},

		{"Machine learning", "machine-learning", "use machine-learning resources", "ML Workbench API", nil},

		{"MCP", "mcp-asset.tools:execute", "run the tools of MCP server assets", "MCP asset tools", []Operation{RunTools}},

		{"On-prem clients", "on-prem-client", "act as an on-premise client", "On-premise clients", nil},

		{"Orchestration Engine", "orchestration-engine", "work with orchestrated processes and their forms", "Orchestration Engine", nil},

		{"Package manager", "package-manager", "see and manage spaces and packages", "Package manager", nil},

		{"Platform adoption", "platform-adoption.tracking-events:read", "read how the platform is used", "Platform Adoption API", []Operation{ReadAdoption}},

		{"Storage manager", "storage-manager.buckets", "work with storage buckets", "SFTP Storage Manager API", nil},

		{"Studio", "knowledge-models.augmented-attributes:update", "write augmented attributes of knowledge models", "Augmented attributes", []Operation{WriteAugmentedValues}},
		{"Studio", "knowledge-models:query", "query knowledge models in Studio", "Studio knowledge models", nil},
		{"Studio", "knowledge-models:read", "see knowledge models in Studio", "Studio knowledge models", nil},
		{"Studio", "skills:execute", "run skills", "Studio skills", nil},
		{"Studio", "skills:read", "see skills", "Studio skills", nil},
		{"Studio", "studio", "do everything in Studio", "Studio; in older teams the Knowledge Model API too", []Operation{ReadKnowledgeModels, WriteAugmentedValues}},
		{"Studio", "studio.packages:read", "see Studio packages", "Studio packages", nil},
		{"Studio", "tasks:read", "see tasks", "Studio tasks", nil},
		{"Studio", "tasks:update", "change tasks", "Studio tasks", nil},
		{"Studio", "triggers:manage", "manage subscriptions to triggers of data changes", "Studio triggers", nil},
		{"Studio", "triggers:read", "see triggers", "Studio triggers", nil},

		{"Task Mining", "task-mining.clients:suspend", "stop Task Mining clients from capturing", "Task Mining", nil},
		{"Task Mining", "task-mining.gateway", "connect through the Task Mining gateway", "Task Mining Gateway API", nil},
		{"Task Mining", "task-mining.metadata:read", "read metadata of Task Mining users", "Task Mining", nil},

		{"Team", "team.user-group-info:read", "read the team's users, roles and groups", "User Group Info API", []Operation{ReadMembers}},
		{"Team", "team.login-history:read", "read who logged in to the team, and when", "Team Login History API", []Operation{ReadLoginHistory}},

		{"User provisioning", "user-provisioning.scim", "manage users, groups and roles by SCIM", "SCIM API", []Operation{ProvisionUsers}},
	}
}
