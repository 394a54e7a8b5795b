package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"

	"example.com/edgebundle/go/predictor"
)

// readInputs reads what a person writes: an object of tensors by name, each exact or as nested lists, whose
// element type is the manifest's. It tells whether any was exact.
func readInputs(data []byte, ports []predictor.Port) (map[string]predictor.Tensor, bool, error) {
	var given map[string]json.RawMessage
	if err := decode(data, &given); err != nil || given == nil {
		return nil, false, errors.New("no object of tensors by name")
	}
	types := map[string]predictor.DType{}
	for _, port := range ports {
		types[port.Name] = port.DType
	}
	exact := false
	tensors := map[string]predictor.Tensor{}
	for name, raw := range given {
		var tensor predictor.Tensor
		var err error
		if len(raw) > 0 && raw[0] == '{' {
			exact = true
			tensor, err = decodeTensor(name, raw)
		} else {
			tensor, err = fromLists(raw, types[name])
		}
		if err != nil {
			return nil, false, fmt.Errorf("`%s`: %w", name, err)
		}
		tensors[name] = tensor
	}
	return tensors, exact, nil
}

func fromLists(raw json.RawMessage, dtype predictor.DType) (predictor.Tensor, error) {
	var value any
	if err := decode(raw, &value); err != nil {
		return predictor.Tensor{}, err
	}
	shape := []int64{}
	for inside := value; ; {
		list, is := inside.([]any)
		if !is {
			break
		}
		shape = append(shape, int64(len(list)))
		if len(list) == 0 {
			break
		}
		inside = list[0]
	}
	cells, err := flatten(value, shape, nil)
	if err != nil {
		return predictor.Tensor{}, err
	}
	switch dtype {
	case predictor.String:
		texts := make([]string, 0, len(cells))
		for _, cell := range cells {
			text, is := cell.(string)
			if !is {
				return predictor.Tensor{}, errors.New("an element that is no text")
			}
			texts = append(texts, text)
		}
		return predictor.NewStrings(texts, shape...), nil
	case "":
		// An input that the model lacks: its name is refused before its type is looked at.
		return predictor.Tensor{}, nil
	}
	memory := []byte{}
	for _, cell := range cells {
		if memory, err = appendCell(memory, cell, dtype); err != nil {
			return predictor.Tensor{}, err
		}
	}
	return predictor.NewBytes(dtype, memory, shape...), nil
}

func flatten(value any, shape []int64, cells []any) ([]any, error) {
	list, is := value.([]any)
	if !is {
		if len(shape) > 0 {
			return nil, errors.New("lists of unequal depth")
		}
		return append(cells, value), nil
	}
	if len(shape) == 0 || int64(len(list)) != shape[0] {
		return nil, errors.New("lists of unequal length")
	}
	var err error
	for _, element := range list {
		if cells, err = flatten(element, shape[1:], cells); err != nil {
			return nil, err
		}
	}
	return cells, nil
}

// special is how numbers that JSON lacks are written.
var special = map[string]float64{"NaN": math.NaN(), "Infinity": math.Inf(1), "-Infinity": math.Inf(-1)}

// nestedTensors returns tensors as nested lists; floats have the fewest digits that give their bits back.
func nestedTensors(tensors map[string]predictor.Tensor) map[string]any {
	trees := make(map[string]any, len(tensors))
	for name, tensor := range tensors {
		cells := cellsOf(tensor)
		trees[name] = nest(cells, tensor.Shape())
	}
	return trees
}

func nest(cells []any, shape []int64) any {
	if len(shape) == 0 {
		return cells[0]
	}
	list := make([]any, 0, shape[0])
	width := 0
	if shape[0] > 0 {
		width = len(cells) / int(shape[0])
	}
	for index := range int(shape[0]) {
		list = append(list, nest(cells[index*width:(index+1)*width], shape[1:]))
	}
	return list
}

func floatCell(value float64, bits int) any {
	for word, other := range special {
		if value == other || math.IsNaN(value) && math.IsNaN(other) {
			return word
		}
	}
	return json.Number(strconv.FormatFloat(value, 'g', -1, bits))
}
