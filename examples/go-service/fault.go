package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"example.com/edgebundle/go/predictor"
)

// statusLeft is what a request is counted as whose caller has left; nobody reads the answer.
const statusLeft = 499

// codeOutputUnknown is a code of spec/errors.json, which this service uses as the predictor does.
const codeOutputUnknown = "output_unknown"

// fault is a refusal of the service itself; those of the predictor are *predictor.Error.
type fault struct {
	status int
	text   string
}

func (f *fault) Error() string { return f.text }

var errFull = &fault{http.StatusServiceUnavailable, "as many requests wait as may: try again later"}

func badRequest(format string, values ...any) *fault {
	return &fault{http.StatusBadRequest, fmt.Sprintf(format, values...)}
}

// statusOf returns the HTTP status for an error.
func statusOf(err error) int {
	var own *fault
	var tooLarge *http.MaxBytesError
	var refusal *predictor.Error
	switch {
	case errors.As(err, &own):
		return own.status
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return http.StatusRequestTimeout
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout
	case errors.Is(err, context.Canceled):
		return statusLeft
	case errors.As(err, &refusal) && (strings.HasPrefix(refusal.Code, "input_") || refusal.Code == codeOutputUnknown):
		return http.StatusBadRequest
	}
	return http.StatusInternalServerError
}

// writeFault answers with the protocol's error. Where the predictor refused, its code stands in a field of its own.
func writeFault(w http.ResponseWriter, err error) int {
	status := statusOf(err)
	body := map[string]string{"error": err.Error()}
	var refusal *predictor.Error
	if errors.As(err, &refusal) {
		body["code"] = refusal.Code
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	writeJSON(w, status, body)
	return status
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(`{"error":"an answer that is no JSON"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A caller that has left gets nothing.
	_, _ = w.Write(text)
}
