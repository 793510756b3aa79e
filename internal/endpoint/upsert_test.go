package endpoint_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
)

func delta(orderBy string) flows.Import {
	return flows.Import{Type: flows.ImportDataPush, Table: "T", Mode: flows.Delta, Keys: []string{"ID"}, OrderBy: orderBy, FileType: flows.Parquet}
}

func deletion() flows.Import {
	return flows.Import{Type: flows.ImportDataPush, Table: "T", Mode: flows.Delete, Keys: []string{"ID"}, FileType: flows.Parquet}
}

// TestDuplicateKeys: of rows with one key the push has one, whatever chunks they are in.
func TestDuplicateKeys(t *testing.T) {
	t.Parallel()
	// Each id comes three times, far apart: with n 2, 3 and 1.
	var rows, last, highest []string
	for pass, n := range []int{2, 3, 1} {
		for id := range bulk {
			row := fmt.Sprintf("%d,pass-%d-%020d,%d", id, pass, id, n)
			rows = append(rows, row)
			switch pass {
			case 1:
				highest = append(highest, row)
			case 2:
				last = append(last, row)
			}
		}
	}
	for order, want := range map[string][]string{"": last, "N": highest, "NAME": last} {
		t.Run("by "+order, func(t *testing.T) {
			t.Parallel()
			k := newKit(t)
			k.options.KeyBytes = 64 << 10 // most keys go to the file
			ledger := k.mustPush(flowOf(delta(order)), rows...)
			require.Equal(t, flows.Ledger{Read: 3 * bulk, Pushed: bulk, Filtered: 2 * bulk}, ledger)
			require.Equal(t, expected(want), k.rows(delta(order)))
		})
	}
	t.Run("resumed", func(t *testing.T) {
		t.Parallel()
		k := newKit(t)
		f, path := flowOf(delta("N")), k.csv(rows...)
		ledger, err := k.push(t.Context(), f, path, broken(t, k, f, path, false))
		require.NoError(t, err)
		require.Equal(t, flows.Ledger{Read: 3 * bulk, Pushed: bulk, Filtered: 2 * bulk}, ledger)
		require.Equal(t, expected(highest), k.rows(f.Import))
	})
	t.Run("an order column without a field", func(t *testing.T) {
		t.Parallel()
		k := newKit(t)
		_, err := k.push(t.Context(), flowOf(delta("WHEN")), k.csv(rows[:3]...), &journal{})
		require.Equal(t, fault.MappingKey, fault.CodeOf(err))
	})
}

func TestDelete(t *testing.T) {
	t.Parallel()
	for _, fileType := range []flows.FileType{flows.Parquet, flows.CSVChunks} {
		t.Run(string(fileType), func(t *testing.T) {
			t.Parallel()
			k := newKit(t)
			rows := many(bulk)
			k.mustPush(flowOf(delta("")), rows...)
			spec := deletion()
			spec.FileType = fileType
			// The flow maps more than the keys; only the keys are sent.
			ledger := k.mustPush(flowOf(spec), append(many(bulk-5), "77777,not there,1")...)
			require.Equal(t, flows.Ledger{Read: bulk - 4, Pushed: bulk - 4}, ledger)
			require.Equal(t, expected(rows[bulk-5:]), k.rows(spec))
			require.Positive(t, k.Counts()["push.chunks.delete"].Requests)
		})
	}
	t.Run("keys alone", func(t *testing.T) {
		t.Parallel()
		k := newKit(t)
		k.mustPush(flowOf(delta("")), many(3)...)
		f := flowOf(deletion())
		f.Mapping = rules()[:1]
		k.mustPush(f, "0,,", "2,,")
		require.Equal(t, expected(many(3)[1:2]), k.rows(f.Import))
	})
}

// TestDrift: what does not fit the table is told before anything is sent.
func TestDrift(t *testing.T) {
	t.Parallel()
	rule := func(to, kind string, length int) flows.Rule {
		return flows.Rule{To: to, From: map[string]string{"ID": "id", "id": "id", "NAME": "name", "Name": "name", "N": "n", "K": "n"}[to], Type: kind, Length: length}
	}
	id, name := rule("ID", "integer", 0), rule("NAME", "string", 40)
	for about, c := range map[string]struct {
		rules []flows.Rule
		keys  []string
		table string
		want  string
	}{
		"it fits":               {rules: []flows.Rule{id, name}},
		"a shorter text":        {rules: []flows.Rule{id, rule("NAME", "string", 10)}},
		"a longer text":         {rules: []flows.Rule{id, rule("NAME", "string", 41)}, want: `column "NAME" takes 40 bytes in the table, not 41`},
		"another type":          {rules: []flows.Rule{id, name, rule("N", "string", 10)}, want: `column "N" is of type integer in the table, not string`},
		"another case":          {rules: []flows.Rule{id, rule("Name", "string", 40)}, want: `column "Name" is called "NAME" in the table`},
		"a key in another case": {rules: []flows.Rule{rule("id", "integer", 0), name}, keys: []string{"id"}, want: `column "id" is called "ID" in the table`},
		"a missing key":         {rules: []flows.Rule{rule("K", "integer", 0), name}, keys: []string{"K"}, want: `the key column "K" is not in the table`},
		"another table's case":  {rules: []flows.Rule{id, name}, table: "t", want: `the table is called "T" in celonis`},
		"a table that is new":   {rules: []flows.Rule{rule("K", "integer", 0)}, keys: []string{"K"}, table: "NEW"},
	} {
		for _, mode := range []flows.Mode{flows.Delta, flows.Delete} {
			t.Run(about+" "+string(mode), func(t *testing.T) {
				t.Parallel()
				if mode == flows.Delete && len(c.keys) == 0 && c.table == "" {
					return // only keys are sent
				}
				k := newKit(t)
				k.mustPush(flowOf(delta("")), many(3)...)
				spec := delta("")
				spec.Mode = mode
				if c.keys != nil {
					spec.Keys = c.keys
				}
				if c.table != "" {
					spec.Table = c.table
				}
				f := flowOf(spec)
				f.Mapping = c.rules
				before := k.Counts()["push.jobs.create"].Requests
				_, err := k.push(t.Context(), f, k.csv("1,short,1"), &journal{})
				if c.want == "" {
					require.NoError(t, err)
					return
				}
				require.Equal(t, fault.CelonisSchemaDrift, fault.CodeOf(err), "%v", err)
				require.Contains(t, fault.From(err).Message, c.want)
				require.NotEmpty(t, fault.From(err).Hint)
				require.Equal(t, before, k.Counts()["push.jobs.create"].Requests, "nothing may be sent")
			})
		}
	}
}

// TestOpenLengths: a length that the flow leaves open is the table's, and a
// longer value an error of its record.
func TestOpenLengths(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.mustPush(flowOf(delta("")), many(3)...)
	f := flowOf(delta(""))
	f.Mapping[1].Length = 0
	ledger := k.mustPush(f, "1,short,1", "2,a name that has more bytes than the forty of the column,1")
	require.Equal(t, flows.Ledger{Read: 2, Pushed: 1, Errored: 1}, ledger)
	require.Equal(t, "1,short,1", k.rows(f.Import)["1"])
}

// TestUnlistedTable: a key that may push and not list pushes all the same.
func TestUnlistedTable(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.mustPush(flowOf(delta("")), many(3)...)
	k.target.Key = crypto.NewSecret(appKey + "2")
	k.mustPush(flowOf(delta("")), "1,x,5")
	require.Equal(t, "1,x,5", k.rows(delta(""))["1"])
	require.Positive(t, k.Counts()["pools.tables"].Statuses[403])
}
