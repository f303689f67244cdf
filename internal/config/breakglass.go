package config

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// defaultReasons are the reasons why consent cannot be asked or awaited, as the law and the minister describe emergencies, and the conflict
// of duties that may concern somebody else (requirements E8).
func defaultReasons() []EmergencyReason {
	return []EmergencyReason{
		{"unconscious", "De patiënt is buiten bewustzijn of niet aanspreekbaar", "The patient is unconscious or does not respond"},
		{"life-threatening", "Acuut gevaar voor leven of gezondheid: vragen om toestemming kan niet wachten", "Acute danger to life or health: asking for consent cannot wait"},
		{"cannot-decide", "De patiënt kan toestemming nu niet overwegen, en een vertegenwoordiger is niet bereikbaar", "The patient cannot weigh consent now, and no representative can be reached"},
		{"conflict-of-duties", "Conflict van plichten: ernstig gevaar voor de patiënt of een ander", "Conflict of duties: serious danger to the patient or to somebody else"},
	}
}

// reasonCode is the form of a code that events and FHIR accept.
var reasonCode = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// Limits of a reason in the configuration: it is shown in a list to choose from.
const (
	maxReasonCode = 64
	maxReasonText = 200
)

// breakGlass checks the limits of emergency declarations.
func (s *Settings) breakGlass(c *checker) {
	b := s.File.BreakGlass
	c.between("break_glass.lasts", b.Lasts, time.Minute, 24*time.Hour)
	c.atLeast("break_glass.per_hour", b.PerHour, 1)
	c.between("break_glass.review_within", b.ReviewWithin, time.Second, 90*24*time.Hour)
	if len(b.Reasons) == 0 {
		c.add("break_glass.reasons", "missing: without a reason to choose nobody can declare; policy.emergency_categories: [] says that")
	}
	s.Alert, s.Notice = s.messageWebhook(c, "break_glass.alert", b.Alert), s.messageWebhook(c, "break_glass.notice", b.Notice)
	seen := map[string]bool{}
	for i, r := range b.Reasons {
		key := fmt.Sprintf("break_glass.reasons[%d]", i)
		switch {
		case !reasonCode.MatchString(r.Code) || len(r.Code) > maxReasonCode:
			c.add(key+".code", "must be lower-case letters, digits and single dashes, at most %d", maxReasonCode)
		case seen[r.Code]:
			c.add(key+".code", "%s is there twice", r.Code)
		}
		seen[r.Code] = true
		c.label(key+".nl", r.NL)
		c.label(key+".en", r.EN)
	}
}

// label notes a text that cannot be shown in a list.
func (c *checker) label(key, text string) {
	if strings.TrimSpace(text) == "" || utf8.RuneCountInString(text) > maxReasonText || strings.ContainsFunc(text, unicode.IsControl) {
		c.add(key, "must be a text of one line, at most %d characters", maxReasonText)
	}
}

// Reason returns the configured reason of a code; a code that is no longer configured is its own text.
func (b BreakGlass) Reason(code string) EmergencyReason {
	for _, r := range b.Reasons {
		if r.Code == code {
			return r
		}
	}
	return EmergencyReason{code, code, code}
}

// Reads returns the text of a code, in Dutch.
func (b BreakGlass) Reads(code string) string { return b.Reason(code).NL }
