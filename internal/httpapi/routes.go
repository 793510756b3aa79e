package httpapi

import (
	"net/http"
	"slices"
	"time"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/access"
	"github.com/celonis-connector/connector/internal/scim"
	"github.com/gin-gonic/gin"
)

// Route is one operation of the API.
type Route struct {
	Method string
	// Path is the pattern as in OpenAPI: "/v1/flows/{id}".
	Path string
	// Public routes need no token.
	Public bool
	// Scope is what the token must carry; "" is content with any token.
	Scope access.Scope
	// Also is a second scope that the token must carry; "" for none.
	Also access.Scope
	// Query names the query parameters that the route knows.
	Query []string
	// Idempotent routes honor an Idempotency-Key.
	Idempotent bool

	// once marks a handler that keeps the Idempotency-Key in the transaction of what it does: it may be called again for a
	// request that was done and never answered.
	once bool
	// head lets a GET be asked with HEAD too, for its headers alone.
	head bool
	// patience is how long an answer may take; 0 is as long as usual.
	patience time.Duration
	// maxBody bounds the request's body in bytes; 0 is MaxBody, streamed leaves it to the handler.
	maxBody int64
	// budget is what the requests are taken from; the client's, or the address's of public routes, unless it says else.
	budget budgetOf
	// scim routes speak SCIM: its media type, its errors, and the bearer tokens of identity providers.
	scim bool
	// handle answers the calls of the API; plain is for routes that do not speak its language.
	handle func(*call) (reply, error)
	plain  gin.HandlerFunc
}

// Scopes lists what the token must carry.
func (r Route) Scopes() []access.Scope {
	var scopes []access.Scope
	for _, s := range []access.Scope{r.Scope, r.Also} {
		if s != "" {
			scopes = append(scopes, s)
		}
	}
	return scopes
}

// writes is the media type of the route's answers.
func (r Route) writes() string {
	if r.scim {
		return scim.MediaType
	}
	return mediaJSON
}

// streamed marks a body that its handler reads, bounds and hashes by itself.
const streamed = -1

// Routes lists every route, without the handlers behind them.
func Routes() []Route { return (&api{}).routes() }

// routes is the whole API: a route that is not here does not exist.
func (a *api) routes() []Route {
	paged := []string{"limit", "cursor"}
	return slices.Concat(a.scimRoutes(), []Route{
		{Method: http.MethodPost, Path: tokenPath, Public: true, budget: ofNobody, plain: a.createToken},
		{Method: http.MethodPost, Path: revokePath, Public: true, budget: ofNobody, plain: a.revokeToken},
		{Method: http.MethodPost, Path: introspectPath, Public: true, budget: ofNobody, plain: a.introspectToken},
		{Method: http.MethodGet, Path: metadataPath, Public: true, plain: a.getServerMetadata},
		{Method: http.MethodGet, Path: keysPath, Public: true, plain: a.getKeys},
		{Method: http.MethodGet, Path: "/v1/me", handle: a.getMe},
		{Method: http.MethodGet, Path: "/v1/scopes", handle: a.listScopes},

		// The answers that hold a secret are kept nowhere, so these take no Idempotency-Key.
		{Method: http.MethodPost, Path: "/v1/clients", Scope: access.ClientsWrite, handle: a.createClient},
		{Method: http.MethodGet, Path: "/v1/clients", Scope: access.ClientsRead, Query: paged, handle: a.listClients},
		{Method: http.MethodGet, Path: "/v1/clients/{id}", Scope: access.ClientsRead, handle: a.getClient},
		{Method: http.MethodPatch, Path: "/v1/clients/{id}", Scope: access.ClientsWrite, handle: a.updateClient},
		{Method: http.MethodDelete, Path: "/v1/clients/{id}", Scope: access.ClientsWrite, handle: a.deleteClient},
		{Method: http.MethodPost, Path: "/v1/clients/{id}/secrets", Scope: access.ClientsWrite, handle: a.createClientSecret},
		{Method: http.MethodDelete, Path: "/v1/clients/{id}/secrets/{secretId}", Scope: access.ClientsWrite, handle: a.deleteClientSecret},

		{Method: http.MethodPost, Path: "/v1/connections", Scope: access.ConnectionsWrite, Query: []string{"test"}, Idempotent: true, handle: a.createConnection},
		{Method: http.MethodGet, Path: "/v1/connections", Scope: access.ConnectionsRead, Query: paged, handle: a.listConnections},
		{Method: http.MethodPost, Path: "/v1/connections/test", Scope: access.ConnectionsTest, handle: a.testConnectionDraft},
		{Method: http.MethodGet, Path: "/v1/connections/{id}", Scope: access.ConnectionsRead, handle: a.getConnection},
		{Method: http.MethodPatch, Path: "/v1/connections/{id}", Scope: access.ConnectionsWrite, handle: a.updateConnection},
		{Method: http.MethodDelete, Path: "/v1/connections/{id}", Scope: access.ConnectionsWrite, handle: a.deleteConnection},
		{Method: http.MethodPost, Path: "/v1/connections/{id}/test", Scope: access.ConnectionsTest, handle: a.testConnection},
		{Method: http.MethodPost, Path: "/v1/connections/{id}/authorize", Scope: access.ConnectionsWrite, handle: a.authorizeConnection},
		{Method: http.MethodGet, Path: "/oauth/callback", Public: true, Query: []string{"state", "code", "error", "error_description"}, plain: a.finishAuthorization},
		{Method: http.MethodGet, Path: "/v1/connections/{id}/used-by", Scope: access.ConnectionsRead, handle: a.listConnectionUsers},
		{Method: http.MethodPost, Path: "/v1/connections/{id}/clone", Scope: access.ConnectionsWrite, Idempotent: true, handle: a.cloneConnection},
		{Method: http.MethodGet, Path: "/v1/connections/{id}/options/{kind}", Scope: access.ConnectionsRead, Query: optionQuery(), handle: a.listOptions},
		{Method: http.MethodPost, Path: "/v1/connections/{id}/chat", Scope: access.ChatUse, Idempotent: true, patience: chatTime, handle: a.askAgent},
		{Method: http.MethodGet, Path: "/v1/connections/{id}/chat/threads", Scope: access.ChatUse, Query: paged, handle: a.listChatThreads},
		{Method: http.MethodDelete, Path: "/v1/connections/{id}/chat/threads/{threadId}", Scope: access.ChatUse, handle: a.deleteChatThread},
		{Method: http.MethodGet, Path: "/v1/connections/{id}/scim-operations", Scope: access.ScimRead, Query: append([]string{"state"}, paged...), handle: a.listSCIMOperations},
		{Method: http.MethodGet, Path: "/v1/scim-operations/{id}", Scope: access.ScimRead, handle: a.getSCIMOperation},
		{Method: http.MethodPost, Path: "/v1/scim-operations/{id}/retry", Scope: access.ScimWrite, handle: a.retrySCIMOperation},
		{Method: http.MethodDelete, Path: "/v1/scim-operations/{id}", Scope: access.ScimWrite, handle: a.discardSCIMOperation},
		{Method: http.MethodGet, Path: "/v1/connections/{id}/scope-advice", Scope: access.ConnectionsRead, handle: a.getScopeAdvice},
		{Method: http.MethodGet, Path: "/v1/forms/{kind}", Scope: access.ConnectionsRead, handle: a.getForm},

		{Method: http.MethodPost, Path: "/v1/oauth-clients", Scope: access.ConnectionsWrite, Idempotent: true, handle: a.createOAuthClient},
		{Method: http.MethodGet, Path: "/v1/oauth-clients", Scope: access.ConnectionsRead, Query: paged, handle: a.listOAuthClients},
		{Method: http.MethodGet, Path: "/v1/oauth-clients/{id}", Scope: access.ConnectionsRead, handle: a.getOAuthClient},
		{Method: http.MethodPatch, Path: "/v1/oauth-clients/{id}", Scope: access.ConnectionsWrite, handle: a.updateOAuthClient},
		{Method: http.MethodDelete, Path: "/v1/oauth-clients/{id}", Scope: access.ConnectionsWrite, handle: a.deleteOAuthClient},
		{Method: http.MethodGet, Path: "/v1/oauth-clients/{id}/used-by", Scope: access.ConnectionsRead, handle: a.listOAuthClientUsers},
		{Method: http.MethodGet, Path: "/v1/celonis-scopes", Scope: access.ConnectionsRead, handle: a.listCelonisScopes},

		{Method: http.MethodPost, Path: "/v1/flows", Scope: access.FlowsWrite, Idempotent: true, handle: a.createFlow},
		{Method: http.MethodGet, Path: "/v1/flows", Scope: access.FlowsRead, Query: paged, handle: a.listFlows},
		{Method: http.MethodGet, Path: "/v1/flows/{id}", Scope: access.FlowsRead, handle: a.getFlow},
		{Method: http.MethodPatch, Path: "/v1/flows/{id}", Scope: access.FlowsWrite, handle: a.updateFlow},
		{Method: http.MethodDelete, Path: "/v1/flows/{id}", Scope: access.FlowsWrite, handle: a.deleteFlow},
		{Method: http.MethodPost, Path: "/v1/flows/{id}/enable", Scope: access.FlowsWrite, handle: a.enableFlow},
		{Method: http.MethodPost, Path: "/v1/flows/{id}/disable", Scope: access.FlowsWrite, handle: a.disableFlow},
		{Method: http.MethodPost, Path: "/v1/flows/{id}/pause", Scope: access.FlowsWrite, handle: a.pauseFlow},
		{Method: http.MethodPost, Path: "/v1/flows/{id}/resume", Scope: access.FlowsWrite, handle: a.resumeFlow},

		{Method: http.MethodGet, Path: "/v1/flow-templates", Scope: access.FlowsRead, handle: a.listFlowTemplates},
		{Method: http.MethodGet, Path: "/v1/flow-templates/{id}", Scope: access.FlowsRead, Query: templateQuery(), handle: a.getFlowTemplate},

		{Method: http.MethodPut, Path: "/v1/flows/{id}/watermark", Scope: access.FlowsWrite, handle: a.setWatermark},

		// A preview shows records. One of a flow that is not stored may read whatever the workspace's connections reach, as a stored flow could.
		{Method: http.MethodPost, Path: "/v1/flows/preview", Scope: access.FlowsWrite, Also: access.RecordsRead, handle: a.previewDraft},
		{Method: http.MethodPost, Path: "/v1/flows/{id}/preview", Scope: access.FlowsRun, Also: access.RecordsRead, handle: a.previewFlow},

		{Method: http.MethodPost, Path: "/v1/flows/{id}/runs", Scope: access.FlowsRun, Idempotent: true, handle: a.startRun},
		{Method: http.MethodGet, Path: "/v1/flows/{id}/runs", Scope: access.FlowsRead, Query: historyFilters(), handle: a.listRuns},
		{Method: http.MethodGet, Path: "/v1/flows/{id}/statistics", Scope: access.FlowsRead, Query: []string{"days"}, handle: a.getFlowStatistics},
		{Method: http.MethodGet, Path: "/v1/runs", Scope: access.FlowsRead, Query: historyFilters("flowId"), handle: a.listAllRuns},
		{Method: http.MethodGet, Path: "/v1/runs/{id}", Scope: access.FlowsRead, handle: a.getRun},
		{Method: http.MethodGet, Path: "/v1/runs/{id}/events", Scope: access.FlowsRead, handle: a.streamRunEvents},
		{Method: http.MethodPost, Path: "/v1/runs/{id}/cancel", Scope: access.FlowsRun, handle: a.cancelRun},

		{Method: http.MethodPost, Path: "/v1/flows/{id}/records", Scope: access.RecordsWrite, budget: ofRecords, Idempotent: true, once: true, maxBody: MaxRecordsBody, handle: a.postRecords},
		// The answer holds the URL, which is kept nowhere, so this takes no Idempotency-Key.
		{Method: http.MethodPost, Path: "/v1/flows/{id}/webhook/rotate", Scope: access.FlowsWrite, handle: a.rotateWebhook},
		{Method: http.MethodPost, Path: hookPath, Public: true, budget: ofNobody, plain: a.takeDelivery},
		{Method: http.MethodPost, Path: "/v1/flows/{id}/subscription/replay", Scope: access.FlowsRun, handle: a.replaySubscription},
		{Method: http.MethodPost, Path: "/v1/flows/{id}/subscription/resume-from-latest", Scope: access.FlowsRun, handle: a.resumeSubscription},
		{Method: http.MethodPost, Path: eventsPath, Public: true, budget: ofNobody, plain: a.takeEvents},
		{Method: http.MethodGet, Path: eventsPath, Public: true, plain: a.lookAtEvents},
		{Method: http.MethodHead, Path: eventsPath, Public: true, plain: a.lookAtEvents},
		{Method: http.MethodGet, Path: "/v1/flows/{id}/errors", Scope: access.FlowsRead, Query: append(errorFilters("state"), paged...), handle: a.listRecordErrors},
		{Method: http.MethodGet, Path: "/v1/flows/{id}/errors/groups", Scope: access.FlowsRead, Query: errorFilters(), handle: a.listErrorGroups},
		{Method: http.MethodGet, Path: "/v1/flows/{id}/errors/export", Scope: access.RecordsRead, Query: errorFilters("state", "content"), handle: a.exportRecordErrors},
		{Method: http.MethodPost, Path: "/v1/flows/{id}/errors/retry", Scope: access.FlowsRun, Idempotent: true, handle: a.retryRecordErrors},
		{Method: http.MethodPost, Path: "/v1/flows/{id}/errors/resolve", Scope: access.FlowsRun, handle: a.resolveRecordErrors},
		{Method: http.MethodGet, Path: "/v1/errors/{id}", Scope: access.FlowsRead, handle: a.getRecordError},
		{Method: http.MethodPatch, Path: "/v1/errors/{id}", Scope: access.RecordsWrite, maxBody: 2 * flows.MaxErrorData, handle: a.updateRecordError},
		{Method: http.MethodPost, Path: "/v1/errors/{id}/retry", Scope: access.FlowsRun, Idempotent: true, handle: a.retryRecordError},
		{Method: http.MethodPost, Path: "/v1/errors/{id}/resolve", Scope: access.FlowsRun, handle: a.resolveRecordError},

		{Method: http.MethodGet, Path: "/v1/teams/{domain}/budget", Scope: access.FlowsRead, handle: a.getBudget},

		{Method: http.MethodPost, Path: "/v1/files", Scope: access.FlowsWrite, budget: ofFiles, Idempotent: true, maxBody: streamed, handle: a.uploadFile},
		{Method: http.MethodGet, Path: "/v1/files", Scope: access.FlowsRead, Query: append([]string{"flowId", "runId"}, paged...), handle: a.listFiles},
		{Method: http.MethodGet, Path: "/v1/files/{id}", Scope: access.FlowsRead, handle: a.getFile},
		{Method: http.MethodDelete, Path: "/v1/files/{id}", Scope: access.FlowsWrite, handle: a.deleteFile},
		// What a file holds are records.
		{Method: http.MethodGet, Path: "/v1/files/{id}/content", Scope: access.RecordsRead, head: true, handle: a.getFileContent},

		{Method: http.MethodPost, Path: "/v1/notifications", Scope: access.FlowsWrite, Idempotent: true, handle: a.createNotification},
		{Method: http.MethodGet, Path: "/v1/notifications", Scope: access.FlowsRead, Query: paged, handle: a.listNotifications},
		{Method: http.MethodGet, Path: "/v1/notifications/{id}", Scope: access.FlowsRead, handle: a.getNotification},
		{Method: http.MethodPatch, Path: "/v1/notifications/{id}", Scope: access.FlowsWrite, handle: a.updateNotification},
		{Method: http.MethodDelete, Path: "/v1/notifications/{id}", Scope: access.FlowsWrite, handle: a.deleteNotification},
		{Method: http.MethodPost, Path: "/v1/notifications/{id}/test", Scope: access.FlowsWrite, handle: a.testNotification},

		{Method: http.MethodGet, Path: "/v1/config/export", Scope: access.ConnectionsRead, Also: access.FlowsRead, handle: a.exportConfig},
		{Method: http.MethodPost, Path: "/v1/config/import", Scope: access.ConnectionsWrite, Also: access.FlowsWrite, Query: []string{"dryRun"}, maxBody: MaxConfigBody, handle: a.importConfig},

		{Method: http.MethodGet, Path: "/v1/audit", Scope: access.AuditRead, Query: append(auditFilters(), paged...), handle: a.listAuditEvents},
		{Method: http.MethodGet, Path: "/v1/audit/export", Scope: access.AuditRead, Query: auditFilters(), handle: a.exportAuditEvents},

		{Method: http.MethodGet, Path: "/healthz", Public: true, budget: ofNobody, plain: a.getLiveness},
		{Method: http.MethodGet, Path: "/readyz", Public: true, budget: ofNobody, plain: a.getReadiness},
		{Method: http.MethodGet, Path: "/metrics", Public: true, budget: ofNobody, plain: a.getMetrics},
		{Method: http.MethodGet, Path: "/openapi.yaml", Public: true, plain: a.getContract},
		{Method: http.MethodGet, Path: "/docs", Public: true, plain: a.getDocs},
		{Method: http.MethodGet, Path: "/docs/{asset}", Public: true, plain: a.getDocs},
	})
}
