package httpapi

import (
	"context"
	"errors"
	"net/http"

	"github.com/celonis-connector/connector/internal/fault"
)

// usable is a service of things that others may use: connections, OAuth clients.
type usable[T, U any] interface {
	Get(ctx context.Context, workspace, id string) (*T, error)
	Delete(ctx context.Context, workspace, id string, revision int64) error
	UsedBy(ctx context.Context, workspace, id string) ([]U, error)
}

// deleteUsed deletes what the caller's If-Match allows, and answers inUse with
// the list of those who use it.
func deleteUsed[T, U any](r *call, id string, s usable[T, U], inUse fault.Code, revisionOf func(*T) int64) (reply, error) {
	ctx, workspace := r.ctx(), r.who.Workspace
	revision, err := r.ifMatch().expected(func() (int64, error) {
		t, err := s.Get(ctx, workspace, id)
		if err != nil {
			return 0, err
		}
		return revisionOf(t), nil
	})
	if err != nil {
		return reply{}, err
	}
	err = s.Delete(ctx, workspace, id, revision)
	if fault.Has(err, inUse) {
		users, usersErr := s.UsedBy(ctx, workspace, id)
		if usersErr != nil {
			return reply{}, errors.Join(err, usersErr)
		}
		return reply{}, usedError{err, users}
	}
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusNoContent}, nil
}
