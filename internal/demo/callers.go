//go:build !release

package demo

import "slices"

// Callers returns all who can make requests, in the order of the tour. The caller may change the slice.
func Callers() []Caller {
	return []Caller{
		GP(), Pharmacist(), CompanyDoctor(), Insurer(), EmergencyDoctor(),
		Patient("patient", karena), Patient("patient-milan", milan), Patient("patient-johanna", johanna),
	}
}

// CallerByID finds a caller by client id.
func CallerByID(clientID string) (Caller, bool) {
	callers := Callers()
	i := slices.IndexFunc(callers, func(c Caller) bool { return c.ClientID == clientID })
	if i < 0 {
		return Caller{}, false
	}
	return callers[i], true
}

// GP is a general practitioner in a practice (organisation type Z3, role 01.015).
func GP() Caller {
	return provider("gp", "general practitioner", Claims{
		Name: "A. de Vries, huisarts", OrganizationURA: "90000001", OrganizationType: "Z3",
		UZI: "900000001", UZIRoles: []string{"01.015"}, Relationship: "treating",
	})
}

// Pharmacist works in a public pharmacy (organisation type J8, role 17.075).
func Pharmacist() Caller {
	return provider("pharmacist", "pharmacist", Claims{
		Name: "B. Jansen, apotheker", OrganizationURA: "90000002", OrganizationType: "J8",
		UZI: "900000002", UZIRoles: []string{"17.075"}, Relationship: "treating",
	})
}

// CompanyDoctor has role 01.008, which is blocked by law (Wabvpz 15f), whatever else the token says.
func CompanyDoctor() Caller {
	return provider("company-doctor", "company doctor", Claims{
		Name: "C. Bakker, bedrijfsarts", OrganizationURA: "90000003",
		UZI: "900000003", UZIRoles: []string{"01.008"}, Relationship: "treating",
	})
}

// Insurer is a medical adviser of a health insurer (UZOVI number, AGB 9803), blocked by law (Wabvpz 15f).
func Insurer() Caller {
	return provider("insurer", "health insurer", Claims{
		Name: "D. Smit, zorgverzekeraar", OrganizationURA: "90000004", OrganizationUZOVI: "0104", AGB: "9803",
		UZI: "900000004", UZIRoles: []string{"01.000"}, Relationship: "treating",
	})
}

// EmergencyDoctor works at the emergency department of a general hospital (organisation type V6, role 01.071).
func EmergencyDoctor() Caller {
	return provider("emergency-doctor", "hospital doctor, emergency department", Claims{
		Name: "E. Visser, SEH-arts", OrganizationURA: "90000005", OrganizationType: "V6",
		UZI: "900000005", UZIRoles: []string{"01.071"}, Relationship: "treating",
	})
}

// Patient is a person who asks for their own record.
func Patient(clientID string, person Person) Caller {
	return Caller{clientID, "patient " + person.Name, Claims{
		Subject: clientID, ClientID: clientID, Kind: KindPatient, ACR: acrSubstantial,
		Name: person.Name, PurposeOfUse: []string{"PATRQT"}, BSN: person.BSN,
	}}
}

func provider(clientID, title string, c Claims) Caller {
	c.Subject, c.ClientID = "uzi-"+c.UZI, clientID
	c.Kind, c.ACR, c.PurposeOfUse = KindProvider, acrHigh, []string{"TREAT"}
	return Caller{clientID, title, c}
}
