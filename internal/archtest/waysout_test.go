package archtest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// wayOut is something by which code can open a connection, resolve a name or
// start what does. Only the places listed may name it, each for its reason.
type wayOut struct {
	pkg string
	// names are members of the package; nil is every one.
	names []string
	// places are packages (with those below them) or files, by path within the module.
	places map[string]string
}

// The places that are allowed more than once.
const (
	isTheDialer = "the one dialer: it checks every address"
	isALibrary  = "the driver dials by the function that it is handed: the egress dialer"
	forTests    = "starts servers for tests"
	simulator   = "the simulator is a program of its own, without secrets of anybody"
	ownDatabase = "the operator's own database, which no API caller can name"
	ownRedis    = "the operator's own Redis, which no API caller can name"
	ownAPI      = "a command of this program that calls the program's own API on this machine"
	isTheServer = "the listening side of the API"
	probesOwn   = "asks the service on this machine for its health"
	byTransport = "the library calls over the transport that it is handed: the egress one"
)

var waysOut = []wayOut{
	{"net", []string{
		"Dial", "DialTimeout", "DialTCP", "DialUDP", "DialIP", "DialUnix", "Dialer", "DefaultResolver", "Resolver", "LookupHost", "LookupIP", "LookupAddr",
		"LookupCNAME", "LookupMX", "LookupNS", "LookupPort", "LookupSRV", "LookupTXT", "FileConn", "ResolveTCPAddr", "ResolveUDPAddr", "ResolveIPAddr",
	}, map[string]string{
		"internal/egress": isTheDialer,
	}},
	{"net", []string{"Listen", "ListenTCP", "ListenUDP", "ListenPacket", "ListenUnix", "ListenConfig", "FileListener"}, map[string]string{
		"internal/app/start.go": isTheServer, "cmd/connector/demo.go": "looks whether the usual port is free", "internal/celonissim": simulator, "internal/testservers": forTests,
	}},
	{"net/http", []string{"DefaultClient", "DefaultTransport", "Get", "Post", "PostForm", "Head", "ProxyFromEnvironment", "ProxyURL", "ListenAndServe", "ListenAndServeTLS"}, nil},
	{"net/http", []string{"Transport", "NewClientConn"}, map[string]string{
		"internal/egress": isTheDialer, "cmd/connector/apiclient.go": ownAPI, "cmd/connector/bench.go": ownAPI, "cmd/connector/doctor.go": probesOwn,
		"cmd/celonis-sim/health.go": simulator, "internal/celonissim/subscriptionsend.go": simulator, "internal/apptest": forTests,
	}},
	{"crypto/tls", []string{"Dial", "DialWithDialer", "Dialer"}, nil},
	{"crypto/tls", []string{"Client"}, map[string]string{
		"internal/egress": isTheDialer, "internal/notify/mail.go": "shakes hands over the connection that it is handed",
	}},
	{"database/sql", []string{"Open", "OpenDB"}, map[string]string{
		"internal/store": ownDatabase, "internal/testservers": forTests,
		"internal/sqlsource/mysql.go": isALibrary, "internal/sqlsource/sqlserver.go": isALibrary,
		"internal/sqlsource/sqlite.go": "a file below the folder that the operator names",
	}},
	{"net/smtp", []string{"Dial", "SendMail"}, nil},
	{"net/rpc", nil, nil},
	{"net/http/httputil", []string{"ReverseProxy", "NewSingleHostReverseProxy", "NewClientConn", "NewProxyClientConn"}, nil},
	{"log/syslog", nil, nil},
	{"plugin", nil, nil},
	{"syscall", []string{"Socket", "Connect", "Exec", "ForkExec", "StartProcess", "RawSyscall", "Syscall"}, nil},
	{"golang.org/x/sys/unix", []string{"Socket", "Connect"}, nil},
	{"os/exec", nil, map[string]string{
		"cmd/connector/bench.go": "runs this program as the peer of a measurement",
		"internal/testservers":   forTests,
	}},
	{"os", []string{"StartProcess"}, nil},
}

// netModule is a module of elsewhere that stands on package net, and so could
// open a connection. What is not listed may not be imported.
type netModule struct {
	module string
	// places are the packages that may import it; nil is every one.
	places []string
	why    string
}

var netModules = []netModule{
	// Clients.
	{"github.com/redis/go-redis/v9", []string{"internal/queue", "internal/doctor", "internal/testservers"}, ownRedis},
	{"github.com/alicebob/miniredis/v2", []string{"internal/queue"}, "the embedded Redis: it listens on loopback and calls nobody"},
	{"github.com/jackc/pgx/v5", []string{"internal/store", "internal/testservers"}, ownDatabase},
	{"github.com/jackc/pgx/v5/pgconn", []string{"internal/sqlsource", "internal/store"}, isALibrary},
	{"github.com/jackc/pgx/v5/pgtype", []string{"internal/sqlsource"}, "reads values; opens nothing"},
	{"github.com/go-sql-driver/mysql", []string{"internal/sqlsource", "internal/testservers"}, isALibrary},
	{"github.com/microsoft/go-mssqldb", []string{"internal/sqlsource"}, isALibrary},
	{"github.com/minio/minio-go/v7", []string{"internal/celonis", "internal/outside"}, byTransport},
	{"golang.org/x/oauth2", []string{"internal/celonis", "internal/outside"}, byTransport},
	{"github.com/coreos/go-oidc/v3", []string{"internal/access"}, byTransport},
	{"modernc.org/sqlite", []string{"internal/store", "internal/sqlsource"}, "reads and writes files; its C library's net is not reached"},

	// The listening side.
	{"github.com/gin-gonic/gin", []string{"internal/httpapi"}, isTheServer},
	{"github.com/swaggest/swgui", []string{"internal/httpapi"}, isTheServer},
	{"github.com/prometheus/client_golang", []string{"internal/telemetry"}, "counts, and answers GET /metrics"},

	// What has the types of net or net/http in its own and opens nothing.
	{"github.com/google/uuid", nil, "reads the addresses of interfaces"},
	{"github.com/golang-jwt/jwt/v5", []string{"internal/access"}, "takes tokens out of requests"},
	{"github.com/go-playground/validator/v10", []string{"internal/validate"}, "checks the form of addresses; the tags that look hosts up are not used"},
	{"github.com/spf13/cobra", []string{"cmd"}, "has flags for addresses"},
	{"github.com/spf13/pflag", []string{"cmd"}, "has flags for addresses"},
	{"github.com/schollz/progressbar/v3", []string{"cmd/connector"}, "can answer requests for its state, which is not used"},
	{"github.com/parquet-go/parquet-go", []string{"cmd/connector", "internal/celonissim"}, "reads files"},
	{"github.com/andybalholm/brotli", []string{"internal/columns"}, "can compress answers of a server"},
	{"github.com/stretchr/testify", []string{"internal/store/storetest", "internal/apptest"}, forTests},
}

// places that a file is in: its own path and its package's.
func allowed(places map[string]string, p *goPackage, file string) bool {
	name := filepath.ToSlash(filepath.Join(p.name(), filepath.Base(file)))
	for place := range places {
		if place == name || under(p.name(), place) {
			return true
		}
	}
	return false
}

// TestOnlyTheEgressDials: no code but the listed places names anything that
// dials, resolves, or starts another program.
func TestOnlyTheEgressDials(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	for _, p := range packages(t) {
		for _, file := range p.sources() {
			text := parse(t, file)
			for i, w := range waysOut {
				found := text.members(w.pkg, w.names)
				if len(found) == 0 {
					continue
				}
				if !allowed(w.places, &p, file) {
					t.Errorf("%s: only the egress dials; the table waysOut has no place for it", strings.Join(found, ", "))
				}
				for place := range w.places {
					if allowed(map[string]string{place: ""}, &p, file) {
						used[strconv.Itoa(i)+place] = true
					}
				}
			}
		}
	}
	for i, w := range waysOut {
		for place, why := range w.places {
			require.NotEmpty(t, why, place)
			require.True(t, used[strconv.Itoa(i)+place], "waysOut allows %s for %s, which does not use it", w.pkg, place)
		}
	}
}

// source is a file of Go.
type source struct {
	file string
	set  *token.FileSet
	tree *ast.File
}

func parse(t *testing.T, file string) source {
	t.Helper()
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, file, nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	return source{file, set, tree}
}

// imported tells under which name the file imports a package, "" for not at all.
func (s source) imported(pkg string) (as string) {
	for _, i := range s.tree.Imports {
		if path, _ := strconv.Unquote(i.Path.Value); path == pkg {
			as = pkg[strings.LastIndexByte(pkg, '/')+1:]
			if i.Name != nil {
				as = i.Name.Name
			}
		}
	}
	return as
}

// members finds where a file names members of a package; with no names, every
// one of them, and the import itself where it is blank.
func (s source) members(pkg string, names []string) (places []string) {
	as := s.imported(pkg)
	switch as {
	case "":
		return nil
	case ".":
		return []string{s.file + " imports " + pkg + " without a name"}
	case "_":
		if names == nil {
			return []string{s.file + " imports " + pkg}
		}
		return nil
	}
	ast.Inspect(s.tree, func(n ast.Node) bool {
		member, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		x, ok := member.X.(*ast.Ident)
		if ok && x.Name == as && (names == nil || slices.Contains(names, member.Sel.Name)) {
			places = append(places, s.set.Position(member.Pos()).String()+" uses "+pkg+"."+member.Sel.Name)
		}
		return true
	})
	return places
}

// copiedClients are the places that hold a client by value.
var copiedClients = map[string]string{"internal/httpsink/sender.go": "a copy of the client that it is handed", "internal/httpsource/client.go": "a copy of the client that it is handed"}

// TestNoClientWithoutATransport: an http.Client that is given no transport
// dials by itself. It is only ever written with one, or pointed to.
func TestNoClientWithoutATransport(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, p := range packages(t) {
		for _, file := range p.sources() {
			text := parse(t, file)
			as := text.imported("net/http")
			if as == "" {
				continue
			}
			bare, whole := clients(text.tree, as)
			seen += whole
			for _, at := range bare {
				if allowed(copiedClients, &p, file) {
					continue
				}
				t.Errorf("%s: an http.Client without a Transport dials past the egress", text.set.Position(at))
			}
		}
	}
	require.Greater(t, seen, 3, "the scan finds clients")
}

// clients finds the places that make an http.Client without a transport, and counts those that give it one.
func clients(tree *ast.File, as string) (bare []token.Pos, whole int) {
	isClient := func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if !ok || s.Sel.Name != "Client" {
			return false
		}
		x, ok := s.X.(*ast.Ident)
		return ok && x.Name == as
	}
	fine := map[ast.Node]bool{} // mentions that make none, or one with a transport
	ast.Inspect(tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.StarExpr:
			fine[n.X] = true
		case *ast.CompositeLit:
			if n.Type != nil && isClient(n.Type) && hasTransport(n) {
				fine[n.Type] = true
				whole++
			}
		}
		if n != nil && isClient(n) && !fine[n] {
			bare = append(bare, n.Pos())
		}
		return true
	})
	return bare, whole
}

func hasTransport(literal *ast.CompositeLit) bool {
	for _, element := range literal.Elts {
		pair, ok := element.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		key, isName := pair.Key.(*ast.Ident)
		value, isIdent := pair.Value.(*ast.Ident)
		if isName && key.Name == "Transport" {
			return !isIdent || value.Name != "nil"
		}
	}
	return false
}

// The scan must find what is there, or an empty result would mean nothing.
func TestClientScan(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]int{
		`var c = http.Client{}`:                                                 1,
		`var c = &http.Client{Timeout: 1}`:                                      1,
		`var c = &http.Client{Transport: nil}`:                                  1,
		`var c http.Client`:                                                     1,
		`var c = new(http.Client)`:                                              1,
		`type s struct{ http.Client }`:                                          1,
		`type s struct{ c http.Client }`:                                        1,
		`type s struct{ c *http.Client }`:                                       0,
		`func f(c *http.Client) *http.Client { return c }`:                      0,
		`func f(r http.RoundTripper) any { return &http.Client{Transport: r} }`: 0,
		`var c = []http.Client{{}}`:                                             1,
	} {
		tree, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x\nimport \"net/http\"\n"+source, parser.SkipObjectResolution)
		require.NoError(t, err)
		bare, _ := clients(tree, "http")
		require.Len(t, bare, want, source)
	}
}

// TestWaysOutScan holds the scan of members against what it must find.
func TestWaysOutScan(t *testing.T) {
	t.Parallel()
	require.NotEmpty(t, parse(t, "waysout_test.go").members("os/exec", nil))
	require.NotEmpty(t, parse(t, "waysout_test.go").members("go/parser", []string{"ParseFile"}))
	require.Empty(t, parse(t, "waysout_test.go").members("net", nil))
}

// networked are the packages that the module's code imports from elsewhere and
// that stand on package net, with who imports them.
func networked(t *testing.T) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-e", "-json=ImportPath,Imports,Deps,Standard", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	require.NoError(t, err)
	type listed struct {
		ImportPath    string
		Imports, Deps []string
		Standard      bool
	}
	all := map[string]listed{}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else {
			require.NoError(t, err)
		}
		all[p.ImportPath] = p
	}
	found := map[string][]string{}
	for path, p := range all {
		if !isOurs(path) {
			continue
		}
		for _, i := range p.Imports {
			if !isOurs(i) && !all[i].Standard && slices.Contains(all[i].Deps, "net") {
				found[i] = append(found[i], local(path))
			}
		}
	}
	return found
}

// TestPackagesThatCouldDial: what stands on package net is imported only where
// a reason says what keeps it from dialing by itself.
func TestPackagesThatCouldDial(t *testing.T) {
	t.Parallel()
	found := networked(t)
	require.NotEmpty(t, found)
	used := map[string]bool{}
	for path, importers := range found {
		m, ok := moduleOf(path)
		if !ok {
			t.Errorf("%q import %s, which stands on package net and is not in netModules", importers, path)
			continue
		}
		require.NotEmpty(t, m.why, m.module)
		for _, importer := range importers {
			fits := m.places == nil
			for _, place := range m.places {
				if under(importer, place) {
					fits, used[m.module+" "+place] = true, true
				}
			}
			if !fits {
				t.Errorf("%s imports %s, which netModules does not allow there", importer, path)
			}
		}
	}
	for _, m := range netModules {
		for _, place := range m.places {
			if !used[m.module+" "+place] {
				t.Errorf("netModules allows %s for %s, which does not import it", m.module, place)
			}
		}
	}
}

// moduleOf gives the line of netModules that fits a package best.
func moduleOf(path string) (best netModule, ok bool) {
	for _, m := range netModules {
		if under(path, m.module) && len(m.module) > len(best.module) {
			best, ok = m, true
		}
	}
	return best, ok
}
