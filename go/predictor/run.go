package predictor

import (
	"context"
	"errors"
	"slices"
	"strings"

	ort "github.com/yalue/onnxruntime_go"
)

// slot is the memory that one output is to be written to.
type slot struct {
	dtype DType
	shape []int64
	// memory is the caller's, and used where it is of the right length; it may be nil.
	memory []byte
	// automatic leaves it to the library to make the memory; the module copies it.
	automatic bool
}

// slots returns how each output is received. The module gets automatic outputs wrong where they have no axes
// or are float16, so memory is made here wherever the shape can be told before the run. Where it cannot, a
// float16 output gets memory of a guessed shape, and the refusal of the library names the right one. The
// caller's memory is by index of output, or nil.
func (p *Predictor) slots(symbols map[string]int64, memory [][]byte) []slot {
	slots := make([]slot, len(p.outputs))
	for index, port := range p.outputs {
		shape, known := resolve(port.Shape, symbols, int64(index)+1)
		lent := memory != nil && memory[index] != nil
		if count, ok := elements(shape); !lent && (!ok || count > mostAhead) {
			// No memory for sizes that only the manifest promises: the model may give others.
			shape, known = slices.Repeat([]int64{int64(index) + 1}, len(port.Shape)), false
		}
		canAutomatic := len(p.inputs) > 0 && port.DType != Float16
		slots[index] = slot{dtype: port.DType, shape: shape, automatic: canAutomatic && (!known || port.DType == String)}
		if memory != nil {
			slots[index].memory = memory[index]
		}
	}
	return slots
}

// mostAhead is how many elements of an output memory is made for before the model has told their number.
const mostAhead = 1 << 28

// resolve returns a shape with a guess for each symbol that the inputs do not tell, and whether there was none.
func resolve(dims []Dim, symbols map[string]int64, guess int64) (shape []int64, known bool) {
	known = true
	shape = make([]int64, len(dims))
	for axis, dim := range dims {
		shape[axis] = dim.Size
		if dim.Symbol != "" {
			value, bound := symbols[dim.Symbol]
			if !bound {
				value, known = guess, false
			}
			shape[axis] = value
		}
	}
	return shape, known
}

// run makes the checks C11 and C12 on inputs that passed C2 to C10, and returns the outputs in manifest order.
// Memory is the caller's, by index of output, to be used where it fits; it may be nil.
func (p *Predictor) run(
	ctx context.Context, inputs []Tensor, symbols map[string]int64, memory [][]byte,
) ([]Tensor, error) {
	given := &values{}
	defer given.release()
	for index := range inputs {
		if err := given.add(&inputs[index]); err != nil {
			return nil, runtimeFailure(err)
		}
	}
	slots := p.slots(symbols, memory)
	for tries := 0; ; tries++ {
		outputs, err := p.attempt(ctx, given, slots)
		if err == nil {
			return outputs, p.checkOutputs(outputs)
		}
		if tries > len(slots) || !p.relax(slots, err) {
			return nil, p.runFault(ctx, err)
		}
	}
}

// attempt runs the model once with the memory that the slots say.
func (p *Predictor) attempt(ctx context.Context, given *values, slots []slot) ([]Tensor, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	taken := &values{list: make([]ort.Value, 0, len(slots))}
	defer taken.release()
	for _, one := range slots {
		if err := taken.receive(one); err != nil {
			return nil, err
		}
	}
	if err := p.invoke(ctx, given, taken); err != nil {
		return nil, err
	}
	outputs := make([]Tensor, len(slots))
	for index, value := range taken.list {
		tensor, err := tensorOf(value)
		if err != nil {
			return nil, err
		}
		outputs[index] = tensor
	}
	return outputs, nil
}

// receive appends a value for an output.
func (v *values) receive(one slot) error {
	if one.automatic {
		v.list = append(v.list, nil)
		return nil
	}
	count, ok := elements(one.shape)
	size := dtypes[one.dtype].size
	const largest = 1 << 40
	if !ok || count > largest {
		return errors.New("an output that is larger than memory can be")
	}
	if one.dtype == Float16 && len(one.shape) == 0 {
		return errOutputForm
	}
	tensor := Tensor{dtype: one.dtype, shape: one.shape}
	switch {
	case one.dtype == String:
		tensor.strings = make([]string, count)
	case count > 0 && len(one.memory) == count*size && isAligned(one.memory):
		tensor.data = one.memory
	default:
		tensor.data = alignedBytes(count * size)
	}
	return v.add(&tensor)
}

// invoke calls the library. A model without inputs goes through a binding, because the module takes the
// address of the first.
func (p *Predictor) invoke(ctx context.Context, given, taken *values) error {
	if len(given.list) == 0 {
		return p.invokeBound(taken)
	}
	if ctx.Done() == nil {
		return p.session.RunWithOptions(given.list, taken.list, nil)
	}
	options, err := ort.NewRunOptions()
	if err != nil {
		return err
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		_ = options.Terminate()
	})
	err = p.session.RunWithOptions(given.list, taken.list, options)
	if !stop() {
		// The options must outlive the call that ends the run.
		<-ended
	}
	_ = options.Destroy()
	return err
}

func (p *Predictor) invokeBound(taken *values) error {
	binding, err := p.session.CreateIoBinding()
	if err != nil {
		return err
	}
	defer func() { _ = binding.Destroy() }()
	for index, value := range taken.list {
		if err := binding.BindOutput(p.outputs[index].Name, value); err != nil {
			return err
		}
	}
	return p.session.RunWithBinding(binding)
}

// runFault returns the refusal for a run that failed. Where the library refuses an output's memory by the
// model's signature, that was not compared when the bundle was opened.
func (p *Predictor) runFault(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return cancelled(ctx.Err())
	}
	text := err.Error()
	var mismatch *Error
	foreign := strings.Contains(text, "nexpected output data type") || strings.Contains(text, "nvalid rank for output") ||
		strings.Contains(text, "nvalid dimensions for output") || strings.Contains(text, "Error creating tensor from ort") ||
		errors.Is(err, errOutputForm)
	if foreign && errors.As(p.plan.checkOutputs(p.outputs), &mismatch) && mismatch.Code == "model_mismatch" {
		return refuse("output_mismatch", mismatch.Subject, mismatch.Expected, mismatch.Found)
	}
	if foreign {
		// The model ran; only an output whose rank the model leaves open gets here.
		return refuseFor(err, "output_mismatch", p.outputs[0].Name, "outputs of the manifest's form")
	}
	return runtimeFailure(err)
}

// errOutputForm is an output of a form that no tensor of the manifest can have.
var errOutputForm = errors.New("a float16 output without axes")

func cancelled(cause error) error {
	return refuseFor(cause, "predict_cancelled", ".", "a call that is let finish")
}

func runtimeFailure(err error) error {
	return refuseFor(err, "runtime_failure", ".", "a run without an error")
}
