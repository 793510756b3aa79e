package sqlsource

import (
	"bytes"
	"encoding/hex"

	"github.com/jackc/pgx/v5/pgtype"
)

// pgEncode appends a value of PostgreSQL, which comes as text, as JSON.
type pgEncode func(dst, s []byte) []byte

// pgArrays gives the type of the elements of an array's type.
func pgElement(oid uint32) (element uint32, ok bool) {
	switch oid {
	case pgtype.BoolArrayOID:
		return pgtype.BoolOID, true
	case pgtype.Int2ArrayOID, pgtype.Int4ArrayOID, pgtype.Int8ArrayOID:
		return pgtype.Int8OID, true
	case pgtype.Float4ArrayOID, pgtype.Float8ArrayOID, pgtype.NumericArrayOID:
		return pgtype.NumericOID, true
	case pgtype.TimestampArrayOID:
		return pgtype.TimestampOID, true
	case pgtype.TimestamptzArrayOID:
		return pgtype.TimestamptzOID, true
	case pgtype.JSONArrayOID, pgtype.JSONBArrayOID:
		return pgtype.JSONBOID, true
	case pgtype.ByteaArrayOID:
		return pgtype.ByteaOID, true
	case pgtype.TextArrayOID, pgtype.VarcharArrayOID, pgtype.BPCharArrayOID, pgtype.NameArrayOID, pgtype.UUIDArrayOID, pgtype.DateArrayOID:
		return pgtype.TextOID, true
	}
	return 0, false
}

func pgEncoder(oid uint32) pgEncode {
	switch oid {
	case pgtype.BoolOID:
		return func(dst, s []byte) []byte {
			if len(s) == 1 && s[0] == 't' {
				return append(dst, "true"...)
			}
			return append(dst, "false"...)
		}
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.OIDOID:
		return func(dst, s []byte) []byte { return append(dst, s...) }
	case pgtype.Float4OID, pgtype.Float8OID, pgtype.NumericOID:
		return pgNumber
	case pgtype.TimestampOID, pgtype.DateOID:
		return pgStamp
	case pgtype.TimestamptzOID:
		return func(dst, s []byte) []byte { return pgStamp(dst, bytes.TrimSuffix(s, []byte("+00"))) }
	case pgtype.ByteaOID:
		return pgBytes
	case pgtype.JSONOID, pgtype.JSONBOID:
		return func(dst, s []byte) []byte { return append(dst, s...) }
	}
	if element, ok := pgElement(oid); ok {
		encode := pgEncoder(element)
		return func(dst, s []byte) []byte { return pgArray(dst, s, encode) }
	}
	return func(dst, s []byte) []byte { return appendString(dst, s) }
}

// pgNumber: NaN and the infinities have no number in JSON and are null.
func pgNumber(dst, s []byte) []byte {
	if isNumber(s) {
		return append(dst, s...)
	}
	return appendNull(dst)
}

// pgStamp: "infinity", which stands for no end, is null.
func pgStamp(dst, s []byte) []byte {
	if bytes.HasSuffix(s, []byte("infinity")) {
		return appendNull(dst)
	}
	return appendStamp(dst, s)
}

func pgBytes(dst, s []byte) []byte {
	raw := make([]byte, hex.DecodedLen(max(len(s)-2, 0)))
	if _, err := hex.Decode(raw, bytes.TrimPrefix(s, []byte(`\x`))); err != nil {
		return appendString(dst, s)
	}
	return appendBase64(dst, raw)
}

// pgArray appends an array, "{1,NULL,{2}}", as JSON; one with bounds of its own, "[2:3]={1,2}", without them.
func pgArray(dst, s []byte, encode pgEncode) []byte {
	if i := bytes.IndexByte(s, '='); len(s) > 0 && s[0] == '[' && i > 0 {
		s = s[i+1:]
	}
	var element []byte
	for i := 0; i < len(s); {
		switch c := s[i]; c {
		case '{':
			dst = append(dst, '[')
			i++
		case '}':
			dst = append(dst, ']')
			i++
		case ',':
			dst = append(dst, ',')
			i++
		case '"':
			element, i = pgQuoted(element[:0], s, i+1)
			dst = encode(dst, element)
		default:
			end := i
			for end < len(s) && s[end] != ',' && s[end] != '}' {
				end++
			}
			if bytes.EqualFold(s[i:end], []byte("NULL")) {
				dst = appendNull(dst)
			} else {
				dst = encode(dst, s[i:end])
			}
			i = end
		}
	}
	return dst
}

// pgQuoted reads an element up to its closing quote; i is behind the opening one.
func pgQuoted(element, s []byte, i int) (_ []byte, next int) {
	for ; i < len(s) && s[i] != '"'; i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		element = append(element, s[i])
	}
	return element, i + 1
}
