package redisstore

import (
	"slices"
	"sync"

	"zorgsluis/consent"
)

// openedBytes bounds the sealed values that are remembered, in each of two maps. What they say takes about three times as much.
const openedBytes = 8 << 20

// opened remembers what sealed values say, so that one that comes again byte for byte is not decoded again: between two changes of
// a person they all do, and decoding cost more than everything else that the gateway does for a read. It is no cache of consents:
// the value is fetched from the master each time, and only what is equal in all its bytes is taken for known. Those that were not
// seen for longest are forgotten, as generations forgets.
type opened struct {
	mu            sync.Mutex
	recent, older map[consent.PersonKey]openedValue
	bytes         int // of the recent ones
}

type openedValue struct {
	stored
	standing consent.Standing
}

func newOpened() *opened { return &opened{recent: map[consent.PersonKey]openedValue{}} }

// find gives what a value says, if it is known. The lists are the caller's own; what is in their elements is shared.
func (o *opened) find(person consent.PersonKey, v stored) (consent.Standing, bool) {
	o.mu.Lock()
	known, ok := o.recent[person]
	if !ok {
		if known, ok = o.older[person]; ok && known.stored == v {
			o.keep(person, known)
		}
	}
	o.mu.Unlock()
	if !ok || known.stored != v {
		return consent.Standing{}, false
	}
	return copied(known.standing), true
}

// note remembers what a value says.
func (o *opened) note(person consent.PersonKey, v stored, st consent.Standing) {
	st = copied(st)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.keep(person, openedValue{v, st})
}

func (o *opened) keep(person consent.PersonKey, v openedValue) {
	o.bytes += len(v.value) - len(o.recent[person].value)
	if o.bytes > openedBytes {
		o.older, o.recent, o.bytes = o.recent, map[consent.PersonKey]openedValue{}, len(v.value)
	}
	o.recent[person] = v
}

// copied has lists of its own.
func copied(st consent.Standing) consent.Standing {
	st.Records, st.Declarations = slices.Clone(st.Records), slices.Clone(st.Declarations)
	return st
}
