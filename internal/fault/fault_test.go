package fault_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

func TestEveryCodeIsInTheTable(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "codes.go", nil, 0)
	require.NoError(t, err)
	shape := regexp.MustCompile(`^[a-z]+[a-z_]*(\.[a-z0-9_]+)?$`)
	declared := map[fault.Code]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); !ok || kind.Name != "Code" {
			return true
		}
		text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		require.NoError(t, err)
		require.Regexp(t, shape, text)
		require.False(t, declared[fault.Code(text)], "%s stands twice", text)
		declared[fault.Code(text)] = true
		return true
	})
	require.Greater(t, len(declared), 50)
	codes := fault.Codes()
	require.Len(t, codes, len(declared))
	for _, code := range codes {
		require.True(t, declared[code], "%s has no constant", code)
		d := fault.Describe(code)
		require.NotEmpty(t, d.Title, code)
		require.GreaterOrEqual(t, d.Status, 400, code)
		require.LessOrEqual(t, d.Status, 599, code)
	}
}

func TestAStrangerIsInternalAndSaysNothing(t *testing.T) {
	t.Parallel()
	err := errors.New("password is hunter2")
	f := fault.From(err)
	require.Equal(t, fault.Internal, f.Code)
	require.NotContains(t, f.Message, "hunter2")
	require.ErrorIs(t, f, err, "the cause is there for the log")
	require.Equal(t, fault.Later, fault.RetryOf(err))
	require.Equal(t, fault.Describe(fault.Internal), fault.Describe("no.such.code"))
	require.Nil(t, fault.From(nil))
	require.Empty(t, fault.CodeOf(nil))
	require.False(t, fault.Has(nil, fault.Internal))
}

func TestAFaultKeepsItsPartsThroughWrapping(t *testing.T) {
	t.Parallel()
	at := time.Unix(99, 0)
	f := fault.Wrap(io.EOF, fault.CelonisRateLimited, "limit of %d", 250).WithHint("wait %s", "a bit").WithResumeAt(at)
	wrapped := fmt.Errorf("while submitting: %w", f)
	got := fault.From(wrapped)
	require.Equal(t, "limit of 250", got.Message)
	require.Equal(t, "wait a bit", got.Hint)
	require.Equal(t, at, got.ResumeAt)
	require.Equal(t, fault.Wait, fault.RetryOf(wrapped))
	require.ErrorIs(t, wrapped, io.EOF)
	require.ErrorIs(t, wrapped, fault.New(fault.CelonisRateLimited, ""))
	require.NotErrorIs(t, wrapped, fault.New(fault.CelonisServer, ""))
}

func TestWithReturnsACopy(t *testing.T) {
	t.Parallel()
	base := fault.New(fault.CelonisServer, "500")
	_ = base.WithHint("h").WithRetry(fault.Never).WithFields(fault.Field{Pointer: "/a"})
	require.Empty(t, base.Hint)
	require.Empty(t, base.Fields)
	require.Equal(t, fault.Later, base.Retry())
	require.Equal(t, fault.Never, base.WithRetry(fault.Never).Retry())
	require.Equal(t, "celonis.server_error: 500", base.Error())
}
