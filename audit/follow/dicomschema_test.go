package follow_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/audit/follow"
	"zorgsluis/consent"
	"zorgsluis/fhir"
)

// The audit message schema of DICOM PS3.15 A.5.1.1 (RELAX NG, compact), as a table: for each element its attributes, and its children in
// order. What our messages never contain (media, descriptions of DICOM objects) is left out, and so not allowed.
type (
	schemaElement struct {
		attributes map[string]schemaAttribute
		children   []schemaChild
		text       *regexp.Regexp // nil: no text
	}
	schemaAttribute struct {
		required bool
		form     *regexp.Regexp
	}
	// schemaChild is a place among the children, for one of these elements.
	schemaChild struct {
		elements map[string]schemaElement
		least    int
		most     int // -1: any number
	}
)

var (
	anyText  = regexp.MustCompile(`(?s)^.*$`)
	base64ed = regexp.MustCompile(`^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$`)
	dateTime = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})?$`)
	boolean  = regexp.MustCompile(`^(true|false|0|1)$`)

	must  = schemaAttribute{true, anyText}
	may   = schemaAttribute{false, anyText}
	coded = schemaElement{attributes: map[string]schemaAttribute{"csd-code": must, "codeSystemName": must, "displayName": may, "originalText": must}}

	auditMessageSchema = schemaElement{children: []schemaChild{
		place(1, 1, "EventIdentification", schemaElement{
			attributes: map[string]schemaAttribute{
				"EventActionCode":       {false, regexp.MustCompile(`^[CRUDE]$`)},
				"EventDateTime":         {true, dateTime},
				"EventOutcomeIndicator": {true, regexp.MustCompile(`^(0|4|8|12)$`)},
			},
			children: []schemaChild{place(1, 1, "EventID", coded), place(0, -1, "EventTypeCode", coded), place(0, 1, "EventOutcomeDescription", schemaElement{text: anyText})},
		}),
		place(1, -1, "ActiveParticipant", schemaElement{
			attributes: map[string]schemaAttribute{
				"UserID": must, "AlternativeUserID": may, "UserName": may, "UserIsRequestor": {true, boolean}, "NetworkAccessPointID": may,
				"NetworkAccessPointTypeCode": {false, regexp.MustCompile(`^[1-5]$`)},
			},
			children: []schemaChild{place(0, -1, "RoleIDCode", coded)},
		}),
		place(1, 1, "AuditSourceIdentification", schemaElement{
			attributes: map[string]schemaAttribute{"AuditEnterpriseSiteID": may, "AuditSourceID": must},
			children:   []schemaChild{place(0, -1, "AuditSourceTypeCode", coded)},
		}),
		place(0, -1, "ParticipantObjectIdentification", schemaElement{
			attributes: map[string]schemaAttribute{
				"ParticipantObjectID": must, "ParticipantObjectSensitivity": may,
				"ParticipantObjectTypeCode":      {false, regexp.MustCompile(`^[1-4]$`)},
				"ParticipantObjectTypeCodeRole":  {false, regexp.MustCompile(`^([1-9]|1\d|2[0-6])$`)},
				"ParticipantObjectDataLifeCycle": {false, regexp.MustCompile(`^([1-9]|1[0-5])$`)},
			},
			children: []schemaChild{
				place(1, 1, "ParticipantObjectIDTypeCode", coded),
				{least: 1, most: 1, elements: map[string]schemaElement{"ParticipantObjectName": {text: anyText}, "ParticipantObjectQuery": {text: base64ed}}},
				place(0, -1, "ParticipantObjectDetail", schemaElement{attributes: map[string]schemaAttribute{"type": must, "value": {true, base64ed}}}),
			},
		}),
	}}
)

func place(least, most int, name string, e schemaElement) schemaChild {
	return schemaChild{map[string]schemaElement{name: e}, least, most}
}

// xmlNode is an element as it was read.
type xmlNode struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Text     string     `xml:",chardata"`
	Children []xmlNode  `xml:",any"`
}

// checkDICOM returns every rule of the schema that a message breaks.
func checkDICOM(message string) []string {
	var root xmlNode
	d := xml.NewDecoder(strings.NewReader(message))
	if err := d.Decode(&root); err != nil {
		return []string{err.Error()}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return []string{"something follows the message"}
	}
	if root.XMLName != (xml.Name{Local: "AuditMessage"}) {
		return []string{"the root is " + root.XMLName.Local}
	}
	return checkNode(root, auditMessageSchema, "AuditMessage")
}

func checkNode(n xmlNode, e schemaElement, path string) (problems []string) {
	given := map[string]string{}
	for _, a := range n.Attrs {
		given[a.Name.Local] = a.Value
		if rule, known := e.attributes[a.Name.Local]; !known || a.Name.Space != "" {
			problems = append(problems, fmt.Sprintf("%s has an attribute %s", path, a.Name.Local))
		} else if !rule.form.MatchString(a.Value) {
			problems = append(problems, fmt.Sprintf("%s: attribute %s is %q", path, a.Name.Local, a.Value))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.attributes)) {
		if _, there := given[name]; e.attributes[name].required && !there {
			problems = append(problems, fmt.Sprintf("%s has no attribute %s", path, name))
		}
	}
	if e.text == nil && strings.TrimSpace(n.Text) != "" || e.text != nil && !e.text.MatchString(n.Text) {
		problems = append(problems, path+": text")
	}
	left := n.Children
	for _, child := range e.children {
		count := 0
		for ; len(left) > 0 && (child.most < 0 || count < child.most); count++ {
			rule, ok := child.elements[left[0].XMLName.Local]
			if !ok || left[0].XMLName.Space != "" {
				break
			}
			problems = append(problems, checkNode(left[0], rule, path+"/"+left[0].XMLName.Local)...)
			left = left[1:]
		}
		if count < child.least {
			problems = append(problems, fmt.Sprintf("%s has no %s here", path, strings.Join(slices.Sorted(maps.Keys(child.elements)), " or ")))
		}
	}
	for _, n := range left {
		problems = append(problems, fmt.Sprintf("%s has an element %s here", path, n.XMLName.Local))
	}
	return problems
}

// TestDICOMMessagesMeetTheSchema, for events of every kind and outcome, with few and with many members.
func TestDICOMMessagesMeetTheSchema(t *testing.T) {
	var events []audit.Event
	for _, kind := range []audit.Kind{audit.KindAccess, audit.KindLog, audit.KindConsent, audit.KindPerson, audit.KindBreakGlass, audit.KindReview, audit.KindUnauthenticated} {
		for _, outcome := range []audit.Outcome{audit.OutcomePermit, audit.OutcomeDeny, audit.OutcomeError} {
			for _, code := range []fhir.Code{fhir.CodeSearch, fhir.CodeRead, ""} {
				e := sample(len(events) + 1)
				e.Kind, e.Outcome, e.Interaction, e.Consent, e.Declaration = kind, outcome, code, consent.RecordID("00-c9"), "00-d1"
				e.Obligations, e.DisclosedTotal, e.Generation, e.Count = nil, 5000, 3, 4
				bare := sample(len(events) + 2)
				bare.Kind, bare.Outcome, bare.Interaction, bare.Actor, bare.Person, bare.Source, bare.Address = kind, outcome, code, audit.Actor{}, "", "", ""
				bare.Request, bare.Query, bare.Disclosed, bare.Records, bare.Categories, bare.Policy, bare.Emergency = "", "", nil, nil, nil, "", ""
				events = append(events, e, bare)
			}
		}
	}
	c, clientTLS := newCollector(t, dicomID)
	d := follow.Syslog(follow.SyslogOptions{Address: c.listener.Addr().String(), Host: "gateway.example", TLS: clientTLS, Timeout: within, Form: form})
	if n, err := d.Deliver(t.Context(), events); n != len(events) || err != nil {
		t.Fatalf("got %d and error %v", n, err)
	}
	c.wantAll(t, numbered(len(events)))
	for i, raw := range c.raw {
		for _, p := range checkDICOM(strings.TrimPrefix(raw, "\ufeff")) {
			t.Errorf("event %d (%s, %s): %s\n%s", i+1, events[i].Kind, events[i].Outcome, p, raw)
		}
	}
}

// TestTheSchemaOfDICOMBites removes, changes and adds parts.
func TestTheSchemaOfDICOMBites(t *testing.T) {
	const good = `<?xml version="1.0"?><AuditMessage>
<EventIdentification EventActionCode="E" EventDateTime="2026-11-20T10:00:01.5Z" EventOutcomeIndicator="0"><EventID csd-code="110112" codeSystemName="DCM" originalText="Query"/></EventIdentification>
<ActiveParticipant UserID="u" UserIsRequestor="true" NetworkAccessPointTypeCode="2"/>
<AuditSourceIdentification AuditSourceID="s"><AuditSourceTypeCode csd-code="4" codeSystemName="x" originalText="y"/></AuditSourceIdentification>
<ParticipantObjectIdentification ParticipantObjectID="p" ParticipantObjectTypeCodeRole="24"><ParticipantObjectIDTypeCode csd-code="10" codeSystemName="RFC-3881" originalText="Search Criteria"/><ParticipantObjectQuery>eA==</ParticipantObjectQuery><ParticipantObjectDetail type="a" value="eA=="/></ParticipantObjectIdentification>
</AuditMessage>`
	if problems := checkDICOM(good); problems != nil {
		t.Fatalf("got problems %q with a good message", problems)
	}
	for _, tt := range []struct{ name, old, new, want string }{
		{"another root", "AuditMessage", "Audit", "the root"},
		{"no time", ` EventDateTime="2026-11-20T10:00:01.5Z"`, "", "no attribute EventDateTime"},
		{"a time that is none", "2026-11-20T", "20 Nov ", "EventDateTime is"},
		{"an action that is none", `EventActionCode="E"`, `EventActionCode="X"`, "EventActionCode is"},
		{"an outcome that is none", `EventOutcomeIndicator="0"`, `EventOutcomeIndicator="1"`, "EventOutcomeIndicator is"},
		{"a code without its meaning", ` originalText="Query"`, "", "no attribute originalText"},
		{"an element that is not in the schema", "</EventIdentification>", `<PurposeOfUse/></EventIdentification>`, "an element PurposeOfUse"},
		{"nobody took part", `<ActiveParticipant UserID="u" UserIsRequestor="true" NetworkAccessPointTypeCode="2"/>`, "", "no ActiveParticipant"},
		{"a participant without id", `UserID="u" `, "", "no attribute UserID"},
		{"a requestor that is maybe one", `UserIsRequestor="true"`, `UserIsRequestor="maybe"`, "UserIsRequestor is"},
		{"an address of another kind", `NetworkAccessPointTypeCode="2"`, `NetworkAccessPointTypeCode="6"`, "NetworkAccessPointTypeCode is"},
		{"a source without id", ` AuditSourceID="s"`, "", "no attribute AuditSourceID"},
		{"a role that is none", `TypeCodeRole="24"`, `TypeCodeRole="27"`, "TypeCodeRole is"},
		{"neither name nor query", "<ParticipantObjectQuery>eA==</ParticipantObjectQuery>", "", "no ParticipantObjectName or ParticipantObjectQuery"},
		{"both name and query", "<ParticipantObjectQuery>", "<ParticipantObjectName>n</ParticipantObjectName><ParticipantObjectQuery>", "an element ParticipantObjectQuery"},
		{"a query in the clear", "eA==</", "Patient?x</", "text"},
		{"a detail in the clear", `value="eA=="`, `value="a b"`, "attribute value is"},
		{"text where there is none", "</AuditMessage>", "x</AuditMessage>", "text"},
		{"another attribute", `UserID="u"`, `UserID="u" Purpose="x"`, "an attribute Purpose"},
		{"something behind it", "</AuditMessage>", "</AuditMessage><x/>", "follows"},
	} {
		broken := strings.ReplaceAll(good, tt.old, tt.new)
		if got := strings.Join(checkDICOM(broken), "; "); !strings.Contains(got, tt.want) {
			t.Errorf("%s: got problems %q, want one with %q", tt.name, got, tt.want)
		}
	}
}
