package predictor

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// The parser is our own because four JSON libraries agree about little: this one follows the grammar of
// RFC 8259 to the end, and only then asks whether the text was in the canonical spelling.

const (
	// maxInteger is the largest integer that every JSON library carries exactly.
	maxInteger = 1<<53 - 1
	maxDepth   = 16
)

// tree is the value of one JSON text: map[string]any, []any, string, bool or int64.
// What canonical JSON has no word for (null, fractions) stands as nil and is never returned.
type tree = any

// errMalformed and errNotCanonical tell the two faults of parseJSON apart.
var (
	errMalformed    = errors.New("no JSON text")
	errNotCanonical = errors.New("not canonical JSON")
)

type jsonReader struct {
	data      []byte
	at        int
	depth     int
	asciiKeys bool
	// fault is the first deviation from the canonical form; a fault of the grammar further behind outranks it.
	fault string
}

// parseJSON returns the tree of one canonical JSON text. The error wraps errMalformed where the bytes are
// no JSON at all (or nest too deep), else errNotCanonical.
func parseJSON(data []byte, asciiKeys bool) (tree, error) {
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("%w: invalid UTF-8", errMalformed)
	}
	r := &jsonReader{data: data, asciiKeys: asciiKeys}
	r.space()
	value, err := r.value()
	if err != nil {
		return nil, err
	}
	r.space()
	if r.at != len(data) {
		return nil, r.malformed("something behind the text")
	}
	if r.fault != "" {
		return nil, fmt.Errorf("%w: %s", errNotCanonical, r.fault)
	}
	return value, nil
}

func (r *jsonReader) malformed(what string) error {
	return fmt.Errorf("%w: %s at byte %d", errMalformed, what, r.at)
}

func (r *jsonReader) note(what string) {
	if r.fault == "" {
		r.fault = fmt.Sprintf("%s at byte %d", what, r.at)
	}
}

// peek returns the next byte, or 0 at the end; no grammar rule begins with U+0000.
func (r *jsonReader) peek() byte {
	if r.at < len(r.data) {
		return r.data[r.at]
	}
	return 0
}

func (r *jsonReader) take(want byte) bool {
	if r.at < len(r.data) && r.data[r.at] == want {
		r.at++
		return true
	}
	return false
}

func (r *jsonReader) space() {
	for r.at < len(r.data) {
		switch r.data[r.at] {
		case ' ', '\t', '\n', '\r':
			r.note("white space")
			r.at++
		default:
			return
		}
	}
}

func (r *jsonReader) value() (tree, error) {
	switch c := r.peek(); {
	case c == '{':
		return r.nested(r.object)
	case c == '[':
		return r.nested(r.array)
	case c == '"':
		return r.text()
	case c == '-' || c >= '0' && c <= '9':
		return r.number()
	default:
		return r.literal()
	}
}

func (r *jsonReader) nested(read func() (tree, error)) (tree, error) {
	if r.depth == maxDepth {
		return nil, r.malformed(fmt.Sprintf("arrays and objects deeper than %d", maxDepth))
	}
	r.at++
	r.depth++
	value, err := read()
	r.depth--
	return value, err
}

func (r *jsonReader) object() (tree, error) {
	members := map[string]any{}
	r.space()
	if r.take('}') {
		return members, nil
	}
	last, first := "", true
	for {
		key, value, err := r.member()
		if err != nil {
			return nil, err
		}
		if !first && key <= last {
			r.note("a key that is out of order or stands twice")
		}
		members[key] = value
		last, first = key, false
		r.space()
		if r.take('}') {
			return members, nil
		}
		if !r.take(',') {
			return nil, r.malformed("neither `,` nor `}`")
		}
		r.space()
	}
}

func (r *jsonReader) member() (string, tree, error) {
	if r.peek() != '"' {
		return "", nil, r.malformed("no key")
	}
	key, err := r.text()
	if err != nil {
		return "", nil, err
	}
	if r.asciiKeys && !isASCII(key) {
		r.note("a key that is not ASCII")
	}
	r.space()
	if !r.take(':') {
		return "", nil, r.malformed("no `:`")
	}
	r.space()
	value, err := r.value()
	return key, value, err
}

func (r *jsonReader) array() (tree, error) {
	elements := []any{}
	r.space()
	if r.take(']') {
		return elements, nil
	}
	for {
		value, err := r.value()
		if err != nil {
			return nil, err
		}
		elements = append(elements, value)
		r.space()
		if r.take(']') {
			return elements, nil
		}
		if !r.take(',') {
			return nil, r.malformed("neither `,` nor `]`")
		}
		r.space()
	}
}

func (r *jsonReader) literal() (tree, error) {
	for word, value := range map[string]tree{"true": true, "false": false, "null": nil} {
		end := r.at + len(word)
		if end <= len(r.data) && string(r.data[r.at:end]) == word {
			if value == nil {
				r.note("null")
			}
			r.at = end
			return value, nil
		}
	}
	return nil, r.malformed("no value")
}

func (r *jsonReader) digits() int {
	start := r.at
	for c := r.peek(); c >= '0' && c <= '9'; c = r.peek() {
		r.at++
	}
	return r.at - start
}

func (r *jsonReader) number() (tree, error) {
	start := r.at
	r.take('-')
	if !r.take('0') && r.digits() == 0 {
		return nil, r.malformed("no digit")
	}
	whole := r.at
	if r.take('.') && r.digits() == 0 {
		return nil, r.malformed("no digit")
	}
	if r.take('e') || r.take('E') {
		if !r.take('+') {
			r.take('-')
		}
		if r.digits() == 0 {
			return nil, r.malformed("no digit")
		}
	}
	text := string(r.data[start:r.at])
	value, err := strconv.ParseInt(text, 10, 64)
	if r.at != whole || text == "-0" || err != nil || value > maxInteger || value < -maxInteger {
		r.note("a number that is no integer within ±(2^53-1)")
		return int64(math.MaxInt64), nil
	}
	return value, nil
}

func isASCII(text string) bool {
	for i := 0; i < len(text); i++ {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
