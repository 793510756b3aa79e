package columns

// scanNested checks the object or array at i and gives the position behind it,
// or the position of the fault.
func scanNested(data []byte, i int) (end int, ok bool) {
	return scanValue(data, i, 0)
}

// scanValue checks any JSON value.
func scanValue(data []byte, i, depth int) (end int, ok bool) {
	if i == len(data) || depth > maxDepth {
		return i, false
	}
	switch c := data[i]; {
	case c == '{':
		return scanMembers(data, skipSpace(data, i+1), depth+1, '}')
	case c == '[':
		return scanMembers(data, skipSpace(data, i+1), depth+1, ']')
	case c == '"':
		return scanText(data, i)
	case c == '-' || c-'0' < 10:
		end = scanNumber(data, i)
		return end, end > i
	}
	for _, word := range [...]string{"true", "false", "null"} {
		if hasWord(data[i:], word) {
			return i + len(word), true
		}
	}
	return i, false
}

// scanMembers checks what stands in an object or array up to its bracket.
func scanMembers(data []byte, i, depth int, bracket byte) (end int, ok bool) {
	if i < len(data) && data[i] == bracket {
		return i + 1, true
	}
	for {
		if bracket == '}' {
			if i, ok = scanText(data, i); !ok {
				return i, false
			}
			if i = skipSpace(data, i); i == len(data) || data[i] != ':' {
				return i, false
			}
			i = skipSpace(data, i+1)
		}
		if i, ok = scanValue(data, i, depth); !ok {
			return i, false
		}
		i = skipSpace(data, i)
		if i == len(data) {
			return i, false
		}
		switch data[i] {
		case bracket:
			return i + 1, true
		case ',':
			i = skipSpace(data, i+1)
		default:
			return i, false
		}
	}
}

// scanText checks the string whose opening quote stands at i.
func scanText(data []byte, i int) (end int, ok bool) {
	if i == len(data) || data[i] != '"' {
		return i, false
	}
	for i++; ; {
		i = plainEnd(data, i)
		if i == len(data) || data[i] < ' ' {
			return i, false
		}
		if data[i] == '"' {
			return i + 1, true
		}
		if i+1 == len(data) {
			return i, false
		}
		switch c := data[i+1]; {
		case escapes[c] != 0:
			i += 2
		case c == 'u':
			if _, ok := hex4(data[i:]); !ok {
				return i, false
			}
			i += 6
		default:
			return i, false
		}
	}
}
