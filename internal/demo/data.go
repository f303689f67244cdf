//go:build !release

package demo

import "encoding/json"

// Resource is one stored resource: its bytes are served as they are.
type Resource = json.RawMessage

// Data is what a Source holds.
type Data []Resource
