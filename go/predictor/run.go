package predictor

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strconv"
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

// How the library refuses memory of another shape than the output's. Which output it was stands only in the
// first, and there it may be that of a subgraph.
var wrongShapes = []*regexp.Regexp{
	regexp.MustCompile(`for output '(.*)' of node .* has shape \{([0-9,]*)\} but the computed output shape for this run is \{([0-9,]*)\}`),
	regexp.MustCompile(`shape verification failed()\. Current shape:\{([0-9,]*)\} Requested shape:\{([0-9,]*)\}`),
}

// How the library refuses memory by sizes that the model fixes.
var (
	fixedSizes = regexp.MustCompile(`(?s)nvalid dimensions for output: (.*) for the following indices(.*)`)
	fixedSize  = regexp.MustCompile(`index: ([0-9]+) Got: -?[0-9]+ Expected: ([0-9]+)`)
)

// resize takes the sizes that the model fixes from the library's refusal, where the manifest has symbols: of
// outputs nobody compares those. It tells whether there was such a refusal.
func (p *Predictor) resize(slots []slot, refusal string) bool {
	found := fixedSizes.FindStringSubmatch(refusal)
	if found == nil {
		return false
	}
	index := slices.IndexFunc(p.outputs, func(port Port) bool { return port.Name == found[1] })
	rows := fixedSize.FindAllStringSubmatch(found[2], -1)
	if index < 0 || len(rows) == 0 {
		return false
	}
	shape := slices.Clone(slots[index].shape)
	for _, row := range rows {
		axis, err := strconv.Atoi(row[1])
		if err != nil || axis >= len(shape) || p.outputs[index].Shape[axis].Symbol == "" {
			return false
		}
		if shape[axis], err = strconv.ParseInt(row[2], 10, 64); err != nil {
			return false
		}
	}
	slots[index].shape, slots[index].memory = shape, nil
	return true
}

// relax takes the right shape of an output from the library's refusal, and tells whether there was one.
func (p *Predictor) relax(slots []slot, err error) bool {
	if p.resize(slots, err.Error()) {
		return true
	}
	for _, form := range wrongShapes {
		found := form.FindStringSubmatch(err.Error())
		if found == nil {
			continue
		}
		current, requested := sizesIn(found[2]), sizesIn(found[3])
		candidates := slices.DeleteFunc(p.received(slots), func(index int) bool {
			return !slices.Equal(slots[index].shape, current)
		})
		named := slices.IndexFunc(candidates, func(index int) bool { return p.outputs[index].Name == found[1] })
		if named >= 0 {
			candidates = candidates[named : named+1]
		}
		for at, index := range candidates {
			one := &slots[index]
			if len(candidates) > 1 && len(p.inputs) > 0 && one.dtype != Float16 && len(requested) > 0 {
				one.automatic = true
			} else if at == 0 {
				one.shape = requested
			}
		}
		return len(candidates) > 0
	}
	return false
}

// received returns the outputs that memory is made for, by index.
func (p *Predictor) received(slots []slot) []int {
	var list []int
	for index := range slots {
		if !slots[index].automatic {
			list = append(list, index)
		}
	}
	return list
}

func sizesIn(text string) []int64 {
	sizes := []int64{}
	for word := range strings.SplitSeq(text, ",") {
		if size, err := strconv.ParseInt(word, 10, 64); err == nil {
			sizes = append(sizes, size)
		}
	}
	return sizes
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
