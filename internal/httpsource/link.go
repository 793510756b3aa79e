package httpsource

import "strings"

// nextLink gives the target of the first link with the relation "next" in Link
// headers (RFC 8288), "" when there is none.
func nextLink(headers []string) string {
	for _, h := range headers {
		for len(h) > 0 {
			var target string
			var next bool
			target, next, h = oneLink(h)
			if next {
				return target
			}
		}
	}
	return ""
}

// oneLink reads the link that text begins with. What cannot be read is passed over.
func oneLink(text string) (target string, next bool, rest string) {
	open := strings.IndexByte(text, '<')
	if open < 0 {
		return "", false, ""
	}
	text = text[open+1:]
	end := strings.IndexByte(text, '>')
	if end < 0 {
		return "", false, ""
	}
	target, text = text[:end], text[end+1:]
	seen := false
	for {
		text = strings.TrimLeft(text, " \t")
		if !strings.HasPrefix(text, ";") {
			break
		}
		var name, value string
		name, value, text = linkParam(text[1:])
		if strings.EqualFold(name, "rel") && !seen {
			seen = true
			for _, word := range strings.Fields(value) {
				next = next || strings.EqualFold(word, "next")
			}
		}
	}
	_, rest, _ = strings.Cut(text, ",")
	return target, next, rest
}

// linkParam reads name, name=value or name="value"; rest begins behind it.
func linkParam(text string) (name, value, rest string) {
	end := strings.IndexAny(text, "=;,")
	if end < 0 {
		return strings.TrimSpace(text), "", ""
	}
	name = strings.TrimSpace(text[:end])
	if text[end] != '=' {
		return name, "", text[end:]
	}
	text = strings.TrimLeft(text[end+1:], " \t")
	if !strings.HasPrefix(text, `"`) {
		end = strings.IndexAny(text, ";,")
		if end < 0 {
			end = len(text)
		}
		return name, strings.TrimSpace(text[:end]), text[end:]
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
		case text[i] == '"':
			return name, b.String(), text[i+1:]
		default:
			b.WriteByte(text[i])
		}
	}
	return name, b.String(), ""
}
