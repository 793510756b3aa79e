package flows

import (
	"context"
	"slices"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/internal/fault"
)

// Operations lists what the flow does in Celonis through its import's
// connection, as far as scopes allow it. Standard Data Ingestion has access
// keys of its own and needs none.
func (i Import) Operations() []connections.Operation {
	switch i.Type {
	case ImportDataPush:
		return []connections.Operation{connections.PushRows}
	case ImportContinuousPush:
		return []connections.Operation{connections.PushContinuously}
	}
	return nil
}

// ConnectionUsers lists the flows that use a connection.
type ConnectionUsers interface {
	ConnectionUsers(ctx context.Context, workspace, id string) ([]connections.Usage, error)
}

// Uses tells what the flows of a connection do in Celonis.
type Uses struct {
	Users ConnectionUsers
	Flows FlowStore
}

var _ connections.OperationUses = Uses{}

// OperationUses implements connections.OperationUses. A flow that goes away meanwhile is left out.
func (u Uses) OperationUses(ctx context.Context, workspace, connectionID string) ([]connections.OperationUse, error) {
	users, err := u.Users.ConnectionUsers(ctx, workspace, connectionID)
	if err != nil {
		return nil, err
	}
	var uses []connections.OperationUse
	for _, user := range users {
		f, err := u.Flows.Flow(ctx, workspace, user.FlowID)
		if fault.Has(err, fault.FlowNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if f.Import.ConnectionID == connectionID {
			uses = append(uses, connections.OperationUse{Usage: user, Operations: slices.Clone(f.Import.Operations())})
		}
	}
	return uses, nil
}
