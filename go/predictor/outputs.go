package predictor

import (
	"fmt"
)

// checkOutputs is check C12.
func (p *Predictor) checkOutputs(outputs []Tensor) error {
	for index := range p.outputs {
		port, tensor := &p.outputs[index], &outputs[index]
		if tensor.dtype != port.DType {
			return refuse("output_mismatch", port.Name, "a tensor of "+string(port.DType), quoted(string(tensor.dtype)))
		}
		if len(tensor.shape) != len(port.Shape) {
			return refuse("output_mismatch", port.Name, fmt.Sprintf("%d axes", len(port.Shape)), fmt.Sprintf("%d", len(tensor.shape)))
		}
		for axis, dim := range port.Shape {
			if dim.Symbol == "" && dim.Size != tensor.shape[axis] {
				return refuse("output_mismatch", port.Name, describeDims(port.Shape), describeShape(tensor.shape))
			}
		}
	}
	return nil
}

// checkBuffers looks at the caller's buffers for outputs and returns the indices of those outputs, in manifest order.
func (p *Predictor) checkBuffers(buffers map[string]Tensor, symbols map[string]int64, aligned bool) ([]int, error) {
	var chosen []int
	for index := range p.outputs {
		port := &p.outputs[index]
		buffer, there := buffers[port.Name]
		if !there {
			continue
		}
		fault := bufferFault(port, &buffer, symbols, aligned)
		for _, other := range chosen {
			if fault == "" && overlap(buffer.data, buffers[p.outputs[other].Name].data) {
				fault = "memory that it shares with " + quoted(p.outputs[other].Name)
			}
		}
		if fault != "" {
			return nil, unsuitable(port, fault)
		}
		chosen = append(chosen, index)
	}
	return chosen, nil
}

// checkBufferNames refuses the first name that is no output.
func (p *Predictor) checkBufferNames(buffers map[string]Tensor) error {
	known := map[string]bool{}
	for index := range p.outputs {
		known[p.outputs[index].Name] = true
	}
	for _, name := range sortedNames(buffers) {
		if !known[name] {
			return refuse("output_unknown", name, "outputs: "+portNames(p.outputs), "a name the model does not have")
		}
	}
	return nil
}

func unsuitable(port *Port, found string) error {
	return refuse("buffer_unsuitable", port.Name, "a buffer for "+describePort(*port), found)
}

// bufferFault returns what is wrong with a buffer; "" where nothing is.
func bufferFault(port *Port, buffer *Tensor, symbols map[string]int64, aligned bool) string {
	if buffer.dtype != port.DType || buffer.dtype == String {
		return quoted(string(buffer.dtype)) + ", and strings have no buffers"
	}
	if len(buffer.shape) != len(port.Shape) || !buffer.fits() {
		return "shape " + describeShape(buffer.shape)
	}
	for axis, dim := range port.Shape {
		want, known := dim.Size, true
		if dim.Symbol != "" {
			want, known = symbols[dim.Symbol]
		}
		if known && want != buffer.shape[axis] {
			return "shape " + describeShape(buffer.shape)
		}
	}
	if aligned && !isAligned(buffer.data) {
		return "an address that is no multiple of 16"
	}
	return ""
}
