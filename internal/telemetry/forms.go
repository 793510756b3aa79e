package telemetry

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// maxQuoting is how often a text is looked for written as a string inside a
// string: an answer in JSON that holds JSON, in a log line, is three.
const maxQuoting = 3

// formsOf lists the texts in which a secret can stand in a log line, a header
// or an error, each at least minForm long.
func formsOf(value string) []string {
	query := url.QueryEscape(value)
	forms := []string{
		value,
		query, lowerEscapes(query),
		url.PathEscape(value), lowerEscapes(url.PathEscape(value)),
		strings.ReplaceAll(query, "+", "%20"),
		strings.TrimPrefix(url.UserPassword("", value).String(), ":"),
	}
	for range maxQuoting {
		for _, f := range forms {
			if !strings.ContainsFunc(f, isQuoted) {
				continue
			}
			forms = append(forms, jsonText(f, true), jsonText(f, false), unquoted(strconv.Quote(f)), unquoted(strconv.QuoteToASCII(f)))
		}
		forms = unique(forms)
	}
	raw := []byte(value)
	forms = append(forms,
		hex.EncodeToString(raw), strings.ToUpper(hex.EncodeToString(raw)),
		base64.StdEncoding.EncodeToString(raw), base64.RawStdEncoding.EncodeToString(raw),
		base64.URLEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw),
	)
	for shift := range 3 {
		forms = append(forms, base64Core(base64.RawStdEncoding, value, shift), base64Core(base64.RawURLEncoding, value, shift))
	}
	return slices.DeleteFunc(unique(forms), func(f string) bool { return len(f) < minForm })
}

// isQuoted reports whether a quoted string can hold another text for r.
func isQuoted(r rune) bool { return r < ' ' || r > '~' || strings.ContainsRune(`"\<>&`, r) }

func unique(texts []string) []string {
	slices.Sort(texts)
	return slices.Compact(texts)
}

// base64Core is the part of a base64 text that a value gives whatever stands
// before and after it, when shift bytes (mod 3) stand before: the user name in
// Basic credentials, for one.
func base64Core(encoding *base64.Encoding, value string, shift int) string {
	padded := append(bytes.Repeat([]byte{0}, shift), value...)
	text := encoding.EncodeToString(padded)
	from := []int{0, 2, 3}[shift] // characters that hold bits of what is before
	to := len(padded) * 8 / 6     // characters that hold no bits of what follows
	if from >= to {
		return ""
	}
	return text[from:to]
}

func jsonText(value string, escapeHTML bool) string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(escapeHTML)
	if err := encoder.Encode(value); err != nil {
		return ""
	}
	return unquoted(strings.TrimSuffix(out.String(), "\n"))
}

func unquoted(quoted string) string { return strings.TrimSuffix(strings.TrimPrefix(quoted, `"`), `"`) }

// lowerEscapes writes the hexadecimal digits of %XX in lower case.
func lowerEscapes(escaped string) string {
	out := []byte(escaped)
	for i := 0; i+2 < len(out); i++ {
		if out[i] == '%' {
			copy(out[i+1:i+3], bytes.ToLower(out[i+1:i+3]))
			i += 2
		}
	}
	return string(out)
}
