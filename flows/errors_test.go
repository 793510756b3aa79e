package flows_test

import (
	"strings"
	"testing"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/stretchr/testify/require"
)

func TestEveryCodeOfARecordErrorHasAClass(t *testing.T) {
	t.Parallel()
	for _, code := range fault.Codes() {
		if strings.HasPrefix(string(code), "record.") || strings.HasPrefix(string(code), "value.") {
			require.True(t, flows.HasClass(code), "the code %s of a record error has no class", code)
		}
	}
	for code, class := range map[fault.Code]flows.ErrorClass{
		fault.ValueType: flows.ClassValue, fault.ValueRequired: flows.ClassMissing, fault.EgressTimeout: flows.ClassConnection,
		fault.CelonisRateLimited: flows.ClassRateLimit, fault.ValueTooLong: flows.ClassTooLarge, fault.RecordCells: flows.ClassParse,
		fault.CelonisConflict: flows.ClassDuplicate, fault.RecordUnexpected: flows.ClassDrift, "another.code": flows.ClassValue,
	} {
		require.Equal(t, class, flows.ClassOf(code), "%s", code)
	}
	for _, class := range flows.ErrorClasses() {
		codes, listed := class.Codes()
		require.NotEmpty(t, codes)
		for _, code := range codes {
			require.Equal(t, listed, flows.ClassOf(code) == class, "%s %s", class, code)
		}
	}
}

func TestErrorsOfOneKindHaveOneSignature(t *testing.T) {
	t.Parallel()
	one := flows.Signature(fault.ValueType, "A", `"12,5" is no number (byte 17 of the source)`)
	require.Equal(t, one, flows.Signature(fault.ValueType, "A", `"he said \"x\"" is no number (byte 9,001 of the source)`))
	require.NotEqual(t, one, flows.Signature(fault.ValueType, "B", `"12,5" is no number (byte 17 of the source)`))
	require.NotEqual(t, one, flows.Signature(fault.ValueTooLong, "A", `"12,5" is no number (byte 17 of the source)`))
	require.NotEqual(t, one, flows.Signature(fault.ValueType, "A", `"12,5" is no time (byte 17 of the source)`))
	require.Equal(t, `"..." is no number`, flows.WithoutValues(`"secret" is no number`))
}

func TestTraceKeys(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		trace  flows.Trace
		object string
		want   string
	}{
		{"a text", flows.Trace{"id"}, `{"id":"47 \"11\""}`, `47 "11"`},
		{"a number as written", flows.Trace{"id"}, `{"id": 1.50}`, "1.50"},
		{"a pointer", flows.Trace{"/a/b~1c/1/d"}, `{"a":{"b/c":[0,{"d":"x"}]}}`, "x"},
		{"an empty text", flows.Trace{"id"}, `{"id":""}`, ""},
		{"nothing known", flows.Trace{"id"}, ``, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := c.trace.KeyOf([]byte(c.object))
			if c.name == "an empty text" {
				require.True(t, strings.HasPrefix(got, "sha256:"))
				return
			}
			require.Equal(t, c.want, got)
		})
	}
	digests := map[string]bool{}
	for _, key := range []string{
		flows.Trace{"id"}.KeyOf([]byte(`{"id":null,"x":1}`)), flows.Trace{"id"}.KeyOf([]byte(`{"x":2}`)), flows.Trace{}.KeyOf([]byte(`{"x":3}`)),
		flows.Trace{"id"}.KeyOf([]byte(`{"id":"` + strings.Repeat("x", flows.MaxTraceKey+1) + `"}`)),
		flows.Trace{"a", "b"}.KeyOf([]byte(`{"a":"x","b":"yz"}`)), flows.Trace{"a", "b"}.KeyOf([]byte(`{"a":"xy","b":"z"}`)),
		flows.Trace{"a", "b"}.KeyOf([]byte(`{"a":"x"}`)), flows.Trace{"a", "b"}.KeyOf([]byte(`{"a":"x","b":""}`)),
	} {
		require.True(t, strings.HasPrefix(key, "sha256:"), key)
		require.False(t, digests[key], "two records have one key")
		digests[key] = true
	}
}

func TestTheTraceIsThatOfTheKeysUnlessTheFlowSaysOtherwise(t *testing.T) {
	t.Parallel()
	s := flows.Spec{
		Mapping: []flows.Rule{{To: "CASE_ID", From: "case:id"}, {To: "AT"}},
		Import:  flows.Import{Keys: []string{"CASE_ID", "AT", "ELSEWHERE"}},
	}
	require.Equal(t, flows.Trace{"case:id", "AT", "ELSEWHERE"}, s.Trace())
	require.True(t, s.Trace().Plain())
	s.TraceKey = []string{"/a/b"}
	require.Equal(t, flows.Trace{"/a/b"}, s.Trace())
	require.False(t, s.Trace().Plain())
}

func TestHowARetryPushes(t *testing.T) {
	t.Parallel()
	keys := []string{"ID"}
	for _, c := range []struct {
		name string
		in   flows.Import
		// want is the mode of the retry; code the fault where there is none.
		want flows.Mode
		code fault.Code
	}{
		{"dataPush replace with keys", flows.Import{Type: flows.ImportDataPush, Mode: flows.Replace, Keys: keys}, "delta", ""},
		{"dataPush replace without keys", flows.Import{Type: flows.ImportDataPush, Mode: flows.Replace}, "", fault.FlowRetryKeys},
		{"dataPush delta", flows.Import{Type: flows.ImportDataPush, Mode: "delta", Keys: keys}, "delta", ""},
		{"dataPush delete", flows.Import{Type: flows.ImportDataPush, Mode: "delete", Keys: keys}, "delete", ""},
		{"continuousPush", flows.Import{Type: flows.ImportContinuousPush, Keys: keys}, "", ""},
		{"dataIngestion", flows.Import{Type: flows.ImportDataIngestion, Keys: keys}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := &flows.Flow{Spec: flows.Spec{Import: c.in, Export: flows.Export{ConnectionID: "source"}, MaxErrors: &flows.Threshold{}, SchemaPolicy: flows.Freeze}}
			g, err := f.ForRetry()
			if c.code != "" {
				require.Equal(t, c.code, fault.CodeOf(err))
				return
			}
			require.NoError(t, err)
			want := c.in
			want.Mode = c.want
			require.Equal(t, want, g.Import)
			require.Equal(t, c.in, f.Import, "the flow itself stays as it is")
			require.True(t, g.Retrying)
			require.Empty(t, g.Export.ConnectionID)
			require.Equal(t, flows.DiscardRow, g.Policy())
			require.False(t, g.MaxErrors.Exceeded(1_000_000, 1_000_000, true))
		})
	}
}
