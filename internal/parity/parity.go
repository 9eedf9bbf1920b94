// Package parity tells in what two images differ for whoever runs them: in their configuration and in the file system that
// their layers make together. It is how the builder is held against BuildKit.
//
// Not compared are times, digests, and how the files are spread over layers.
package parity

import (
	"fmt"
	"slices"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Comparer compares images. It keeps what it has read of each layer's headers, so that images on one base are compared
// without reading that base again. Its zero value is ready, and serves goroutines side by side.
type Comparer struct {
	mu     sync.Mutex
	layers map[v1.Hash][]change
}

// Compare is a new Comparer's Compare.
func Compare(want, got v1.Image) ([]string, error) { return new(Comparer).Compare(want, got) }

// Compare returns a sentence for each difference: those of the configuration in the order of their names, then those of
// the files in the order of their paths. No sentence means that the images are the same. An error says that an image
// could not be read, or is not consistent in itself.
func (c *Comparer) Compare(want, got v1.Image) ([]string, error) {
	wantConfig, wantRoot, err := c.read(want)
	if err != nil {
		return nil, fmt.Errorf("the image that is wanted: %w", err)
	}
	gotConfig, gotRoot, err := c.read(got)
	if err != nil {
		return nil, fmt.Errorf("the image that was got: %w", err)
	}
	return slices.Concat(compareConfigs(wantConfig, gotConfig), compareTrees(wantRoot, gotRoot)), nil
}

// read is an image's configuration and its files.
func (c *Comparer) read(img v1.Image) (*config, *entry, error) {
	layers, err := img.Layers()
	if err != nil {
		return nil, nil, err
	}
	raw, err := img.RawConfigFile()
	if err != nil {
		return nil, nil, err
	}
	config, err := parseConfig(raw, len(layers))
	if err != nil {
		return nil, nil, err
	}
	files := &tree{root: newDir(0)}
	for i, layer := range layers {
		changes, err := c.changes(layer)
		if err != nil {
			return nil, nil, fmt.Errorf("layer %d: %w", i, err)
		}
		if err := files.apply(changes); err != nil {
			return nil, nil, fmt.Errorf("layer %d: %w", i, err)
		}
	}
	return config, files.root, nil
}

// changes is what a layer does to the layers below it.
func (c *Comparer) changes(layer v1.Layer) ([]change, error) {
	id, err := layer.DiffID()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	known, ok := c.layers[id]
	c.mu.Unlock()
	if ok {
		return known, nil
	}
	changes, err := readLayer(layer, id)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.layers == nil {
		c.layers = map[v1.Hash][]change{}
	}
	c.layers[id] = changes
	return changes, nil
}
