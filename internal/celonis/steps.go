package celonis

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
)

// DataJobStanding is how the last execution of a data job stands.
type DataJobStanding struct {
	// Status is QUEUED, RUNNING, SUCCESS, CANCEL, FAIL or SKIPPED; "" when the job was never executed.
	Status string
	// Started identifies the execution: Celonis's own words for when it began, "" without one.
	Started string
}

// Ended reports whether the execution has come to an end.
func (s DataJobStanding) Ended() bool {
	switch s.Status {
	case "SUCCESS", "FAIL", "CANCEL", "CANCELED", "SKIPPED":
		return true
	}
	return false
}

// OK reports whether the execution ended well.
func (s DataJobStanding) OK() bool { return s.Status == "SUCCESS" }

// ExecuteDataJob starts a data job; mode is FULL or DELTA. It is not repeated
// by itself: when its answer is lost, ask DataJobStanding.
func (c *Client) ExecuteDataJob(ctx context.Context, pool, job, mode string) error {
	at, err := publicPath(pool, "data-jobs", job)
	if err != nil {
		return err
	}
	return c.do(ctx, call{
		op: operation{areaPools, "execute the data job"}, method: http.MethodPost, path: "/integration/api/v2/data-pools/" + at + "/execute",
		query: url.Values{"mode": {mode}},
	})
}

// DataJobStanding tells how the last execution of a data job stands.
func (c *Client) DataJobStanding(ctx context.Context, pool, job string) (DataJobStanding, error) {
	var list []struct {
		ID                     string          `json:"id"`
		Status                 string          `json:"status"`
		LastExecutionStartDate json.RawMessage `json:"lastExecutionStartDate"`
	}
	if err := c.readPool(ctx, pool, "read the standing of the data jobs", "/logs/status", nil, &list); err != nil {
		return DataJobStanding{}, err
	}
	for _, s := range list {
		if s.ID == job {
			return DataJobStanding{Status: s.Status, Started: wordOf(s.LastExecutionStartDate)}, nil
		}
	}
	return DataJobStanding{}, nil
}

// DataModelLoad is the current load of a data model.
type DataModelLoad struct {
	// ID is "" when the model was never loaded.
	ID string
	// Status is RUNNING, SUCCESS, ERROR, WARNING, LOST_CONNECTION, CANCELED or CANCELLING.
	Status  string
	Message string
}

// Ended reports whether the load has come to an end.
func (l DataModelLoad) Ended() bool {
	switch l.Status {
	case "SUCCESS", "ERROR", "WARNING", "LOST_CONNECTION", "CANCELED":
		return true
	}
	return false
}

// OK reports whether the load ended well, perhaps with a warning.
func (l DataModelLoad) OK() bool { return l.Status == "SUCCESS" || l.Warned() }

// Warned reports whether the load ended with a warning.
func (l DataModelLoad) Warned() bool { return l.Status == "WARNING" }

// LoadDataModel starts a load of a data model: of the tables named by id, or
// of all when there are none. It is not repeated by itself: when its answer is
// lost, ask DataModelLoad.
func (c *Client) LoadDataModel(ctx context.Context, pool, model string, tables []string) error {
	at, err := publicPath(pool, "data-models", model)
	if err != nil {
		return err
	}
	k := call{op: operation{areaPools, "load the data model"}, method: http.MethodPost, path: "/integration/api/v1/data-pools/" + at + "/load"}
	if len(tables) > 0 {
		k.path, k.json = k.path+"/partial-sync", tables
	}
	return c.do(ctx, k)
}

// DataModelLoad tells of the current load of a data model.
func (c *Client) DataModelLoad(ctx context.Context, pool, model string) (DataModelLoad, error) {
	id, err := segment(model)
	if err != nil {
		return DataModelLoad{}, err
	}
	var answer struct {
		LoadInfo struct {
			CurrentComputeLoad struct {
				DataLoadID string          `json:"dataLoadId"`
				StartDate  json.RawMessage `json:"startDate"`
				LoadStatus string          `json:"loadStatus"`
				Message    string          `json:"message"`
			} `json:"currentComputeLoad"`
		} `json:"loadInfo"`
	}
	if err := c.readPool(ctx, pool, "read the data model's load", "/data-models/"+id+"/load-history/load-info-sync", nil, &answer); err != nil {
		return DataModelLoad{}, err
	}
	now := answer.LoadInfo.CurrentComputeLoad
	return DataModelLoad{
		ID: firstOf(now.DataLoadID, wordOf(now.StartDate)), Status: now.LoadStatus, Message: c.redact.words(now.Message),
	}, nil
}

// publicPath is the part of a path that names something of a pool.
func publicPath(pool, kind, id string) (string, error) {
	p, err := segment(pool)
	if err != nil {
		return "", err
	}
	s, err := segment(id)
	if err != nil {
		return "", err
	}
	return p + "/" + kind + "/" + s, nil
}
