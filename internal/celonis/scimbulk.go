package celonis

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"path"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/scim"
)

const (
	bulkRef = "bulkId:"
	// mostBulk and mostBulkBytes bound a request to a server that names no bound.
	mostBulk      = 100
	mostBulkBytes = 1 << 20
)

// Bulk does operations in their order, in as few requests as the server's
// limits allow, and gives a result for each that was done. A bulkId may be
// named by any later operation. It ends after failOnErrors results of status
// 400 and more; 0 never ends it. Nothing of it is repeated by itself: with
// CelonisInDoubt the results are those known, and the next operations, as many
// as a request has, may or may not have been done. Fault CelonisRejected for a
// server without Bulk, CelonisTooLarge for an operation larger than it takes.
func (s *SCIM) Bulk(ctx context.Context, operations []scim.BulkOperation, failOnErrors int) ([]scim.BulkResult, error) {
	config, err := s.Config(ctx)
	if err != nil {
		return nil, err
	}
	if !config.Bulk.Supported {
		return nil, fault.New(fault.CelonisRejected, "celonis does not take several operations of scim in one request")
	}
	var done []scim.BulkResult
	made := map[string]string{}
	failed := 0
	for rest := operations; len(rest) > 0; {
		body, n, err := s.bulkBody(rest, config.Bulk, made)
		if err != nil {
			return done, err
		}
		if failOnErrors > 0 {
			body.FailOnErrors = failOnErrors - failed
		}
		results, err := s.bulkOnce(ctx, body)
		done = append(done, results...)
		if err != nil {
			return done, err
		}
		for _, result := range results {
			if result.BulkID != "" && result.Location != "" && result.Status < http.StatusBadRequest {
				made[result.BulkID] = path.Base(result.Location)
			}
			if result.Status >= http.StatusBadRequest {
				failed++
			}
		}
		if failOnErrors > 0 && failed >= failOnErrors {
			return done, nil
		}
		if len(results) != n {
			return done, fault.New(fault.CelonisInDoubt, "celonis answers %d results to %d operations", len(results), n)
		}
		rest = rest[n:]
	}
	return done, nil
}

func (s *SCIM) bulkOnce(ctx context.Context, body scim.BulkRequest) ([]scim.BulkResult, error) {
	k := s.call("do several operations at once", http.MethodPost, "/Bulk")
	k.json = body
	reply, err := s.answer(ctx, k)
	if err != nil {
		if maybeDone(err) {
			return nil, fault.Wrap(err, fault.CelonisInDoubt, "the answer to %d operations of scim was lost", len(body.Operations))
		}
		return nil, err
	}
	var answer scim.BulkResponse
	k.out = &answer
	if err := s.c.decode(k, reply); err != nil {
		return nil, fault.Wrap(err, fault.CelonisInDoubt, "the answer to %d operations of scim cannot be read", len(body.Operations))
	}
	return answer.Operations, nil
}

// bulkBody takes as many operations as fit into a request.
func (s *SCIM) bulkBody(rest []scim.BulkOperation, limits scim.BulkConfig, made map[string]string) (scim.BulkRequest, int, error) {
	const frame = 200
	body := scim.BulkRequest{Schemas: []string{scim.URNBulkRequest}}
	size := frame
	most, mostBytes := cmp.Or(limits.MaxOperations, mostBulk), cmp.Or(limits.MaxPayloadSize, mostBulkBytes)
	for _, operation := range rest {
		if len(body.Operations) == most {
			break
		}
		operation.Path, operation.Data = resolvedPath(operation.Path, made), resolved(operation.Data, made)
		text, err := json.Marshal(operation)
		if err != nil {
			return body, 0, fault.Wrap(err, fault.Internal, "an operation of scim cannot be written as JSON")
		}
		if size += len(text) + 1; size > mostBytes {
			if len(body.Operations) == 0 {
				return body, 0, fault.New(fault.CelonisTooLarge, "an operation of %d bytes is larger than the %d that celonis takes at once", len(text), mostBytes)
			}
			break
		}
		body.Operations = append(body.Operations, operation)
	}
	return body, len(body.Operations), nil
}

// resolvedPath puts the id that was made in the place of a bulkId of an earlier request.
func resolvedPath(at string, made map[string]string) string {
	before, name, found := strings.Cut(at, bulkRef)
	if id := made[name]; found && id != "" {
		return before + id
	}
	return at
}

func resolved(data scim.Resource, made map[string]string) scim.Resource {
	if data == nil || len(made) == 0 {
		return data
	}
	out, _ := resolvedValue(map[string]any(data.Clone()), made).(map[string]any)
	return out
}

func resolvedValue(value any, made map[string]string) any {
	switch v := value.(type) {
	case string:
		if name, isRef := strings.CutPrefix(v, bulkRef); isRef && made[name] != "" {
			return made[name]
		}
	case map[string]any:
		for name, inner := range v {
			v[name] = resolvedValue(inner, made)
		}
	case []any:
		for i, inner := range v {
			v[i] = resolvedValue(inner, made)
		}
	}
	return value
}
