package predictor

import "testing"

// dense is a vector model of the size of a digits classifier: 64 values in, 10 out.
func dense(b *testing.B) (*Predictor, map[string]Tensor, map[string]Tensor) {
	p := sums().open(b, nil)
	inputs := map[string]Tensor{"a": NewBytes(Float32, alignedBytes(4*64), 1, 64), "b": NewBytes(Float32, alignedBytes(4*640), 64, 10)}
	return p, inputs, map[string]Tensor{"product": NewBytes(Float32, alignedBytes(4*10), 1, 10), "total": NewBytes(Float32, alignedBytes(4), 1, 1)}
}

func BenchmarkBoundCall(b *testing.B) {
	p, inputs, outputs := dense(b)
	call, err := p.Bind(inputs, outputs)
	must(b, err)
	b.ReportAllocs()
	for b.Loop() {
		must(b, call.Run(background))
	}
}

func BenchmarkPredict(b *testing.B) {
	p, inputs, _ := dense(b)
	b.ReportAllocs()
	for b.Loop() {
		_, err := p.Predict(background, inputs)
		must(b, err)
	}
}

func BenchmarkPredictInto(b *testing.B) {
	p, inputs, outputs := dense(b)
	b.ReportAllocs()
	for b.Loop() {
		must(b, p.PredictInto(background, inputs, outputs))
	}
}

func BenchmarkOpen(b *testing.B) {
	folder := sums().bundle(b)
	for b.Loop() {
		p, err := Open(folder, nil)
		must(b, err)
		must(b, p.Close())
	}
}

func BenchmarkParseManifest(b *testing.B) {
	bundle, err := OpenBundle(sums().bundle(b), nil)
	must(b, err)
	data, err := readFile(bundle.file(manifestName), manifestName, -1)
	must(b, err)
	for b.Loop() {
		_, err := ParseManifest(data)
		must(b, err)
	}
}
