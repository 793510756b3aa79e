package scim

import (
	"encoding/json"
	"strconv"
	"strings"
)

// ListResponse is a page of a listing.
type ListResponse struct {
	Schemas      []string   `json:"schemas"`
	TotalResults int        `json:"totalResults"`
	StartIndex   int        `json:"startIndex,omitempty"`
	ItemsPerPage int        `json:"itemsPerPage"`
	Resources    []Resource `json:"Resources"`
}

// SearchRequest asks for a page of a listing, in an address or in the body of POST /.search.
type SearchRequest struct {
	Schemas            []string `json:"schemas,omitempty"`
	Attributes         []string `json:"attributes,omitempty"`
	ExcludedAttributes []string `json:"excludedAttributes,omitempty"`
	Filter             string   `json:"filter,omitempty"`
	SortBy             string   `json:"sortBy,omitempty"`
	// SortOrder is "ascending" (the same as "") or "descending".
	SortOrder string `json:"sortOrder,omitempty"`
	// StartIndex counts from 1; 0 is not told.
	StartIndex int `json:"startIndex,omitempty"`
	// Count bounds the page; nil is not told, 0 asks for the total alone.
	Count *int `json:"count,omitempty"`
}

// PatchRequest is the body of PATCH.
type PatchRequest struct {
	Schemas    []string         `json:"schemas"`
	Operations []PatchOperation `json:"Operations"`
}

// PatchOperation is one change of a PatchRequest.
type PatchOperation struct {
	// Op is "add", "replace" or "remove".
	Op   string `json:"op"`
	Path string `json:"path,omitempty"`
	// Value is as encoding/json gives it with UseNumber; nil when it was left out.
	Value any `json:"value,omitempty"`
}

// BulkRequest is the body of POST /Bulk.
type BulkRequest struct {
	Schemas []string `json:"schemas"`
	// FailOnErrors is after how many faults the rest is left undone; 0 never.
	FailOnErrors int             `json:"failOnErrors,omitempty"`
	Operations   []BulkOperation `json:"Operations"`
}

// BulkOperation is one request of a BulkRequest.
type BulkOperation struct {
	// Method is POST, PUT, PATCH or DELETE.
	Method  string `json:"method"`
	BulkID  string `json:"bulkId,omitempty"`
	Version string `json:"version,omitempty"`
	// Path is relative to the base address: /Users, /Groups/{id}.
	Path string   `json:"path"`
	Data Resource `json:"data,omitempty"`
}

// BulkResponse answers a BulkRequest.
type BulkResponse struct {
	Schemas    []string     `json:"schemas"`
	Operations []BulkResult `json:"Operations"`
}

// BulkResult answers a BulkOperation.
type BulkResult struct {
	Method   string `json:"method"`
	BulkID   string `json:"bulkId,omitempty"`
	Version  string `json:"version,omitempty"`
	Location string `json:"location,omitempty"`
	// Status is the HTTP status.
	Status Status `json:"status"`
	// Response is the resource, or the error of a status of 400 and more.
	Response json.RawMessage `json:"response,omitempty"`
}

// Status is an HTTP status, which SCIM writes as a string; numbers are read too.
type Status int

// MarshalJSON writes the status as a string.
func (s Status) MarshalJSON() ([]byte, error) { return json.Marshal(strconv.Itoa(int(s))) }

// UnmarshalJSON reads a string, a number, or the object with a code of older
// servers; what is none of them is 0.
func (s *Status) UnmarshalJSON(data []byte) error {
	var object struct {
		Code json.RawMessage `json:"code"`
	}
	if json.Unmarshal(data, &object) == nil && object.Code != nil {
		data = object.Code
	}
	n, _ := strconv.Atoi(strings.Trim(string(data), `"`))
	*s = Status(n)
	return nil
}

// Error is the body of a refusal.
type Error struct {
	Schemas []string `json:"schemas"`
	// ScimType is a word of RFC 7644, table 9; "" where none fits.
	ScimType string `json:"scimType,omitempty"`
	Detail   string `json:"detail,omitempty"`
	Status   Status `json:"status"`
}
