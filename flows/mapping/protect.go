package mapping

import (
	"bytes"
	"encoding/base32"
	"encoding/hex"
	"hash"

	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/columns"
	"github.com/celonis-connector/connector/internal/fault"
)

const (
	// masked stands for a protected value in messages and kept records.
	masked = "[protected]"
	// tokenPrefix begins every token; tokenBytes of the hash follow.
	tokenPrefix = "tok_"
	tokenBytes  = 20
)

// protection is a compiled flows.Protection.
type protection struct{ method flows.ProtectMethod }

// size is how many bytes a protected value has.
func (p protection) size() int {
	if p.method == flows.ProtectTokenise {
		return len(tokenPrefix) + base32.StdEncoding.EncodedLen(tokenBytes)
	}
	return 64
}

// protect compiles a rule's protection.
func (c *compiler) protect(at string, col *column, rule flows.Rule) {
	p := rule.Protect
	if p == nil {
		return
	}
	col.protect = &protection{p.Method}
	switch {
	case p.Method == flows.ProtectFixed && p.Value == nil:
		c.fault(at+"/protect/value", fault.MappingRule, "column %q is protected by a fixed value and has none", rule.To)
	case p.Method == flows.ProtectFixed:
		c.fixed(at, col, string(*p.Value))
	case p.Value != nil:
		c.fault(at+"/protect/value", fault.MappingRule, "column %q takes a value only with the method %q", rule.To, flows.ProtectFixed)
	case col.field.Type != columns.String:
		c.fault(at+"/type", fault.MappingRule, "column %q is protected by %s, which makes a string, and is %s", rule.To, p.Method, article(col.field.Type.String()))
	case rule.Length != 0 && rule.Length < col.protect.size():
		c.fault(at+"/length", fault.MappingRule, "column %q is declared with %d bytes, and a value protected by %s has %d", rule.To, rule.Length, p.Method, col.protect.size())
	}
}

// fixed lets the column give one value for all.
func (c *compiler) fixed(at string, col *column, text string) {
	b, is := []byte(text), good
	switch t := col.field.Type; t {
	case columns.String:
		if len(b) > col.field.Length {
			c.fault(at+"/protect/value", fault.MappingRule, "column %q takes %d bytes and its fixed value has %d", col.field.Name, col.field.Length, len(b))
		}
		col.protect.method = flows.ProtectFixed
		col.fixedText = b
	case columns.Float:
		var v float64
		v, is = parseFloat(b, columns.Text)
		col.floats.parse = func([]byte, columns.Kind) (float64, verdict) { return v, good }
	default:
		var v int64
		v, is = plainInts(t)(b, columns.Text)
		col.ints.parse = func([]byte, columns.Kind) (int64, verdict) { return v, good }
	}
	if is != good {
		c.fault(at+"/protect/value", fault.MappingRule, "the fixed value %q of column %q is not %s", shorten(b), col.field.Name, article(col.field.Type.String()))
	}
}

// keyed hides values by a keyed hash.
type keyed struct {
	hash hash.Hash
	sum  []byte
	text []byte
}

// append writes the hidden form of a value behind dst. The methods' hashes
// have nothing in common, so that one tells nothing of the other.
func (k *keyed) append(dst []byte, method flows.ProtectMethod, value []byte) []byte {
	k.hash.Reset()
	k.text = append(append(append(k.text[:0], method...), 0), value...)
	_, _ = k.hash.Write(k.text)
	k.sum = k.hash.Sum(k.sum[:0])
	if method == flows.ProtectTokenise {
		return base32.StdEncoding.AppendEncode(append(dst, tokenPrefix...), k.sum[:tokenBytes])
	}
	return hex.AppendEncode(dst, k.sum)
}

// hide replaces the column's values by their hidden forms.
func (a *Applier) hide(c *column) {
	s := &a.shaped
	out, data := resize(s.hidden, a.raw.Rows), s.hiddenData[:0]
	var compact []byte
	for r := range out {
		cell := a.cells[r]
		out[r] = columns.Cell{}
		if cell.Kind == columns.Null || a.bad[r] {
			continue
		}
		value, start := a.value(cell), len(data)
		switch {
		case bytes.Equal(value, []byte(masked)):
			a.rejectValue(r, c, nil, contradiction{kind: cell.Kind, is: stillMasked})
			continue
		case c.protect.method == flows.ProtectFixed:
			data = append(data, c.fixedText...)
		case s.mac.hash == nil:
			a.rejectValue(r, c, nil, contradiction{kind: cell.Kind, is: unprotected})
			continue
		case cell.Kind == columns.JSON:
			compact = appendCompact(compact[:0], value)
			data = s.mac.append(data, c.protect.method, compact)
		default:
			data = s.mac.append(data, c.protect.method, value)
		}
		out[r] = columns.Cell{Off: uint32(start), Len: uint32(len(data) - start), Kind: columns.Text}
	}
	s.hidden, s.hiddenData = out, data
	a.cells, a.data = out, data
}
