package celonissim

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// timestamp is milliseconds since 1970; it reads numbers and ISO texts, and
// is written as a number.
type timestamp int64

// UnmarshalJSON reads both forms.
func (t *timestamp) UnmarshalJSON(data []byte) error {
	if n, err := strconv.ParseInt(string(data), 10, 64); err == nil {
		*t = timestamp(n)
		return nil
	}
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return err
	}
	*t = timestamp(at.UnixMilli())
	return nil
}

// check gives what is wrong with a job that a client wants to create.
func (d *jobDocument) check(p *pool) []validationItem {
	var bad []validationItem
	if strings.TrimSpace(text(d.TargetName, "")) == "" {
		bad = append(bad, invalid("targetName", "targetName.required", "must not be empty"))
	}
	bad = append(bad, oneOf("type", d.Type, true, typeReplace, typeDelta)...)
	bad = append(bad, oneOf("fileType", d.FileType, false, fileParquet, fileCSV)...)
	bad = append(bad, oneOf("upsertStrategy", d.UpsertStrategy, false, strategyUnchanged, strategyNullify)...)
	bad = append(bad, inVarchar("fallbackVarcharLength", d.FallbackVarcharLength)...)
	if id := text(d.ConnectionID, ""); id != "" {
		if _, ok := p.source(id); !ok {
			bad = append(bad, invalid("connectionId", "connectionId.unknown", "there is no such data connection in the data pool"))
		}
	}
	if _, err := newCSVFormat(d.CSVParsingOptions); err != nil {
		bad = append(bad, invalid("csvParsingOptions", "csvParsingOptions.invalid", err.Error()))
	}
	return append(bad, d.TableSchema.check()...)
}

func (t *tableSchema) check() []validationItem {
	if t == nil {
		return nil
	}
	var bad []validationItem
	var seen []string
	for i, c := range t.Columns {
		at := fmt.Sprintf("tableSchema.columns[%d].", i)
		name := text(c.ColumnName, "")
		if name == "" {
			bad = append(bad, invalid(at+"columnName", "columnName.required", "must not be empty"))
		}
		if slices.Contains(seen, strings.ToLower(name)) {
			bad = append(bad, invalid(at+"columnName", "columnName.unique", "a column of this name is there already"))
		}
		seen = append(seen, strings.ToLower(name))
		if _, ok := kindOf(text(c.ColumnType, "")); !ok {
			bad = append(bad, invalid(at+"columnType", "columnType.invalid", "must be one of "+strings.Join(kindWords[1:], ", ")))
		}
		bad = append(bad, inVarchar(at+"fieldLength", c.FieldLength)...)
	}
	return bad
}

func oneOf(attribute string, value *string, required bool, allowed ...string) []validationItem {
	if value == nil && !required || value != nil && slices.Contains(allowed, *value) {
		return nil
	}
	return []validationItem{invalid(attribute, attribute+".invalid", "must be one of "+strings.Join(allowed, ", "))}
}

func inVarchar(attribute string, n *int) []validationItem {
	if n == nil || *n >= 1 && *n <= maxVarchar {
		return nil
	}
	return []validationItem{invalid(attribute, "length.range", fmt.Sprintf("must be between 1 and %d", maxVarchar))}
}
