package predictor

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	ort "github.com/yalue/onnxruntime_go"
)

const unoptimized = "disabled"

// checkSignature is check P6.
func (s *sessionPlan) checkSignature(manifest *Manifest) error {
	inputs, outputs, err := s.knownSignature(manifest.Outputs)
	if err != nil {
		return err
	}
	if err := comparePorts(manifest.Inputs, inputs, false); err != nil {
		return err
	}
	return comparePorts(manifest.Outputs, outputs, true)
}

// checkOutputs compares the outputs alone, for a run that the library refused because of them.
func (s *sessionPlan) checkOutputs(promised []Port) error {
	_, outputs, err := s.knownSignature(promised)
	if err != nil {
		return err
	}
	return comparePorts(promised, outputs, true)
}

// knownSignature is the signature as a session of this plan would report it. Where a model contradicts itself, a
// session that optimizes can know sizes that one without optimization leaves open; only then it is asked for them.
func (s *sessionPlan) knownSignature(promised []Port) (inputs, outputs []ort.InputOutputInfo, err error) {
	level, _ := s.settings["graph_optimization_level"].(string)
	inputs, outputs, err = s.signature(unoptimized)
	if err == nil && level != unoptimized && leavesOpen(promised, outputs) {
		return s.signature(level)
	}
	return inputs, outputs, err
}

// leavesOpen says whether the library does not know a size that the manifest promises.
func leavesOpen(promised []Port, ports []ort.InputOutputInfo) bool {
	for index := range min(len(promised), len(ports)) {
		sizes := ports[index].Dimensions
		for axis := range min(len(promised[index].Shape), len(sizes)) {
			if promised[index].Shape[axis].Symbol == "" && sizes[axis] < 0 {
				return true
			}
		}
	}
	return false
}

// signature returns the model's inputs and outputs. The module cannot ask a session for them, only a file, so
// the file is loaded a second time; mapped where it can be, since nothing is run.
func (s *sessionPlan) signature(level string) (inputs, outputs []ort.InputOutputInfo, err error) {
	cheap := *s
	cheap.settings = maps.Clone(s.settings)
	cheap.settings["graph_optimization_level"] = level
	cheap.settings["mapped"] = strings.HasSuffix(s.path, ".ort")
	options, err := cheap.options(nil)
	if err == nil {
		defer func() { _ = options.Destroy() }()
		inputs, outputs, err = ort.GetInputOutputInfoWithOptions(s.path, options)
	}
	if err == nil && slices.ContainsFunc(slices.Concat(inputs, outputs), func(port ort.InputOutputInfo) bool { return !utf8.ValidString(port.Name) }) {
		err = errors.New("the name of an input or output that is no UTF-8")
	}
	if err != nil {
		err = refuseFor(err, "model_rejected", s.subject, "a model whose signature can be read")
	}
	return inputs, outputs, err
}

func comparePorts(promised []Port, ports []ort.InputOutputInfo, isOutput bool) error {
	for index := range min(len(promised), len(ports)) {
		if fault := portFault(promised[index], &ports[index], isOutput); fault != "" {
			return refuse("model_mismatch", promised[index].Name, "the manifest's "+describePort(promised[index]), fault)
		}
	}
	counts := fmt.Sprintf("%d tensors", len(promised))
	found := fmt.Sprintf("%d in the model", len(ports))
	if len(promised) > len(ports) {
		return refuse("model_mismatch", promised[len(ports)].Name, counts, found)
	}
	if len(ports) > len(promised) {
		return refuse("model_mismatch", ports[len(promised)].Name, counts, found)
	}
	return nil
}

// portFault returns how a tensor of the model differs from its entry; "" where it does not.
func portFault(promised Port, port *ort.InputOutputInfo, isOutput bool) string {
	if port.Name != promised.Name {
		return quoted(port.Name) + " in its place in the model"
	}
	if port.OrtValueType != ort.ONNXTypeTensor || dtypeOfNative(port.DataType) != promised.DType {
		return port.DataType.String() + " in the model"
	}
	if len(port.Dimensions) != len(promised.Shape) {
		if isOutput && len(port.Dimensions) == 0 {
			return ""
		}
		return fmt.Sprintf("%d axes in the model", len(port.Dimensions))
	}
	for axis, size := range port.Dimensions {
		if want := promised.Shape[axis]; size >= 0 && want.Symbol == "" && size != want.Size {
			return "shape " + describeShape(port.Dimensions) + " in the model"
		}
	}
	return ""
}

func describePort(port Port) string {
	return fmt.Sprintf("%s %s %s", quoted(port.Name), port.DType, describeDims(port.Shape))
}
