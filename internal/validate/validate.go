// Package validate turns the findings of go-playground/validator into the
// fields of a fault, with JSON Pointers instead of Go names.
package validate

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
	"github.com/go-playground/validator/v10"
)

// Validator checks structs by their validate tags.
type Validator struct{ v *validator.Validate }

// New makes a Validator that names fields as JSON does.
func New() *Validator {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(f reflect.StructField) string {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" {
			return ""
		}
		return name
	})
	return &Validator{v}
}

// Struct lists what the tags of s find wrong, nil when nothing is.
func (v *Validator) Struct(s any) []fault.Field {
	var found validator.ValidationErrors
	if !errors.As(v.v.Struct(s), &found) {
		return nil
	}
	fields := make([]fault.Field, 0, len(found))
	for _, f := range found {
		fields = append(fields, fault.Field{Pointer: pointer(f.Namespace()), Code: code(f.Tag()), Detail: detail(f)})
	}
	return fields
}

// pointer turns "Flow.mapping[0].to" into "/mapping/0/to": the struct's own
// name goes, and so do the names of embedded structs, which have no JSON name.
func pointer(namespace string) string {
	_, path, _ := strings.Cut(namespace, ".")
	path = strings.NewReplacer("[", ".", "]", "").Replace(path)
	var b strings.Builder
	for part := range strings.SplitSeq(path, ".") {
		if part == "" {
			continue
		}
		b.WriteByte('/')
		b.WriteString(strings.NewReplacer("~", "~0", "/", "~1").Replace(part))
	}
	return b.String()
}

func code(tag string) fault.Code {
	if strings.HasPrefix(tag, "required") {
		return fault.RequestFieldMissing
	}
	return fault.RequestFieldInvalid
}

func detail(f validator.FieldError) string {
	isText := f.Kind() == reflect.String
	isList := f.Kind() == reflect.Slice || f.Kind() == reflect.Map
	switch tag := f.Tag(); {
	case strings.HasPrefix(tag, "required"):
		return "must be given"
	case tag == "oneof":
		return "must be one of " + strings.ReplaceAll(f.Param(), " ", ", ")
	case tag == "max" && isText:
		return fmt.Sprintf("must have at most %s characters", f.Param())
	case tag == "min" && isText:
		return fmt.Sprintf("must have at least %s characters", f.Param())
	case tag == "max" && isList:
		return fmt.Sprintf("must have at most %s items", f.Param())
	case tag == "min" && isList:
		return fmt.Sprintf("must have at least %s items", f.Param())
	case tag == "max" || tag == "lte":
		return "must be at most " + f.Param()
	case tag == "min" || tag == "gte":
		return "must be at least " + f.Param()
	case tag == "unique":
		return "must not repeat an item"
	case tag == "uuid":
		return "must be a UUID"
	case strings.HasPrefix(tag, "excluded"):
		return "must not be given here"
	default:
		return "is not valid (" + tag + ")"
	}
}
