package main

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"example.com/edgebundle/go/predictor"
)

// elements reads the elements of a tensor from JSON that is known to be valid: a flat list, or lists nested as the
// shape says. That it is valid spares all checks but those of its form.
type elements struct {
	raw  []byte
	at   int
	take func(word string) error
}

// readElements returns a tensor of a shape; count is the shape's number of elements.
func readElements(of datatype, raw json.RawMessage, shape []int64, count int) (predictor.Tensor, error) {
	var memory []byte
	var texts []string
	e := &elements{raw: raw, take: func(word string) (err error) {
		memory, err = of.appendElement(memory, word)
		return err
	}}
	if of.kind == text {
		e.take = func(word string) error {
			one, err := readText(word)
			texts = append(texts, one)
			return err
		}
	}
	if err := e.list(e.form(shape, count)); err != nil {
		return predictor.Tensor{}, err
	}
	if of.kind == text {
		return predictor.NewStrings(texts, shape...), nil
	}
	return predictor.NewBytes(of.dtype, memory, shape...), nil
}

// readText reads a string of JSON. The library would take what is no Unicode, and put U+FFFD there.
func readText(word string) (string, error) {
	var one *string
	if err := json.Unmarshal([]byte(word), &one); err != nil || one == nil || !utf8.ValidString(word) {
		return "", badRequest("`%.40s` is no text", word)
	}
	const replacement = "\uFFFD"
	escapes := strings.ToLower(strings.ReplaceAll(word, `\\`, ""))
	if strings.Count(*one, replacement) > strings.Count(word, replacement)+strings.Count(escapes, `\ufffd`) {
		return "", badRequest("`%.40s` holds half a character", word)
	}
	return *one, nil
}

// form returns the sizes of the lists: those of the shape where the first element is a list, else one.
func (e *elements) form(shape []int64, count int) []int64 {
	defer func() { e.at = 0 }()
	isList := e.skips('[')
	if isList && len(shape) > 1 && e.skips('[') {
		return shape
	}
	return []int64{int64(count)}
}

// list reads one list, whose elements are lists where more sizes follow.
func (e *elements) list(sizes []int64) error {
	if !e.skips('[') {
		return badRequest("a list of %d elements is missing", sizes[0])
	}
	for index := range sizes[0] {
		if index > 0 && !e.skips(',') {
			return badRequest("a list has %d elements, not %d", index, sizes[0])
		}
		var err error
		if len(sizes) > 1 {
			err = e.list(sizes[1:])
		} else {
			err = e.element()
		}
		if err != nil {
			return err
		}
	}
	if !e.skips(']') {
		return badRequest("a list has more than %d elements", sizes[0])
	}
	return nil
}

func (e *elements) element() error {
	e.space()
	begin := e.at
	if e.peek() == '"' {
		for e.at++; e.peek() != '"'; e.at++ {
			if e.peek() == '\\' {
				e.at++
			}
		}
		e.at++
	} else {
		for !strings.ContainsRune(",]} \t\r\n[{:", rune(e.peek())) {
			e.at++
		}
	}
	word := string(e.raw[begin:e.at])
	if err := e.take(word); err != nil {
		return badRequest("`%.40s` is no element of this datatype", word)
	}
	return nil
}

// skips goes behind the next character that is no white space, where it is the wanted one.
func (e *elements) skips(wanted byte) bool {
	e.space()
	if e.peek() != wanted {
		return false
	}
	e.at++
	return true
}

func (e *elements) space() {
	for strings.IndexByte(" \t\r\n", e.peek()) >= 0 {
		e.at++
	}
}

// peek returns the next character; behind the last one a closing bracket, which ends everything.
func (e *elements) peek() byte {
	if e.at >= len(e.raw) {
		return ']'
	}
	return e.raw[e.at]
}
