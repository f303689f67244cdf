package redisstore

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
)

// draft is a change that is ready to write.
type draft struct {
	generation     uint64 // of the new standing
	value, version string // sealed
	stamps         []stamp
	event          audit.Event
	ids            []string // of new records and declarations
	opened, closed []consent.DeclarationID
}

// draft applies the edit to st, checks the result, and seals it. last is the latest version on file, as stored.
func (e *edit) draft(st *consent.Standing, now time.Time, last string) (draft, error) {
	s := e.store
	before := inventory(st)
	d := draft{generation: st.Generation + 1}
	st.Person, st.Newest = e.change.Person, now
	if err := e.change.Apply(st); err != nil {
		return draft{}, err
	}
	st.Person = e.change.Person // the person of the key, not for Apply to change
	d.event = *e.change.Event   // Apply may have filled it in
	if err := s.name(e.shard, st, before, &d); err != nil {
		return draft{}, fmt.Errorf("change: %w", err)
	}
	if e.change.KeepStamps {
		before.keep(st, now)
	}
	plain, stamps, err := encode(st, before.stamps, now)
	if err != nil {
		return draft{}, fmt.Errorf("change: %w", err)
	}
	if room := s.o.StandingBytes; len(plain) > room || len(plain) > room-room/8 && !before.onlyEnds(st) {
		return draft{}, fmt.Errorf("change: %w: %d bytes", ErrTooLarge, s.o.StandingBytes)
	}
	d.stamps = stamps
	d.value = s.sealer.seal(kindStanding, e.person, d.generation, plain)
	if d.version, err = s.sealVersion(e.person, d.generation, last, plain); err != nil {
		return draft{}, fmt.Errorf("change: %w", err)
	}
	d.event.Person, d.event.Generation = e.person, d.generation
	if _, err := s.identify(&d.event); err != nil {
		return draft{}, fmt.Errorf("change: %w", err)
	}
	return d, nil
}

// onFile is what was on file before an edit and may not be changed by it.
type onFile struct {
	stamps  map[stampKey]time.Time
	ids     map[string]bool
	open    map[consent.DeclarationID]bool
	records []consent.Record
}

func inventory(st *consent.Standing) onFile {
	f := onFile{map[stampKey]time.Time{}, map[string]bool{}, map[consent.DeclarationID]bool{}, slices.Clone(st.Records)}
	for key, t := range stampsOf(st) {
		f.stamps[key] = *t
		f.ids[key.ID] = true
	}
	for _, d := range st.Declarations {
		f.open[d.ID] = d.Review == nil
	}
	return f
}

// keep accepts past stamps of new records as if they were on file.
func (f onFile) keep(st *consent.Standing, now time.Time) {
	for key, t := range stampsOf(st) {
		_, known := f.stamps[key]
		if (key.Field == recorded || key.Field == withdrawn) && !known && !t.IsZero() && !t.After(now) {
			f.stamps[key] = *t
		}
	}
}

// onlyEnds reports whether an edit only withdraws records or adds total objections, and adds no declaration.
func (f onFile) onlyEnds(st *consent.Standing) bool {
	byID := make(map[consent.RecordID]consent.Record, len(f.records))
	for _, r := range f.records {
		byID[r.ID] = r
	}
	for _, r := range st.Records {
		before, known := byID[r.ID]
		if r.Status == consent.StatusWithdrawn {
			before.Status, before.WithdrawnAt, before.WithdrawnBy = r.Status, r.WithdrawnAt, r.WithdrawnBy
		}
		if !r.IsTotalObjection() && (!known || !reflect.DeepEqual(r, before)) {
			return false
		}
	}
	return !slices.ContainsFunc(st.Declarations, func(d consent.Declaration) bool { return !f.ids[string(d.ID)] })
}

// name gives ids to records and declarations without one, and finds which ids are new and which reviews were opened and closed. An
// id must be unique and of the person's own shard, so that it leads there.
func (s *Store) name(shard int, st *consent.Standing, before onFile, d *draft) error {
	total := 0
	for i := range st.Records {
		if st.Records[i].IsTotalObjection() {
			total++
		}
	}
	if len(st.Records)-min(total, MaxObjections) > MaxRecords || len(st.Declarations) > MaxRecords {
		return fmt.Errorf("%w: %d records", ErrTooLarge, MaxRecords)
	}
	seen := map[string]bool{}
	check := func(id string) (string, error) {
		if id == "" {
			id = newID(shard)
		}
		named, err := s.shardOfID(id)
		if err != nil || named != shard || seen[id] {
			return "", fmt.Errorf("%w: id of a record or declaration", ErrInvalid)
		}
		seen[id] = true
		if !before.ids[id] {
			d.ids = append(d.ids, id)
		}
		return id, nil
	}
	for i := range st.Records {
		id, err := check(string(st.Records[i].ID))
		if err != nil {
			return err
		}
		st.Records[i].ID = consent.RecordID(id)
	}
	open := map[consent.DeclarationID]bool{}
	for i := range st.Declarations {
		id, err := check(string(st.Declarations[i].ID))
		if err != nil {
			return err
		}
		decl := &st.Declarations[i]
		decl.ID = consent.DeclarationID(id)
		open[decl.ID] = decl.Review == nil
		if open[decl.ID] && !before.open[decl.ID] {
			d.opened = append(d.opened, decl.ID)
		}
	}
	for id, was := range before.open {
		if was && !open[id] {
			d.closed = append(d.closed, id)
		}
	}
	slices.Sort(d.closed)
	return nil
}

// versionEntry is the content of a version: the hash of the previous one, as stored with its stamp, and the standing.
type versionEntry struct {
	previous string
	state    string
}

func (v versionEntry) marshal() []byte {
	var c codec
	text(&c, &v.previous)
	return append(c.out, v.state...)
}

func parseVersion(plain string) (versionEntry, bool) {
	c, v := codec{reading: true, in: plain}, versionEntry{}
	text(&c, &v.previous)
	v.state = c.in[c.at:]
	return v, !c.failed
}

func (s *Store) sealVersion(person consent.PersonKey, generation uint64, last string, plain []byte) (string, error) {
	small, err := deflate(versionEntry{hashOf(last), string(plain)}.marshal())
	if err != nil {
		return "", err
	}
	return s.sealer.seal(kindVersion, person, generation, small), nil
}

// hashOf is the link of the chain; "" before the first version.
func hashOf(entry string) string {
	if entry == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(entry))
	return hex.EncodeToString(sum[:])
}
