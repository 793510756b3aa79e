// Package celonissim plays a Celonis team over HTTP: a real http.Handler with
// state, limits and switchable faults, for tests, benchmarks and the demo.
//
// It follows the public descriptions of the Celonis APIs and shares no type
// with any client of this module, so that a wrong path, header or field name
// fails here as it would fail there. Where the platform's behavior is not
// documented, Answers holds a switch.
//
// # Values
//
// Table.Value and the admin API give values as canonical text: integers in base
// 10; floats in the shortest form that reads back ('g' format, so 1e+21, NaN,
// +Inf); booleans true and false; dates 2006-01-02; times 15:04:05.000;
// timestamps 2006-01-02T15:04:05.000Z, always UTC and cut to milliseconds;
// strings as they are. Null is told apart from the empty string.
//
// # Content hash
//
// Table.Hash is the sum, modulo 2^64, of one 64-bit hash a row. A row's hash
// depends on column names, types and values, not on the order of columns; the
// sum does not depend on the order of rows. Null cells do not count. It is the
// same in every process and for KeepValues and KeepHashes.
//
// # Routes
//
// Journal, counters and faults name routes: cloud.user, cloud.team,
// cloud.permissions, team.get, push.jobs.create, push.jobs.list, push.jobs.get,
// push.jobs.submit, push.jobs.delete, push.chunks.upsert, push.chunks.delete,
// push.chunks.list, continuous.items, continuous.flushes, continuous.buckets,
// ingestion.put, ingestion.multipart, ingestion.abort, jobs.execute, jobs.status,
// models.load, models.loadInfo, pools.list, pools.paged, pools.create, pools.get,
// pools.update, pools.delete, pools.tables, pools.columns, pools.sources,
// pools.source, pools.models, pools.model, pools.jobs, intelligence.models,
// intelligence.model, intelligence.filters, intelligence.records,
// intelligence.record, intelligence.kpis, intelligence.triggers,
// intelligence.trigger, intelligence.data, intelligence.modelData, intelligence.ask,
// subscriptions.create, subscriptions.list, subscriptions.update, subscriptions.delete,
// subscriptions.events, subscriptions.pause, subscriptions.resume,
// subscriptions.resumeFromLatest, subscriptions.replay,
// odata.service, odata.metadata, odata.rows, scim.config, scim.schemas, scim.schema,
// scim.types, scim.type, scim.bulk, scim.users.list, scim.users.search,
// scim.users.create, scim.users.get, scim.users.replace, scim.users.patch,
// scim.users.delete, the same of scim.groups, oauth.token, oauth.authorize, oauth.discovery, and
// unknown for a path that the platform has not.
//
// # Admin API
//
// Under /_sim/, without authentication (Options.NoAdmin switches it off):
//
//	GET    /_sim/state                                     pools, tables with counts, jobs, request counters by route
//	GET    /_sim/journal?limit=                            the last requests, oldest first
//	GET    /_sim/pools/{pool}/tables/{table}               count, columns, hash (?connection= picks a data connection's schema)
//	GET    /_sim/pools/{pool}/tables/{table}/rows          ?offset=&limit=&order=col[&changeDate=true], JSON
//	GET    /_sim/pools/{pool}/tables/{table}/rows.csv      the same as CSV
//	POST   /_sim/faults   GET /_sim/faults   DELETE /_sim/faults[/{id}]
//	POST   /_sim/pools/{pool}/ingestion-tables             what the Data Ingestion app knows of a table
//	PUT    /_sim/scim                                      the switches of SCIM
//	GET    /_sim/scim                                      its users, groups, invitations and writes by kind
//	POST   /_sim/scim/{users|groups}                       adds such as if they had always been there
//	PUT    /_sim/events                                    the switches of event subscriptions
//	POST   /_sim/triggers/{trigger}/events                 lets a trigger find events, an array of {id, identifier, fields}
//	GET    /_sim/subscriptions                             the subscriptions with their callbacks
//	PUT    /_sim/subscriptions/{id}                        {status}: puts one into a status; deleted takes it away
//	POST   /_sim/pools    POST /_sim/keys    POST /_sim/reset
//	POST   /_sim/oauth-clients                             register an OAuth client, answered with its id and secret
//	DELETE /_sim/oauth-clients/{id}/tokens                 end its access tokens; ?grants=true its refresh tokens too
//
// GET /healthz answers 200 once the server answers at all.
package celonissim
