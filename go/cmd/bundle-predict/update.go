package main

import (
	"context"

	"example.com/edgebundle/go/predictor"
)

func update(asked request) (reply, error) {
	folder, err := asked.text("folder")
	if err != nil {
		return nil, err
	}
	archive, err := asked.text("archive")
	if err != nil {
		return nil, err
	}
	options, err := asked.options()
	if err != nil {
		return nil, err
	}
	return updateOnce(folder, archive, options)
}

func updateOnce(folder, archive string, options predictor.Options) (reply, error) {
	return updated(predictor.Update(context.Background(), folder, archive, options))
}

func rollback(asked request) (reply, error) {
	folder, err := asked.text("folder")
	if err != nil {
		return nil, err
	}
	return rollbackOnce(folder)
}

func rollbackOnce(folder string) (reply, error) {
	return updated(predictor.Rollback(folder))
}

func updated(result *predictor.Updated, err error) (reply, error) {
	if err != nil {
		return nil, err
	}
	var previous any
	if result.Previous != "" {
		previous = result.Previous
	}
	return reply{
		"digest": result.Digest, "name": result.Name, "version": result.Version, "previous": previous, "changed": result.Changed,
	}, nil
}
