package redisstore

import (
	"fmt"
	"iter"
	"time"

	"zorgsluis/consent"
)

// The versions of the sealed form of a standing, its first byte. A reader refuses any other: an older reader must not skip a
// restriction that it does not know. The second is written only if a record names a person, so that older readers can open all others.
const (
	stateVersion = 1
	withPersons  = 2
)

// state is the sealed form of a standing. It lacks the stamps of the latest write: the script sets that time outside the sealed
// value, after sealing. Stamps says which they are; the next write seals them with their values.
type state struct {
	consent.Standing
	Stamps []stamp
}

// stamp is a time relative to the stamp of the latest write.
type stamp struct {
	stampKey
	After int64 // microseconds
}

// stampKey names one time in a standing.
type stampKey struct {
	Field stampField
	ID    string // of a record or declaration
}

type stampField string

const (
	recorded  stampField = "recorded"
	withdrawn stampField = "withdrawn"
	declared  stampField = "declared"
	expires   stampField = "expires"
	reviewed  stampField = "reviewed"
)

// statusWithdrawn is the status of a record that has a withdrawn_at (decision.md, Input).
const statusWithdrawn = "withdrawn"

// stampsOf yields every time in a standing that only the store may set. A declaration's declared comes before its expires.
func stampsOf(st *consent.Standing) iter.Seq2[stampKey, *time.Time] {
	return func(yield func(stampKey, *time.Time) bool) {
		for i := range st.Records {
			r := &st.Records[i]
			if !yield(stampKey{recorded, string(r.ID)}, &r.RecordedAt.Time) {
				return
			}
			if r.Status == statusWithdrawn || !r.WithdrawnAt.IsZero() {
				if !yield(stampKey{withdrawn, string(r.ID)}, &r.WithdrawnAt.Time) {
					return
				}
			}
		}
		for i := range st.Declarations {
			d := &st.Declarations[i]
			if !yield(stampKey{declared, string(d.ID)}, &d.DeclaredAt) || !yield(stampKey{expires, string(d.ID)}, &d.Expires) {
				return
			}
			if d.Review != nil && !yield(stampKey{reviewed, string(d.ID)}, &d.Review.At) {
				return
			}
		}
	}
}

// decode reads the sealed form and fills in the stamps of the latest write.
func (s *Store) decode(person consent.PersonKey, plain string, generation uint64, at int64) (consent.Standing, error) {
	var v state
	if err := v.unmarshal(plain); err != nil {
		return consent.Standing{}, err
	}
	if s.Key(v.Person) != person {
		return consent.Standing{}, fmt.Errorf("%w: standing is of another person", ErrSealed)
	}
	st := v.Standing
	st.Generation = generation
	st.Newest = instant(at)
	fill(&st, v.Stamps, at)
	return st, nil
}

// fill sets the stamps of the latest write.
func fill(st *consent.Standing, stamps []stamp, at int64) {
	if len(stamps) == 0 {
		return
	}
	after := map[stampKey]int64{} // without a size: a small one is no allocation
	for _, s := range stamps {
		after[s.stampKey] = s.After
	}
	for key, t := range stampsOf(st) {
		if d, ok := after[key]; ok {
			*t = instant(at + d)
		}
	}
}

// encode makes the sealed form of an edited standing. It finds the stamps that the edit left to the store: those that are zero or,
// for convenience, equal to now. Any other that is not already on file is refused: no instance's clock decides.
func encode(st *consent.Standing, onFile map[stampKey]time.Time, now time.Time) ([]byte, []stamp, error) {
	v := state{Standing: *st}
	fresh := map[string]time.Time{} // new declarations, with the DeclaredAt that they came with
	for key, t := range stampsOf(&v.Standing) {
		before, known := onFile[key]
		after := time.Duration(0)
		switch base, isFresh := fresh[key.ID]; {
		case known && !t.IsZero() && t.Equal(before):
			continue
		case key.Field == expires && isFresh:
			if base.IsZero() && t.Year() > 1 { // an instant, not a time after zero
				base = now
			}
			if after = t.Sub(base); after <= 0 {
				return nil, nil, fmt.Errorf("%w: a declaration must expire after it is made", ErrInvalid)
			}
		case !t.IsZero() && !t.Equal(now), key.Field == expires && t.IsZero():
			return nil, nil, fmt.Errorf("%w: %s: only the store sets stamps", ErrInvalid, key.Field)
		case key.Field == declared:
			fresh[key.ID] = *t
		}
		v.Stamps = append(v.Stamps, stamp{key, after.Microseconds()})
		*t = time.Time{}
	}
	return v.marshal(), v.Stamps, nil
}
