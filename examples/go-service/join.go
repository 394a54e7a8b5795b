package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"example.com/edgebundle/go/predictor"
)

// joinable tells whether rows of several requests may go through one run: the builder has measured that a row's
// answer is free of its batch-mates, every tensor has its rows along its first axis, and the inputs' shapes tell
// those of the outputs, so that no request can change the form of another's answer.
func joinable(p *predictor.Predictor) bool {
	manifest := p.Bundle().Manifest
	batch, _ := manifest.Tree["batch"].(map[string]any)
	symbol, _ := batch["symbol"].(string)
	states, _ := manifest.Tree["states"].([]any)
	invariant := slices.ContainsFunc(manifest.Variants, func(v predictor.Variant) bool {
		return v.Name == p.Variant() && v.BatchInvariant
	})
	if symbol == "" || len(states) > 0 || !invariant {
		return false
	}
	known := map[string]bool{}
	for _, port := range manifest.Inputs {
		for _, dim := range port.Shape {
			known[dim.Symbol] = true
		}
	}
	alongRows := func(port predictor.Port) bool {
		for axis, dim := range port.Shape {
			if (dim.Symbol == symbol) != (axis == 0) || dim.Symbol != "" && !known[dim.Symbol] {
				return false
			}
		}
		return len(port.Shape) > 0
	}
	return !slices.ContainsFunc(slices.Concat(manifest.Inputs, manifest.Outputs), func(port predictor.Port) bool {
		return !alongRows(port)
	})
}

// formOf returns what the inputs of two requests must have in common to be joined, "" where they cannot be, and
// the rows.
func formOf(inputs tensors) (form string, rows int64) {
	var words []string
	for name, tensor := range inputs {
		shape := tensor.Shape()
		if len(shape) == 0 || shape[0] < 1 || rows != 0 && rows != shape[0] {
			return "", 0
		}
		rows = shape[0]
		words = append(words, fmt.Sprintf("%q %s %v", name, tensor.DType(), shape[1:]))
	}
	slices.Sort(words)
	return strings.Join(words, "\n"), rows
}

// join puts the rows of jobs of one form one behind the other.
func join(jobs []*job) tensors {
	joined := tensors{}
	for name, first := range jobs[0].inputs {
		shape := first.Shape()
		shape[0] = 0
		var data []byte
		var texts []string
		for _, one := range jobs {
			part := one.inputs[name]
			data, texts = append(data, part.Bytes()...), append(texts, part.Strings()...)
			shape[0] += one.rows
		}
		if first.DType() == predictor.String {
			joined[name] = predictor.NewStrings(texts, shape...)
		} else {
			joined[name] = predictor.NewBytes(first.DType(), data, shape...)
		}
	}
	return joined
}

// split returns the rows of each job; they share the outputs' memory.
func split(outputs tensors, jobs []*job) ([]tensors, error) {
	total := int64(0)
	for _, one := range jobs {
		total += one.rows
	}
	parts := make([]tensors, len(jobs))
	for index := range parts {
		parts[index] = tensors{}
	}
	for name, whole := range outputs {
		if shape := whole.Shape(); len(shape) == 0 || shape[0] != total {
			return nil, errors.New("an output without the rows of the inputs")
		}
		from := int64(0)
		for index, one := range jobs {
			parts[index][name] = rowsOf(whole, from, from+one.rows)
			from += one.rows
		}
	}
	return parts, nil
}

// rowsOf returns a view of rows along the first axis.
func rowsOf(whole predictor.Tensor, from, to int64) predictor.Tensor {
	shape := whole.Shape()
	total := shape[0]
	shape[0] = to - from
	if whole.DType() == predictor.String {
		row := int64(len(whole.Strings())) / total
		return predictor.NewStrings(whole.Strings()[from*row:to*row], shape...)
	}
	row := int64(len(whole.Bytes())) / total
	return predictor.NewBytes(whole.DType(), whole.Bytes()[from*row:to*row], shape...)
}
