package archtest_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// restraint is something of a package that only some may use.
type restraint struct {
	pkg   string
	names []string
	// in lists the packages that may, tests whether test files are looked at, or instead of, the sources.
	in      []string
	sources bool
	tests   bool
	why     string
}

var restraints = []restraint{
	{
		pkg: "os", names: []string{"Getenv", "LookupEnv", "Environ", "ExpandEnv", "Setenv", "Unsetenv"},
		in: []string{"internal/config", "internal/app", "cmd", "internal/testservers"}, sources: true,
		why: "only the top reads the environment",
	},
	{
		pkg: "time", names: []string{"Sleep"}, tests: true,
		why: "a test waits for a signal, not for a time",
	},
	{
		pkg: "time", names: []string{"Sleep"}, sources: true,
		why: "a wait must end with its context",
	},
	{
		pkg: "net/http", names: []string{"DefaultClient", "DefaultTransport", "Get", "Post", "PostForm", "Head"}, sources: true,
		why: "every outgoing call goes through the egress transport",
	},
	{
		pkg: "net", names: []string{"Dial", "DialTimeout", "DialTCP", "Dialer"}, in: []string{"internal/egress", "internal/testservers", "internal/doctor"}, sources: true,
		why: "one dialer checks every address",
	},
	{
		pkg: "math/rand", names: []string{"Int", "Intn", "Float64", "Read", "New"}, sources: true,
		why: "math/rand/v2 or crypto/rand",
	},
}

func TestOnlySomeMay(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		for _, r := range restraints {
			if slices.ContainsFunc(r.in, func(may string) bool { return under(p.name(), may) }) {
				continue
			}
			if r.sources {
				forbid(t, p.sources(), r)
			}
			if r.tests {
				forbid(t, p.tests(), r)
			}
		}
	}
}

func forbid(t *testing.T, files []string, r restraint) {
	t.Helper()
	for _, file := range files {
		for _, place := range uses(t, file, r) {
			t.Errorf("%s: %s", place, r.why)
		}
	}
}

// uses finds the places in a file that name a restrained member of the package.
func uses(t *testing.T, file string, r restraint) (places []string) {
	t.Helper()
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, file, nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	as := ""
	for _, i := range tree.Imports {
		if path, _ := strconv.Unquote(i.Path.Value); path != r.pkg {
			continue
		}
		as = r.pkg[lastSlash(r.pkg)+1:]
		if i.Name != nil {
			as = i.Name.Name
		}
	}
	if as == "" {
		return nil
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := s.X.(*ast.Ident); ok && x.Name == as && slices.Contains(r.names, s.Sel.Name) {
			places = append(places, set.Position(s.Pos()).String()+" uses "+r.pkg+"."+s.Sel.Name)
		}
		return true
	})
	return places
}

func lastSlash(s string) int {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == '/' {
			return i
		}
	}
	return -1
}

// The scan must find what is there, or an empty result would mean nothing.
func TestScanFindsUses(t *testing.T) {
	t.Parallel()
	require.NotEmpty(t, uses(t, "sources_test.go", restraint{pkg: "go/parser", names: []string{"ParseFile"}}))
	require.Empty(t, uses(t, "sources_test.go", restraint{pkg: "go/parser", names: []string{"ParseDir"}}))
}

// No init functions: what a package needs is made by who uses it.
func TestNoInit(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		for _, file := range p.sources() {
			set := token.NewFileSet()
			tree, err := parser.ParseFile(set, file, nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			for _, d := range tree.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
					t.Errorf("%s has an init function", set.Position(f.Pos()))
				}
			}
		}
	}
}
