// Command cabi is package predictor as a C library, for programs in other languages:
//
//	go build -buildmode=c-shared -o _go.so ./go/cabi
//
// python/bundle/runtimes/edgebundle_go.h says what it offers. Those functions are in host.c, which lets nothing
// in here while the process is a forked one; the exported ones here are theirs alone.
package main

// #cgo CFLAGS: -I${SRCDIR}/../../python/bundle/runtimes
// #include <stdlib.h>
// #include "edgebundle_go.h"
// int32_t edgebundle_go_tell(edgebundle_go_progress progress, void *context, int64_t done, int64_t total);
import "C"

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"runtime/cgo"
	"unsafe"

	"example.com/edgebundle/go/predictor"
)

func main() {}

//export goOpen
func goOpen(path *C.char, pathSize C.int64_t, options *C.char, optionsSize C.int64_t, handle *C.uint64_t) (fault *C.char) {
	defer guard(&fault)
	refresh("ORT_DYLIB_PATH", "ORT_DISABLE_TELEMETRY")
	given := predictor.Options{}
	reader := json.NewDecoder(bytes.NewReader(C.GoBytes(unsafe.Pointer(options), C.int(optionsSize))))
	reader.UseNumber()
	if err := reader.Decode(&given); err != nil {
		return failure(err)
	}
	p, err := predictor.Open(C.GoStringN(path, C.int(pathSize)), given)
	if err != nil {
		return failure(err)
	}
	*handle = C.uint64_t(cgo.NewHandle(p))
	return nil
}

// refresh takes over what the host's environment says of some variables now: Go read it once, when it started.
func refresh(names ...string) {
	for _, name := range names {
		key := C.CString(name)
		if value := C.getenv(key); value == nil {
			_ = os.Unsetenv(name)
		} else if text := C.GoString(value); text != os.Getenv(name) {
			_ = os.Setenv(name, text)
		}
		C.free(unsafe.Pointer(key))
	}
}

//export goDescribe
func goDescribe(handle C.uint64_t, text **C.char) (fault *C.char) {
	defer guard(&fault)
	p := held[*predictor.Predictor](handle)
	description := p.Description()
	_, description["provider_reasons"] = p.Providers()
	return encode(description, text)
}

//export goSelfTest
func goSelfTest(handle C.uint64_t, text **C.char) (fault *C.char) {
	defer guard(&fault)
	report, err := held[*predictor.Predictor](handle).SelfTest(context.Background())
	if err != nil {
		return failure(err)
	}
	tree := report.Tree()
	cases := tree["cases"].([]map[string]any)
	for at, one := range report.Cases {
		outputs := cases[at]["outputs"].([]map[string]any)
		for index, output := range one.Outputs {
			if output.SourceWorst != nil {
				outputs[index]["source_worst"] = predictor.Decimal(*output.SourceWorst)
			}
		}
	}
	return encode(tree, text)
}

func encode(tree map[string]any, text **C.char) *C.char {
	encoded, err := json.Marshal(tree)
	if err != nil {
		return failure(err)
	}
	*text = C.CString(string(encoded))
	return nil
}

//export goPredict
func goPredict(
	handle C.uint64_t, inputs *C.edgebundle_go_tensor, inputCount C.int64_t,
	outputs *C.edgebundle_go_tensor, outputCount C.int64_t, rest *C.uint64_t,
) (fault *C.char) {
	defer guard(&fault)
	p := held[*predictor.Predictor](handle)
	wanted := unsafe.Slice(outputs, outputCount)
	results, err := p.PredictWith(context.Background(), tensors(inputs, inputCount), memories(wanted))
	if err != nil {
		return failure(err)
	}
	*rest = deliver(results, wanted)
	return nil
}

//export goPredictBatch
func goPredictBatch(
	handle C.uint64_t, inputs *C.edgebundle_go_tensor, inputCount C.int64_t,
	batchSize *C.int64_t, progress C.edgebundle_go_progress, told unsafe.Pointer,
	outputs *C.edgebundle_go_tensor, outputCount C.int64_t, rest *C.uint64_t,
) (fault *C.char) {
	defer guard(&fault)
	p := held[*predictor.Predictor](handle)
	var size *int
	if batchSize != nil {
		size = new(int(*batchSize))
	}
	var tell func(done, total int64) bool
	if progress != nil {
		tell = func(done, total int64) bool {
			return C.edgebundle_go_tell(progress, told, C.int64_t(done), C.int64_t(total)) != 0
		}
	}
	wanted := unsafe.Slice(outputs, outputCount)
	results, err := p.PredictBatchWith(context.Background(), tensors(inputs, inputCount), size, tell, memories(wanted))
	if err != nil {
		return failure(err)
	}
	*rest = deliver(results, wanted)
	return nil
}

//export goPredictInto
func goPredictInto(
	handle C.uint64_t, inputs *C.edgebundle_go_tensor, inputCount C.int64_t,
	outputs *C.edgebundle_go_tensor, outputCount C.int64_t,
) (fault *C.char) {
	defer guard(&fault)
	p := held[*predictor.Predictor](handle)
	return failure(p.PredictInto(context.Background(), tensors(inputs, inputCount), tensors(outputs, outputCount)))
}

//export goClose
func goClose(handle C.uint64_t) (fault *C.char) {
	defer guard(&fault)
	return failure(held[*predictor.Predictor](handle).Close())
}

//export goRelease
func goRelease(handle C.uint64_t) {
	var fault *C.char
	defer func() { C.free(unsafe.Pointer(fault)) }()
	defer guard(&fault)
	one := cgo.Handle(handle)
	if owner, is := one.Value().(interface{ Close() error }); is {
		_ = owner.Close()
	}
	one.Delete()
}
