package app_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/internal/apptest"
	"github.com/celonis-connector/connector/internal/celonissim"
	"github.com/celonis-connector/connector/internal/config"
)

// The parts of the simulator's pool that imports name.
const (
	dataJob, dataModel = "data-job", "data-model"
	dataSource         = "aaaaaaaa-2222-3333-4444-555555555555"
	accessKeyID        = "ACCESSKEYOFTHEIMPORTS"
	secretAccessKey    = "secret-of-the-access-key-of-the-imports"
)

func newImportSim(t testing.TB) *apptest.Sim {
	return apptest.NewSim(t, func(o *celonissim.Options) {
		p := &o.Teams[0].Pools[0]
		p.DataJobs, p.DataModels = []celonissim.Named{{ID: dataJob, Name: "Job"}}, []celonissim.Named{{ID: dataModel, Name: "Model"}}
		p.DataSources = []celonissim.Named{{ID: dataSource, Name: "ERP"}}
		p.IngestionKeys = []celonissim.IngestionKey{{AccessKeyID: accessKeyID, SecretAccessKey: secretAccessKey}}
		p.IngestionTables = []celonissim.IngestionTable{{Connection: dataSource, Table: "INGESTED", Keys: []string{"ID"}, AgeColumn: "N"}}
	})
}

// importFlow is a flow of a CSV "id,n" into a table; more are further members of its import.
func importFlow(c *apptest.Client, name, connection, csv string, more map[string]any) map[string]any {
	spec := apptest.FileFlow(name, c.Upload("rows.csv", strings.NewReader(csv)), "csv", connection, name)
	spec["mapping"] = []map[string]any{{"to": "ID", "from": "id", "type": "integer"}, {"to": "N", "from": "n", "type": "integer"}}
	for key, value := range more {
		if value == nil {
			delete(spec["import"].(map[string]any), key)
			continue
		}
		spec["import"].(map[string]any)[key] = value
	}
	return spec
}

// TestImports goes through what an import may say, from the API to the table.
func TestImports(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, importsOn)
}

func importsOn(t *testing.T, on func(config.Config) config.Config) {
	sim := newImportSim(t)
	c := start(t, on(settings(t, sim.URL))).Client
	connection := c.Connect("pool", sim)
	const doubled = "id,n\n1,5\n2,1\n1,7\n1,6\n"

	t.Run("delta and delete", func(t *testing.T) {
		c := c.For(t)
		r := c.Do(c.Flow(importFlow(c, "UPSERTED", connection, doubled, map[string]any{"mode": "delta", "keys": []string{"ID"}, "orderBy": "N"})))
		require.Equal(t, "succeeded", r.State, "%+v", r.Error)
		require.Equal(t, [4]int64{4, 2, 2, 0}, [4]int64{r.Ledger.Read, r.Ledger.Filtered, r.Ledger.Pushed, r.Ledger.Errored})
		require.ElementsMatch(t, []string{"7", "1"}, apptest.Column(sim.MustTable("UPSERTED"), "N"))

		gone := importFlow(c, "UPSERTED", connection, "id\n1\n", map[string]any{"mode": "delete", "keys": []string{"ID"}})
		gone["name"], gone["mapping"] = "removal", []map[string]any{{"to": "ID", "from": "id", "type": "integer"}}
		apptest.RequireWhole(t, c.Do(c.Flow(gone)), 1)
		require.Equal(t, []string{"1"}, apptest.Column(sim.MustTable("UPSERTED"), "N"))
	})
	t.Run("drift", func(t *testing.T) {
		c := c.For(t)
		c.Do(c.Flow(importFlow(c, "DRIFTED", connection, doubled, nil)))
		spec := importFlow(c, "DRIFTED", connection, doubled, map[string]any{"mode": "delta", "keys": []string{"ID"}})
		spec["name"] = "drifting"
		spec["mapping"] = []map[string]any{{"to": "ID", "from": "id", "type": "integer"}, {"to": "N", "from": "n", "type": "string"}}
		r := c.Do(c.Flow(spec))
		require.Equal(t, "failed", r.State)
		require.Equal(t, "celonis.schema_drift", r.ErrorCode())
		require.Contains(t, r.Error.Message, `column "N" is of type integer in the table, not string`)
		require.Zero(t, r.Ledger.Pushed)
	})
	t.Run("steps", func(t *testing.T) { importSteps(t, c.For(t), sim, connection) })
	t.Run("continuous push and data ingestion", func(t *testing.T) { importFiles(t, c.For(t), sim, connection) })
}

type warnedRun struct {
	Warnings []struct{ Code, Message string } `json:"warnings"`
}

func importSteps(t *testing.T, c *apptest.Client, sim *apptest.Sim, connection string) {
	then := []map[string]any{
		{"type": "dataJob", "id": dataJob, "mode": "DELTA", "onFailure": "warn"}, {"type": "dataModel", "id": dataModel, "partial": []string{"t1"}},
	}
	spec := importFlow(c, "STEPPED", connection, "id,n\n1,1\n", map[string]any{"then": then})
	flow := c.Flow(spec)
	apptest.RequireWhole(t, c.Do(flow), 1)
	require.Equal(t, []string{"SUCCESS", "SUCCESS"}, statuses(sim))

	id := sim.AddFault(celonissim.Fault{Route: "jobs.execute", JobError: "a transformation failed"})
	r := c.Do(flow)
	sim.RemoveFault(id)
	apptest.RequireWhole(t, r, 1)
	var warned warnedRun
	c.Call(http.StatusOK, "GET", "/v1/runs/"+r.ID, nil, &warned)
	require.Len(t, warned.Warnings, 1)
	require.Equal(t, "celonis.step_failed", warned.Warnings[0].Code)

	id = sim.AddFault(celonissim.Fault{Route: "models.load", JobError: "a table is missing"})
	r = c.Do(flow)
	sim.RemoveFault(id)
	require.Equal(t, "failed", r.State)
	require.Equal(t, "celonis.step_failed", r.ErrorCode())
	require.Contains(t, r.Error.Message, "the rows are in the table, but step 2")
	require.Equal(t, int64(1), r.Ledger.Pushed, "the ledger counts what is in the table")

	// A step that takes long, canceled: the rows stay and the ledger says so.
	id = sim.AddFault(celonissim.Fault{Route: "models.load", JobStuck: true})
	defer sim.RemoveFault(id)
	before := len(statuses(sim))
	r = c.Start(flow)
	apptest.Eventually(t, func() bool { return len(statuses(sim)) == before+2 }, func() string { return "the load does not start" })
	c.Call(http.StatusAccepted, "POST", "/v1/runs/"+r.ID+"/cancel", nil, nil)
	r = c.AwaitEnd(r.ID)
	require.Equal(t, "canceled", r.State)
	require.Equal(t, int64(1), r.Ledger.Pushed)
	require.Equal(t, 1, sim.MustTable("STEPPED").Rows())
}

func statuses(sim *apptest.Sim) (out []string) {
	for _, e := range sim.Executions(sim.Pool) {
		out = append(out, e.Status)
	}
	return out
}

func importFiles(t *testing.T, c *apptest.Client, sim *apptest.Sim, connection string) {
	const rows = "id,n\n1,5\n2,1\n1,7\n"
	files := func(name string, more map[string]any) map[string]any {
		more["mode"], more["keys"], more["dataConnectionId"] = nil, []string{"ID"}, dataSource
		return importFlow(c, name, connection, rows, more)
	}
	table := func(name string) *celonissim.Table {
		select {
		case <-sim.Settled(sim.Pool, dataSource, name):
		case <-time.After(apptest.Patience):
			require.FailNow(t, "the files are not loaded")
		}
		at, ok := sim.TableOf(sim.Pool, dataSource, name)
		require.True(t, ok, "%v %v", sim.Flushes(sim.Pool), sim.IngestionAlerts(sim.Pool))
		return at
	}
	r := c.Do(c.Flow(files("FLUSHED", map[string]any{"type": "continuousPush", "orderBy": "N"})))
	require.Equal(t, "succeeded", r.State, "%+v", r.Error)
	require.ElementsMatch(t, []string{"7", "1"}, apptest.Column(table("FLUSHED"), "N"))
	require.Equal(t, []string{"ID"}, sim.Flushes(sim.Pool)[0].Keys)
	require.Equal(t, "N", sim.Flushes(sim.Pool)[0].Order)

	ingested := c.Flow(files("INGESTED", map[string]any{"type": "dataIngestion", "ageColumn": "N"}))
	r = c.Do(ingested)
	require.Equal(t, "failed", r.State)
	require.Equal(t, "connection.secret_required", r.ErrorCode())
	require.Contains(t, r.Error.Hint, "accessKeyId")

	p := c.Problem(http.StatusUnprocessableEntity, "PATCH", "/v1/connections/"+connection, map[string]any{"accessKeyId": accessKeyID})
	require.Equal(t, "/secretAccessKey", p.Errors[0].Pointer)
	a := c.Send("PATCH", "/v1/connections/"+connection, map[string]any{"accessKeyId": accessKeyID, "secretAccessKey": secretAccessKey})
	require.Equal(t, http.StatusOK, a.Status, "%s", a.Body)
	require.NotContains(t, string(a.Body), accessKeyID)
	require.NotContains(t, string(a.Body), secretAccessKey)
	require.Contains(t, string(a.Body), `"secretAccessKey":{"set":true`)

	r = c.Do(ingested)
	require.Equal(t, "succeeded", r.State, "%+v", r.Error)
	require.ElementsMatch(t, []string{"7", "1"}, apptest.Column(table("INGESTED"), "N"))
	require.Len(t, sim.IngestionFiles(sim.Pool), 1)
	require.Contains(t, sim.IngestionFiles(sim.Pool)[0], "connection/"+dataSource+"/INGESTED/"+r.PushJobID)
}

// TestImportsRefused: what does not go together is refused with its place.
func TestImportsRefused(t *testing.T) {
	t.Parallel()
	sim := newImportSim(t)
	c := begin(t, sim).Client
	connection := c.Connect("pool", sim)
	for pointer, more := range map[string]map[string]any{
		"/import/keys":             {"mode": "delete"},
		"/import/orderBy":          {"orderBy": "N"},
		"/import/ageColumn":        {"type": "dataIngestion", "mode": nil, "keys": []string{"ID"}, "dataConnectionId": dataSource},
		"/import/dataConnectionId": {"type": "dataIngestion", "mode": nil, "keys": []string{"ID"}, "ageColumn": "N"},
		"/import/mode":             {"type": "continuousPush", "keys": []string{"ID"}},
		"/import/then":             {"type": "continuousPush", "mode": nil, "keys": []string{"ID"}, "then": []map[string]any{{"type": "dataJob", "id": "x"}}},
		"/import/then/0/partial":   {"then": []map[string]any{{"type": "dataJob", "id": "x", "partial": []string{"t"}}}},
		"/import/then/0/mode":      {"then": []map[string]any{{"type": "dataModel", "id": "x", "mode": "FULL"}}},
		"/import/then/0/id":        {"then": []map[string]any{{"type": "dataModel"}}},
	} {
		p := c.Problem(http.StatusUnprocessableEntity, "POST", "/v1/flows", importFlow(c, "REFUSED", connection, "id,n\n", more))
		require.Len(t, p.Errors, 1, "%s: %+v", pointer, p.Errors)
		require.Equal(t, pointer, p.Errors[0].Pointer)
	}
	p := c.Problem(http.StatusUnprocessableEntity, "POST", "/v1/flows",
		importFlow(c, "REFUSED", connection, "id,n\n", map[string]any{"mode": "delta", "keys": []string{"ID"}, "orderBy": "WHEN"}))
	require.Equal(t, "mapping.key_not_found", p.Errors[0].Code)
}
