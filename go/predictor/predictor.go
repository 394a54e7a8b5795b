// Package predictor opens edge bundles and predicts from them. It reads the contract in spec/: the same
// checks in the same order, with the same codes, as its siblings in Python, Rust and C++.
//
//	p, err := predictor.Open("digits-1.0.0-x86_64", nil)
//	if err != nil {
//		return err
//	}
//	defer p.Close()
//	outputs, err := p.Predict(ctx, map[string]predictor.Tensor{
//		"image": predictor.NewTensor(pixels, 1, 64),
//	})
//
// Every failure is an *Error with a stable code. ONNX Runtime is loaded at run time, once per process, with
// telemetry off; a program that has initialized github.com/yalue/onnxruntime_go before is taken as it is.
//
// Where its collector gets no memory, Go ends the process, and no code can come of it: leave it room for two
// arenas of 64 MiB each.
package predictor

import (
	"context"
	"maps"
	"runtime"
	"slices"
	"sync"

	ort "github.com/yalue/onnxruntime_go"
)

// Predictor runs one variant of a bundle. All its methods are safe for concurrent use. It must be closed.
type Predictor struct {
	bundle  *Bundle
	variant *Variant
	file    modelFile
	running []string
	reasons map[string]string
	plan    *sessionPlan
	inputs  []Port
	outputs []Port
	session *ort.DynamicAdvancedSession
	checks  *inputCheck
	gate    *gate

	mutex sync.Mutex
	bound map[*BoundCall]struct{}
}

// Open opens the bundle in a folder and loads one of its variants. Options may be nil; FORMAT.md section 5
// lists them. The error is an *Error of stage manifest, open or library, and nothing stays open.
func Open(path string, options Options) (*Predictor, error) {
	bundle, err := openBundle(path, options)
	if err != nil {
		return nil, err
	}
	return bundle.load(options)
}

// Open loads a variant of a bundle that is open. Options and errors are those of the function Open, without
// "digest" and "mode", which were for opening the bundle.
func (b *Bundle) Open(options Options) (*Predictor, error) {
	for _, name := range []string{optionDigest, optionMode} {
		if _, given := options[name]; given {
			return nil, invalidOption(name, "an option of a predictor", "one of opening a bundle")
		}
	}
	return b.load(options)
}

// load makes the checks P1 to P6.
func (b *Bundle) load(options Options) (*Predictor, error) {
	manifest := b.Manifest
	chosen, err := resolveOptions(options, manifest)
	if err != nil {
		return nil, err
	}
	wanted := manifest.DefaultVariant
	if _, given := options["variant"]; given {
		wanted = chosen.variant
	}
	variant, err := manifest.variant(wanted)
	if err != nil {
		return nil, err
	}
	version, err := loadLibrary(chosen, b, needsOf(manifest, variant))
	if err != nil {
		return nil, err
	}
	format := chosen.format
	if format == "" && chosen.session["mapped"] == true {
		format = "ort"
	}
	file, err := chooseFile(manifest, variant, version, format, chosen.allowForeign)
	if err != nil {
		return nil, err
	}
	return b.start(chosen, variant, file)
}

// start makes the checks P5 and P6.
func (b *Bundle) start(chosen *choices, variant *Variant, file modelFile) (*Predictor, error) {
	manifest := b.Manifest
	plan := &sessionPlan{
		path: b.file(file.path), subject: file.path, settings: chosen.settings(manifest, variant), config: chosen.config,
		inputs: names(manifest.Inputs), outputs: names(manifest.Outputs),
	}
	if file.format == "onnx" {
		// Only an .ort file can be mapped; for .onnx the setting would change last bits for nothing.
		plan.settings["mapped"] = false
	}
	for _, name := range []string{"intra_op_threads", "inter_op_threads"} {
		wanted, _ := plan.settings[name].(int64)
		plan.settings[name] = int64(effectiveThreads(int(wanted), "/"))
	}
	loaded, err := plan.load(chosen.providers, chosen.strict)
	if err != nil {
		return nil, err
	}
	if !b.quick {
		if err := plan.checkSignature(manifest); err != nil {
			_ = loaded.session.Destroy()
			return nil, err
		}
	}
	p := &Predictor{
		bundle: b, variant: variant, file: file, running: loaded.running, reasons: loaded.reasons, plan: plan,
		inputs: manifest.Inputs, outputs: manifest.Outputs, session: loaded.session,
		checks: newInputCheck(manifest.Inputs, chosen.finite), gate: newGate(), bound: map[*BoundCall]struct{}{},
	}
	// A predictor that was forgotten lets its model go all the same.
	runtime.SetFinalizer(p, func(p *Predictor) { _ = p.Close() })
	return p, nil
}

func names(ports []Port) []string {
	list := make([]string, 0, len(ports))
	for index := range ports {
		list = append(list, ports[index].Name)
	}
	return list
}

// Predict runs the model once. The inputs are exactly the manifest's, each of its element type and of a shape
// that matches; a named axis may have any size of at least 1, the same everywhere in the call. Tensors that do
// not start at a multiple of 16 bytes are copied. It returns every output, owned by the caller.
//
// The call ends early with predict_cancelled when ctx is done. The error is an *Error of stage predict; the
// predictor is unchanged then and can be used again.
func (p *Predictor) Predict(ctx context.Context, inputs map[string]Tensor) (map[string]Tensor, error) {
	return p.PredictWith(ctx, inputs, nil)
}

// PredictWith is Predict with memory for outputs, by name. An output is written to its memory, and its tensor
// shares it, where the memory has just the output's length and starts at a multiple of 16 bytes; it never is
// for strings and scalars, and what else the caller offers is left alone. After an error the memory holds
// nothing of use.
func (p *Predictor) PredictWith(
	ctx context.Context, inputs map[string]Tensor, memory map[string][]byte,
) (map[string]Tensor, error) {
	if err := p.gate.enter(); err != nil {
		return nil, err
	}
	defer p.gate.leave()
	tensors, symbols, err := p.checks.check(inputs)
	if err != nil {
		return nil, err
	}
	outputs, err := p.run(ctx, tensors, symbols, p.ordered(memory))
	if err != nil {
		return nil, err
	}
	results := make(map[string]Tensor, len(outputs))
	for index, output := range outputs {
		results[p.outputs[index].Name] = output
	}
	return results, nil
}

// ordered returns memory by the index of its output; nil for none at all.
func (p *Predictor) ordered(memory map[string][]byte) [][]byte {
	if len(memory) == 0 {
		return nil
	}
	list := make([][]byte, len(p.outputs))
	for index := range p.outputs {
		list[index] = memory[p.outputs[index].Name]
	}
	return list
}

// PredictInto runs the model once and writes some or all outputs into the caller's buffers: tensors of the
// output's element type (not strings) and shape, at any address, that share no memory. The errors are those of
// Predict, output_unknown and buffer_unsuitable; the buffers are untouched then.
func (p *Predictor) PredictInto(ctx context.Context, inputs, outputs map[string]Tensor) error {
	if err := p.gate.enter(); err != nil {
		return err
	}
	defer p.gate.leave()
	tensors, symbols, err := p.checks.check(inputs)
	if err != nil {
		return err
	}
	if err := p.checkBufferNames(outputs); err != nil {
		return err
	}
	chosen, err := p.checkBuffers(outputs, symbols, false)
	if err != nil {
		return err
	}
	results, err := p.run(ctx, tensors, symbols, nil)
	if err != nil {
		return err
	}
	for _, index := range chosen {
		port := &p.outputs[index]
		if !slices.Equal(results[index].shape, outputs[port.Name].shape) {
			return unsuitable(port, "a shape other than the model's "+describeShape(results[index].shape))
		}
	}
	for _, index := range chosen {
		copy(outputs[p.outputs[index].Name].data, results[index].data)
	}
	return nil
}

// Inputs returns what every call must be given, in the model's order.
func (p *Predictor) Inputs() []Port { return slices.Clone(p.inputs) }

// Outputs returns what every call gives, in the model's order.
func (p *Predictor) Outputs() []Port { return slices.Clone(p.outputs) }

// Variant returns the name of the variant that is loaded.
func (p *Predictor) Variant() string { return p.variant.Name }

// Format returns the format of the file that is loaded, "onnx" or "ort", and why it was chosen.
func (p *Predictor) Format() (format, reason string) { return p.file.format, p.file.reason }

// Providers returns the execution providers that run, preferred first, and why each other one was left out.
func (p *Predictor) Providers() (running []string, leftOut map[string]string) {
	return slices.Clone(p.running), maps.Clone(p.reasons)
}

// Bundle returns the bundle that was opened.
func (p *Predictor) Bundle() *Bundle { return p.bundle }

// Close waits for the calls in flight and lets the model and all bound calls go. It may be called twice, but
// not from a progress callback. The error is always nil; it is there for io.Closer.
func (p *Predictor) Close() error {
	if !p.gate.close() {
		return nil
	}
	for call := range p.bound {
		call.release()
	}
	p.bound = nil
	_ = p.session.Destroy()
	return nil
}

// Session returns every option of spec/session.json as it is in effect: bool, string or int64 by name.
func (p *Predictor) Session() map[string]any { return maps.Clone(p.plan.settings) }
