//go:build !release

// Package demo is an environment for trying the gateway: an OpenID provider, FHIR sources with real records, people, seeded consents, and a
// scripted tour that checks each answer. `gateway demo`, the end-to-end tests and the benchmark use it; the build tag "release" leaves it out. Of
// the gateway's own packages it uses only the vocabulary.
//
// # Issuer
//
//	issuer, err := demo.NewIssuer(demo.IssuerOptions{})    // listens on 127.0.0.1, zitadel/oidc underneath
//	token, err := issuer.Token(demo.GP().Claims)           // a JWT access token, typ at+jwt
//	curl -d grant_type=client_credentials -d client_id=gp -d client_secret=demo $ISSUER/oauth/token
//
// The claims on the wire are those of [Claims]; they are flat: kind, name, acr, organization_ura, organization_type,
// organization_uzovi, agb, uzi, uzi_roles (array), relationship, purpose_of_use (array), bsn.
//
// # Source
//
//	data, err := demo.Load()                               // or demo.LoadSynthetic(patients, observations)
//	source, err := demo.NewSource(data, demo.SourceOptions{})
//	source.URL()                                           // FHIR base: http://127.0.0.1:port/fhir
//	older, err := demo.LoadSTU3()                          // for demo.SourceOptions{Version: fhir.STU3}
//
// It serves its resources byte for byte, searches with the parameters of the specification, R4 or STU3, records its requests
// ([Source.Requests]) and misbehaves on demand ([Source.Intercept] and the interceptors of misbehave.go).
//
// # Story
//
// [People] and [Callers] are the persons, [Seed] stores what the patients decided, [Tour] runs the story against a gateway.
package demo
