package predictor

import (
	"context"
	"fmt"
	"slices"
	"strconv"
)

// PredictBatch cuts the inputs along the batch axis, predicts each piece and joins the outputs; inputs without
// the batch axis go to each piece. A batchSize of nil takes the whole at once, or the model's fixed size; models
// whose rows depend on their batch-mates refuse it. The result equals Predict on the same pieces bit for bit.
//
// After each piece progress, which may be nil, is called with the rows done and the rows in all; it returns
// false to cancel. The errors are those of Predict, batch_unsupported, batch_size_required, batch_size_invalid
// and predict_cancelled.
func (p *Predictor) PredictBatch(
	ctx context.Context, inputs map[string]Tensor, batchSize *int, progress func(done, total int64) bool,
) (map[string]Tensor, error) {
	return p.PredictBatchWith(ctx, inputs, batchSize, progress, nil)
}

// PredictBatchWith is PredictBatch with memory for the joined outputs, by name. An output is written to its
// memory, and its tensor shares it, where the memory has just the output's length; see PredictWith.
func (p *Predictor) PredictBatchWith(
	ctx context.Context, inputs map[string]Tensor, batchSize *int, progress func(done, total int64) bool,
	memory map[string][]byte,
) (map[string]Tensor, error) {
	if err := p.gate.enter(); err != nil {
		return nil, err
	}
	defer p.gate.leave()
	axes, err := p.batchAxes()
	if err != nil {
		return nil, err
	}
	size, err := p.pieceSize(batchSize)
	if err != nil {
		return nil, err
	}
	whole := *p.checks
	whole.multiple = p.bundle.Manifest.batchSize
	tensors, symbols, err := whole.check(inputs)
	if err != nil {
		return nil, err
	}
	job := &batchJob{
		predictor: p, axes: axes, tensors: tensors, symbols: symbols, rows: axes.rows(tensors), memory: p.ordered(memory),
	}
	if size == 0 {
		size = job.rows
	}
	for start := int64(0); start < job.rows; start += size {
		stop := min(start+size, job.rows)
		if err := job.piece(ctx, start, stop); err != nil {
			return nil, err
		}
		if progress != nil && !progress(stop, job.rows) {
			return nil, refuse("predict_cancelled", ".", "a call that is let finish", fmt.Sprintf("cancelled at %d of %d", stop, job.rows))
		}
	}
	return job.join(), nil
}

// batchAxis is the batch axis of each tensor by index; -1 where an input has none.
type batchAxis struct{ inputs, outputs []int }

// batchAxes is check B1.
func (p *Predictor) batchAxes() (batchAxis, error) {
	manifest := p.bundle.Manifest
	symbol, size := manifest.batchSymbol, manifest.batchSize
	states := len(entries(manifest.Tree, "states")) > 0
	if states || symbol == "" && size == 0 || len(p.inputs) == 0 {
		return batchAxis{}, refuse("batch_unsupported", ".", "a model that can be fed in pieces", "one with states, or without a batch axis")
	}
	axes := batchAxis{make([]int, len(p.inputs)), make([]int, len(p.outputs))}
	if symbol == "" {
		return axes, nil
	}
	for index, port := range p.inputs {
		axis, count := axisOf(port.Shape, symbol)
		if count > 1 {
			return axes, unsplittable(port.Name, "input", count)
		}
		axes.inputs[index] = axis
	}
	for index, port := range p.outputs {
		axis, count := axisOf(port.Shape, symbol)
		if count != 1 {
			return axes, unsplittable(port.Name, "output", count)
		}
		axes.outputs[index] = axis
	}
	return axes, nil
}

func axisOf(dims []Dim, symbol string) (axis, count int) {
	axis = -1
	for index, dim := range dims {
		if dim.Symbol == symbol {
			axis = max(axis, index)
			count++
		}
	}
	return axis, count
}

func unsplittable(name, kind string, count int) error {
	found := kind + " " + quoted(name) + " with " + strconv.Itoa(count) + " batch axes"
	return refuse("batch_unsupported", ".", "a model that can be fed in pieces", found)
}

// rows returns the size of the batch axis: M13 has seen to it that an input has one.
func (a batchAxis) rows(tensors []Tensor) int64 {
	for index, axis := range a.inputs {
		if axis >= 0 {
			return tensors[index].shape[axis]
		}
	}
	return 0
}

// pieceSize makes the checks B2 and B3; 0 means the whole.
func (p *Predictor) pieceSize(batchSize *int) (int64, error) {
	fixed := p.bundle.Manifest.batchSize
	if batchSize == nil {
		if !p.variant.BatchInvariant {
			return 0, refuse("batch_size_required", ".", "batch_size", "a model whose rows depend on their batch-mates")
		}
		return fixed, nil
	}
	size := int64(*batchSize)
	if size < 1 || fixed > 0 && size != fixed {
		wanted := "at least 1"
		if fixed > 0 {
			wanted = fmt.Sprintf("%d, the model's fixed size", fixed)
		}
		return 0, refuse("batch_size_invalid", ".", wanted, strconv.FormatInt(size, 10))
	}
	return size, nil
}

// batchJob is one call of PredictBatch.
type batchJob struct {
	predictor *Predictor
	axes      batchAxis
	tensors   []Tensor
	symbols   map[string]int64
	rows      int64
	// memory is the caller's for the whole outputs, by index; or nil.
	memory [][]byte
	pieces [][]Tensor
}

// piece predicts the rows from start to stop.
func (j *batchJob) piece(ctx context.Context, start, stop int64) error {
	inputs := make([]Tensor, len(j.tensors))
	for index, tensor := range j.tensors {
		inputs[index] = tensor
		if axis := j.axes.inputs[index]; axis >= 0 {
			inputs[index] = cut(tensor, axis, start, stop)
		}
	}
	if symbol := j.predictor.bundle.Manifest.batchSymbol; symbol != "" {
		j.symbols[symbol] = stop - start
	}
	outputs, err := j.predictor.run(ctx, inputs, j.symbols, j.places(start, stop))
	if err != nil {
		return err
	}
	for index, output := range outputs {
		port, axis := &j.predictor.outputs[index], j.axes.outputs[index]
		fits := output.shape[axis] == stop-start
		if len(j.pieces) > 0 {
			first := slices.Clone(j.pieces[0][index].shape)
			first[axis] = stop - start
			fits = fits && slices.Equal(output.shape, first)
		}
		if !fits {
			expected := fmt.Sprintf("%d rows for a piece of as many, and other axes as before", stop-start)
			return refuse("batch_unsupported", port.Name, expected, describeShape(output.shape))
		}
	}
	j.pieces = append(j.pieces, outputs)
	return nil
}

// places returns where in the caller's memory the rows from start to stop of each output belong; nil where they
// do not lie together.
func (j *batchJob) places(start, stop int64) [][]byte {
	if j.memory == nil {
		return nil
	}
	places := make([][]byte, len(j.memory))
	for index, memory := range j.memory {
		if size := int64(len(memory)); j.axes.outputs[index] == 0 && size%j.rows == 0 {
			places[index] = memory[size/j.rows*start : size/j.rows*stop]
		}
	}
	return places
}

func (j *batchJob) join() map[string]Tensor {
	results := make(map[string]Tensor, len(j.axes.outputs))
	for index, axis := range j.axes.outputs {
		parts := make([]Tensor, len(j.pieces))
		for at := range j.pieces {
			parts[at] = j.pieces[at][index]
		}
		var memory []byte
		if j.memory != nil {
			memory = j.memory[index]
		}
		results[j.predictor.outputs[index].Name] = joined(parts, axis, memory)
	}
	return results
}

// strides returns how many blocks of rows a tensor has in front of an axis, and elements in one row.
func strides(shape []int64, axis int) (blocks, row int64) {
	blocks, row = 1, 1
	for index, size := range shape {
		if index < axis {
			blocks *= size
		} else if index > axis {
			row *= size
		}
	}
	return blocks, row
}

// cut returns the rows from start to stop along an axis; a view where they lie together.
func cut(tensor Tensor, axis int, start, stop int64) Tensor {
	part := Tensor{dtype: tensor.dtype, shape: slices.Clone(tensor.shape)}
	part.shape[axis] = stop - start
	blocks, row := strides(tensor.shape, axis)
	from, to, all := start*row, stop*row, tensor.shape[axis]*row
	if tensor.dtype == String {
		part.strings = gather(tensor.strings, blocks, from, to, all)
	} else {
		size := int64(dtypes[tensor.dtype].size)
		part.data = gather(tensor.data, blocks, from*size, to*size, all*size)
	}
	return part
}

func gather[T any](data []T, blocks, from, to, all int64) []T {
	if blocks == 1 {
		return data[from:to]
	}
	part := make([]T, 0, blocks*(to-from))
	for block := range blocks {
		part = append(part, data[block*all+from:block*all+to]...)
	}
	return part
}

// joined returns tensors put one behind the other along an axis, in memory where that has the right length.
func joined(parts []Tensor, axis int, memory []byte) Tensor {
	if len(parts) == 1 {
		return parts[0]
	}
	whole := Tensor{dtype: parts[0].dtype, shape: slices.Clone(parts[0].shape)}
	whole.shape[axis] = 0
	for _, part := range parts {
		whole.shape[axis] += part.shape[axis]
	}
	blocks, row := strides(whole.shape, axis)
	size := int64(dtypes[whole.dtype].size)
	if length := blocks * whole.shape[axis] * row * size; length == int64(len(memory)) {
		whole.data = memory[:0]
	} else {
		whole.data = make([]byte, 0, length)
	}
	for block := range blocks {
		for _, part := range parts {
			count := part.shape[axis] * row
			if whole.dtype == String {
				whole.strings = append(whole.strings, part.strings[block*count:(block+1)*count]...)
			} else {
				// A piece that was written to its place is copied onto itself and so stays as it is.
				whole.data = append(whole.data, part.data[block*count*size:(block+1)*count*size]...)
			}
		}
	}
	return whole
}
