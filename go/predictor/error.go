package predictor

import (
	"fmt"
	"strings"
)

// Error is the one error of this package: a refusal with a code that is stable across languages.
// Get at it with errors.As and switch on Code; the other fields are for people.
type Error struct {
	// Code is a code of spec/errors.json.
	Code string
	// Subject is what the refusal is about: a JSON Pointer for faults of a manifest, else a path inside
	// the bundle, the name of a tensor, option or provider, or "." for the whole.
	Subject string
	// Expected says what would have been right.
	Expected string
	// Found says what was there instead.
	Found string
	// Err is what led here, where another error did; it may be nil.
	Err error
}

// Error returns the refusal as one line.
func (e *Error) Error() string {
	return fmt.Sprintf("%s: `%s`: expected %s, found %s", e.Code, e.Subject, e.Expected, e.Found)
}

// Unwrap returns the error that led here, or nil.
func (e *Error) Unwrap() error { return e.Err }

func refuse(code, subject, expected, found string) *Error {
	return &Error{Code: code, Subject: subject, Expected: expected, Found: found}
}

func refuseFor(err error, code, subject, expected string) *Error {
	return &Error{Code: code, Subject: subject, Expected: expected, Found: sentence(err), Err: err}
}

// sentence returns the first line of an error's text; ONNX Runtime adds traces of its own.
func sentence(err error) string {
	line, _, _ := strings.Cut(strings.TrimSpace(err.Error()), "\n")
	if line == "" {
		return "an error without a text"
	}
	return line
}

// quoted returns names for a message, each cut to a length that a terminal can bear.
func quoted(names ...string) string {
	const most, longest = 8, 80
	words := make([]string, 0, len(names))
	for _, name := range names[:min(len(names), most)] {
		if len(name) > longest {
			name = strings.ToValidUTF8(name[:longest], "") + "..."
		}
		words = append(words, "`"+name+"`")
	}
	if len(names) > most {
		words = append(words, "...")
	}
	return strings.Join(words, ", ")
}
