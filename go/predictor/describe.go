package predictor

import (
	"math"
	"strconv"
)

// Description returns what the driver protocol says of an open predictor (spec/DRIVER.md, the reply to
// "open"), ready for encoding/json.
func (p *Predictor) Description() map[string]any {
	return map[string]any{
		"variant": p.variant.Name, "format": p.file.format, "reason": p.file.reason, "providers": p.running, "session": p.Session(),
		"inputs": describePorts(p.inputs), "outputs": describePorts(p.outputs),
	}
}

func describePorts(ports []Port) []map[string]any {
	rows := make([]map[string]any, 0, len(ports))
	for _, port := range ports {
		shape := make([]any, 0, len(port.Shape))
		for _, dim := range port.Shape {
			if dim.Symbol != "" {
				shape = append(shape, dim.Symbol)
			} else {
				shape = append(shape, dim.Size)
			}
		}
		rows = append(rows, map[string]any{"name": port.Name, "dtype": port.DType, "shape": shape})
	}
	return rows
}

// Tree returns the result as the driver protocol writes it (spec/DRIVER.md, the reply to "self_test"), ready
// for encoding/json.
func (s *SelfTest) Tree() map[string]any {
	cases := make([]map[string]any, 0, len(s.Cases))
	for _, one := range s.Cases {
		outputs := make([]map[string]any, 0, len(one.Outputs))
		for _, output := range one.Outputs {
			outputs = append(outputs, map[string]any{
				"name": output.Name, "passed": output.Passed, "flips": output.Flips, "near_ties": output.NearTies,
				"worst": Decimal(output.Worst),
			})
		}
		cases = append(cases, map[string]any{"name": one.Name, "passed": one.Passed, "outputs": outputs})
	}
	return map[string]any{"passed": s.Passed, "cases": cases}
}

// Decimal returns a difference as the driver protocol writes it: a decimal number or "inf".
func Decimal(value float64) string {
	if math.IsInf(value, 0) {
		return "inf"
	}
	return strconv.FormatFloat(value, 'g', 9, 64)
}
