package flows

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/celonis-connector/connector/internal/fault"
)

const (
	// ImportContinuousPush hands Parquet files to Celonis Continuous Data Push, which upserts them at an interval of its own.
	ImportContinuousPush ImportType = "continuousPush"
	// ImportDataIngestion puts Parquet files into the bucket of Celonis Standard Data Ingestion, which upserts them.
	ImportDataIngestion ImportType = "dataIngestion"
)

// Delete takes rows out of the table by their keys.
const Delete Mode = "delete"

// StepType names what can be done in Celonis after a push.
type StepType string

const (
	// StepDataJob executes a data job.
	StepDataJob StepType = "dataJob"
	// StepDataModel loads a data model.
	StepDataModel StepType = "dataModel"
)

// OnFailure says what a failed step does to its run.
type OnFailure string

const (
	// Fail makes the run fail, although its rows are in the table.
	Fail OnFailure = "fail"
	// Warn keeps a warning and goes on.
	Warn OnFailure = "warn"
)

const (
	// DefaultStepTimeout and MaxStepTimeout bound a step, in seconds.
	DefaultStepTimeout = 3600
	MaxStepTimeout     = 86_400
	// JobFull and JobDelta are the modes of a data job.
	JobFull  = "FULL"
	JobDelta = "DELTA"
)

// Step is something to do in Celonis once the rows are in the table.
type Step struct {
	Type StepType `json:"type" validate:"required,oneof=dataJob dataModel"`
	// ID is the data job's or the data model's in the pool.
	ID string `json:"id" validate:"required,max=64"`
	// Mode of a data job is FULL or DELTA; absent is FULL.
	Mode string `json:"mode,omitempty" validate:"omitempty,oneof=FULL DELTA"`
	// Partial lists the ids of the data model's tables to load; absent loads the whole model.
	Partial []string `json:"partial,omitempty" validate:"max=1000,unique,dive,required,max=64"`
	// Wait false starts the step and goes on at once; absent is true.
	Wait *bool `json:"wait,omitempty"`
	// Timeout is how long the step may take, in seconds; absent is DefaultStepTimeout.
	Timeout int `json:"timeout,omitempty" validate:"min=0,max=86400"`
	// OnFailure absent is Fail.
	OnFailure OnFailure `json:"onFailure,omitempty" validate:"omitempty,oneof=fail warn"`
}

// Waits reports whether a run waits for the step's end.
func (s Step) Waits() bool { return s.Wait == nil || *s.Wait }

// TimeLimit is how long the step may take.
func (s Step) TimeLimit() time.Duration {
	if s.Timeout == 0 {
		return DefaultStepTimeout * time.Second
	}
	return time.Duration(s.Timeout) * time.Second
}

// String names the step in a sentence.
func (s Step) String() string {
	if s.Type == StepDataJob {
		return fmt.Sprintf("data job %q", s.ID)
	}
	return fmt.Sprintf("load of data model %q", s.ID)
}

// StepState is how far a run is with the steps after its push.
type StepState struct {
	// Next is the index of the step that is under way or comes next.
	Next int `json:"next"`
	// Begun is when the run set out to start it, zero before; Baseline is what Celonis told of it just before, so that a
	// later attempt can tell whether it was started.
	Begun    time.Time `json:"begun,omitzero"`
	Baseline string    `json:"baseline,omitempty"`
	// Started says that Celonis took the request.
	Started bool `json:"started,omitempty"`
}

// Warning is something that a run's owner should know although the run went on.
type Warning struct {
	Code    fault.Code `json:"code"`
	Message string     `json:"message"`
}

// MaxWarnings bounds the warnings of one run.
const MaxWarnings = 100

// Upserts reports whether rows replace those with the same keys, so that of
// several rows with one key only one may be pushed.
func (i Import) Upserts() bool { return i.HasTable() && (i.Type != ImportDataPush || i.Mode == Delta) }

// Order is the column whose highest value wins among rows with the same keys,
// "" when the last one in the source does.
func (i Import) Order() string {
	if i.Type == ImportDataIngestion {
		return i.AgeColumn
	}
	return i.OrderBy
}

// pushDefaults are those of an import of type dataPush.
func pushDefaults(i Import) Import {
	if i.Mode == "" {
		i.Mode = Replace
	}
	if i.FileType == "" {
		i.FileType = Parquet
	}
	i.Then = slices.Clone(i.Then)
	for n := range i.Then {
		s := &i.Then[n]
		if s.Type == StepDataJob && s.Mode == "" {
			s.Mode = JobFull
		}
		if s.Wait == nil {
			yes := true
			s.Wait = &yes
		}
		if s.Timeout == 0 {
			s.Timeout = DefaultStepTimeout
		}
		if s.OnFailure == "" {
			s.OnFailure = Fail
		}
	}
	return i
}

// checkTable: a table has a name that Celonis can hold.
func checkTable(i Import) []fault.Field {
	if strings.ContainsFunc(i.Table, func(r rune) bool { return unicode.IsControl(r) || strings.ContainsRune(tableForbidden, r) }) {
		return []fault.Field{invalid("/import/table", "must not hold quotes, slashes, semicolons or control characters")}
	}
	return nil
}

func checkDataPush(i Import) (fields []fault.Field) {
	if i.Mode != Replace && len(i.Keys) == 0 {
		fields = append(fields, missing("/import/keys", fmt.Sprintf("mode %s needs the columns that tell rows apart", i.Mode)))
	}
	if i.OrderBy != "" && i.Mode != Delta {
		fields = append(fields, invalid("/import/orderBy", "belongs to the mode delta only"))
	}
	for n, step := range i.Then {
		fields = append(fields, checkStep(fmt.Sprintf("/import/then/%d", n), step)...)
	}
	return fields
}

// checkUpserting holds for the imports that have no push job: nothing undoes
// what they sent, so a repeated file must be harmless.
func checkUpserting(i Import) []fault.Field {
	if len(i.Keys) == 0 {
		return []fault.Field{missing("/import/keys", fmt.Sprintf("type %s needs the columns that tell rows apart", i.Type))}
	}
	return nil
}

func checkIngestion(i Import) []fault.Field {
	fields := checkUpserting(i)
	if i.AgeColumn == "" {
		fields = append(fields, missing("/import/ageColumn", "must name the column whose highest value wins"))
	}
	if i.DataConnectionID == "" {
		fields = append(fields, missing("/import/dataConnectionId", "must name the data connection that takes the files"))
	}
	return fields
}

func checkStep(at string, s Step) (fields []fault.Field) {
	if s.Type == StepDataJob && len(s.Partial) > 0 {
		fields = append(fields, invalid(at+"/partial", "belongs to steps of type dataModel only"))
	}
	if s.Type == StepDataModel && s.Mode != "" {
		fields = append(fields, invalid(at+"/mode", "belongs to steps of type dataJob only"))
	}
	return fields
}

// member is a member of a spec and whether it is there.
type member struct {
	pointer string
	given   bool
}

// checkOrder: the column that decides among equal keys must be one of the mapping.
func checkOrder(s Spec) []fault.Field {
	order := s.Import.Order()
	if order == "" || len(s.Mapping) == 0 || slices.ContainsFunc(s.Mapping, func(r Rule) bool { return r.To == order }) {
		return nil
	}
	pointer := "/import/orderBy"
	if s.Import.Type == ImportDataIngestion {
		pointer = "/import/ageColumn"
	}
	return []fault.Field{{Pointer: pointer, Code: fault.MappingKey, Detail: fmt.Sprintf("%q is not a column of the mapping", order)}}
}
