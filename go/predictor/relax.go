package predictor

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

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
