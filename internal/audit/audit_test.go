package audit_test

import (
	"testing"

	"github.com/celonis-connector/connector/internal/audit"
	"github.com/stretchr/testify/require"
)

func TestChangedNamesMembersAndNoValues(t *testing.T) {
	t.Parallel()
	type thing struct {
		Name  string   `json:"name"`
		Inner []string `json:"inner,omitempty"`
		Gone  string   `json:"gone,omitempty"`
	}
	got, err := audit.Changed(thing{Name: "a", Gone: "x"}, thing{Name: "b", Inner: []string{"1"}})
	require.NoError(t, err)
	require.Equal(t, []string{"gone", "inner", "name"}, got)
	got, err = audit.Changed(thing{Name: "a"}, thing{Name: "a"})
	require.NoError(t, err)
	require.Empty(t, got)
	_, err = audit.Changed(func() {}, thing{})
	require.Error(t, err)
}

func TestWhoActs(t *testing.T) {
	t.Parallel()
	require.Equal(t, audit.Actor{ID: audit.System}, audit.By(t.Context()))
	who := audit.Actor{ID: "client", RequestID: "r"}
	require.Equal(t, who, audit.By(audit.As(t.Context(), who)))
}
