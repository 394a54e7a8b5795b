// Package spec holds the tables of the contract, read from the one copy that every language reads.
package spec

import "embed"

//go:embed bundle.schema.json errors.json library.json session.json store.json targets.json tolerances.json
var tables embed.FS

// Table returns the bytes of a table by its file name, such as "errors.json".
// A name that is not embedded gives nil, which no JSON parser takes.
func Table(name string) []byte {
	data, err := tables.ReadFile(name)
	if err != nil {
		return nil
	}
	return data
}
