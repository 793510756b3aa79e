package preview

import (
	"encoding/json"
)

// redacted takes secrets out of the texts and numbers of a JSON document; what
// they stood in stays JSON. A number that is a secret becomes a text.
func redacted(doc []byte, r Redactor) json.RawMessage {
	if r == nil || r.String(string(doc)) == string(doc) && !hasEscapes(doc) {
		return doc
	}
	out := make([]byte, 0, len(doc))
	for i := 0; i < len(doc); {
		end := tokenEnd(doc, i)
		out = append(out, token(doc[i:end], r)...)
		i = end
	}
	return out
}

// hasEscapes reports whether a text may look otherwise than it is.
func hasEscapes(doc []byte) bool {
	for _, b := range doc {
		if b == '\\' {
			return true
		}
	}
	return false
}

// tokenEnd finds the end of the token that begins at i.
func tokenEnd(doc []byte, i int) int {
	if doc[i] == '"' {
		for end := i + 1; end < len(doc); end++ {
			switch doc[end] {
			case '\\':
				end++
			case '"':
				return end + 1
			}
		}
		return len(doc)
	}
	end := i
	for end < len(doc) && isScalar(doc[end]) {
		end++
	}
	return max(end, i+1)
}

func isScalar(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b == '-' || b == '+' || b == '.' || b == 'E'
}

// token gives a token without secrets.
func token(text []byte, r Redactor) []byte {
	if text[0] != '"' {
		if len(text) == 1 || r.String(string(text)) == string(text) {
			return text
		}
		return []byte(`"[redacted]"`)
	}
	var s string
	if json.Unmarshal(text, &s) != nil {
		return text
	}
	clean := r.String(s)
	if clean == s {
		return text
	}
	quoted, _ := json.Marshal(clean) // a string cannot fail
	return quoted
}
