package consent

// namingSystems are the Dutch naming systems of organizations and practitioners, by the prefix with which the gateway writes their
// identifiers, such as "ura:00000001".
var namingSystems = map[string]string{
	"ura:":   "http://fhir.nl/fhir/NamingSystem/ura",
	"uzi:":   "http://fhir.nl/fhir/NamingSystem/uzi-nr-pers",
	"agb:":   "http://fhir.nl/fhir/NamingSystem/agb-z",
	"big:":   "http://fhir.nl/fhir/NamingSystem/big",
	"kvk:":   "http://fhir.nl/fhir/NamingSystem/kvk",
	"uzovi:": "http://fhir.nl/fhir/NamingSystem/uzovi", // insurers
}

// NamingSystem gives the naming system of a prefix, colon included; "" for a prefix that has none.
func NamingSystem(prefix string) string { return namingSystems[prefix] }
