package celonis

import (
	"context"

	"github.com/celonis-connector/connector/connections"
)

// provisioning takes the step scim of a connection that asks for the scope of
// it: whether the team has SCIM switched on, and the client may use it.
func (r *testRun) provisioning(ctx context.Context, client *Client) {
	if r.target.OAuth == nil || !may(r.target.OAuth.Scopes, connections.ProvisionUsers) {
		return
	}
	if err := expired(ctx, client.SCIM().Probe(ctx)); err != nil {
		r.fail(stepSCIM, err)
		return
	}
	r.ok(stepSCIM, "users and groups can be provisioned by SCIM")
}
