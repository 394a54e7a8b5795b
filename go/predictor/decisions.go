package predictor

import "math"

// threshold is the decision of that name in tolerances.json: probabilities at even odds.
const threshold = 0.5

// compareDecisions counts the decisions that differ: flips, where the reference's margin is larger than the
// tolerance's bound, and near ties, where it is not.
func compareDecisions(actual, reference *Tensor, decision string, bound float64) (flips, nearTies int64) {
	count, _ := reference.count()
	tell := func(margin float64) {
		if margin <= bound {
			nearTies++
		} else {
			flips++
		}
	}
	switch {
	case decision == "equal":
		for index := range count {
			if !equalElement(actual, reference, index) {
				tell(math.Inf(1))
			}
		}
	case reference.dtype == String:
		// Text has no order that a decision could be taken by.
	case decision == "threshold":
		for index := range count {
			if value := element(reference, index); (element(actual, index) > threshold) != (value > threshold) {
				tell(math.Abs(value - threshold))
			}
		}
	case decision == "argmax" && len(reference.shape) > 0:
		width := int(reference.shape[len(reference.shape)-1])
		for row := 0; width > 0 && row < count; row += width {
			first, _ := largest(actual, row, width)
			if second, margin := largest(reference, row, width); first != second {
				tell(margin)
			}
		}
	}
	return flips, nearTies
}

// largest returns the index of the first largest value of a row, and by how much it is larger than the next;
// a NaN counts as the largest, with a margin of NaN.
func largest(t *Tensor, row, width int) (at int, margin float64) {
	best, next := math.Inf(-1), math.Inf(-1)
	for index := range width {
		value := element(t, row+index)
		if math.IsNaN(value) {
			return index, math.NaN()
		}
		switch {
		case index == 0:
			best = value
		case value > best:
			at, best, next = index, value, best
		case value > next:
			next = value
		}
	}
	if width == 1 {
		return 0, math.Inf(1)
	}
	if best == next {
		return at, 0
	}
	return at, best - next
}
