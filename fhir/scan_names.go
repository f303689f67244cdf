package fhir

// keyword is a member name that has a meaning to the reader. The elements that decide membership get further keywords, after these.
type keyword uint8

const (
	kwNone keyword = iota
	// Members by which the types of objects are recognized anywhere.
	kwReference
	kwType
	kwIdentifier
	kwDisplay
	kwDisplayTwin // a twin is the member with an underscore, here _display
	kwSystem
	kwCode
	kwValue
	kwURL
	kwURLTwin
	kwCoding
	kwContentType
	kwData
	kwAttachmentPart // other members that only an Attachment has beside url
	kwTelling        // the end of these
	kwResourceType
	kwID
	kwMeta
	kwContained
	kwExtension // extension, modifierExtension
	kwSecurity
	kwSecurityTwin
	kwTag
	kwHousekeeping // versionId and source of meta, and their twins
	kwCategory
	kwText
	kwLink
	kwLinkTwin
	kwSecurityLabel
	kwConfidentiality
	kwAttachment // the elements of type Attachment
	kwValueURL   // value[x] of the types uri, url and canonical
	kwEntry
	kwResource
	kwFullURL
	kwSearch
	kwMode
	kwRequest
	kwMethod
	kwRelation
	kwFirstMember // of the elements that decide membership
)

// keywords are the names of each keyword.
var keywords = [kwFirstMember][]string{
	kwResourceType:    {"resourceType"},
	kwID:              {"id"},
	kwMeta:            {"meta"},
	kwContained:       {"contained"},
	kwExtension:       {"extension", "modifierExtension"},
	kwReference:       {"reference"},
	kwType:            {"type"},
	kwIdentifier:      {"identifier"},
	kwDisplay:         {"display"},
	kwDisplayTwin:     {"_display"},
	kwSystem:          {"system"},
	kwCode:            {"code"},
	kwValue:           {"value"},
	kwURL:             {"url"},
	kwURLTwin:         {"_url"},
	kwSecurity:        {"security"},
	kwSecurityTwin:    {"_security"},
	kwTag:             {"tag"},
	kwHousekeeping:    {"versionId", "_versionId", "source", "_source"},
	kwCategory:        {"category"},
	kwCoding:          {"coding"},
	kwText:            {"text"},
	kwLink:            {"link"},
	kwLinkTwin:        {"_link"},
	kwSecurityLabel:   {"securityLabel"},
	kwConfidentiality: {"confidentiality"},
	// leaks.md BI-12; BodyStructure.image, ExplanationOfBenefit.form and RelatedArtifact.document are among them. Only STU3 has
	// bindingAttachment (Contract), pAttachment (DocumentManifest), initialAttachment and answerAttachment (Questionnaire).
	kwAttachment: {
		"attachment", "presentedForm", "content", "photo", "contentAttachment", "sourceAttachment", "valueAttachment", "form", "image",
		"document", "legallyBindingAttachment", "bindingAttachment", "pAttachment", "initialAttachment", "answerAttachment", "defaultValueAttachment",
		"fixedAttachment", "patternAttachment",
	},
	kwContentType:    {"contentType"},
	kwData:           {"data"},
	kwAttachmentPart: {"size", "hash", "title", "creation", "language"},
	kwValueURL:       {"valueUri", "valueUrl", "valueCanonical"},
	kwEntry:          {"entry"},
	kwResource:       {"resource"},
	kwFullURL:        {"fullUrl"},
	kwSearch:         {"search"},
	kwMode:           {"mode"},
	kwRequest:        {"request"},
	kwMethod:         {"method"},
	kwRelation:       {"relation"},
}

// lexicon finds keywords by name. Names are compared exactly, case included (JS-2).
type lexicon struct {
	keywords map[string]keyword
	next     keyword
}

func newLexicon() *lexicon {
	l := &lexicon{map[string]keyword{}, kwFirstMember}
	for kw, names := range keywords {
		for _, name := range names {
			l.keywords[name] = keyword(kw)
		}
	}
	return l
}

// member returns the keyword of a name, a new one if it has none.
func (l *lexicon) member(name string) keyword {
	kw, ok := l.keywords[name]
	if !ok {
		kw = l.next
		l.keywords[name] = kw
		l.next++
	}
	return kw
}
