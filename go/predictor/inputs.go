package predictor

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"
)

// inputCheck makes the checks C2 to C10. It keeps no state, so that calls may run side by side.
type inputCheck struct {
	ports []Port
	known map[string]bool
	// finite tells by index which inputs must hold no NaN and no infinity.
	finite []bool
	// multiple, where it is not 0, lets axis 0 of every input be any multiple of it, the same in all.
	multiple int64
}

func newInputCheck(ports []Port, finite map[string]bool) *inputCheck {
	c := &inputCheck{ports: ports, known: map[string]bool{}}
	for _, port := range ports {
		c.known[port.Name] = true
		c.finite = append(c.finite, isFloat(port.DType) && (port.Finite || finite[port.Name]))
	}
	return c
}

// check returns the tensors in manifest order, and the value of each symbol.
func (c *inputCheck) check(inputs map[string]Tensor) ([]Tensor, map[string]int64, error) {
	if err := c.checkNames(inputs); err != nil {
		return nil, nil, err
	}
	tensors := make([]Tensor, len(c.ports))
	symbols := map[string]int64{}
	rows := int64(0)
	for index := range c.ports {
		port := &c.ports[index]
		tensor := inputs[port.Name]
		if err := c.checkForm(port, tensor, symbols, &rows); err != nil {
			return nil, nil, err
		}
		tensors[index] = tensor
	}
	return tensors, symbols, c.checkValues(tensors)
}

// checkNames makes the checks C2 and C3.
func (c *inputCheck) checkNames(inputs map[string]Tensor) error {
	unknown, found := "", false
	for name := range inputs {
		if !c.known[name] && (!found || name < unknown) {
			unknown, found = name, true
		}
	}
	if found {
		return refuse("input_unknown", unknown, "inputs: "+portNames(c.ports), "a name the model does not have")
	}
	for index := range c.ports {
		if _, there := inputs[c.ports[index].Name]; !there {
			return refuse("input_missing", c.ports[index].Name, "inputs: "+portNames(c.ports), "no such input")
		}
	}
	return nil
}

func portNames(ports []Port) string {
	names := make([]string, 0, len(ports))
	for index := range ports {
		names = append(names, ports[index].Name)
	}
	if len(names) == 0 {
		return "none"
	}
	return quoted(names...)
}

// checkForm makes the checks C4 to C8 of one input.
func (c *inputCheck) checkForm(port *Port, tensor Tensor, symbols map[string]int64, rows *int64) error {
	if tensor.dtype != port.DType {
		return refuse("input_dtype_mismatch", port.Name, "a tensor of "+string(port.DType), quoted(string(tensor.dtype)))
	}
	if len(tensor.shape) != len(port.Shape) {
		expected := fmt.Sprintf("%d axes: %s", len(port.Shape), describeDims(port.Shape))
		return refuse("input_rank_mismatch", port.Name, expected, fmt.Sprintf("%d axes: %s", len(tensor.shape), describeShape(tensor.shape)))
	}
	for axis, dim := range port.Shape {
		size := tensor.shape[axis]
		if c.multiple > 0 && axis == 0 {
			if size <= 0 || size%c.multiple != 0 || *rows != 0 && *rows != size {
				expected := fmt.Sprintf("a multiple of %d on axis 0, the same in all inputs, of %s", c.multiple, describeDims(port.Shape))
				return refuse("input_shape_mismatch", port.Name, expected, describeShape(tensor.shape))
			}
			*rows = size
		} else if dim.Symbol == "" && size != dim.Size || size < 0 {
			return refuse("input_shape_mismatch", port.Name, describeDims(port.Shape), describeShape(tensor.shape))
		}
	}
	if !tensor.fits() {
		return refuse("input_shape_mismatch", port.Name, "as many elements as "+describeShape(tensor.shape)+" has", "another number")
	}
	return checkSymbols(port, tensor, symbols)
}

// checkSymbols makes the checks C7 and C8 of one input.
func checkSymbols(port *Port, tensor Tensor, symbols map[string]int64) error {
	for axis, dim := range port.Shape {
		if dim.Symbol != "" && tensor.shape[axis] == 0 {
			return refuse("input_empty", port.Name, describeDims(port.Shape)+" with at least 1 for each name", describeShape(tensor.shape))
		}
	}
	for axis, dim := range port.Shape {
		if dim.Symbol == "" {
			continue
		}
		value, bound := symbols[dim.Symbol]
		if bound && value != tensor.shape[axis] {
			expected := fmt.Sprintf("%d for %s of %s, as before in this call", value, quoted(dim.Symbol), describeDims(port.Shape))
			return refuse("input_symbol_conflict", port.Name, expected, describeShape(tensor.shape))
		}
		symbols[dim.Symbol] = tensor.shape[axis]
	}
	return nil
}

// checkValues makes the checks C9 and C10 over all inputs.
func (c *inputCheck) checkValues(tensors []Tensor) error {
	for index := range tensors {
		if err := checkCarried(c.ports[index].Name, &tensors[index]); err != nil {
			return err
		}
	}
	for index := range tensors {
		if !c.finite[index] {
			continue
		}
		if at := firstNotFinite(&tensors[index]); at >= 0 {
			return refuse("input_not_finite", c.ports[index].Name, "finite values", fmt.Sprintf("NaN or an infinity at element %d", at))
		}
	}
	return nil
}

// checkCarried is check C9 of one input.
func checkCarried(name string, tensor *Tensor) error {
	switch tensor.dtype {
	case Bool:
		for _, value := range tensor.data {
			if value > 1 {
				return refuse("input_value", name, "bool bytes of 0 or 1", fmt.Sprintf("the byte %d", value))
			}
		}
	case String:
		for _, text := range tensor.strings {
			if !utf8.ValidString(text) || strings.IndexByte(text, 0) >= 0 {
				return refuse("input_value", name, "text in UTF-8 without U+0000", "another string")
			}
		}
	}
	return nil
}

// firstNotFinite returns the index of the first NaN or infinity, -1 where there is none: all of these have
// every bit of the exponent set.
func firstNotFinite(tensor *Tensor) int {
	const exponent16, exponent32, exponent64 = 0x7c00, 0x7f800000, 0x7ff0000000000000
	data := tensor.data
	switch tensor.dtype {
	case Float16:
		for at := 0; at+2 <= len(data); at += 2 {
			if binary.NativeEndian.Uint16(data[at:])&exponent16 == exponent16 {
				return at / 2
			}
		}
	case Float32:
		for at := 0; at+4 <= len(data); at += 4 {
			if binary.NativeEndian.Uint32(data[at:])&exponent32 == exponent32 {
				return at / 4
			}
		}
	case Float64:
		for at := 0; at+8 <= len(data); at += 8 {
			if binary.NativeEndian.Uint64(data[at:])&exponent64 == exponent64 {
				return at / 8
			}
		}
	}
	return -1
}

func describeDims(dims []Dim) string {
	words := make([]string, 0, len(dims))
	for _, dim := range dims {
		words = append(words, dim.String())
	}
	return "[" + strings.Join(words, ", ") + "]"
}
