package fault

import (
	"maps"
	"net/http"
	"slices"
)

// Code names a fault for machines: stable, dotted, lower case.
type Code string

// The codes, by the noun they speak of.
const (
	Internal    Code = "internal"
	Unavailable Code = "unavailable"

	RequestInvalid          Code = "request.invalid"
	RequestMalformed        Code = "request.malformed_json"
	RequestUnknownField     Code = "request.unknown_field"
	RequestFieldMissing     Code = "request.field_missing"
	RequestFieldInvalid     Code = "request.field_invalid"
	RequestWrongType        Code = "request.wrong_type"
	RequestTooLarge         Code = "request.too_large"
	RequestMediaType        Code = "request.unsupported_media_type"
	RequestCursor           Code = "request.bad_cursor"
	RequestNotFound         Code = "request.route_not_found"
	RequestMethod           Code = "request.method_not_allowed"
	RequestStale            Code = "request.stale"
	RequestIdempotencyReuse Code = "request.idempotency_key_reused"
	RequestIdempotencyBusy  Code = "request.idempotency_in_progress"
	RequestRateLimited      Code = "request.rate_limited"
	RequestBusy             Code = "request.busy"
	RequestTooSlow          Code = "request.too_slow"
	RequestURITooLong       Code = "request.uri_too_long"
	RequestHeaders          Code = "request.too_many_headers"
	RequestRange            Code = "request.range_not_satisfiable"

	AccessUnauthenticated Code = "access.unauthenticated"
	AccessForbidden       Code = "access.insufficient_scope"
	AccessClientNotFound  Code = "access.client_not_found"
	AccessClientExists    Code = "access.client_exists"
	AccessScopeNotHeld    Code = "access.scope_not_held"
	AccessSecretNotFound  Code = "access.secret_not_found"
	AccessSecretsFull     Code = "access.too_many_secrets"
	AccessNotRevocable    Code = "access.not_revocable"

	SecretMask     Code = "secret.mask"
	SecretInvalid  Code = "secret.invalid"
	SecretUnsealed Code = "secret.cannot_open"
	// SecretRefRefused and SecretRefMissing speak of secrets that are kept outside of the database.
	SecretRefRefused Code = "secret.ref_not_allowed"
	SecretRefMissing Code = "secret.ref_not_found"
	KeyringInvalid   Code = "keyring.invalid"
	KeyringWeak      Code = "keyring.weak_key"
	KeyringUnknown   Code = "keyring.unknown_key"
	KeyringCanary    Code = "keyring.does_not_fit"
	KeyringInUse     Code = "keyring.key_in_use"

	ConnectionNotFound       Code = "connection.not_found"
	ConnectionNameTaken      Code = "connection.name_taken"
	ConnectionInUse          Code = "connection.in_use"
	ConnectionSecretRequired Code = "connection.secret_required"
	ConnectionDomain         Code = "connection.domain_invalid"
	ConnectionPoolID         Code = "connection.pool_id_invalid"
	ConnectionOffline        Code = "connection.offline"
	ConnectionTestLimited    Code = "connection.test_rate_limited"
	ConnectionAPIType        Code = "connection.wrong_api_type"
	ConnectionUnauthorized   Code = "connection.not_authorized"

	OAuthClientNotFound  Code = "oauth_client.not_found"
	OAuthClientNameTaken Code = "oauth_client.name_taken"
	OAuthClientInUse     Code = "oauth_client.in_use"
	OAuthClientDomain    Code = "oauth_client.domain_not_valid"
	OAuthScopeUnknown    Code = "oauth.scope_unknown"
	OAuthScopeNotAllowed Code = "oauth.scope_not_allowed"
	OAuthGrant           Code = "oauth.grant_without_user"
	OAuthState           Code = "oauth.state_invalid"
	OAuthPublicURL       Code = "oauth.public_url_missing"

	TeamNotFound       Code = "team.not_found"
	FlowNotFound       Code = "flow.not_found"
	TemplateNotFound   Code = "flow_template.not_found"
	FlowNameTaken      Code = "flow.name_taken"
	FlowDisabled       Code = "flow.disabled"
	FlowInvalid        Code = "flow.invalid"
	FlowRecordsExport  Code = "flow.not_a_records_flow"
	FlowInUse          Code = "flow.in_use"
	RunNotFound        Code = "run.not_found"
	RunStateConflict   Code = "run.state_conflict"
	RunLeaseLost       Code = "run.lease_lost"
	RunCanceled        Code = "run.canceled"
	RunAttemptsSpent   Code = "run.attempts_spent"
	RunTooManyErrors   Code = "run.too_many_errors"
	RunPanic           Code = "run.panic"
	RunReleased        Code = "run.released"
	ErrorNotFound      Code = "error.not_found"
	ErrorIsResolved    Code = "error.resolved"
	ErrorRetrying      Code = "error.retrying"
	ErrorNeedsEdit     Code = "error.needs_edit"
	ErrorsNone         Code = "error.none_selected"
	FlowRetryKeys      Code = "flow.retry_needs_keys"
	FileNotFound       Code = "file.not_found"
	FileInUse          Code = "file.in_use"
	FileGone           Code = "file.gone"
	FileTooLarge       Code = "file.too_large"
	SpoolFull          Code = "spool.full"
	StoreUnavailable   Code = "store.unavailable"
	QueueUnavailable   Code = "queue.unavailable"
	QueueURL           Code = "queue.url_invalid"
	SourceEmpty        Code = "source.empty"
	SourceHeader       Code = "source.header_invalid"
	SourceFormat       Code = "source.format_invalid"
	SourceTruncated    Code = "source.truncated"
	SourceEncoding     Code = "source.encoding_invalid"
	SourceLineTooLong  Code = "source.record_too_long"
	SourceTooManyCols  Code = "source.too_many_columns"
	SourceRead         Code = "source.read_failed"
	SourceChanged      Code = "source.changed"
	SourceUnsupported  Code = "source.unsupported_type"
	SourceWatermark    Code = "source.watermark"
	SourceBehind       Code = "source.behind"
	FlowRanOnce        Code = "flow.ran_once"
	FlowWindow         Code = "flow.no_window"
	FlowCycle          Code = "flow.cycle"
	FlowPreviewLimited Code = "flow.preview_rate_limited"
	FlowPreviewRecords Code = "flow.preview_needs_records"
	FlowDuplicateKeys  Code = "flow.duplicate_keys"
	FlowBudgetShort    Code = "flow.budget_short"
	FlowWebhookExport  Code = "flow.not_a_webhook_flow"
	// What is between a flow and its subscription to events in Celonis.
	FlowSubscriptionExport    Code = "flow.not_a_subscription_flow"
	SubscriptionPublicURL     Code = "subscription.public_url_missing"
	SubscriptionNotFound      Code = "subscription.not_found"
	SubscriptionStray         Code = "subscription.not_ours"
	SubscriptionEvents        Code = "subscription.events_unreadable"
	SubscriptionDisabled      Code = "subscription.flow_disabled"
	SubscriptionGaps          Code = "subscription.too_many_gaps"
	SubscriptionMissed        Code = "subscription.events_missed"
	SubscriptionRemade        Code = "subscription.made_anew"
	SubscriptionSuspended     Code = "subscription.suspended"
	SubscriptionRejected      Code = "subscription.rejected"
	SubscriptionTrigger       Code = "subscription.trigger_not_found"
	SubscriptionTriggerFailed Code = "subscription.trigger_failed"
	SubscriptionCallback      Code = "subscription.callback_failed"
	SubscriptionCallbackURL   Code = "subscription.callback_url_refused"
	SubscriptionHeaders       Code = "subscription.callback_headers_refused"
	// What comes to the URL of a flow.
	WebhookNotFound        Code = "webhook.not_found"
	WebhookUnauthenticated Code = "webhook.unauthenticated"
	WebhookSignature       Code = "webhook.signature_invalid"
	WebhookStale           Code = "webhook.signature_stale"
	WebhookDisabled        Code = "webhook.disabled"
	WebhookLimited         Code = "webhook.rate_limited"
	WebhookSecretMissing   Code = "webhook.secret_missing"
	// What is read over a network answered otherwise than with records.
	SourceUnauthorized Code = "source.unauthorized"
	SourceForbidden    Code = "source.forbidden"
	SourceNotFound     Code = "source.not_found"
	SourceRefused      Code = "source.refused"
	SourceRateLimited  Code = "source.rate_limited"
	SourceUnavailable  Code = "source.unavailable"
	SourceHTML         Code = "source.html"
	SourceTooLarge     Code = "source.too_large"
	SourceQuery        Code = "source.query"
	SourceTimeout      Code = "source.timeout"
	SourceCursorLoop   Code = "source.cursor_loop"
	SourceTooManyPages Code = "source.too_many_pages"
	SourceNextURL      Code = "source.next_url_refused"
	SourceItemsPath    Code = "source.items_not_found"
	SourceRowLimit     Code = "source.row_limit"
	SourceField        Code = "source.field_unknown"
	SourceKey          Code = "source.key_not_unique"
	SourceBudget       Code = "source.budget_short"
	// What takes rows one by one answered otherwise than by taking them.
	RunHalfDelivered        Code = "run.half_delivered"
	DestinationRefused      Code = "destination.refused"
	DestinationInDoubt      Code = "destination.in_doubt"
	DestinationUnauthorized Code = "destination.unauthorized"
	DestinationForbidden    Code = "destination.forbidden"
	DestinationGone         Code = "destination.gone"
	DestinationRateLimited  Code = "destination.rate_limited"
	DestinationUnavailable  Code = "destination.unavailable"
	DestinationAnswer       Code = "destination.unreadable_answer"
	DestinationRow          Code = "destination.row_not_sendable"

	MappingField      Code = "mapping.field_not_found"
	MappingColumns    Code = "mapping.columns_collide"
	MappingRule       Code = "mapping.rule_invalid"
	MappingKey        Code = "mapping.key_not_found"
	MappingSchema     Code = "mapping.schema_contradiction"
	MappingExpression Code = "mapping.expression_invalid"
	MappingLookup     Code = "mapping.lookup_invalid"
	FilterExpression  Code = "filter.expression_invalid"
	RecordExpression  Code = "record.expression_failed"
	RecordExpand      Code = "record.not_expandable"
	RecordMalformed   Code = "record.malformed"
	RecordCells       Code = "record.wrong_cell_count"
	RecordUnexpected  Code = "record.unexpected_field"
	ValueType         Code = "value.wrong_type"
	ValueRequired     Code = "value.required"
	ValueTooLong      Code = "value.too_long"
	ValueOutOfRange   Code = "value.out_of_range"
	ValueEncoding     Code = "value.invalid_utf8"
	ValueDiscarded    Code = "value.discarded"

	RunWatchers           Code = "run.too_many_watchers"
	NotificationNotFound  Code = "notification.not_found"
	NotificationNameTaken Code = "notification.name_taken"
	NotificationsFull     Code = "notification.too_many"
	NotificationRefused   Code = "notification.receiver_refused"
	NotificationMail      Code = "notification.mail_refused"

	EgressRefused     Code = "egress.refused"
	EgressDNS         Code = "egress.dns"
	EgressTLS         Code = "egress.tls"
	EgressUnreachable Code = "egress.unreachable"
	EgressTimeout     Code = "egress.timeout"
	EgressAllowList   Code = "egress.allow_list_invalid"

	CelonisUnauthorized  Code = "celonis.unauthorized"
	CelonisSchemeMixup   Code = "celonis.wrong_key_kind"
	CelonisForbidden     Code = "celonis.forbidden"
	CelonisAPIDisabled   Code = "celonis.api_disabled"
	CelonisNotFound      Code = "celonis.not_found"
	CelonisPoolNotFound  Code = "celonis.pool_not_found"
	CelonisJobGone       Code = "celonis.push_job_gone"
	CelonisJobFailed     Code = "celonis.push_job_failed"
	CelonisConflict      Code = "celonis.conflict"
	CelonisRejected      Code = "celonis.rejected"
	CelonisRateLimited   Code = "celonis.rate_limited"
	CelonisTooLarge      Code = "celonis.too_large"
	CelonisServer        Code = "celonis.server_error"
	CelonisAnswer        Code = "celonis.unreadable_answer"
	CelonisDisconnected  Code = "celonis.connection_broken"
	CelonisChunkInDoubt  Code = "celonis.chunk_in_doubt"
	CelonisJobStillBusy  Code = "celonis.push_job_running"
	CelonisBudgetSpent   Code = "celonis.budget_spent"
	CelonisSchemaTooWide Code = "celonis.schema_invalid"
	CelonisChunkCount    Code = "celonis.chunk_count_mismatch"
	CelonisSchemaDrift   Code = "celonis.schema_drift"
	CelonisStepBusy      Code = "celonis.step_running"
	CelonisStepFailed    Code = "celonis.step_failed"
	CelonisStepWarned    Code = "celonis.step_warning"

	CelonisOAuthClient  Code = "celonis.oauth_client_refused"
	CelonisOAuthMethod  Code = "celonis.oauth_wrong_method"
	CelonisOAuthScope   Code = "celonis.oauth_scope_refused"
	CelonisOAuthGrant   Code = "celonis.oauth_grant_refused"
	CelonisOAuthRefresh Code = "celonis.oauth_authorization_ended"
	CelonisScopeMissing Code = "celonis.scope_missing"

	// What Celonis says to users and groups that are provisioned.
	CelonisLicenses  Code = "celonis.license_limit"
	CelonisMailFixed Code = "celonis.email_immutable"
	CelonisNotUnique Code = "celonis.not_unique"
	CelonisSCIMOff   Code = "celonis.scim_off"
	CelonisStale     Code = "celonis.stale"
	CelonisInDoubt   Code = "celonis.outcome_unknown"

	// Questions to Process Copilot agents, asked by callers (chat) and by mappings (lookup).
	ChatAgentNotFound        Code = "chat.agent_not_found"
	ChatConversationNotFound Code = "chat.conversation_not_found"
	ChatConversationBusy     Code = "chat.conversation_busy"
	ChatAnswerLost           Code = "chat.answer_lost"
	ChatRateLimited          Code = "chat.rate_limited"
	ChatThreadNotFound       Code = "chat.thread_not_found"
	LookupLimit              Code = "lookup.limit_reached"
	LookupRefused            Code = "lookup.refused"
	LookupAnswerLost         Code = "lookup.answer_lost"
	LookupNoOutput           Code = "lookup.no_structured_output"

	// What RFC 7644 has a scimType for, and what comes to the gateway.
	ScimFilter            Code = "scim.invalid_filter"
	ScimTooMany           Code = "scim.too_many"
	ScimUniqueness        Code = "scim.uniqueness"
	ScimMutability        Code = "scim.mutability"
	ScimSyntax            Code = "scim.invalid_syntax"
	ScimPath              Code = "scim.invalid_path"
	ScimNoTarget          Code = "scim.no_target"
	ScimValue             Code = "scim.invalid_value"
	ScimVersion           Code = "scim.invalid_version"
	ScimSensitive         Code = "scim.sensitive"
	ScimNotFound          Code = "scim.not_found"
	ScimOperationNotFound Code = "scim.operation_not_found"
	ScimOperationState    Code = "scim.operation_state_conflict"
	ScimQueueFull         Code = "scim.queue_full"
	// What provisioning from a source finds.
	ScimDuplicate     Code = "scim.duplicate_in_source"
	ScimAmbiguous     Code = "scim.ambiguous"
	ScimEmailChange   Code = "scim.email_change"
	ScimUnknownMember Code = "scim.unknown_member"
	ScimProtected     Code = "scim.protected"
	ScimGuard         Code = "scim.too_many_missing"
	ScimUnread        Code = "scim.records_unreadable"
	ScimDirectory     Code = "scim.directory_too_large"
)

// Description is what the table knows of a code.
type Description struct {
	// Status is the HTTP status of a response that reports the code.
	Status int
	// Title is the short sentence of the problem type.
	Title string
	// Retry is the code's usual retry class.
	Retry Retry
}

// Describe gives the table's row for code; an unknown code reads as Internal.
func Describe(code Code) Description {
	if d, ok := table[code]; ok {
		return d
	}
	return table[Internal]
}

// Codes lists every code of the table in order.
func Codes() []Code { return slices.Sorted(maps.Keys(table)) }

// table is the only place that ties a code to its HTTP status.
var table = map[Code]Description{
	Internal:    {http.StatusInternalServerError, "Internal error", Later},
	Unavailable: {http.StatusServiceUnavailable, "Not available now", Later},

	RequestInvalid:          {http.StatusUnprocessableEntity, "The request is not valid", Never},
	RequestMalformed:        {http.StatusBadRequest, "The body is not JSON", Never},
	RequestUnknownField:     {http.StatusUnprocessableEntity, "Unknown field", Never},
	RequestFieldMissing:     {http.StatusUnprocessableEntity, "Missing field", Never},
	RequestFieldInvalid:     {http.StatusUnprocessableEntity, "Invalid field", Never},
	RequestWrongType:        {http.StatusUnprocessableEntity, "Wrong type", Never},
	RequestTooLarge:         {http.StatusRequestEntityTooLarge, "The body is too large", Never},
	RequestMediaType:        {http.StatusUnsupportedMediaType, "Unsupported media type", Never},
	RequestCursor:           {http.StatusBadRequest, "The cursor is not valid", Never},
	RequestNotFound:         {http.StatusNotFound, "No such route", Never},
	RequestMethod:           {http.StatusMethodNotAllowed, "Method not allowed", Never},
	RequestStale:            {http.StatusPreconditionFailed, "The resource has changed", Never},
	RequestIdempotencyReuse: {http.StatusUnprocessableEntity, "Idempotency key used with another body", Never},
	RequestRateLimited:      {http.StatusTooManyRequests, "Too many requests", Wait},
	RequestBusy:             {http.StatusServiceUnavailable, "The service is busy", Wait},
	RequestTooSlow:          {http.StatusRequestTimeout, "The body came too slowly", Later},
	RequestURITooLong:       {http.StatusRequestURITooLong, "The address is too long", Never},
	RequestHeaders:          {http.StatusRequestHeaderFieldsTooLarge, "Too many headers", Never},
	RequestRange:            {http.StatusRequestedRangeNotSatisfiable, "The file does not have these bytes", Never},
	RequestIdempotencyBusy:  {http.StatusConflict, "A request with this idempotency key is in progress", Later},

	AccessUnauthenticated: {http.StatusUnauthorized, "Authentication is needed", Never},
	AccessForbidden:       {http.StatusForbidden, "The token lacks a scope", Never},
	AccessClientNotFound:  {http.StatusNotFound, "No such API client", Never},
	AccessClientExists:    {http.StatusConflict, "An API client has this name", Never},
	AccessScopeNotHeld:    {http.StatusForbidden, "The caller lacks a scope that it gives", Never},
	AccessSecretNotFound:  {http.StatusNotFound, "No such secret", Never},
	AccessSecretsFull:     {http.StatusConflict, "The API client has two secrets", Never},
	AccessNotRevocable:    {http.StatusUnprocessableEntity, "The token cannot be revoked here", Never},

	SecretMask:       {http.StatusUnprocessableEntity, "The secret is a mask", Never},
	SecretInvalid:    {http.StatusUnprocessableEntity, "The secret is not valid", Never},
	SecretUnsealed:   {http.StatusInternalServerError, "A stored secret cannot be opened", Never},
	SecretRefRefused: {http.StatusUnprocessableEntity, "The reference is not allowed", Never},
	SecretRefMissing: {http.StatusUnprocessableEntity, "The reference leads to no secret", Never},
	KeyringInvalid:   {http.StatusInternalServerError, "The keyring is not valid", Never},
	KeyringWeak:      {http.StatusInternalServerError, "A master key is weak", Never},
	KeyringUnknown:   {http.StatusInternalServerError, "A master key is missing", Never},
	KeyringCanary:    {http.StatusInternalServerError, "The master key does not fit the database", Never},
	KeyringInUse:     {http.StatusConflict, "The master key is in use", Never},

	ConnectionNotFound:       {http.StatusNotFound, "No such connection", Never},
	ConnectionNameTaken:      {http.StatusConflict, "The connection name is taken", Never},
	ConnectionInUse:          {http.StatusConflict, "The connection is in use", Never},
	ConnectionSecretRequired: {http.StatusUnprocessableEntity, "The secret must be given again", Never},
	ConnectionDomain:         {http.StatusUnprocessableEntity, "The domain is not valid", Never},
	ConnectionPoolID:         {http.StatusUnprocessableEntity, "The pool id is not valid", Never},
	ConnectionOffline:        {http.StatusConflict, "The connection is offline", Wait},
	ConnectionTestLimited:    {http.StatusTooManyRequests, "Too many test calls", Wait},
	ConnectionAPIType:        {http.StatusUnprocessableEntity, "The connection is of another API type", Never},
	ConnectionUnauthorized:   {http.StatusConflict, "The connection is not authorized", Never},

	OAuthClientNotFound:  {http.StatusNotFound, "No such OAuth client", Never},
	OAuthClientNameTaken: {http.StatusConflict, "The OAuth client's name is taken", Never},
	OAuthClientInUse:     {http.StatusConflict, "The OAuth client is in use", Never},
	OAuthClientDomain:    {http.StatusUnprocessableEntity, "The host is not a valid domain of the OAuth client", Never},
	OAuthScopeUnknown:    {http.StatusUnprocessableEntity, "Unknown Celonis scope", Never},
	OAuthScopeNotAllowed: {http.StatusUnprocessableEntity, "The OAuth client does not have the scope", Never},
	OAuthGrant:           {http.StatusConflict, "No user authorizes the connection", Never},
	OAuthState:           {http.StatusBadRequest, "The authorization is not under way", Never},
	OAuthPublicURL:       {http.StatusConflict, "The service's public address is not known", Never},

	TeamNotFound:       {http.StatusNotFound, "No such team", Never},
	FlowNotFound:       {http.StatusNotFound, "No such flow", Never},
	TemplateNotFound:   {http.StatusNotFound, "No such flow template", Never},
	FlowNameTaken:      {http.StatusConflict, "The flow name is taken", Never},
	FlowDisabled:       {http.StatusConflict, "The flow is disabled", Never},
	FlowInvalid:        {http.StatusUnprocessableEntity, "The flow is not valid", Never},
	FlowRecordsExport:  {http.StatusConflict, "The flow does not take posted records", Never},
	FlowInUse:          {http.StatusConflict, "The flow is in use", Never},
	FlowCycle:          {http.StatusUnprocessableEntity, "The flows follow each other in a cycle", Never},
	FlowPreviewLimited: {http.StatusTooManyRequests, "Too many previews", Wait},
	FlowPreviewRecords: {http.StatusUnprocessableEntity, "The preview needs records", Never},
	FlowDuplicateKeys:  {http.StatusUnprocessableEntity, "Rows have the same keys", Never},
	FlowBudgetShort:    {http.StatusConflict, "The schedules need more pushes than the team has", Never},
	RunNotFound:        {http.StatusNotFound, "No such run", Never},
	RunStateConflict:   {http.StatusConflict, "The run's state does not allow this", Never},
	RunLeaseLost:       {http.StatusConflict, "Another worker holds the run", Never},
	RunCanceled:        {http.StatusConflict, "The run was canceled", Never},
	RunAttemptsSpent:   {http.StatusConflict, "The run's attempts are spent", Never},
	RunTooManyErrors:   {http.StatusUnprocessableEntity, "Too many record errors", Never},
	RunPanic:           {http.StatusInternalServerError, "The run broke the worker's code", Never},
	RunReleased:        {http.StatusConflict, "The worker gave the run back", Later},
	ErrorNotFound:      {http.StatusNotFound, "No such record error", Never},
	ErrorIsResolved:    {http.StatusConflict, "The record error is resolved", Never},
	ErrorRetrying:      {http.StatusConflict, "The record error is being retried", Never},
	ErrorNeedsEdit:     {http.StatusConflict, "The record must be edited before it is retried", Never},
	ErrorsNone:         {http.StatusConflict, "No record error is meant", Never},
	FlowRetryKeys:      {http.StatusConflict, "A retry would empty the table", Never},
	FileNotFound:       {http.StatusNotFound, "No such file", Never},
	FileInUse:          {http.StatusConflict, "The file is in use", Never},
	FileGone:           {http.StatusGone, "The file's time is over", Never},
	FileTooLarge:       {http.StatusUnprocessableEntity, "The file is too large", Never},
	SpoolFull:          {http.StatusInsufficientStorage, "The spool's disk is full", Later},
	StoreUnavailable:   {http.StatusServiceUnavailable, "The database does not answer", Later},
	QueueUnavailable:   {http.StatusServiceUnavailable, "The queue does not answer", Later},
	QueueURL:           {http.StatusInternalServerError, "The Redis address is not valid", Never},

	SourceEmpty:       {http.StatusUnprocessableEntity, "The source is empty", Never},
	SourceHeader:      {http.StatusUnprocessableEntity, "The header is not valid", Never},
	SourceFormat:      {http.StatusUnprocessableEntity, "The source is not what it says", Never},
	SourceTruncated:   {http.StatusUnprocessableEntity, "The source ends too early", Never},
	SourceEncoding:    {http.StatusUnprocessableEntity, "The source's encoding is not valid", Never},
	SourceLineTooLong: {http.StatusUnprocessableEntity, "A record is too long", Never},
	SourceTooManyCols: {http.StatusUnprocessableEntity, "The source has too many columns", Never},
	SourceRead:        {http.StatusBadGateway, "The source cannot be read", Later},
	SourceChanged:     {http.StatusConflict, "The source has changed since its checkpoint", Later},
	SourceUnsupported: {http.StatusUnprocessableEntity, "A column of the source has a type that Celonis cannot hold", Never},

	SourceUnauthorized: {http.StatusBadGateway, "The source refuses the login", Never},
	SourceForbidden:    {http.StatusBadGateway, "The source refuses the access", Never},
	SourceNotFound:     {http.StatusBadGateway, "The source is not there", Never},
	SourceRefused:      {http.StatusBadGateway, "The source refuses the request", Never},
	SourceRateLimited:  {http.StatusBadGateway, "The source asks to wait", Wait},
	SourceUnavailable:  {http.StatusBadGateway, "The source does not answer as it should", Later},
	SourceHTML:         {http.StatusBadGateway, "The source is a web page", Never},
	SourceTooLarge:     {http.StatusUnprocessableEntity, "The source is too large", Never},
	SourceQuery:        {http.StatusUnprocessableEntity, "The database refuses the query", Never},
	SourceTimeout:      {http.StatusGatewayTimeout, "The query took too long", Never},
	SourceCursorLoop:   {http.StatusBadGateway, "The source gives the same page again", Never},
	SourceTooManyPages: {http.StatusUnprocessableEntity, "The source has more pages than allowed", Never},
	SourceNextURL:      {http.StatusBadGateway, "The source's next page lies elsewhere", Never},
	SourceItemsPath:    {http.StatusUnprocessableEntity, "The records are not where the export says", Never},
	SourceRowLimit:     {http.StatusUnprocessableEntity, "More rows than the source shows", Never},
	SourceField:        {http.StatusUnprocessableEntity, "The source does not know a field", Never},
	SourceKey:          {http.StatusUnprocessableEntity, "The keys do not tell the source's rows apart", Never},
	SourceBudget:       {http.StatusUnprocessableEntity, "More requests than the team has in a day", Never},
	SourceWatermark:    {http.StatusUnprocessableEntity, "The watermark cannot be found", Never},
	SourceBehind:       {http.StatusConflict, "The flow ahead has not run yet", Never},
	FlowRanOnce:        {http.StatusConflict, "The flow has run once", Never},
	FlowWindow:         {http.StatusConflict, "The flow cannot be run over a window", Never},
	FlowWebhookExport:  {http.StatusConflict, "The flow has no webhook", Never},

	FlowSubscriptionExport:    {http.StatusConflict, "The flow listens to no events", Never},
	SubscriptionPublicURL:     {http.StatusConflict, "The service's public address is not known", Never},
	SubscriptionNotFound:      {http.StatusNotFound, "No such subscription", Never},
	SubscriptionStray:         {http.StatusConflict, "The events are of another subscription", Never},
	SubscriptionEvents:        {http.StatusUnprocessableEntity, "The delivery cannot be read", Never},
	SubscriptionDisabled:      {http.StatusServiceUnavailable, "The flow takes no events now", Wait},
	SubscriptionGaps:          {http.StatusServiceUnavailable, "Too many events are missing", Wait},
	SubscriptionMissed:        {http.StatusConflict, "Events did not come", Never},
	SubscriptionRemade:        {http.StatusConflict, "The subscription had gone from Celonis", Never},
	SubscriptionSuspended:     {http.StatusConflict, "Celonis suspended the subscription", Later},
	SubscriptionRejected:      {http.StatusConflict, "Celonis rejected the subscription", Never},
	SubscriptionTrigger:       {http.StatusUnprocessableEntity, "Celonis does not know the trigger", Never},
	SubscriptionTriggerFailed: {http.StatusBadGateway, "Celonis cannot watch the trigger", Later},
	SubscriptionCallback:      {http.StatusBadGateway, "Celonis does not reach this service", Later},
	SubscriptionCallbackURL:   {http.StatusBadGateway, "Celonis refused the address for events", Never},
	SubscriptionHeaders:       {http.StatusBadGateway, "Celonis refused the headers for events", Never},

	WebhookNotFound:        {http.StatusNotFound, "No such webhook", Never},
	WebhookUnauthenticated: {http.StatusUnauthorized, "The sender did not prove itself", Never},
	WebhookSignature:       {http.StatusUnauthorized, "The signature is not valid", Never},
	WebhookStale:           {http.StatusUnauthorized, "The signature is too old", Never},
	WebhookDisabled:        {http.StatusGone, "The webhook is switched off", Never},
	WebhookLimited:         {http.StatusTooManyRequests, "Too many deliveries", Wait},
	WebhookSecretMissing:   {http.StatusServiceUnavailable, "The webhook has no secret yet", Wait},

	RunHalfDelivered:        {http.StatusConflict, "The run's rows were delivered in part", Never},
	DestinationRefused:      {http.StatusBadGateway, "The destination refused the row", Never},
	DestinationInDoubt:      {http.StatusBadGateway, "It is not known whether the row was delivered", Never},
	DestinationUnauthorized: {http.StatusBadGateway, "The destination refuses the login", Never},
	DestinationForbidden:    {http.StatusBadGateway, "The destination refuses the access", Never},
	DestinationGone:         {http.StatusBadGateway, "The destination takes nothing any more", Never},
	DestinationRateLimited:  {http.StatusBadGateway, "The destination asks to wait", Wait},
	DestinationUnavailable:  {http.StatusBadGateway, "The destination does not answer as it should", Later},
	DestinationAnswer:       {http.StatusBadGateway, "The destination's answer cannot be read", Never},
	DestinationRow:          {http.StatusUnprocessableEntity, "The row cannot be sent", Never},

	MappingField:      {http.StatusUnprocessableEntity, "A mapped field is not in the source", Never},
	MappingColumns:    {http.StatusUnprocessableEntity, "Mapped columns collide", Never},
	MappingRule:       {http.StatusUnprocessableEntity, "A mapping rule is not valid", Never},
	MappingKey:        {http.StatusUnprocessableEntity, "A key is not a mapped column", Never},
	MappingSchema:     {http.StatusUnprocessableEntity, "A value contradicts the frozen schema", Never},
	MappingExpression: {http.StatusUnprocessableEntity, "An expression of the mapping is not valid", Never},
	MappingLookup:     {http.StatusUnprocessableEntity, "A lookup table is not valid", Never},
	FilterExpression:  {http.StatusUnprocessableEntity, "The filter is not valid", Never},
	RecordExpression:  {http.StatusUnprocessableEntity, "An expression has no value for the record", Never},
	RecordExpand:      {http.StatusUnprocessableEntity, "The record cannot be expanded", Never},
	RecordMalformed:   {http.StatusUnprocessableEntity, "The record cannot be read", Never},
	RecordCells:       {http.StatusUnprocessableEntity, "The record has a wrong number of cells", Never},
	RecordUnexpected:  {http.StatusUnprocessableEntity, "The record has an unexpected field", Never},
	ValueType:         {http.StatusUnprocessableEntity, "A value is not of its column's type", Never},
	ValueRequired:     {http.StatusUnprocessableEntity, "A required value is missing", Never},
	ValueTooLong:      {http.StatusUnprocessableEntity, "A value is too long for its column", Never},
	ValueOutOfRange:   {http.StatusUnprocessableEntity, "A value is out of range", Never},
	ValueEncoding:     {http.StatusUnprocessableEntity, "A value is not UTF-8", Never},
	ValueDiscarded:    {http.StatusUnprocessableEntity, "A value was set to null", Never},

	RunWatchers:           {http.StatusTooManyRequests, "Too many runs are followed", Wait},
	NotificationNotFound:  {http.StatusNotFound, "No such notification", Never},
	NotificationNameTaken: {http.StatusConflict, "The notification's name is taken", Never},
	NotificationsFull:     {http.StatusConflict, "The workspace has too many notifications", Never},
	NotificationRefused:   {http.StatusBadGateway, "The receiver refuses the notification", Later},
	NotificationMail:      {http.StatusBadGateway, "The mail server refuses the notification", Later},

	EgressRefused:     {http.StatusUnprocessableEntity, "The host is not allowed", Never},
	EgressDNS:         {http.StatusBadGateway, "The host name is not known", Later},
	EgressTLS:         {http.StatusBadGateway, "TLS failed", Later},
	EgressUnreachable: {http.StatusBadGateway, "The host does not answer", Later},
	EgressTimeout:     {http.StatusGatewayTimeout, "The host took too long", Later},
	EgressAllowList:   {http.StatusInternalServerError, "The list of allowed hosts is not valid", Never},

	CelonisUnauthorized:  {http.StatusBadGateway, "Celonis refused the key", Never},
	CelonisSchemeMixup:   {http.StatusBadGateway, "The key is of the other kind", Never},
	CelonisForbidden:     {http.StatusBadGateway, "The key lacks a permission in Celonis", Never},
	CelonisAPIDisabled:   {http.StatusBadGateway, "The API is not enabled for the team", Never},
	CelonisNotFound:      {http.StatusBadGateway, "Celonis does not know it", Never},
	CelonisPoolNotFound:  {http.StatusBadGateway, "The data pool is unknown", Never},
	CelonisJobGone:       {http.StatusBadGateway, "The push job is gone", Later},
	CelonisJobFailed:     {http.StatusBadGateway, "The push job failed in Celonis", Never},
	CelonisConflict:      {http.StatusBadGateway, "Celonis reports a conflict", Never},
	CelonisRejected:      {http.StatusBadGateway, "Celonis refused the request", Never},
	CelonisRateLimited:   {http.StatusBadGateway, "Celonis's rate limit is reached", Wait},
	CelonisTooLarge:      {http.StatusBadGateway, "The request is too large for Celonis", Never},
	CelonisServer:        {http.StatusBadGateway, "Celonis had an error", Later},
	CelonisAnswer:        {http.StatusBadGateway, "Celonis's answer cannot be read", Later},
	CelonisDisconnected:  {http.StatusBadGateway, "The connection to Celonis broke", Later},
	CelonisChunkInDoubt:  {http.StatusBadGateway, "It is not known whether a chunk arrived", Later},
	CelonisJobStillBusy:  {http.StatusConflict, "Celonis still works on the push job", Wait},
	CelonisBudgetSpent:   {http.StatusConflict, "The team's push submissions are spent", Wait},
	CelonisSchemaTooWide: {http.StatusUnprocessableEntity, "The table cannot be declared", Never},
	CelonisChunkCount:    {http.StatusBadGateway, "Celonis has another number of chunks", Later},
	CelonisSchemaDrift:   {http.StatusConflict, "The table in Celonis differs", Never},
	CelonisStepBusy:      {http.StatusConflict, "A step after the push is still at work", Wait},
	CelonisStepFailed:    {http.StatusBadGateway, "A step after the push failed", Never},
	CelonisStepWarned:    {http.StatusBadGateway, "A step after the push ended with a warning", Never},

	CelonisOAuthClient:  {http.StatusBadGateway, "Celonis refused the OAuth client", Never},
	CelonisOAuthMethod:  {http.StatusBadGateway, "The OAuth client authenticates in the other way", Never},
	CelonisOAuthScope:   {http.StatusBadGateway, "Celonis refused a scope", Never},
	CelonisOAuthGrant:   {http.StatusBadGateway, "Celonis refused the grant", Never},
	CelonisOAuthRefresh: {http.StatusBadGateway, "The authorization in Celonis has ended", Never},
	CelonisScopeMissing: {http.StatusBadGateway, "A scope is missing", Never},

	CelonisLicenses:  {http.StatusBadGateway, "The team's licenses are in use", Wait},
	CelonisMailFixed: {http.StatusBadGateway, "Celonis does not change e-mail addresses", Never},
	CelonisNotUnique: {http.StatusBadGateway, "Celonis has another one of that name", Never},
	CelonisSCIMOff:   {http.StatusBadGateway, "SCIM is not switched on in Celonis", Never},
	CelonisStale:     {http.StatusBadGateway, "Celonis's resource has changed", Later},
	CelonisInDoubt:   {http.StatusBadGateway, "It is not known whether Celonis did it", Later},

	ChatAgentNotFound:        {http.StatusUnprocessableEntity, "Celonis does not know the agent", Never},
	ChatConversationNotFound: {http.StatusUnprocessableEntity, "Celonis does not know the conversation", Never},
	ChatConversationBusy:     {http.StatusConflict, "The conversation is busy", Wait},
	ChatAnswerLost:           {http.StatusBadGateway, "The agent's answer was lost", Never},
	ChatRateLimited:          {http.StatusTooManyRequests, "Too many questions", Wait},
	ChatThreadNotFound:       {http.StatusNotFound, "No such thread", Never},
	LookupLimit:              {http.StatusUnprocessableEntity, "The run has asked the agent often enough", Never},
	LookupRefused:            {http.StatusUnprocessableEntity, "The agent gave no answer", Never},
	LookupAnswerLost:         {http.StatusUnprocessableEntity, "The agent's answer for the record was lost", Never},
	LookupNoOutput:           {http.StatusUnprocessableEntity, "The agent's answer has no structured output", Never},

	ScimFilter:            {http.StatusBadRequest, "The SCIM filter is not valid", Never},
	ScimTooMany:           {http.StatusBadRequest, "The SCIM request means more than can be answered", Never},
	ScimUniqueness:        {http.StatusConflict, "A SCIM value is taken", Never},
	ScimMutability:        {http.StatusBadRequest, "A SCIM attribute cannot be changed", Never},
	ScimSyntax:            {http.StatusBadRequest, "The SCIM body is not valid", Never},
	ScimPath:              {http.StatusBadRequest, "The SCIM path is not valid", Never},
	ScimNoTarget:          {http.StatusBadRequest, "The SCIM path names nothing", Never},
	ScimValue:             {http.StatusBadRequest, "A SCIM value is not valid", Never},
	ScimVersion:           {http.StatusBadRequest, "The SCIM version is not supported", Never},
	ScimSensitive:         {http.StatusForbidden, "The address tells what must stay private", Never},
	ScimNotFound:          {http.StatusNotFound, "No such SCIM resource", Never},
	ScimOperationNotFound: {http.StatusNotFound, "No such SCIM operation", Never},
	ScimOperationState:    {http.StatusConflict, "The state of the SCIM operation forbids it", Never},
	ScimQueueFull:         {http.StatusServiceUnavailable, "Too many SCIM operations wait", Later},
	ScimDuplicate:         {http.StatusUnprocessableEntity, "The source names one person or group several times", Never},
	ScimAmbiguous:         {http.StatusUnprocessableEntity, "It is not known which person or group is meant", Never},
	ScimEmailChange:       {http.StatusUnprocessableEntity, "Celonis forbids to change an e-mail address", Never},
	ScimUnknownMember:     {http.StatusUnprocessableEntity, "A member of the group is not in Celonis", Never},
	ScimProtected:         {http.StatusUnprocessableEntity, "The user is protected", Never},
	ScimGuard:             {http.StatusUnprocessableEntity, "Too many are missing from the source", Never},
	ScimUnread:            {http.StatusUnprocessableEntity, "Records could not be read", Never},
	ScimDirectory:         {http.StatusUnprocessableEntity, "There are more users or groups than can be compared", Never},
}
