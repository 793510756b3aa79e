package endpoint

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/celonis-connector/connector/flows"
	"github.com/stretchr/testify/require"
)

// keysOf gives the event keys of a reading of records.
func keysOf(t *testing.T, kind flows.ExportType, records []string) (r adminReading, keys []string) {
	t.Helper()
	r = adminReading{events: true, tells: identifying(kind), alike: map[digest]uint32{}}
	require.NoError(t, r.begin(t.TempDir()))
	for _, record := range records {
		require.NoError(t, r.take(json.RawMessage(record)))
	}
	require.NoError(t, r.each(func(record []byte) error {
		keys = append(keys, recordText(record, flows.EventKeyField))
		return nil
	}))
	require.NoError(t, r.file.Close())
	return r, keys
}

func TestEventKeysAreTheSameInEveryReading(t *testing.T) {
	t.Parallel()
	records := []string{
		`{"timestamp":"t1","event":"A","message":{"a":1,"b":null}}`, `{"timestamp":"t1","event":"A","message":{"a":2}}`,
		`{"timestamp":"t2","event":"A"}`, `{"timestamp":"t2","event":"A"}`, `{"timestamp":"t2","event":"A","userRole":"ADMIN"}`,
	}
	first, keys := keysOf(t, flows.ExportAuditLog, records)
	require.EqualValues(t, 2, first.twins, "a role is not what tells events apart")
	seen := map[string]bool{}
	for _, k := range keys {
		require.False(t, seen[k])
		seen[k] = true
	}
	for seed := range uint64(20) {
		mixed := append([]string{}, records...)
		mixed[0] = `{"message":{"a":1},"event":"A","timestamp":"t1","ipAddress":null}`
		rand.New(rand.NewPCG(seed, 1)).Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
		r, again := keysOf(t, flows.ExportAuditLog, mixed)
		require.ElementsMatch(t, keys, again)
		require.True(t, r.same(first))
	}
	other, _ := keysOf(t, flows.ExportAuditLog, append(records[:4:4], records[0]))
	require.False(t, other.same(first), "the same number of records, another of them twice")
}

func TestFramesOfToolAnswers(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		`{"page":1,"data_frame_content":{"data":[[1,"x"]],"schema":[{"id":"A"},{"id":"B"}]}}`: `[{"A":1,"B":"x"}]`,
		`{"data_frame_content":{"data":[{"A":1}],"schema":[]}}`:                               `[{"A":1}]`,
		`{"data_frame_content":{"data":[[1,2,3]],"schema":[{"id":"A"}]}}`:                     `[[1,2,3]]`,
		`{"a":1}`:      `[{"a":1}]`,
		`[{"a":1}]`:    `[{"a":1}]`,
		`"{\"a\":1}"`:  `[{"a":1}]`,
		`"some words"`: `[{"text":"some words"}]`,
		`not JSON`:     `[{"text":"not JSON"}]`,
		``:             `[]`,
		`{"a":1`:       `[{"text":"{\"a\":1"}]`,
	} {
		var got struct {
			Frame struct{ Data json.RawMessage } `json:"data_frame_content"`
		}
		require.NoError(t, json.Unmarshal(frame([]byte(answer)), &got), answer)
		require.JSONEq(t, want, string(got.Frame.Data), answer)
	}
}

func FuzzFrame(f *testing.F) {
	for _, seed := range []string{`{"data_frame_content":{"data":[[1]],"schema":[{"id":"A"}]}}`, `"x"`, `[1]`, `{`, ``} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, answer string) {
		if !strings.Contains(answer, "data_frame_content") {
			require.True(t, json.Valid(frame([]byte(answer))))
		}
	})
}
