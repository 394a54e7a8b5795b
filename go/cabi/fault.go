package main

// #include <stdint.h>
import "C"

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime/cgo"

	"example.com/edgebundle/go/predictor"
)

// guard turns a panic into a fault: one that left this library would end the host's process.
func guard(fault **C.char) {
	if reason := recover(); reason != nil {
		*fault = internal(fmt.Sprint(reason))
	}
}

func internal(found string) *C.char {
	return failure(&predictor.Error{Code: "internal_error", Subject: ".", Expected: "no fault of this library", Found: found})
}

// failure returns an error as C is told of it; nil for none.
func failure(err error) *C.char {
	if err == nil {
		return nil
	}
	var refusal *predictor.Error
	if !errors.As(err, &refusal) {
		return internal(err.Error())
	}
	text, err := json.Marshal(map[string]string{
		"code": refusal.Code, "subject": refusal.Subject, "expected": refusal.Expected, "found": refusal.Found,
	})
	if err != nil {
		return internal(err.Error())
	}
	return C.CString(string(text))
}

// held returns what a handle stands for; it panics where that is something else.
func held[T any](handle C.uint64_t) T { return cgo.Handle(handle).Value().(T) }
