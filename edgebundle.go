// Package edgebundle says which version of this module it is; package go/predictor opens bundles.
package edgebundle

import (
	_ "embed"
	"regexp"
)

// Embedded, so that the version stands in one place for all languages: Cargo.toml. No file below can embed it.
//
//go:embed Cargo.toml
var crate string

var versionLine = regexp.MustCompile(`(?m)^version = "([0-9.]+)"$`)

// Version returns the version of this module, as in "1.2.3".
func Version() string {
	found := versionLine.FindStringSubmatch(crate)
	if found == nil {
		return ""
	}
	return found[1]
}
