package predictor

import (
	"fmt"
	"slices"
	"strconv"
)

// provider is an execution provider with its options.
type provider struct {
	name    string
	options map[string]string
}

func providersOption(value any) ([]provider, error) {
	entries, is := asList(value)
	if !is || len(entries) == 0 {
		return nil, invalidOption("providers", "a list of provider names, or [name, options]", fmt.Sprint(value))
	}
	var providers []provider
	for _, entry := range entries {
		one, is := asProvider(entry)
		if !is {
			return nil, invalidOption("providers", "a provider's name, or its name and options", fmt.Sprint(entry))
		}
		// A name that stands twice counts where it stands first.
		if !slices.ContainsFunc(providers, func(p provider) bool { return p.name == one.name }) {
			providers = append(providers, one)
		}
	}
	return providers, nil
}

func asProvider(entry any) (provider, bool) {
	if name, is := entry.(string); is {
		return provider{name: name}, true
	}
	pair, is := asList(entry)
	if !is || len(pair) != 2 {
		return provider{}, false
	}
	name, isName := pair[0].(string)
	given, isObject := asObject(pair[1])
	options := map[string]string{}
	for key, value := range given {
		text, isText := value.(string)
		flag, isFlag := value.(bool)
		count, isCount := integerOf(value)
		switch {
		case isFlag:
			text = strconv.FormatBool(flag)
		case isCount:
			text = strconv.FormatInt(count, 10)
		case !isText:
			isObject = false
		}
		options[key] = text
	}
	return provider{name, options}, isName && isObject
}
