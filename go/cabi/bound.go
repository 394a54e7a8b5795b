package main

// #include "edgebundle_go.h"
import "C"

import (
	"context"
	"runtime/cgo"

	"example.com/edgebundle/go/predictor"
)

// boundCall is a bound call with the strings that it reads at every run.
type boundCall struct {
	*predictor.BoundCall
	texts map[string][]string
}

//export goBind
func goBind(
	handle C.uint64_t, inputs *C.edgebundle_go_tensor, inputCount C.int64_t,
	outputs *C.edgebundle_go_tensor, outputCount C.int64_t, bound *C.uint64_t,
) (fault *C.char) {
	defer guard(&fault)
	given := tensors(inputs, inputCount)
	call, err := held[*predictor.Predictor](handle).Bind(given, tensors(outputs, outputCount))
	if err != nil {
		return failure(err)
	}
	texts := map[string][]string{}
	for name, tensor := range given {
		if tensor.DType() == predictor.String {
			texts[name] = tensor.Strings()
		}
	}
	*bound = C.uint64_t(cgo.NewHandle(&boundCall{call, texts}))
	return nil
}

//export goRun
func goRun(handle C.uint64_t) (fault *C.char) {
	defer guard(&fault)
	return failure(held[*boundCall](handle).Run(context.Background()))
}

//export goRewrite
func goRewrite(handle C.uint64_t, inputs *C.edgebundle_go_tensor, inputCount C.int64_t) (fault *C.char) {
	defer guard(&fault)
	call := held[*boundCall](handle)
	for name, tensor := range tensors(inputs, inputCount) {
		// The call borrowed this slice.
		copy(call.texts[name], tensor.Strings())
	}
	return nil
}
