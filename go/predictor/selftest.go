package predictor

import (
	"context"
	"fmt"
)

// SelfTest is the result of replaying the golden cases of a bundle.
type SelfTest struct {
	// Passed tells whether every case passed.
	Passed bool
	// Cases stand in manifest order.
	Cases []CaseResult
}

// CaseResult is one golden case.
type CaseResult struct {
	// Name is the case's.
	Name string
	// Passed tells whether every output passed.
	Passed bool
	// Outputs stand in manifest order.
	Outputs []OutputResult
}

// OutputResult compares one output with what this variant gave when it was built.
type OutputResult struct {
	// Name is the output's.
	Name string
	// Passed tells whether it is within the variant's tolerance.
	Passed bool
	// Flips are decisions that differ although they were clear; NearTies are those that were not.
	Flips, NearTies int64
	// Worst is the largest absolute difference; infinite where a NaN, an infinity, a string, a bool or the
	// shape disagrees.
	Worst float64
	// SourceWorst is the same against the source model. It is reported and never judged; nil where the case
	// does not hold that output.
	SourceWorst *float64
}

// SelfTest predicts every golden case and compares with what was recorded. A difference is a result, not an
// error; the errors are golden_missing, golden_malformed and those of Predict.
func (p *Predictor) SelfTest(ctx context.Context) (*SelfTest, error) {
	if err := p.gate.enter(); err != nil {
		return nil, err
	}
	defer p.gate.leave()
	files := p.bundle.Manifest.golden
	if len(files) == 0 {
		return nil, refuse("golden_missing", ".", "at least one golden case", "none")
	}
	report := &SelfTest{Passed: true}
	for _, file := range files {
		result, err := p.replay(ctx, file)
		if err != nil {
			return nil, err
		}
		report.Passed = report.Passed && result.Passed
		report.Cases = append(report.Cases, result)
	}
	return report, nil
}

func (p *Predictor) replay(ctx context.Context, file goldenFile) (CaseResult, error) {
	result := CaseResult{Name: file.name, Passed: true}
	golden, err := p.bundle.golden(file, p.variant.Name)
	if err != nil {
		return result, err
	}
	tensors, symbols, err := p.checks.check(golden.inputs)
	if err != nil {
		return result, err
	}
	outputs, err := p.run(ctx, tensors, symbols, nil)
	if err != nil {
		return result, err
	}
	for index := range p.outputs {
		port, allowed := &p.outputs[index], p.variant.tolerances[index]
		recorded := golden.recorded[port.Name]
		found := compare(&outputs[index], &recorded, allowed, port.Decision)
		one := OutputResult{port.Name, found.passed, found.flips, found.nearTies, found.worst, nil}
		if source, there := golden.source[port.Name]; there {
			one.SourceWorst = new(compare(&outputs[index], &source, allowed, port.Decision).worst)
		}
		result.Passed = result.Passed && found.passed
		result.Outputs = append(result.Outputs, one)
	}
	return result, nil
}

// failure returns self_test_failed about the first output that does not hold; nil where all do.
func (s *SelfTest) failure() error {
	for _, one := range s.Cases {
		for _, output := range one.Outputs {
			if !output.Passed {
				found := fmt.Sprintf("a difference of %g, %d flips", output.Worst, output.Flips)
				return refuse("self_test_failed", one.Name+"/"+output.Name, "the recorded output within its tolerance", found)
			}
		}
	}
	return nil
}
