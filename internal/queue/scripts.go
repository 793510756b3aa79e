package queue

import "github.com/redis/go-redis/v9"

// Every script gets KEYS[1] = the stream of messages {run: id}, and KEYS[2] =
// the hash run id -> message id. A stream or group that is not there (after a
// flush) is an error with NOGROUP unless a script says otherwise.

// pushScript adds a message for each id unless one waits that no consumer holds.
// A hash entry whose message is gone counts as none, so that the hash can be
// wrong without losing an id.
//
//	ARGV: group, run id ...
//	returns: the number of messages added
var pushScript = redis.NewScript(`
local added = 0
for i = 2, #ARGV do
  local id = redis.call('HGET', KEYS[2], ARGV[i])
  local waits = false
  if id and #redis.call('XRANGE', KEYS[1], id, id) > 0 then
    local held = redis.pcall('XPENDING', KEYS[1], ARGV[1], id, id, 1)
    waits = held.err ~= nil or #held == 0
  end
  if not waits then
    id = redis.call('XADD', KEYS[1], '*', 'run', ARGV[i])
    redis.call('HSET', KEYS[2], ARGV[i], id)
    added = added + 1
  end
end
return added`)

// reclaimScript gives the consumer the oldest message whose lease is over.
//
//	ARGV: group, consumer, lease in ms
//	returns: {message id, run id, deliveries}, or {} when there is none
var reclaimScript = redis.NewScript(`
local from = '0-0'
repeat
  local claimed = redis.call('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], from, 'COUNT', 1)
  from = claimed[1]
  local message = claimed[2][1]
  if message then
    local held = redis.call('XPENDING', KEYS[1], ARGV[1], message[1], message[1], 1)
    return {message[1], message[2][2], held[1][4]}
  end
until from == '0-0'
return {}`)

// ownership is the start of every script on a lease. A consumer name is not
// enough to own a message: a process that slept through its lease can find
// that it took the message again itself, in another goroutine. The number of
// deliveries tells the two leases apart.
//
//	ARGV: group, message id, run id, consumer, deliveries
//	returns: 0 another lease holds the message, -1 Redis does not know the message
const ownership = `
local held = redis.pcall('XPENDING', KEYS[1], ARGV[1], ARGV[2], ARGV[2], 1)
if held.err then
  if string.find(held.err, 'NOGROUP', 1, true) then return -1 end
  return held
end
if #held == 0 then return -1 end
if held[1][2] ~= ARGV[4] or held[1][4] ~= tonumber(ARGV[5]) then return 0 end
local function forget()
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
  redis.call('XDEL', KEYS[1], ARGV[2])
  if redis.call('HGET', KEYS[2], ARGV[3]) == ARGV[2] then redis.call('HDEL', KEYS[2], ARGV[3]) end
end
`

// extendScript starts the lease anew. RETRYCOUNT keeps the number of deliveries
// as it is, which is the lease's mark.
//
//	ARGV, returns: as ownership, and 1 when done
var extendScript = redis.NewScript(ownership + `
redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[4], 0, ARGV[2], 'RETRYCOUNT', ARGV[5], 'JUSTID')
return 1`)

// doneScript removes the message.
//
//	ARGV, returns: as ownership, and 1 when done
var doneScript = redis.NewScript(ownership + `
forget()
return 1`)

// returnScript removes the message and adds a new one at the end, unless the id
// waits already by a later push.
//
//	ARGV, returns: as ownership, and 1 when done
var returnScript = redis.NewScript(ownership + `
forget()
if redis.call('HEXISTS', KEYS[2], ARGV[3]) == 0 then
  redis.call('HSET', KEYS[2], ARGV[3], redis.call('XADD', KEYS[1], '*', 'run', ARGV[3]))
end
return 1`)

// depthScript counts; a stream or group that is not there counts as empty.
//
//	ARGV: group
//	returns: {messages, messages that consumers hold}
var depthScript = redis.NewScript(`
local held = redis.pcall('XPENDING', KEYS[1], ARGV[1])
return {redis.call('XLEN', KEYS[1]), held.err and 0 or held[1]}`)

// leaveScript removes a consumer that holds nothing.
//
//	ARGV: group, consumer
//	returns: 1 when removed, else 0
var leaveScript = redis.NewScript(`
local held = redis.pcall('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2])
if held.err or #held > 0 then return 0 end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
return 1`)

// pruneScript removes consumers that hold nothing and have not asked for long:
// processes that died. Removing one that lives does no harm, for Redis makes it
// again when it asks.
//
//	ARGV: group, idle time in ms
//	returns: the number removed
var pruneScript = redis.NewScript(`
local removed = 0
for _, fields in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local consumer = {}
  for i = 1, #fields, 2 do consumer[fields[i]] = fields[i + 1] end
  if consumer.pending == 0 and consumer.idle > tonumber(ARGV[2]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer.name)
    removed = removed + 1
  end
end
return removed`)
