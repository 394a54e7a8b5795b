package main

import (
	"context"
	"encoding/hex"
	"errors"

	"example.com/edgebundle/go/predictor"
)

// driver holds the open predictors by handle; nil stands for one that was closed.
type driver struct {
	predictors map[string]*predictor.Predictor
	operations map[string]func(request) (reply, error)
}

func newDriver() *driver {
	d := &driver{predictors: map[string]*predictor.Predictor{}}
	d.operations = map[string]func(request) (reply, error){
		"bind": d.bind, "close": d.close, "open": d.open, "parse": d.parse, "predict": d.predict,
		"predict_batch": d.predictBatch, "predict_into": d.predictInto, "rollback": rollback, "self_test": d.selfTest,
		"update": update,
	}
	return d
}

func (d *driver) closeAll() {
	for _, p := range d.predictors {
		if p != nil {
			_ = p.Close()
		}
	}
}

// answer returns the reply to one line.
func (d *driver) answer(line []byte) reply {
	var asked request
	if err := decode(line, &asked); err != nil || asked == nil {
		return guarded(func() (reply, error) { return nil, misused(".", "a JSON object", "another line") })
	}
	result := guarded(func() (reply, error) { return d.dispatch(asked) })
	if id, there := asked["id"]; there {
		result["id"] = id
	}
	return result
}

func (d *driver) dispatch(asked request) (reply, error) {
	var name string
	if decode(asked["op"], &name) != nil || len(asked["op"]) == 0 || asked["op"][0] != '"' {
		return nil, misused(".", "op", "none that is text")
	}
	operation, known := d.operations[name]
	if !known {
		return nil, misused(name, "a known op", "another")
	}
	result, err := operation(asked)
	var field *fieldError
	if errors.As(err, &field) {
		return nil, misused(name, "the fields of the op", field.Error())
	}
	return result, err
}

func (d *driver) open(asked request) (reply, error) {
	handle, err := asked.text("handle")
	if err != nil {
		return nil, err
	}
	path, err := asked.text("bundle")
	if err != nil {
		return nil, err
	}
	options, err := asked.options()
	if err != nil {
		return nil, err
	}
	if before := d.predictors[handle]; before != nil {
		_ = before.Close()
		d.predictors[handle] = nil
	}
	p, err := predictor.Open(path, options)
	if err != nil {
		return nil, err
	}
	d.predictors[handle] = p
	return p.Description(), nil
}

func (d *driver) parse(asked request) (reply, error) {
	text, err := asked.text("manifest")
	if err != nil {
		return nil, err
	}
	data, err := hex.DecodeString(text)
	if err != nil {
		return nil, misspelt("manifest", "bytes in hex", "other text")
	}
	_, err = predictor.ParseManifest(data)
	return nil, err
}

func (d *driver) predict(asked request) (reply, error) {
	p, inputs, err := d.call(asked)
	if err != nil {
		return nil, err
	}
	outputs, err := p.Predict(context.Background(), inputs)
	return reply{"outputs": encodeTensors(outputs)}, err
}

func (d *driver) predictBatch(asked request) (reply, error) {
	p, inputs, err := d.call(asked)
	if err != nil {
		return nil, err
	}
	size, err := asked.integer("batch_size")
	if err != nil {
		return nil, err
	}
	outputs, err := p.PredictBatch(context.Background(), inputs, size, nil)
	return reply{"outputs": encodeTensors(outputs)}, err
}

func (d *driver) predictInto(asked request) (reply, error) {
	p, inputs, err := d.call(asked)
	if err != nil {
		return nil, err
	}
	buffers, err := asked.tensors("outputs", makeBuffer)
	if err != nil {
		return nil, err
	}
	err = p.PredictInto(context.Background(), inputs, buffers)
	return reply{"outputs": encodeTensors(buffers)}, err
}

func (d *driver) bind(asked request) (reply, error) {
	p, inputs, err := d.call(asked)
	if err != nil {
		return nil, err
	}
	buffers, err := asked.tensors("outputs", makeBuffer)
	if err != nil {
		return nil, err
	}
	runs, err := asked.integer("runs")
	if err != nil {
		return nil, err
	}
	call, err := p.Bind(inputs, buffers)
	if err != nil {
		return nil, err
	}
	defer func() { _ = call.Close() }()
	count := 1
	if runs != nil {
		count = *runs
	}
	for range count {
		if err := call.Run(context.Background()); err != nil {
			return nil, err
		}
	}
	return reply{"outputs": encodeTensors(buffers)}, nil
}

func (d *driver) selfTest(asked request) (reply, error) {
	p, err := d.handle(asked)
	if err != nil {
		return nil, err
	}
	return selfTest(p)
}

func selfTest(p *predictor.Predictor) (reply, error) {
	report, err := p.SelfTest(context.Background())
	if err != nil {
		return nil, err
	}
	return report.Tree(), nil
}

func (d *driver) close(asked request) (reply, error) {
	handle, err := asked.text("handle")
	if err != nil {
		return nil, err
	}
	p, opened := d.predictors[handle]
	if !opened {
		return nil, misused(handle, "a handle that was opened", "an unknown one")
	}
	if p != nil {
		_ = p.Close()
	}
	d.predictors[handle] = nil
	return nil, nil
}

// handle returns the predictor of a request.
func (d *driver) handle(asked request) (*predictor.Predictor, error) {
	handle, err := asked.text("handle")
	if err != nil {
		return nil, err
	}
	p, opened := d.predictors[handle]
	if !opened {
		return nil, misused(handle, "a handle that was opened", "an unknown one")
	}
	if p == nil {
		return nil, &predictor.Error{Code: "predictor_closed", Subject: ".", Expected: "an open predictor", Found: "a closed one"}
	}
	return p, nil
}

// call returns the predictor and the inputs of a request.
func (d *driver) call(asked request) (*predictor.Predictor, map[string]predictor.Tensor, error) {
	p, err := d.handle(asked)
	if err != nil {
		return nil, nil, err
	}
	inputs, err := asked.tensors("inputs", decodeTensor)
	return p, inputs, err
}
