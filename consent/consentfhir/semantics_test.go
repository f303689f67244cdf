package consentfhir_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"zorgsluis/consent"
	"zorgsluis/consent/consentfhir"
)

// rule is a provision as IHE PCF means it: all elements must match, repeats of one element are alternatives, and what an exception does not
// name is inherited.
type rule struct {
	Type              string
	Purpose           []struct{ Code string }
	Actor             []ruleActor
	ModifierExtension []struct {
		URL, ValueCode string
		ValueCoding    struct{ Code string }
	}
	Period    *struct{ End string }
	Provision []rule
}

type ruleActor struct {
	Role      struct{ Coding []struct{ Code string } }
	Reference struct {
		Type       string
		Identifier struct{ System, Value string }
	}
}

// inherit is an exception completed by the rule around it.
func (r rule) inherit(base rule) rule {
	if len(r.Purpose) == 0 {
		r.Purpose = base.Purpose
	}
	for _, role := range []string{"IRCP", "CST"} {
		if !slices.ContainsFunc(r.Actor, func(a ruleActor) bool { return a.Role.Coding[0].Code == role }) {
			for _, a := range base.Actor {
				if a.Role.Coding[0].Code == role {
					r.Actor = append(slices.Clone(r.Actor), a)
				}
			}
		}
	}
	for _, url := range []string{"urn:zorgsluis:consent:data-category", "urn:zorgsluis:consent:channel"} {
		has := false
		for _, e := range r.ModifierExtension {
			has = has || e.URL == url
		}
		for _, e := range base.ModifierExtension {
			if e.URL == url && !has {
				r.ModifierExtension = append(slices.Clone(r.ModifierExtension), e)
			}
		}
	}
	if r.Period == nil {
		r.Period = base.Period
	}
	return r
}

// asked is one request of the small world in which decisions are compared.
type asked struct{ category, organization, practitioner, holder, data, channel, purpose string }

// matches reports whether a rule covers a request.
func (r rule) matches(q asked) bool {
	named, matched := map[string]bool{}, map[string]bool{}
	about := func(dimension string, holds bool) {
		named[dimension] = true
		matched[dimension] = matched[dimension] || holds
	}
	for _, p := range r.Purpose {
		about("purpose", p.Code == q.purpose || q.purpose == "ETREAT" && (p.Code == "TREAT" || p.Code == "BTG"))
	}
	for _, a := range r.Actor {
		who := a.Reference.Identifier
		if a.Role.Coding[0].Code == "CST" {
			about("holder", who.Value == "hospital" && q.holder == "00000001" || who.Value == q.holder)
			continue
		}
		about("party", who.Value == q.category || who.Value == q.organization || who.Value == q.practitioner)
	}
	for _, e := range r.ModifierExtension {
		if e.URL == "urn:zorgsluis:consent:channel" {
			about("channel", e.ValueCode == q.channel)
			continue
		}
		about("data", e.ValueCoding.Code == q.data || slices.Contains(groupsOf[q.data], e.ValueCoding.Code))
	}
	if len(r.Purpose) == 0 && r.Type == "permit" {
		about("purpose", q.purpose != "HRESCH")
	}
	for dimension := range named {
		if !matched[dimension] {
			return false
		}
	}
	return true
}

var groupsOf = map[string][]string{"Condition": {"GGC002"}, "MedicationRequest": {"GGC013", "GGC002"}, "Other": nil}

// decide is what PCF says: the exceptions if they match, else the base rule. It is not ok if exceptions contradict each other, which PCF
// does not cover.
func (r rule) decide(q asked) (answer string, exception bool, ok bool) {
	said := map[string]bool{}
	for _, nested := range r.Provision {
		if everyone(nested) {
			exception = true
			continue
		}
		if nested = nested.inherit(r); nested.matches(q) {
			said[nested.Type] = true
		}
	}
	switch {
	case len(said) == 2:
		return "", exception, false
	case len(said) == 1:
		for answer := range said {
			return answer, exception && r.Type == "deny" && !said["deny"], true
		}
	case r.matches(q):
		return r.Type, exception, true
	}
	return "", false, true
}

func everyone(r rule) bool {
	for _, a := range r.Actor {
		if a.Reference.Identifier.System == "urn:zorgsluis:emergency-providers" {
			return true
		}
	}
	return false
}

// TestDecidesAsPCFSays: for every resource that is accepted, the decision on its records is PCF's, for every request of a small world.
func TestDecidesAsPCFSays(t *testing.T) {
	var world []asked
	for _, category := range []string{"gp", "hospital", "lab"} {
		for _, organization := range []string{"00000003", "00000009"} {
			for _, practitioner := range []string{"900000001", ""} {
				for _, holder := range []string{"00000001", "00000002"} {
					for data := range groupsOf {
						for _, channel := range []string{"regional", "lsp"} {
							for _, purpose := range []string{"TREAT", "ETREAT", "HRESCH"} {
								world = append(world, asked{category, organization, practitioner, holder, data, channel, purpose})
							}
						}
					}
				}
			}
		}
	}
	compared, granted := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		text := document(rt)
		read, err := profile.Read(text)
		if err != nil {
			return
		}
		var resource struct{ Provision rule }
		if err := json.Unmarshal(text, &resource); err != nil {
			rt.Fatal(err)
		}
		for i := range read.Records {
			read.Records[i].ID = consent.RecordID(rune('a' + i))
			read.Records[i].ValidTo = consent.Time{} // the world has one instant, before every end
		}
		for _, q := range world {
			want, exception, ok := resource.Provision.decide(q)
			if !ok {
				continue
			}
			got, _ := consent.Evaluate(consent.Query{
				At: now.Add(time.Hour), Born: "1961-02-03", Channel: q.channel, Purpose: q.purpose, Category: "x", Groups: append([]string{q.data}, groupsOf[q.data]...),
				Holder: consent.Side{Organization: "ura:" + q.holder, Category: map[bool]string{true: "hospital", false: "gp"}[q.holder == "00000001"]},
				Party:  consent.Side{Category: q.category, Organization: "ura:" + q.organization, Practitioner: "uzi:" + q.practitioner},
			}, read.Records)
			compared++
			switch {
			case (want == "permit") != (got == consent.Granted),
				want == "deny" && q.purpose != "HRESCH" && got != consent.Refused && got != consent.RefusedExceptEmergency,
				want == "deny" && !exception && got == consent.RefusedExceptEmergency:
				rt.Fatalf("%+v: PCF says %q (exception %v), the records say %v\n%s\n%+v", q, want, exception, got, text, read.Records)
			}
			if got == consent.Granted {
				granted++
			}
		}
	})
	if compared == 0 || granted == 0 {
		t.Errorf("compared %d decisions, %d of them permits", compared, granted)
	}
}

// TestRefusesNamingTheElement: what the profile cannot express is refused, naming each wrong element and never a value.
func TestRefusesNamingTheElement(t *testing.T) {
	gp := actorOf("IRCP", "Group", "urn:zorgsluis:provider-category", "gp")
	permit := func(more m) m {
		p := m{"type": "permit", "actor": []any{gp}}
		for k, v := range more {
			p[k] = v
		}
		return p
	}
	with := func(more m) m {
		r := resourceOf(permit(nil))
		for k, v := range more {
			if r[k] = v; v == nil {
				delete(r, k)
			}
		}
		return r
	}
	const canary = "CANARY7f3a"
	purpose := func(code string) []any { return []any{m{"system": terminology + "v3-ActReason", "code": code}} }
	everyone := actorOf("IRCP", "Group", "urn:zorgsluis:emergency-providers", "all")
	patientPrivacy := m{"system": terminology + "consentscope", "code": "patient-privacy"}
	nested := func(root m, below ...any) m { root["provision"] = below; return resourceOf(root) }
	for name, tt := range map[string]struct {
		resource any
		element  string
	}{
		"a permit without actor":       {resourceOf(m{"type": "permit"}), "provision.actor"},
		"no type":                      {resourceOf(m{"actor": []any{gp}}), "provision.type"},
		"an unknown type":              {resourceOf(m{"type": canary}), "provision.type"},
		"a class":                      {resourceOf(permit(m{"class": []any{}})), "provision.class"},
		"a code":                       {resourceOf(permit(m{"code": []any{}})), "provision.code"},
		"a security label":             {resourceOf(permit(m{"securityLabel": []any{}})), "provision.securityLabel"},
		"an action":                    {resourceOf(permit(m{"action": []any{}})), "provision.action"},
		"single data":                  {resourceOf(permit(m{"data": []any{}})), "provision.data"},
		"a period of the data":         {resourceOf(permit(m{"dataPeriod": m{}})), "provision.dataPeriod"},
		"an extension of others":       {resourceOf(permit(m{"modifierExtension": []any{m{"url": canary}}})), "provision.modifierExtension[0]"},
		"our modifier as an extension": {resourceOf(permit(m{"extension": []any{dataOf("GGC002")}})), "provision.extension"},
		"data of another code system":  {resourceOf(permit(m{"modifierExtension": []any{m{"url": "urn:zorgsluis:consent:data-category", "valueCoding": m{"system": "s", "code": "GGC002"}}}})), "provision.modifierExtension[0].valueCoding"},
		"data without a value":         {resourceOf(permit(m{"modifierExtension": []any{m{"url": "urn:zorgsluis:consent:data-category"}}})), "provision.modifierExtension[0]"},
		"two channels":                 {resourceOf(permit(m{"modifierExtension": []any{m{"url": "urn:zorgsluis:consent:channel", "valueCode": "a"}, m{"url": "urn:zorgsluis:consent:channel", "valueCode": "b"}}})), "provision.modifierExtension[1]"},
		"a purpose of others":          {resourceOf(permit(m{"purpose": []any{m{"system": "http://example.org", "code": canary}}})), "provision.purpose[0]"},
		"a purpose not decided on":     {resourceOf(permit(m{"purpose": purpose("HMARKT")})), "provision.purpose[0]"},
		"payment alone":                {resourceOf(permit(m{"purpose": purpose("HPAYMT")})), "provision.purpose"},
		"an unknown provider":          {resourceOf(permit(m{"actor": []any{actorOf("IRCP", "Organization", "http://example.org", canary)}})), "provision.actor[0].reference"},
		"an organization's number of a practitioner": {resourceOf(permit(m{"actor": []any{actorOf("IRCP", "Practitioner", "http://fhir.nl/fhir/NamingSystem/ura", canary)}})), "provision.actor[0].reference"},
		"a practitioner's number of an organization": {resourceOf(permit(m{"actor": []any{actorOf("IRCP", "Organization", "http://fhir.nl/fhir/NamingSystem/uzi-nr-pers", canary)}})), "provision.actor[0].reference"},
		"a patient as a representative":              {with(m{"performer": []any{m{"type": "RelatedPerson", "reference": "Patient/" + canary}}}), "performer[0]"},
		"a provider of no type":                      {resourceOf(permit(m{"actor": []any{actorOf("IRCP", "Device", "urn:zorgsluis:provider", canary)}})), "provision.actor[0].reference"},
		"a literal that is unknown":                  {resourceOf(permit(m{"actor": []any{m{"role": coded(terminology+"v3-ParticipationType", "IRCP"), "reference": m{"reference": "Group/" + canary}}}})), "provision.actor[0].reference"},
		"two ways to name one":                       {resourceOf(permit(m{"actor": []any{m{"role": coded(terminology+"v3-ParticipationType", "IRCP"), "reference": m{"reference": "Group/x", "type": "Group", "identifier": m{"system": "urn:zorgsluis:provider-category", "value": "gp"}}}}})), "provision.actor[0].reference"},
		"half an identifier":                         {resourceOf(permit(m{"actor": []any{m{"role": coded(terminology+"v3-ParticipationType", "IRCP"), "reference": m{"identifier": m{"value": canary}}}}})), "provision.actor[0].reference.identifier"},
		"another role":                               {resourceOf(permit(m{"actor": []any{actorOf("AUT", "Group", "urn:zorgsluis:provider-category", "gp")}})), "provision.actor[0].role"},
		"everyone as a holder":                       {nested(m{"type": "deny"}, m{"type": "permit", "purpose": purpose("BTG"), "actor": []any{actorOf("CST", "Group", "urn:zorgsluis:emergency-providers", "all")}}), "provision.provision[0].actor[0].role"},
		"everyone at the root":                       {resourceOf(m{"type": "permit", "actor": []any{everyone}}), "provision.actor"},
		"everyone in a refusal":                      {resourceOf(m{"type": "deny", "actor": []any{everyone}}), "provision.actor"},
		"everyone refused":                           {nested(m{"type": "deny"}, m{"type": "deny", "purpose": purpose("BTG"), "actor": []any{everyone}}), "provision.provision[0]"},
		"everyone for some data":                     {nested(m{"type": "deny"}, m{"type": "permit", "purpose": purpose("BTG"), "actor": []any{everyone}, "modifierExtension": []any{dataOf("GGC002")}}), "provision.provision[0]"},
		"everyone twice":                             {nested(m{"type": "deny"}, m{"type": "permit", "purpose": purpose("BTG"), "actor": []any{everyone}}, m{"type": "permit", "purpose": purpose("BTG"), "actor": []any{everyone}}), "provision.provision[1]"},
		"a refusal that emergencies open": {nested(m{"type": "deny", "actor": []any{actorOf("IRCP", "Organization", "http://fhir.nl/fhir/NamingSystem/ura", "1")}},
			m{"type": "permit", "purpose": purpose("BTG"), "actor": []any{everyone}}, m{"type": "deny", "actor": []any{gp}}), "provision.provision[1]"},
		"everyone for treatment":         {nested(m{"type": "deny"}, m{"type": "permit", "purpose": purpose("TREAT"), "actor": []any{everyone}}), "provision.provision[0]"},
		"everyone below a permit":        {nested(permit(nil), m{"type": "permit", "purpose": purpose("BTG"), "actor": []any{everyone}}), "provision.provision[0]"},
		"an exception without actor":     {nested(m{"type": "deny"}, m{"type": "permit", "purpose": purpose("BTG")}), "provision.provision[0].actor"},
		"an exception that is not one":   {nested(m{"type": "deny", "actor": []any{gp}}, permit(nil)), "provision.provision[0]"},
		"a wider refusal below a permit": {nested(m{"type": "permit", "actor": []any{actorOf("IRCP", "Organization", "http://fhir.nl/fhir/NamingSystem/ura", "1")}}, m{"type": "deny", "actor": []any{gp}}), "provision.provision[0]"},
		"exceptions of exceptions":       {nested(permit(nil), m{"type": "deny", "modifierExtension": []any{dataOf("GGC002")}, "provision": []any{m{"type": "permit"}}}), "provision.provision[0].provision"},
		"an empty list":                  {resourceOf(permit(m{"purpose": []any{}})), "provision.purpose"},
		"a number":                       {with(m{"language": 1}), "language"},
		"null":                           {with(m{"dateTime": json.RawMessage("null")}), "dateTime"},
		"a draft":                        {with(m{"status": "draft"}), "status"},
		"another scope":                  {with(m{"scope": coded(terminology+"consentscope", "research")}), "scope"},
		"another category":               {with(m{"category": []any{coded(terminology+"consentcategorycodes", "acd")}}), "category[0]"},
		"two codings":                    {with(m{"scope": m{"coding": []any{patientPrivacy, patientPrivacy}}}), "scope"},
		"an unknown policy":              {with(m{"policy": []any{m{"uri": "http://example.org/" + canary}}}), "policy[0].uri"},
		"no policy":                      {with(m{"policy": nil}), "policy"},
		"a rule of others":               {with(m{"policyRule": coded(terminology+"v3-ActCode", "OPTINR")}), "policyRule"},
		"a rule that says the opposite":  {with(m{"policyRule": coded(terminology+"v3-ActCode", "OPTOUT")}), "policyRule"},
		"a verification":                 {with(m{"verification": []any{}}), "verification"},
		"contained resources":            {with(m{"contained": []any{}}), "contained"},
		"rules outside":                  {with(m{"implicitRules": "http://example.org"}), "implicitRules"},
		"a modifier of the whole":        {with(m{"modifierExtension": []any{}}), "modifierExtension"},
		"a document":                     {with(m{"sourceAttachment": m{}}), "sourceAttachment"},
		"another profile":                {with(m{"meta": m{"profile": []any{"https://profiles.ihe.net/ITI/PCF/StructureDefinition/IHE.PCF.consentAdvanced"}}}), "meta.profile[0]"},
		"test data":                      {with(m{"meta": m{"security": []any{m{"system": terminology + "v3-ActReason", "code": "HTEST"}}}}), "meta.security[0]"},
		"a text of its own":              {with(m{"text": m{"status": "additional", "div": "<div>" + canary + "</div>"}}), "text.status"},
		"no performer":                   {with(m{"performer": nil}), "performer"},
		"another patient as performer":   {with(m{"performer": []any{m{"reference": "Patient/" + canary}}}), "performer[0]"},
		"a professional as performer":    {with(m{"performer": []any{m{"reference": "Practitioner/x"}}}), "performer[0]"},
		"a patient that is none":         {with(m{"patient": m{"reference": "Group/x"}}), "patient"},
		"a second method":                {with(m{"extension": []any{m{"url": "urn:zorgsluis:consent:method", "valueString": "a"}, m{"url": "urn:zorgsluis:consent:method", "valueString": "b"}}}), "extension[1]"},
		"a method of a wrong type":       {with(m{"extension": []any{m{"url": "urn:zorgsluis:consent:method", "valueCode": "a"}}}), "extension[0].valueCode"},
		"a blank method":                 {with(m{"extension": []any{m{"url": "urn:zorgsluis:consent:method", "valueString": " "}}}), "extension[0].valueString"},
		"information without anything":   {with(m{"extension": []any{m{"url": "urn:zorgsluis:consent:information"}}}), "extension[0]"},
		"withdrawn by another":           {with(m{"extension": []any{m{"url": "urn:zorgsluis:consent:withdrawn", "extension": []any{m{"url": "by", "valueCode": canary}}}}}), "extension[0].extension[0].valueCode"},
		"posthumous in words":            {with(m{"extension": []any{m{"url": "urn:zorgsluis:consent:posthumous", "valueBoolean": "true"}}}), "extension[0].valueBoolean"},
		"a date that does not exist":     {with(m{"dateTime": "2026-02-30"}), "dateTime"},
		"an instant without a zone":      {with(m{"dateTime": "2026-02-03T10:00:00"}), "dateTime"},
		"an end that is no date":         {resourceOf(permit(m{"period": m{"end": canary}})), "provision.period.end"},
		"an end after the last year":     {resourceOf(permit(m{"period": m{"end": "9999-12-31T23:59:59-14:00"}})), "provision.period.end"},
		"a beginning before the first":   {resourceOf(permit(m{"period": m{"start": "0001"}})), "provision.period.start"},
		"an empty period":                {resourceOf(permit(m{"period": m{}})), "provision.period"},
		"a provision that is a list":     {resourceOf([]any{}), "provision"},
		"a member of other software":     {with(m{canary: "x"}), "(a name that is not shown)"},
		"another resource":               {with(m{"resourceType": canary}), "resourceType"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := profile.Read(marshal(t, tt.resource))
			if err == nil {
				t.Fatalf("got %+v, want it refused", got)
			}
			if !slices.Contains(fields(err), tt.element) {
				t.Errorf("got %q, want %s to be named", err, tt.element)
			}
			if strings.Contains(err.Error(), canary) {
				t.Errorf("the error holds a value: %v", err)
			}
		})
	}
}

// TestRefusesWhatIsNotJSON: the same bytes must mean the same to everybody.
func TestRefusesWhatIsNotJSON(t *testing.T) {
	good := string(marshal(t, resourceOf(m{"type": "deny"})))
	withText := func(text string) string { return `{"text":{"status":"generated","div":"` + text + `"},` + good[1:] }
	for name, body := range map[string]string{
		"empty": "", "a list": "[]", "a text": `"x"`, "cut off": good[:len(good)-1], "something after it": good + "{}", "not UTF-8": "{\"a\":\"\xff\"}",
		"a member twice":       strings.Replace(good, `"status":"active"`, `"status":"inactive","status":"active"`, 1),
		"too deep":             strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40),
		"too long":             withText(strings.Repeat("x", 300<<10)),
		"cut off in a list":    `{"a":[1`,
		"cut off in an object": `{"a":{"b":1`,
		"a name that is none":  `{1:2}`,
		"a comma too many":     `{"a":[1,]}`,
	} {
		if _, err := profile.Read([]byte(body)); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
	for _, body := range []string{good, withText("x")} {
		if _, err := profile.Read([]byte(body)); err != nil {
			t.Errorf("the resource that the others are made from: %v", err)
		}
	}
	var many strings.Builder
	for n := range 5000 {
		fmt.Fprintf(&many, `"m%d":1,`, n)
	}
	if _, err := profile.Read([]byte("{" + many.String() + good[1:])); err == nil || len(fields(err)) != 1 {
		t.Errorf("got %d problems of an object with too many members, want one", len(fields(err)))
	}
}

// TestPoliciesOfOthers: a configured policy says what was shown if the resource does not, and there cannot be two.
func TestPoliciesOfOthers(t *testing.T) {
	shown := func(id string) consentfhir.Policy {
		return consentfhir.Policy{Information: consent.Information{ID: id, Version: "1", Language: "en", SHA256: strings.Repeat("0", 64)}, Method: id}
	}
	p := profile
	p.Policies = map[string]consentfhir.Policy{"urn:one": shown("one"), "urn:two": shown("two")}
	read := func(own bool, uris ...string) (consent.Record, error) {
		r := resourceOf(m{"type": "deny"})
		var policies []any
		for _, uri := range uris {
			policies = append(policies, m{"uri": uri})
		}
		if r["policy"] = policies; !own {
			delete(r, "extension")
		}
		c, err := p.Read(marshal(t, r))
		if err != nil {
			return consent.Record{}, err
		}
		return c.Records[0], nil
	}
	if r, err := read(false, "urn:one"); err != nil || r.Information.ID != "one" || r.Method != "one" {
		t.Errorf("got %+v, %v, want what the policy says", r, err)
	}
	if r, err := read(true, "urn:one"); err != nil || r.Information.ID != "leaflet" || r.Method != "portal" {
		t.Errorf("got %+v, %v, want what the resource says itself", r, err)
	}
	if _, err := read(false, "urn:one", "urn:two"); err == nil || !slices.Contains(fields(err), "policy[1].uri") {
		t.Errorf("got %v of two policies, want the second refused", err)
	}
}

// TestOneConsentSeveralRecords: the records that result from a base rule with exceptions.
func TestOneConsentSeveralRecords(t *testing.T) {
	gp := actorOf("IRCP", "Group", "urn:zorgsluis:provider-category", "gp")
	lab := actorOf("IRCP", "Group", "urn:zorgsluis:provider-category", "lab")
	btg := []any{m{"system": terminology + "v3-ActReason", "code": "BTG"}}
	everyone := m{"type": "permit", "purpose": btg, "actor": []any{drawnActors[6]}}
	for name, tt := range map[string]struct {
		provision m
		want      string
	}{
		"two actors":                    {m{"type": "permit", "actor": []any{gp, lab}}, "permit gp; permit lab"},
		"a refusal but for one":         {m{"type": "deny", "provision": []any{m{"type": "permit", "actor": []any{gp}}}}, "deny for TREAT ETREAT HRESCH; permit gp for TREAT ETREAT"},
		"everything but in emergencies": {m{"type": "deny", "provision": []any{everyone}}, "deny except emergencies"},
		"that, and never one category":  {m{"type": "deny", "provision": []any{everyone, m{"type": "deny", "modifierExtension": []any{dataOf("GGC013")}}}}, "deny except emergencies; deny data GGC013"},
		"a permit but for some data":    {m{"type": "permit", "actor": []any{gp}, "provision": []any{m{"type": "deny", "modifierExtension": []any{dataOf("GGC013")}}}}, "permit gp; deny gp data GGC013"},
		"an exception that begins later": {m{"type": "permit", "actor": []any{gp}, "period": m{"end": "2026-12-31"}, "provision": []any{m{"type": "permit", "modifierExtension": []any{dataOf("GGC013")}, "period": m{"start": "2026-06-01T00:00:00Z"}}}},
			"permit gp until 2026-12-31; permit gp data GGC013 from 2026-06-01 until 2026-12-31"},
		"a permit for an emergency": {m{"type": "deny", "purpose": []any{m{"system": terminology + "v3-ActReason", "code": "TREAT"}}, "provision": []any{m{"type": "permit", "actor": []any{lab}, "purpose": btg}}}, "deny for TREAT; permit lab for ETREAT"},
	} {
		got, err := profile.Read(marshal(t, resourceOf(tt.provision)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var said []string
		for _, r := range got.Records {
			words := []string{r.Decision}
			if r.Party.Category != "" {
				words = append(words, r.Party.Category)
			}
			if len(r.Data) > 0 {
				words = append(words, "data "+strings.Join(r.Data, " "))
			}
			if len(r.Purposes) > 0 {
				words = append(words, "for "+strings.Join(r.Purposes, " "))
			}
			if r.EmergencyException {
				words = append(words, "except emergencies")
			}
			if !r.ValidFrom.IsZero() {
				words = append(words, "from "+r.ValidFrom.Format(time.DateOnly))
			}
			if !r.ValidTo.IsZero() {
				words = append(words, "until "+r.ValidTo.Format(time.DateOnly))
			}
			said = append(said, strings.Join(words, " "))
		}
		if s := strings.Join(said, "; "); s != tt.want {
			t.Errorf("%s: got %q, want %q", name, s, tt.want)
		}
	}
	many := []any{}
	for range 60 {
		many = append(many, m{"type": "deny", "actor": []any{gp}, "modifierExtension": []any{dataOf("GGC013")}})
	}
	if _, err := profile.Read(marshal(t, resourceOf(m{"type": "permit", "actor": []any{gp}, "provision": many}))); err == nil {
		t.Error("a resource of 61 records was taken")
	}
}

// TestWriteRefusesRecordsOfSeveral: Write makes no Consent of records that were not made together.
func TestWriteRefusesRecordsOfSeveral(t *testing.T) {
	base := consent.Record{Status: "active", Decision: "deny", Party: consent.Side{Category: "gp"}, GivenBy: []string{"patient"}}
	other, wider := base, base
	other.GivenBy = []string{"representative"}
	wider.Party, wider.Data = consent.Side{}, []string{"GGC002"}
	for name, records := range map[string][]consent.Record{"none": nil, "given by others": {base, other}, "an exception that is wider": {base, wider}} {
		if _, err := profile.Write(consentfhir.Consent{Records: records}); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
	written, err := profile.Write(consentfhir.Consent{PatientReference: "Patient/x", Records: []consent.Record{base}})
	if err != nil || !strings.Contains(string(written), "Patient/x") {
		t.Errorf("got %s, %v", written, err)
	}
	anonymous, err := profile.Write(consentfhir.Consent{Records: []consent.Record{base}})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := profile.Read(anonymous); err != nil || got.Patient.Value != "" || got.PatientReference != "" {
		t.Errorf("got %+v, %v, want a patient whom the resource does not name", got, err)
	}
}

// TestElements: every field that a write can refuse has its element in the resource.
func TestElements(t *testing.T) {
	for field, want := range map[string]string{
		"party.category": "provision.actor", "data": "provision.modifierExtension", "information.sha256": "extension(information).sha256", "other": "other",
	} {
		if got := consentfhir.Element(field); got != want {
			t.Errorf("%s: got %s, want %s", field, got, want)
		}
	}
}
