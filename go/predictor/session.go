package predictor

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	ort "github.com/yalue/onnxruntime_go"
)

var graphLevels = map[string]ort.GraphOptimizationLevel{
	"disabled": ort.GraphOptimizationLevelDisableAll,
	"basic":    ort.GraphOptimizationLevelEnableBasic,
	"extended": ort.GraphOptimizationLevelEnableExtended,
	"all":      ort.GraphOptimizationLevelEnableAll,
}

// sessionPlan is all that a session of ONNX Runtime is made from.
type sessionPlan struct {
	// path is the file on disk, subject its path in the bundle.
	path, subject   string
	settings        map[string]any
	config          map[string]string
	inputs, outputs []string
}

// loadedSession is a session that started.
type loadedSession struct {
	session *ort.DynamicAdvancedSession
	running []string
	reasons map[string]string
}

// load is check P5: the providers in order of preference, then the model.
func (s *sessionPlan) load(wanted []provider, strict bool) (*loadedSession, error) {
	known := digTexts(table("session.json"), "providers")
	reasons := map[string]string{}
	var usable []provider
	for _, one := range wanted {
		if !slices.Contains(known, one.name) {
			return nil, refuse("provider_unknown", one.name, "one of "+quoted(known...), quoted(one.name))
		}
		reason := s.obstacle(one)
		if reason == "" {
			usable = append(usable, one)
			continue
		}
		if strict {
			return nil, unavailable(one.name, reason)
		}
		reasons[one.name] = reason
	}
	session, err := s.start(usable)
	if err == nil {
		return &loadedSession{session, running(usable), reasons}, nil
	}
	return s.loadWithout(usable, strict, reasons, err)
}

// loadWithout tells a provider that fails from a model that does: if the CPU alone takes the model, it was
// a provider's fault, and the others are added again one at a time.
func (s *sessionPlan) loadWithout(usable []provider, strict bool, reasons map[string]string, cause error) (*loadedSession, error) {
	expected := "a model that this ONNX Runtime accepts"
	others := slices.DeleteFunc(slices.Clone(usable), func(p provider) bool { return p.name == cpuProvider })
	if len(others) == 0 {
		return nil, refuseFor(cause, "model_rejected", s.subject, expected)
	}
	session, err := s.start(nil)
	if err != nil {
		return nil, refuseFor(err, "model_rejected", s.subject, expected)
	}
	var kept []provider
	for _, one := range others {
		next, err := s.start(append(slices.Clone(kept), one))
		if err != nil {
			reasons[one.name] = "did not start: " + sentence(err)
			if strict {
				_ = session.Destroy()
				return nil, unavailable(one.name, reasons[one.name])
			}
			continue
		}
		_ = session.Destroy()
		session, kept = next, append(kept, one)
	}
	return &loadedSession{session, running(kept), reasons}, nil
}

func unavailable(name, reason string) error {
	return refuse("provider_unavailable", name, "an execution provider that starts", reason)
}

// running returns the names of providers that run: the CPU's takes what is left, listed or not.
func running(providers []provider) []string {
	var names []string
	for _, one := range providers {
		names = append(names, one.name)
	}
	if !slices.Contains(names, cpuProvider) {
		names = append(names, cpuProvider)
	}
	return names
}

// obstacle returns why the library cannot use a provider; "" where it can.
func (s *sessionPlan) obstacle(one provider) string {
	if one.name == cpuProvider {
		return ""
	}
	options, err := ort.NewSessionOptions()
	if err == nil {
		defer func() { _ = options.Destroy() }()
		err = appendProvider(options, one)
	}
	if err != nil {
		return "not in this ONNX Runtime: " + sentence(err)
	}
	return ""
}

// start makes a session with providers in order of preference.
func (s *sessionPlan) start(providers []provider) (*ort.DynamicAdvancedSession, error) {
	options, err := s.options(providers)
	if err != nil {
		return nil, err
	}
	defer func() { _ = options.Destroy() }()
	return ort.NewDynamicAdvancedSession(s.path, s.inputs, s.outputs, options)
}

// options returns session options with every setting that can change bits or speed made explicit.
func (s *sessionPlan) options(providers []provider) (*ort.SessionOptions, error) {
	options, err := ort.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	if err := s.fill(options, providers); err != nil {
		_ = options.Destroy()
		return nil, err
	}
	return options, nil
}

func (s *sessionPlan) fill(options *ort.SessionOptions, providers []provider) error {
	level, _ := s.settings["graph_optimization_level"].(string)
	intra, _ := s.settings["intra_op_threads"].(int64)
	inter, _ := s.settings["inter_op_threads"].(int64)
	arena, _ := s.settings["cpu_arena"].(bool)
	pattern, _ := s.settings["memory_pattern"].(bool)
	steps := []func() error{
		func() error { return options.SetExecutionMode(ort.ExecutionModeSequential) },
		func() error { return options.SetLogSeverityLevel(ort.LoggingLevelFatal) },
		func() error { return options.SetGraphOptimizationLevel(graphLevels[level]) },
		func() error { return options.SetIntraOpNumThreads(int(intra)) },
		func() error { return options.SetInterOpNumThreads(int(inter)) },
		func() error { return options.SetCpuMemArena(arena) },
		func() error { return options.SetMemPattern(pattern) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	for key, value := range s.entries() {
		if err := options.AddSessionConfigEntry(key, value); err != nil {
			return err
		}
	}
	for index, one := range providers {
		// The CPU's is always there, as the last; it is named only where it is preferred to another.
		if one.name == cpuProvider && index == len(providers)-1 {
			continue
		}
		if err := appendProvider(options, one); err != nil {
			return err
		}
	}
	return nil
}

// entries returns the configuration entries of ONNX Runtime.
func (s *sessionPlan) entries() map[string]string {
	contract := table("session.json")
	entries := map[string]string{"session.load_model_format": strings.ToUpper(s.path[strings.LastIndexByte(s.path, '.')+1:])}
	for key, value := range digObject(contract, "fixed", "config") {
		entries[key] = fmt.Sprint(value)
	}
	for name, row := range digObject(contract, "options") {
		for _, key := range digTexts(row, "config_keys") {
			entries[key] = "0"
			if s.settings[name] == true {
				entries[key] = "1"
			}
		}
	}
	maps.Copy(entries, s.config)
	return entries
}

// appendProvider appends a provider by the call that it needs.
func appendProvider(options *ort.SessionOptions, one provider) error {
	switch one.name {
	case "CUDAExecutionProvider":
		cuda, err := ort.NewCUDAProviderOptions()
		if err != nil {
			return err
		}
		defer func() { _ = cuda.Destroy() }()
		if err := cuda.Update(one.options); err != nil {
			return err
		}
		return options.AppendExecutionProviderCUDA(cuda)
	case "TensorrtExecutionProvider":
		tensorRT, err := ort.NewTensorRTProviderOptions()
		if err != nil {
			return err
		}
		defer func() { _ = tensorRT.Destroy() }()
		if err := tensorRT.Update(one.options); err != nil {
			return err
		}
		return options.AppendExecutionProviderTensorRT(tensorRT)
	}
	return options.AppendExecutionProvider(one.name, one.options)
}
