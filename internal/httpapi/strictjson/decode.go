package strictjson

import (
	"encoding"
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"strings"

	"github.com/celonis-connector/connector/internal/fault"
)

// Decode fills the struct that into points to, by its json tags, and lists
// every fault: members that it has no field for, values of a wrong type, and
// what Parse found. null leaves a field as it is. A type that reads itself
// (json.Unmarshaler, encoding.TextUnmarshaler) keeps the sentence of its own fault.
func (d *Document) Decode(into any) []fault.Field {
	dec := decoder{faults: append(faults(nil), d.faults...)}
	target := reflect.ValueOf(into).Elem()
	if d.root.kind == kindNull {
		dec.wrongType("", kindOf(target.Type()), d.root)
	}
	dec.value(d.root, target, "")
	return dec.faults
}

type decoder struct{ faults faults }

func (d *decoder) wrongType(pointer string, want kind, got *node) {
	d.faults.add(pointer, fault.RequestWrongType, "must be "+string(want)+", not "+string(got.kind))
}

func (d *decoder) value(n *node, v reflect.Value, pointer string) {
	if n.kind == kindNull {
		return
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		d.value(n, v.Elem(), pointer)
		return
	}
	if d.readsItself(n, v, pointer) {
		return
	}
	if want := kindOf(v.Type()); want != n.kind && want != "" {
		d.wrongType(pointer, want, n)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.object(n, v, pointer)
	case reflect.Slice:
		d.slice(n, v, pointer)
	case reflect.Map:
		d.mapping(n, v, pointer)
	case reflect.String:
		v.SetString(n.text)
	default:
		d.scalar(n, v, pointer)
	}
}

// kindOf is the kind of JSON value that fits a Go type; "" when any does.
func kindOf(t reflect.Type) kind {
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return kindObject
	case reflect.Slice, reflect.Array:
		return kindArray
	case reflect.String:
		return kindString
	case reflect.Bool:
		return kindBool
	case reflect.Interface:
		return ""
	}
	return kindNumber
}

// readsItself hands the value to a type with a reader of its own.
func (d *decoder) readsItself(n *node, v reflect.Value, pointer string) bool {
	var err error
	switch reader := v.Addr().Interface().(type) {
	case json.Unmarshaler:
		err = reader.UnmarshalJSON(n.bytes())
	case encoding.TextUnmarshaler:
		if to, takes := reader.(referrer); takes && n.kind == kindObject {
			d.reference(n, to, pointer)
			return true
		}
		if n.kind != kindString {
			d.wrongType(pointer, kindString, n)
			return true
		}
		err = reader.UnmarshalText([]byte(n.text))
	default:
		return false
	}
	var own *fault.Error
	switch {
	case errors.As(err, &own):
		d.faults.add(pointer, own.Code, own.Message)
	case err != nil:
		d.faults.add(pointer, fault.RequestFieldInvalid, "is not valid")
	}
	return true
}

// referrer is a text that can also be given as {"ref": "..."}.
type referrer interface{ UnmarshalRef(ref string) error }

// reference reads the object that names where a text is found.
func (d *decoder) reference(n *node, to referrer, pointer string) {
	var named struct {
		Ref string `json:"ref"`
	}
	before := len(d.faults)
	d.object(n, reflect.ValueOf(&named).Elem(), pointer)
	switch {
	case len(d.faults) > before:
	case named.Ref == "":
		d.faults.add(Pointer(pointer, "ref"), fault.RequestFieldMissing, "must be given")
	default:
		if err := to.UnmarshalRef(named.Ref); err != nil {
			d.faults.add(pointer, fault.RequestFieldInvalid, "is not valid")
		}
	}
}

func (d *decoder) object(n *node, v reflect.Value, pointer string) {
	for _, m := range n.members {
		if len(d.faults) >= MaxFaults {
			return
		}
		at := Pointer(pointer, m.name)
		field, near := fieldOf(v, m.name)
		switch {
		case field.IsValid():
			d.value(m.value, field, at)
		case near != "":
			d.faults.add(at, fault.RequestUnknownField, "is not known here; "+strconv.Quote(near)+" is")
		default:
			d.faults.add(at, fault.RequestUnknownField, "is not known here")
		}
	}
}

// fieldOf finds the field with the JSON name, in embedded structs too; near is
// the name of a field that differs by case only.
func fieldOf(v reflect.Value, name string) (field reflect.Value, near string) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && tag == "" && f.Type.Kind() == reflect.Struct {
			inner, innerNear := fieldOf(v.Field(i), name)
			if inner.IsValid() {
				return inner, ""
			}
			near = max(near, innerNear)
			continue
		}
		if !f.IsExported() || tag == "-" {
			continue
		}
		if tag == "" {
			tag = f.Name
		}
		if tag == name {
			return v.Field(i), ""
		}
		if strings.EqualFold(tag, name) {
			near = tag
		}
	}
	return reflect.Value{}, near
}

// slice fills a slice. A null in it is a fault: unlike a member, an item
// cannot be left out.
func (d *decoder) slice(n *node, v reflect.Value, pointer string) {
	list := reflect.MakeSlice(v.Type(), len(n.items), len(n.items))
	for i, item := range n.items {
		at := Index(pointer, i)
		if item.kind == kindNull {
			d.faults.add(at, fault.RequestWrongType, "must not be null")
			continue
		}
		d.value(item, list.Index(i), at)
	}
	v.Set(list)
}

func (d *decoder) mapping(n *node, v reflect.Value, pointer string) {
	m := reflect.MakeMapWithSize(v.Type(), len(n.members))
	for _, each := range n.members {
		value := reflect.New(v.Type().Elem()).Elem()
		d.value(each.value, value, Pointer(pointer, each.name))
		m.SetMapIndex(reflect.ValueOf(each.name).Convert(v.Type().Key()), value)
	}
	v.Set(m)
}

// scalar fills booleans, numbers and interfaces; the kinds fit already.
func (d *decoder) scalar(n *node, v reflect.Value, pointer string) {
	err := json.Unmarshal(n.bytes(), v.Addr().Interface())
	if err == nil {
		return
	}
	switch v.Kind() {
	case reflect.Float32, reflect.Float64:
		d.faults.add(pointer, fault.RequestFieldInvalid, "is out of range")
	default:
		d.faults.add(pointer, fault.RequestWrongType, "must be a whole number of at most "+strconv.Itoa(v.Type().Bits())+" bits")
	}
}
