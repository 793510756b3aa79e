package app

import (
	"context"
	"errors"
	"fmt"
)

// stack is what has to be undone, in the order it was done.
type stack struct{ steps []step }

type step struct {
	name string
	undo func(context.Context) error
}

// push adds a step that pop will undo before all earlier ones.
func (s *stack) push(name string, undo func(context.Context) error) {
	s.steps = append(s.steps, step{name, undo})
}

// unwind undoes every step, the last first, although some fail.
func (s *stack) unwind(ctx context.Context) error {
	var all []error
	for i := len(s.steps) - 1; i >= 0; i-- {
		if err := s.steps[i].undo(ctx); err != nil {
			all = append(all, fmt.Errorf("stop %s: %w", s.steps[i].name, err))
		}
	}
	s.steps = nil
	return errors.Join(all...)
}
