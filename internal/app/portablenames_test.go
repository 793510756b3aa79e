package app_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/config"
	"github.com/stretchr/testify/require"
)

const countries = "code,name\nDE,Germany\nFR,France\n"

// A set-up names flows, files and connections wherever its flows do, those that name each other too, and its notifications.
func TestASetUpKeepsWhatItsFlowsName(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, func(t *testing.T, on func(config.Config) config.Config) {
		sim := apptest.NewSim(t)
		mailing := func(cfg config.Config) config.Config {
			cfg.SMTPURL, cfg.SMTPFrom = crypto.NewSecret("smtp://127.0.0.1:2525"), "connector@example.com"
			return cfg
		}
		from := start(t, mailing(settings(t, sim.URL)))
		pool := from.Connect("Pool", sim)
		first := from.template("audit-log", pool)
		second := from.template("audit-log", pool, set("", map[string]any{"name": "Behind"}), set("import", map[string]any{"table": "BEHIND"}),
			set("export", map[string]any{"delta": map[string]any{"mode": "delta", "behind": first}}))
		from.Call(http.StatusOK, "PATCH", "/v1/flows/"+first, map[string]any{"then": []string{second}}, nil)
		lookup := from.Upload("countries.csv", strings.NewReader(countries))
		from.fileFlow(pool, "LOOKED_UP", "csv", "C\nDE\n", set("", map[string]any{
			"lookups": []map[string]any{{"name": "country", "fileId": lookup, "format": "csv", "key": "code", "value": "name"}},
			"mapping": []map[string]any{{"to": "C", "lookup": map[string]any{"table": "country"}}},
		}))
		hook := webhookTo(sim.URL, "runFailed")
		hook["flowIds"] = []string{first, second}
		from.notification(hook)
		from.notification(map[string]any{"name": "mail", "type": "email", "events": []string{"runFailed"}, "to": []string{"ops@example.com"}})

		exported := from.Send("GET", "/v1/config/export", nil)
		require.Equal(t, http.StatusOK, exported.Status, "%s", exported.Body)
		for _, id := range []string{pool, first, second, lookup, sim.AppKey, markedSigning} {
			require.NotContains(t, string(exported.Body), id)
		}
		var doc struct {
			Notifications []map[string]any
		}
		require.NoError(t, json.Unmarshal(exported.Body, &doc))
		require.Equal(t, []any{"Celonis audit log", "Behind"}, doc.Notifications[0]["flows"])
		for _, told := range from.importing("", exported.Body).told() {
			require.Contains(t, told, " unchanged")
		}

		to := start(t, on(mailing(settings(t, sim.URL))))
		want := []string{
			"connection Pool create", "flow Celonis audit log create", "flow Behind create",
			"flow flow to LOOKED_UP conflict /export/file:file.not_found /lookups/0/file:file.not_found",
			"notification hook conflict /secret:request.field_missing", "notification mail create",
		}
		dry := to.importing("?dryRun=true", exported.Body)
		require.Equal(t, want, dry.told())
		require.Contains(t, dry.Items[3].Errors[1].Detail, `no uploaded file "countries.csv" with the SHA-256 `)
		require.Equal(t, want, to.importing("", exported.Body).told())
		flowIDs := to.flowIDs()
		require.Equal(t, []any{flowIDs["Behind"]}, to.flowSpec(flowIDs["Celonis audit log"])["then"])
		require.Equal(t, flowIDs["Celonis audit log"], part(part(to.flowSpec(flowIDs["Behind"]), "export"), "delta")["behind"])

		// What is missing is made by hand; then the document stands whole.
		to.Upload("anything.csv", strings.NewReader("C\nDE\n"))
		to.Upload("of another name.csv", strings.NewReader(countries))
		named := to.Upload("countries.csv", strings.NewReader(countries))
		other := webhookTo(sim.URL, "connectionOffline")
		to.notification(other)
		require.Equal(t, []string{
			"connection Pool unchanged", "flow Celonis audit log unchanged", "flow Behind unchanged", "flow flow to LOOKED_UP create",
			"notification hook update events flowIds", "notification mail update enabled",
		}, to.importing("", exported.Body).told())
		lookedUp := to.flowSpec(to.flowIDs()["flow to LOOKED_UP"])
		require.Equal(t, named, lookedUp["lookups"].([]any)[0].(map[string]any)["fileId"], "of two files with the content that of the name")
		for _, told := range to.importing("", exported.Body).told() {
			require.Contains(t, told, " unchanged")
		}
	})
}

// A flow that names one which cannot be taken in is there without it, and says so.
func TestASetUpWithAFlowThatCannotCome(t *testing.T) {
	t.Parallel()
	sim := apptest.NewSim(t)
	s := begin(t, sim)
	s.Connect("Pool", sim)
	flow := func(name string, more map[string]any) map[string]any {
		f := map[string]any{"name": name, "export": map[string]any{"type": "records"}, "import": map[string]any{"type": "dataPush", "connection": "Pool", "table": "T"}}
		set("", more)(f)
		return f
	}
	doc := map[string]any{"version": 1, "flows": []any{
		flow("first", map[string]any{"then": []string{"second"}}),
		flow("second", map[string]any{"maxErrors": map[string]any{"count": -1}}),
		flow("third", map[string]any{"then": []string{"Nobody"}}),
	}}
	for _, query := range []string{"?dryRun=true", ""} {
		done := s.importing(query, doc)
		require.Equal(t, "flow first conflict /then/0:request.field_invalid", done.told()[0])
		require.Equal(t, query == "", done.Items[0].Applied)
		require.Contains(t, done.told()[1], "flow second conflict")
		require.Equal(t, "flow third conflict /then/0:request.field_invalid", done.told()[2])
	}
	require.Len(t, s.flowIDs(), 1)
}

// flowIDs gives the flows by their names.
func (s *service) flowIDs() map[string]string {
	s.t.Helper()
	var list struct{ Items []struct{ ID, Name string } }
	s.Call(http.StatusOK, "GET", "/v1/flows", nil, &list)
	ids := map[string]string{}
	for _, f := range list.Items {
		ids[f.Name] = f.ID
	}
	return ids
}

// flowSpec gives a flow as it is read.
func (s *service) flowSpec(id string) (spec map[string]any) {
	s.t.Helper()
	s.Call(http.StatusOK, "GET", "/v1/flows/"+id, nil, &spec)
	return spec
}
