package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"example.com/edgebundle/go/predictor"
)

// request is one line: field by field, so that a field is only judged by the operation that needs it.
type request map[string]json.RawMessage

// fieldError is a field that a request lacks or misspells; the reply names the op.
type fieldError struct{ field, expected, found string }

func (e *fieldError) Error() string {
	return fmt.Sprintf("`%s`: expected %s, found %s", e.field, e.expected, e.found)
}

func misspelt(field, expected, found string) error {
	return &fieldError{field, expected, found}
}

func (r request) text(name string) (string, error) {
	var text *string
	if raw, given := r[name]; !given || decode(raw, &text) != nil || text == nil {
		return "", misspelt(name, "a field of text", "none")
	}
	return *text, nil
}

// integer returns a field that may be left out.
func (r request) integer(name string) (*int, error) {
	raw, given := r[name]
	if !given {
		return nil, nil
	}
	var value *int
	if decode(raw, &value) != nil || value == nil {
		return nil, misspelt(name, "an integer", "another value")
	}
	return value, nil
}

// options returns the options, which may be left out.
func (r request) options() (predictor.Options, error) {
	options := predictor.Options{}
	if raw, given := r["options"]; given && (decode(raw, &options) != nil || options == nil) {
		return nil, misspelt("options", "an object", "something else")
	}
	return options, nil
}

type tensorReader func(name string, raw json.RawMessage) (predictor.Tensor, error)

// tensors returns an object of tensors, each made by one of the two readers.
func (r request) tensors(name string, read tensorReader) (map[string]predictor.Tensor, error) {
	var given map[string]json.RawMessage
	if raw, there := r[name]; !there || decode(raw, &given) != nil || given == nil {
		return nil, misspelt(name, "an object of tensors", "none")
	}
	tensors := make(map[string]predictor.Tensor, len(given))
	for key, raw := range given {
		tensor, err := read(key, raw)
		if err != nil {
			return nil, err
		}
		tensors[key] = tensor
	}
	return tensors, nil
}

// decode reads JSON leniently, but for numbers: they stay as they are written.
func decode(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if rest := bytes.TrimSpace(data[decoder.InputOffset():]); len(rest) > 0 {
		return errors.New("more than one JSON text")
	}
	return nil
}
