package follow_test

import (
	"encoding/xml"
	"strings"
)

// auditMessage is what a reader of DICOM audit messages finds.
type auditMessage struct {
	XMLName xml.Name `xml:"AuditMessage"`
	Event   struct {
		Action  string `xml:"EventActionCode,attr"`
		Time    string `xml:"EventDateTime,attr"`
		Outcome string `xml:"EventOutcomeIndicator,attr"`
		ID      code   `xml:"EventID"`
		Types   []code `xml:"EventTypeCode"`
	} `xml:"EventIdentification"`
	Participants []struct {
		ID        string `xml:"UserID,attr"`
		Requestor bool   `xml:"UserIsRequestor,attr"`
		Roles     []code `xml:"RoleIDCode"`
	} `xml:"ActiveParticipant"`
	Source struct {
		ID string `xml:"AuditSourceID,attr"`
	} `xml:"AuditSourceIdentification"`
	Objects []struct {
		ID    string `xml:"ParticipantObjectID,attr"`
		Type  string `xml:"ParticipantObjectTypeCode,attr"`
		Role  string `xml:"ParticipantObjectTypeCodeRole,attr"`
		Kind  code   `xml:"ParticipantObjectIDTypeCode"`
		Query string `xml:"ParticipantObjectQuery"`
	} `xml:"ParticipantObjectIdentification"`
}

type code struct {
	Code   string `xml:"csd-code,attr"`
	System string `xml:"codeSystemName,attr"`
	Text   string `xml:"originalText,attr"`
}

// dicomID is the event that a DICOM audit message is about.
func dicomID(message string) string {
	xmlText, marked := strings.CutPrefix(message, "\ufeff")
	var m auditMessage
	if err := xml.Unmarshal([]byte(xmlText), &m); err != nil || !marked {
		return "not a DICOM audit message: " + message
	}
	for _, o := range m.Objects {
		if o.Kind.Code == "event-id" {
			return o.ID
		}
	}
	return "without an event id"
}
