package redisstore

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"zorgsluis/consent"
)

// codec writes or reads the sealed form of a standing. It is binary because every read opens one: encoding/json took longer than
// everything else that the gateway does for a read. Writing and reading are one walk over the same fields (state), so that they
// cannot differ; TestEveryFieldIsSealed finds a field that the walk omits.
//
// A number is a varint; a text is its length and bytes; a list is its length plus one (zero: nil) and its elements.
type codec struct {
	reading bool
	out     []byte // what was written
	persons bool   // the form has persons named by the patient (withPersons)
	in      string // input; texts that were read are parts of it
	at      int    // position in the input
	failed  bool   // the input is malformed
}

// marshal returns the form to be sealed.
func (v *state) marshal() []byte {
	c := codec{out: make([]byte, 0, 512), persons: slices.ContainsFunc(v.Records, namesPerson)}
	version := byte(stateVersion)
	if c.persons {
		version = withPersons
	}
	c.out = append(c.out, version)
	c.state(v)
	return c.out
}

// namesPerson reports whether a record has fields that only withPersons has.
func namesPerson(r consent.Record) bool {
	return r.Party.Person != "" || r.Holder.Person != "" || r.PartyName != ""
}

// unmarshal reads the form completely, in exactly one of these versions.
func (v *state) unmarshal(plain string) error {
	if len(plain) == 0 || plain[0] != stateVersion && plain[0] != withPersons {
		return fmt.Errorf("%w: standing is not of this version", ErrSealed)
	}
	c := codec{reading: true, in: plain[1:], persons: plain[0] == withPersons}
	c.state(v)
	if c.failed || c.left() > 0 {
		return fmt.Errorf("%w: standing is damaged", ErrSealed)
	}
	return nil
}

func (c *codec) state(v *state) {
	text(c, &v.Person.System)
	text(c, &v.Person.Value)
	list(c, &v.Records, (*codec).record)
	list(c, &v.Declarations, (*codec).declaration)
	c.bool(&v.Flags.Incapacitated)
	list(c, &v.Flags.RepresentativesBlocked, text)
	list(c, &v.Flags.WithheldFromPatient, text)
	list(c, &v.Stamps, (*codec).stamp)
}

func (c *codec) record(r *consent.Record) {
	text(c, &r.ID)
	text(c, &r.Status)
	text(c, &r.Decision)
	c.bool(&r.EmergencyException)
	c.side(&r.Holder)
	c.side(&r.Party)
	list(c, &r.Data, text)
	text(c, &r.Channel)
	list(c, &r.Purposes, text)
	c.time(&r.ValidFrom.Time)
	c.time(&r.ValidTo.Time)
	c.time(&r.RecordedAt.Time)
	list(c, &r.GivenBy, text)
	c.bool(&r.Posthumous)
	c.time(&r.WithdrawnAt.Time)
	list(c, &r.WithdrawnBy, text)
	text(c, &r.RecordedBy)
	text(c, &r.Method)
	text(c, &r.Information.ID)
	text(c, &r.Information.Version)
	text(c, &r.Information.Language)
	text(c, &r.Information.SHA256)
	if c.persons {
		text(c, &r.PartyName)
	}
}

func (c *codec) side(s *consent.Side) {
	text(c, &s.Category)
	text(c, &s.Organization)
	text(c, &s.Practitioner)
	if c.persons {
		text(c, &s.Person)
	}
}

func (c *codec) declaration(d *consent.Declaration) {
	text(c, &d.ID)
	text(c, &d.Issuer)
	text(c, &d.Client)
	text(c, &d.Practitioner)
	text(c, &d.Organization)
	text(c, &d.Code)
	text(c, &d.Reason)
	c.bool(&d.ConsentImpossible)
	c.bool(&d.NoAlternative)
	c.time(&d.DeclaredAt)
	c.time(&d.Expires)
	c.bool(&d.Overdue)
	reviewed := d.Review != nil
	if c.bool(&reviewed); !reviewed {
		return
	}
	if c.reading {
		d.Review = &consent.Review{}
	}
	c.bool(&d.Review.Justified)
	text(c, &d.Review.By)
	text(c, &d.Review.Why)
	c.time(&d.Review.At)
}

func (c *codec) stamp(s *stamp) {
	text(c, &s.Field)
	text(c, &s.ID)
	after := uint64(s.After) // never negative: encode refuses that
	c.number(&after)
	s.After = int64(after)
}

// number writes or reads one number.
func (c *codec) number(n *uint64) {
	if !c.reading {
		c.out = binary.AppendUvarint(c.out, *n)
		return
	}
	*n = 0
	for shift := uint(0); c.left() > 0 && shift < 7*binary.MaxVarintLen64; shift += 7 {
		b := c.in[c.at]
		c.at++
		*n |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return
		}
	}
	c.fail()
}

// left is the number of bytes still to be read.
func (c *codec) left() int { return len(c.in) - c.at }

// fail ends reading: everything read afterwards is empty.
func (c *codec) fail() { c.failed, c.at = true, len(c.in) }

func (c *codec) bool(b *bool) {
	n := uint64(0)
	if *b {
		n = 1
	}
	if c.number(&n); n > 1 {
		c.fail()
	}
	*b = n == 1
}

// time writes or reads an instant with its offset, as time.Time's own binary form. The zero time is an empty text.
func (c *codec) time(t *time.Time) {
	form := ""
	if !c.reading && !t.IsZero() {
		b, err := t.MarshalBinary()
		if err != nil { // an offset of more than 22 days, impossible in a time read from JSON
			b, _ = t.UTC().MarshalBinary()
		}
		form = string(b)
	}
	text(c, &form)
	if !c.reading {
		return
	}
	*t = time.Time{}
	if form != "" && t.UnmarshalBinary([]byte(form)) != nil {
		c.fail()
	}
}

func text[S ~string](c *codec, s *S) {
	n := uint64(len(*s))
	c.number(&n)
	if !c.reading {
		c.out = append(c.out, *s...)
		return
	}
	if n > uint64(c.left()) {
		c.fail()
		n = 0
	}
	from := c.at
	c.at += int(n)
	*s = S(c.in[from:c.at])
}

func list[E any](c *codec, l *[]E, element func(*codec, *E)) {
	n := uint64(0)
	if *l != nil {
		n = uint64(len(*l)) + 1
	}
	c.number(&n)
	if n > uint64(c.left())+1 && c.reading { // each element takes at least a byte
		c.fail()
		n = 0
	}
	if c.reading {
		*l = nil
		if n > 0 {
			*l = make([]E, n-1)
		}
	}
	for i := range *l {
		element(c, &(*l)[i])
	}
}
