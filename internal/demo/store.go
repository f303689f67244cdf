//go:build !release

package demo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"sync"
)

// stored is one resource: its bytes and metadata.
type stored struct {
	typ, id string
	raw     []byte
	tree    func() map[string]any // decoded on first use
}

func (r *stored) name() string { return r.typ + "/" + r.id }

// store keeps resources in the order in which they were added. It is not safe for concurrent use; a Source is.
type store struct {
	dialect   dialect
	byName    map[string]*stored
	byType    map[string][]*stored
	referring map[string]map[string][]*stored // type, then the reference that its resources hold
}

func newStore(d dialect) *store {
	return &store{
		dialect:   d,
		byName:    map[string]*stored{},
		byType:    map[string][]*stored{},
		referring: map[string]map[string][]*stored{},
	}
}

// referenceMember finds literal references anywhere in a resource, for the index. The search itself drops what it finds too many.
var referenceMember = regexp.MustCompile(`"reference"\s*:\s*"([^"]+)"`)

// add stores a resource, replacing one of the same type and id.
func (st *store) add(raw Resource) error {
	var head struct {
		ResourceType string `json:"resourceType"`
		ID           string `json:"id"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return fmt.Errorf("store resource: %w", err)
	}
	if head.ResourceType == "" || head.ID == "" {
		return fmt.Errorf("store resource: no resourceType or id")
	}
	r := &stored{typ: head.ResourceType, id: head.ID, raw: raw}
	r.tree = sync.OnceValue(r.decode)
	st.remove(r.name())
	st.byName[r.name()] = r
	st.byType[r.typ] = append(st.byType[r.typ], r)
	if st.referring[r.typ] == nil {
		st.referring[r.typ] = map[string][]*stored{}
	}
	for _, match := range referenceMember.FindAllSubmatch(raw, -1) {
		ref := referenceOf(string(match[1]))
		if list := st.referring[r.typ][ref]; len(list) == 0 || list[len(list)-1] != r {
			st.referring[r.typ][ref] = append(list, r)
		}
	}
	return nil
}

// remove removes a resource, if it exists.
func (st *store) remove(name string) {
	r := st.byName[name]
	if r == nil {
		return
	}
	same := func(other *stored) bool { return other == r }
	delete(st.byName, name)
	st.byType[r.typ] = slices.DeleteFunc(st.byType[r.typ], same)
	for ref, list := range st.referring[r.typ] {
		st.referring[r.typ][ref] = slices.DeleteFunc(list, same)
	}
}

// decode returns the elements. Numbers keep their digits; add has checked that it is JSON.
func (r *stored) decode() map[string]any {
	var tree map[string]any
	dec := json.NewDecoder(bytes.NewReader(r.raw))
	dec.UseNumber()
	if err := dec.Decode(&tree); err != nil {
		return nil
	}
	return tree
}
