package predictor

import (
	"context"
	"slices"

	ort "github.com/yalue/onnxruntime_go"
)

// BoundCall is a call over buffers that it borrows until it is closed: change the inputs in place, Run, read
// the outputs. For one goroutine at a time.
type BoundCall struct {
	predictor *Predictor
	binding   *ort.IoBinding
	inputs    []Tensor
	buffers   []Tensor
	chosen    []int
	symbols   map[string]int64
	given     values
	taken     values
	// remade are the inputs that have to be handed over anew at every run, by index.
	remade []int
}

// Bind returns a call for a loop that must not allocate. Types and shapes are checked now, values at every
// run. All tensors must start at a multiple of 16 bytes; outputs, which may be none, some or all, must be of
// the right shape and share no memory. The errors are those of PredictInto.
func (p *Predictor) Bind(inputs, outputs map[string]Tensor) (*BoundCall, error) {
	if err := p.gate.enter(); err != nil {
		return nil, err
	}
	defer p.gate.leave()
	tensors, symbols, err := p.checks.check(inputs)
	if err != nil {
		return nil, err
	}
	if err := p.checkBufferNames(outputs); err != nil {
		return nil, err
	}
	for index := range tensors {
		if !isAligned(tensors[index].data) {
			return nil, refuse("buffer_unsuitable", p.inputs[index].Name, "memory that can be borrowed", "an address that is no multiple of 16")
		}
	}
	chosen, err := p.checkBuffers(outputs, symbols, true)
	if err != nil {
		return nil, err
	}
	call := &BoundCall{predictor: p, inputs: tensors, chosen: chosen, symbols: symbols}
	for _, index := range chosen {
		buffer := outputs[p.outputs[index].Name]
		for _, tensor := range tensors {
			if overlap(buffer.data, tensor.data) {
				return nil, unsuitable(&p.outputs[index], "memory that it shares with an input")
			}
		}
		call.buffers = append(call.buffers, buffer)
	}
	if err := call.bind(); err != nil {
		call.release()
		return nil, runtimeFailure(err)
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.bound[call] = struct{}{}
	return call, nil
}

// bind hands the buffers to the library.
func (c *BoundCall) bind() error {
	p := c.predictor
	binding, err := p.session.CreateIoBinding()
	if err != nil {
		return err
	}
	c.binding = binding
	for index := range c.inputs {
		if err := c.given.add(&c.inputs[index]); err != nil {
			return err
		}
		if err := binding.BindInput(p.inputs[index].Name, c.given.list[index]); err != nil {
			return err
		}
		if c.inputs[index].dtype == String || len(c.inputs[index].shape) == 0 {
			c.remade = append(c.remade, index)
		}
	}
	for at, index := range c.chosen {
		if err := c.taken.add(&c.buffers[at]); err != nil {
			return err
		}
		if err := binding.BindOutput(p.outputs[index].Name, c.taken.list[at]); err != nil {
			return err
		}
	}
	return nil
}

// Run runs the model once over the buffers. Besides the errors of Predict it gives predictor_closed after
// Close, and buffer_unsuitable where the model gives a size that no input tells and the buffer has another; the
// output buffers hold nothing of use then. A run that began is not cancelled.
func (c *BoundCall) Run(ctx context.Context) error {
	p := c.predictor
	if err := p.gate.enter(); err != nil {
		return err
	}
	defer p.gate.leave()
	if c.binding == nil {
		return refuse("predictor_closed", ".", "an open call", "a closed one")
	}
	if err := p.checks.checkValues(c.inputs); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return cancelled(err)
	}
	if len(c.chosen) == 0 {
		_, err := p.run(ctx, c.inputs, c.symbols, nil)
		return err
	}
	if err := c.remake(); err != nil {
		return runtimeFailure(err)
	}
	if err := p.session.RunWithBinding(c.binding); err != nil {
		return c.diagnose(ctx, err)
	}
	for at := range c.buffers {
		if len(c.buffers[at].shape) == 0 {
			copy(c.buffers[at].data, scalarBytes(c.taken.list[at]))
		}
	}
	return nil
}

// remake hands over inputs that the library holds in memory of its own.
func (c *BoundCall) remake() error {
	for _, index := range c.remade {
		fresh := values{}
		if err := fresh.add(&c.inputs[index]); err != nil {
			return err
		}
		before := c.given.list[index]
		c.given.list[index] = fresh.list[0]
		if err := c.binding.BindInput(c.predictor.inputs[index].Name, fresh.list[0]); err != nil {
			return err
		}
		_ = before.Destroy()
	}
	return nil
}

// diagnose returns why a bound run failed: the same inputs without the buffers tell it, because the library
// reports a buffer of another shape than the model's in words only.
func (c *BoundCall) diagnose(ctx context.Context, cause error) error {
	results, err := c.predictor.run(ctx, c.inputs, c.symbols, nil)
	if err != nil {
		return err
	}
	for at, index := range c.chosen {
		if !slices.Equal(results[index].shape, c.buffers[at].shape) {
			return unsuitable(&c.predictor.outputs[index], "a shape other than the model's "+describeShape(results[index].shape))
		}
	}
	return runtimeFailure(cause)
}

// Close gives the buffers back. It may be called twice; closing the predictor does it too.
func (c *BoundCall) Close() error {
	p := c.predictor
	if err := p.gate.enter(); err != nil {
		return nil
	}
	defer p.gate.leave()
	p.mutex.Lock()
	defer p.mutex.Unlock()
	delete(p.bound, c)
	c.release()
	return nil
}

func (c *BoundCall) release() {
	if c.binding != nil {
		_ = c.binding.Destroy()
		c.binding = nil
	}
	c.given.release()
	c.taken.release()
}
