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
	case ImportSCIMUsers, ImportSCIMGroups:
		return []connections.Operation{connections.ProvisionUsers}
	}
	return nil
}

// Operations lists what the flow does in Celonis through its export's
// connection; nothing for an export that reads something else.
func (e Export) Operations() []connections.Operation {
	switch e.Type {
	case ExportAuditLog:
		return []connections.Operation{connections.ReadAuditLog}
	case ExportLoginHistory:
		return []connections.Operation{connections.ReadLoginHistory}
	case ExportMembers:
		return []connections.Operation{connections.ReadMembers}
	case ExportPermissions:
		return []connections.Operation{connections.ReadPermissions}
	case ExportAdoption:
		return []connections.Operation{connections.ReadAdoption}
	case ExportPQL:
		return []connections.Operation{connections.QueryDataModels}
	case ExportMCPTool:
		return []connections.Operation{connections.RunTools}
	case ExportEventSubscription:
		return []connections.Operation{connections.SubscribeToEvents}
	case ExportSCIMUsers, ExportSCIMGroups:
		return []connections.Operation{connections.ProvisionUsers}
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
		var done []connections.Operation
		if f.Import.ConnectionID == connectionID {
			done = append(done, f.Import.Operations()...)
		}
		if f.Export.ConnectionID == connectionID {
			done = append(done, f.Export.Operations()...)
		}
		if f.AsksThrough(connectionID) {
			done = append(done, connections.AskProcessCopilot)
		}
		if f.Import.ConnectionID == connectionID || len(done) > 0 {
			uses = append(uses, connections.OperationUse{Usage: user, Operations: slices.Compact(done)})
		}
	}
	return uses, nil
}
