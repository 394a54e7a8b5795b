package main

// #include "edgebundle_go.h"
import "C"

import (
	"runtime/cgo"
	"slices"
	"unsafe"

	"example.com/edgebundle/go/predictor"
)

// tensors returns tensors of C by name. Numbers stay where they are; strings are copied.
func tensors(first *C.edgebundle_go_tensor, count C.int64_t) map[string]predictor.Tensor {
	list := unsafe.Slice(first, count)
	read := make(map[string]predictor.Tensor, len(list))
	for index := range list {
		one := &list[index]
		dtype := predictor.DType(C.GoStringN(one.dtype, C.int(one.dtype_size)))
		if one.offsets != nil {
			read[nameOf(one)] = predictor.NewStrings(textsOf(one), dimsOf(one)...)
		} else {
			read[nameOf(one)] = predictor.NewBytes(dtype, bytesOf(one), dimsOf(one)...)
		}
	}
	return read
}

func nameOf(one *C.edgebundle_go_tensor) string { return C.GoStringN(one.name, C.int(one.name_size)) }

func dimsOf(one *C.edgebundle_go_tensor) []int64 {
	return unsafe.Slice((*int64)(unsafe.Pointer(one.shape)), one.rank)
}

func bytesOf(one *C.edgebundle_go_tensor) []byte {
	if one.data == nil {
		return nil
	}
	return unsafe.Slice((*byte)(one.data), one.size)
}

func textsOf(one *C.edgebundle_go_tensor) []string {
	count := int64(1)
	for _, size := range dimsOf(one) {
		count *= size
	}
	whole := string(bytesOf(one))
	offsets := unsafe.Slice((*int64)(unsafe.Pointer(one.offsets)), count+1)
	texts := make([]string, count)
	for index := range texts {
		texts[index] = whole[offsets[index]:offsets[index+1]]
	}
	return texts
}

// memories returns the memory that was offered for outputs.
func memories(outputs []C.edgebundle_go_tensor) map[string][]byte {
	offered := make(map[string][]byte, len(outputs))
	for index := range outputs {
		if one := &outputs[index]; one.data != nil {
			offered[nameOf(one)] = bytesOf(one)
		}
	}
	return offered
}

// remainder are the results of a call that wait for memory, by index of output.
type remainder []predictor.Tensor

// deliver sees to it that results are in the memory offered for them, and returns a handle for the others.
func deliver(results map[string]predictor.Tensor, outputs []C.edgebundle_go_tensor) C.uint64_t {
	var rest remainder
	for index := range outputs {
		one := &outputs[index]
		result := results[nameOf(one)]
		one.written = 0
		if one.data != nil && slices.Equal(dimsOf(one), result.Shape()) {
			if memory := bytesOf(one); unsafe.SliceData(memory) != unsafe.SliceData(result.Bytes()) {
				copy(memory, result.Bytes())
			}
			one.written = 1
			continue
		}
		if rest == nil {
			rest = make(remainder, len(outputs))
		}
		rest[index] = result
		copy(dimsOf(one), result.Shape())
		one.size = C.int64_t(len(result.Bytes()))
		for _, text := range result.Strings() {
			one.size += C.int64_t(len(text))
		}
	}
	if rest == nil {
		return 0
	}
	return C.uint64_t(cgo.NewHandle(rest))
}

//export goTake
func goTake(handle C.uint64_t, outputs *C.edgebundle_go_tensor, outputCount C.int64_t) (fault *C.char) {
	defer guard(&fault)
	rest := held[remainder](handle)
	list := unsafe.Slice(outputs, outputCount)
	for index := range list {
		one := &list[index]
		if one.written != 0 {
			continue
		}
		result, memory := rest[index], bytesOf(one)
		if result.DType() == predictor.String {
			spread(result.Strings(), memory, unsafe.Slice((*int64)(unsafe.Pointer(one.offsets)), len(result.Strings())+1))
		} else {
			copy(memory, result.Bytes())
		}
		one.written = 1
	}
	return nil
}

// spread writes texts one after the other, and where each begins and the last ends.
func spread(texts []string, memory []byte, offsets []int64) {
	at := 0
	for index, text := range texts {
		offsets[index] = int64(at)
		at += copy(memory[at:], text)
	}
	offsets[len(texts)] = int64(at)
}
