package flows_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/flows/mapping"
	"github.com/celonis-connector/connector/internal/form"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// Every property has a hint and every hint a property: whoever adds a field
// writes what a form shows of it.
func TestFormsFitTheirStructs(t *testing.T) {
	t.Parallel()
	for _, f := range []form.Spec{flows.Form(), flows.ExportForm(), flows.ImportForm()} {
		require.NoError(t, f.Check())
	}
}

// TestFlowFormAgreesWithTheChecks: what a generic validator says of a body, the API says too.
func TestFlowFormAgreesWithTheChecks(t *testing.T) {
	t.Parallel()
	schema := compiled(t, flows.Form())
	service := flows.NewService(flows.Deps{
		Flows: formStore{}, Files: formStore{}, Connections: formStore{}, CheckMapping: mapping.Check, Sealer: formSealer{},
		Now: time.Now, NewID: func() string { return "id" },
	})
	file := object{"type": "file", "fileId": "f", "format": "csv"}
	push := object{"type": "dataPush", "connectionId": "c", "table": "T"}
	base := object{"name": "N", "export": file, "import": push}
	export := func(changes ...object) object { return with(base, object{"export": with(file, changes...)}) }
	imports := func(changes ...object) object { return with(base, object{"import": with(push, changes...)}) }
	rule := func(r object) object { return with(base, object{"mapping": []object{with(object{"to": "A"}, r)}}) }
	keys := object{"keys": []string{"A"}}
	api := object{"type": "http", "connectionId": "http", "request": object{"url": "v1/orders"}}
	hook := object{"type": "webhook", "webhook": object{"url": "https://hooks.example.com/in", "secret": "a secret of 16 bytes"}}
	stream := object{"type": "continuousPush"}
	ingest := object{"type": "dataIngestion", "ageColumn": "A", "dataConnectionId": "d"}
	for _, c := range []struct {
		name string
		body object
		good bool
	}{
		{"file", base, true},
		{"records", with(base, object{"export": object{"type": "records"}}), true},
		{"no name", with(base, object{"name": ""}), false},
		{"no export", with(base, object{"export": nil}), false},
		{"no import", with(base, object{"import": nil}), false},
		{"unknown export", export(object{"type": "ftp"}), false},
		{"file without an id", export(object{"fileId": nil}), false},
		{"file without a format", export(object{"format": nil}), false},
		{"unknown format", export(object{"format": "xls"}), false},
		{"csv options", export(object{"csv": object{"separator": ";", "quote": "'", "encoding": "latin1", "header": false}}), true},
		{"wide separator", export(object{"csv": object{"separator": ";;"}}), false},
		{"unknown encoding", export(object{"csv": object{"encoding": "ebcdic"}}), false},
		{"csv options for json", export(object{"format": "json", "csv": object{}}), false},
		{"records with a file", with(base, object{"export": object{"type": "records", "fileId": "f"}}), false},
		{"records with a format", with(base, object{"export": object{"type": "records", "format": "csv"}}), false},
		{"records with csv options", with(base, object{"export": object{"type": "records", "csv": object{}}}), false},

		{"delta with keys", imports(keys, object{"mode": "delta"}), true},
		{"delta without keys", imports(object{"mode": "delta"}), false},
		{"delta with no keys", imports(object{"mode": "delta", "keys": []string{}}), false},
		{"keys twice", imports(object{"keys": []string{"A", "A"}}), false},
		{"empty key", imports(object{"keys": []string{""}}), false},
		{"unknown mode", imports(object{"mode": "append"}), false},
		{"no table", imports(object{"table": nil}), false},
		{"quote in the table", imports(object{"table": `T"`}), false},
		{"backslash in the table", imports(object{"table": `T\`}), false},
		{"control character in the table", imports(object{"table": "T\u0001"}), false},
		{"no connection", imports(object{"connectionId": ""}), false},
		{"csv chunks", imports(object{"fileType": "csv"}), true},

		{"delete with keys", imports(keys, object{"mode": "delete"}), true},
		{"delete without keys", imports(object{"mode": "delete"}), false},
		{"ordered delta", imports(keys, object{"mode": "delta", "orderBy": "A"}), true},
		{"ordered replace", imports(keys, object{"orderBy": "A"}), false},
		{"age of a push", imports(object{"ageColumn": "A"}), false},
		{"continuous", imports(keys, stream), true},
		{"continuous without keys", imports(stream), false},
		{"continuous with a mode", imports(keys, stream, object{"mode": "delta"}), false},
		{"continuous with steps", imports(keys, stream, object{"then": []object{{"type": "dataJob", "id": "j"}}}), false},
		{"ingestion", imports(keys, ingest), true},
		{"ingestion without an age", imports(keys, ingest, object{"ageColumn": nil}), false},
		{"ingestion without a data connection", imports(keys, ingest, object{"dataConnectionId": nil}), false},
		{"ingestion with an order", imports(keys, ingest, object{"orderBy": "A"}), false},
		{"steps", imports(object{"then": []object{{"type": "dataJob", "id": "j", "mode": "DELTA"}, {"type": "dataModel", "id": "m", "partial": []string{"t"}}}}), true},
		{"step without an id", imports(object{"then": []object{{"type": "dataJob"}}}), false},
		{"job with tables", imports(object{"then": []object{{"type": "dataJob", "id": "j", "partial": []string{"t"}}}}), false},
		{"model with a mode", imports(object{"then": []object{{"type": "dataModel", "id": "m", "mode": "FULL"}}}), false},
		{"long step", imports(object{"then": []object{{"type": "dataModel", "id": "m", "timeout": 86401}}}), false},

		{"an API", with(base, object{"import": api}), true},
		{"an API without a connection", with(base, object{"import": with(api, object{"connectionId": nil})}), false},
		{"an API with a table", with(base, object{"import": with(api, object{"table": "T"})}), false},
		{"a key", with(base, object{"import": with(api, object{"idempotencyHeader": "Idempotency-Key", "concurrency": 4, "batch": 10})}), true},
		{"requests at once without a key", with(base, object{"import": with(api, object{"concurrency": 4})}), false},
		{"requests at once by PUT", with(base, object{"import": with(api, object{"concurrency": 4, "request": object{"method": "PUT"}})}), true},
		{"results of one row", with(base, object{"import": with(api, object{"resultsPath": "/r"})}), false},
		{"results", with(base, object{"import": with(api, object{"resultsPath": "/r", "batch": 2})}), true},
		{"lines at a place", with(base, object{"import": with(api, object{"bodyFormat": "ndjson", "itemsPath": "/a"})}), false},
		{"unknown method", with(base, object{"import": with(api, object{"request": object{"method": "GET"}})}), false},
		{"large batch", with(base, object{"import": with(api, object{"batch": 1001})}), false},
		{"a webhook that is sent", with(base, object{"import": hook}), true},
		{"one without a place", with(base, object{"import": object{"type": "webhook"}}), false},
		{"one without a URL", with(base, object{"import": object{"type": "webhook", "webhook": object{}}}), false},
		{"one with a login in its URL", with(base, object{"import": object{"type": "webhook", "webhook": object{"url": "https://a:b@c"}}}), false},
		{"one with a short secret", with(base, object{"import": object{"type": "webhook", "webhook": object{"url": "https://c", "secret": "short"}}}), false},
		{"one with a connection", with(base, object{"import": with(hook, object{"connectionId": "c"})}), false},
		{"a push with a webhook", imports(object{"webhook": object{"url": "https://c"}}), false},

		{"gathering", with(base, object{"export": object{"type": "records", "gather": object{"rows": 5, "seconds": 0}}}), true},
		{"gathering a file", export(object{"gather": object{"rows": 5}}), false},
		{"gathering for days", with(base, object{"export": object{"type": "records", "gather": object{"seconds": 86401}}}), false},

		{"rule", rule(object{"from": "case:concept:name", "type": "string", "length": 10, "default": "x", "required": true}), true},
		{"rule without a column", rule(object{"to": ""}), false},
		{"pointer", rule(object{"from": "/a~1b/c~0d"}), true},
		{"broken pointer", rule(object{"from": "/a~2"}), false},
		{"unknown type", rule(object{"type": "decimal"}), false},
		{"long text", rule(object{"length": 65001}), false},
		{"format of a date", rule(object{"type": "date", "format": "dd.MM.yyyy"}), true},
		{"format of a number", rule(object{"type": "float", "format": "comma"}), true},
		{"wrong format of a number", rule(object{"type": "integer", "format": "point"}), false},
		{"format of a text", rule(object{"format": "dd.MM.yyyy"}), false},
		{"format of a boolean", rule(object{"type": "boolean", "format": "comma"}), false},
		{"number as a default", rule(object{"type": "integer", "default": 5}), true},
		{"list as a default", rule(object{"default": []int{1}}), false},

		{"policy", with(base, object{"schemaPolicy": "freeze"}), true},
		{"unknown policy", with(base, object{"schemaPolicy": "ignore"}), false},
		{"count of errors", with(base, object{"maxErrors": 0}), true},
		{"share of errors", with(base, object{"maxErrors": " 2.5 %"}), true},
		{"whole share", with(base, object{"maxErrors": "100%"}), true},
		{"negative count", with(base, object{"maxErrors": -1}), false},
		{"share of nothing", with(base, object{"maxErrors": "0.0%"}), false},
		{"more than all", with(base, object{"maxErrors": "101%"}), false},
		{"share without a sign", with(base, object{"maxErrors": "5"}), false},
		{"half an error", with(base, object{"maxErrors": 0.5}), false},
	} {
		text, err := json.Marshal(c.body)
		require.NoError(t, err)
		var spec flows.Spec
		err = json.Unmarshal(text, &spec)
		if err == nil {
			_, err = service.Create(t.Context(), "ws", spec)
		}
		require.Equal(t, c.good, err == nil, "the API on %s: %v", c.name, err)
		instance, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
		require.NoError(t, err)
		err = schema.Validate(instance)
		require.Equal(t, c.good, err == nil, "the form on %s: %v", c.name, err)
	}
}

// formStore knows one connection and every file, and keeps nothing.
type formStore struct {
	flows.FlowStore
	flows.FileStore
}

func (formStore) CreateFlow(context.Context, *flows.Flow) error { return nil }

func (formStore) File(context.Context, string, string) (*flows.File, error) {
	return &flows.File{}, nil
}

func (formStore) Connection(_ context.Context, _, id string) (*connections.Connection, error) {
	if id == "http" {
		return &connections.Connection{APIType: connections.HTTP}, nil
	}
	return &connections.Connection{APIType: connections.DataPush}, nil
}

// formSealer seals nothing.
type formSealer struct{ flows.Sealer }

func (formSealer) Seal(crypto.Secret, crypto.AAD) (string, error) { return "v1.k1.a.b", nil }

type object = map[string]any

// with gives a copy with other members; nil takes one away.
func with(base object, changes ...object) object {
	out := object{}
	for _, from := range append([]object{base}, changes...) {
		for name, value := range from {
			out[name] = value
			if value == nil {
				delete(out, name)
			}
		}
	}
	return out
}

// compiled gives a form as a validator that knows nothing of it.
func compiled(t testing.TB, s form.Spec) *jsonschema.Schema {
	t.Helper()
	text, err := json.Marshal(s.Document())
	require.NoError(t, err)
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("form.json", doc))
	schema, err := c.Compile("form.json")
	require.NoError(t, err)
	return schema
}
