package predictor

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

const firstPrintable = 0x20

// shortEscapes are the escapes that have a letter; `\/` is grammatical and never canonical.
var shortEscapes = map[byte]rune{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

// text reads a string; the reader stands at its opening quote.
func (r *jsonReader) text() (string, error) {
	r.at++
	start := r.at
	for r.at < len(r.data) && r.data[r.at] != '"' && r.data[r.at] != '\\' && r.data[r.at] >= firstPrintable {
		r.at++
	}
	built := append([]byte(nil), r.data[start:r.at]...)
	for r.at < len(r.data) {
		c := r.data[r.at]
		switch {
		case c == '"':
			r.at++
			return string(built), nil
		case c < firstPrintable:
			return "", r.malformed("a control character in a string")
		case c == '\\':
			decoded, err := r.escape()
			if err != nil {
				return "", err
			}
			built = utf8.AppendRune(built, decoded)
		default:
			built = append(built, c)
			r.at++
		}
	}
	return "", r.malformed("a string without an end")
}

// escape reads one escape, or the two of a surrogate pair; half a pair comes back as U+FFFD and is noted.
func (r *jsonReader) escape() (rune, error) {
	start := r.at
	r.at++
	letter := r.peek()
	if letter != 'u' {
		decoded, known := shortEscapes[letter]
		if !known {
			return 0, r.malformed("an unknown escape")
		}
		r.at++
		if letter == '/' {
			r.note("an escaped `/`")
		}
		return decoded, nil
	}
	unit, err := r.unit()
	if err != nil {
		return 0, err
	}
	if string(r.data[start:r.at]) != longEscape(unit) {
		r.note("an escape that is not the canonical one")
	}
	if !utf16.IsSurrogate(unit) || r.peek() != '\\' || r.at+1 >= len(r.data) || r.data[r.at+1] != 'u' {
		return unit, nil
	}
	back := r.at
	r.at++
	second, err := r.unit()
	if err != nil {
		return 0, err
	}
	pair := utf16.DecodeRune(unit, second)
	if pair == utf8.RuneError {
		r.at = back
	}
	return pair, nil
}

// unit reads `uXXXX`.
func (r *jsonReader) unit() (rune, error) {
	const digits = 4
	end := r.at + 1 + digits
	if end > len(r.data) {
		return 0, r.malformed("an escape that is cut off")
	}
	word := string(r.data[r.at+1 : end])
	value, err := strconv.ParseUint(word, 16, 16)
	// ParseUint takes underscores only with base 0, and a sign never; so these are hex digits.
	if err != nil {
		return 0, r.malformed("an escape without four hex digits")
	}
	r.at = end
	return rune(value), nil
}

// longEscape returns the canonical escape of a control character that has no letter, else nothing.
func longEscape(unit rune) string {
	switch unit {
	case '\b', '\f', '\n', '\r', '\t':
		return ""
	}
	if unit >= firstPrintable {
		return ""
	}
	const hex = "0123456789abcdef"
	return `\u00` + string(hex[unit>>4]) + string(hex[unit&15])
}
