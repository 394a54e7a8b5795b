package predictor

import "example.com/edgebundle"

// Version returns the version of this package, as in "1.2.3".
func Version() string {
	return edgebundle.Version()
}
