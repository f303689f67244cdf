package audit

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
)

// Marshal renders the event as one line of JSON without a line feed (docs/events.md). It cannot fail: what exceeds a bound is cut and
// marked, invalid UTF-8 is replaced, and control characters stay escaped.
//
// It writes what encoding/json would, byte for byte, member by member: every request has an event, and reflection took more than twice as
// long. Empty members are left out, except those that every event has.
func (e Event) Marshal() []byte {
	e = e.bounded()
	b := make([]byte, 0, 1<<10+48*len(e.Disclosed))
	b = appendString(append(b, `{"id":`...), e.ID)
	b = append(e.Time.AppendFormat(append(b, `,"time":"`...), time.RFC3339Nano), '"')
	b = strconv.AppendInt(append(b, `,"v":`...), int64(e.Version), 10)
	b = appendString(append(b, `,"kind":`...), e.Kind)
	b = appendString(append(b, `,"request_id":`...), e.Request)
	b = appendText(b, "person", e.Person)
	b = appendString(append(b, `,"outcome":`...), e.Outcome)
	b = appendString(append(b, `,"reason":`...), e.Reason)
	b = appendText(b, "source", e.Source)
	b = appendText(b, "interaction", e.Interaction)
	b = appendText(b, "type", e.Type)
	b = appendText(b, "query", e.Query)
	b = e.Actor.appendTo(append(b, `,"actor":`...))
	b = appendTexts(b, "categories", e.Categories)
	b = appendTexts(b, "disclosed", e.Disclosed)
	b = appendNumber(b, "disclosed_total", int64(e.DisclosedTotal))
	b = appendTexts(b, "records", e.Records)
	b = appendTexts(b, "obligations", e.Obligations)
	b = appendText(b, "emergency_reason", e.Emergency)
	b = appendText(b, "emergency_code", e.Code)
	b = appendText(b, "grounds", e.Grounds)
	b = appendText(b, "declaration", e.Declaration)
	b = appendText(b, "consent", e.Consent)
	if e.Generation > 0 {
		b = strconv.AppendUint(appendName(b, "generation"), e.Generation, 10)
	}
	b = appendNumber(b, "count", int64(e.Count))
	b = appendText(b, "address", e.Address)
	b = appendText(b, "policy", e.Policy)
	b = appendText(b, "recipient", e.Recipient)
	b = appendText(b, "legal_ground", e.LegalGround)
	b = appendText(b, "approved_by", e.ApprovedBy)
	b = appendText(b, "digest", e.Digest)
	return append(b, '}')
}

func (a Actor) appendTo(b []byte) []byte {
	b = append(b, '{')
	b = appendText(b, "issuer", a.Issuer)
	b = appendText(b, "subject", a.Subject)
	b = appendText(b, "client", a.Client)
	b = appendText(b, "token", a.Token)
	b = appendText(b, "kind", a.Kind)
	b = appendText(b, "name", a.Name)
	b = appendText(b, "organization", a.Organization)
	b = appendText(b, "practitioner", a.Practitioner)
	b = appendTexts(b, "roles", a.Roles)
	b = appendTexts(b, "categories", a.Categories)
	b = appendText(b, "assurance", a.Assurance)
	b = appendText(b, "relationship", a.Relationship)
	b = appendText(b, "purpose", a.Purpose)
	b = appendText(b, "channel", a.Channel)
	b = appendText(b, "responsible", a.Responsible)
	b = appendText(b, "representative", a.Representative)
	b = appendText(b, "authority", a.Authority)
	b = appendText(b, "secrecy", a.Secrecy)
	b = appendText(b, "evidence", a.Evidence)
	return append(b, '}')
}

// appendName begins a member, which may be the first of its object.
func appendName(b []byte, name string) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	return append(append(append(b, '"'), name...), `":`...)
}

func appendText[S ~string](b []byte, name string, s S) []byte {
	if s == "" {
		return b
	}
	return appendString(appendName(b, name), s)
}

func appendTexts[S ~string](b []byte, name string, list []S) []byte {
	if len(list) == 0 {
		return b
	}
	b = append(appendName(b, name), '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, s)
	}
	return append(b, ']')
}

func appendNumber(b []byte, name string, n int64) []byte {
	if n == 0 {
		return b
	}
	return strconv.AppendInt(appendName(b, name), n, 10)
}

// appendString leaves the few texts that need escapes to encoding/json.
func appendString[S ~string](b []byte, s S) []byte {
	if isPlain(s) {
		return append(append(append(b, '"'), s...), '"')
	}
	var escaped bytes.Buffer
	enc := json.NewEncoder(&escaped)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always encodes
	return append(b, escapeControls(bytes.TrimSuffix(escaped.Bytes(), []byte("\n")))...)
}
