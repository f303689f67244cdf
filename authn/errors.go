package authn

import (
	"errors"

	"zorgsluis/policy"
)

// ErrNoToken says that the request carries no credentials at all: 401 with a challenge that names no error (RFC 6750 §3).
var ErrNoToken = errors.New("access token: none")

// ErrKeysUnavailable says that the keys of the token's issuer are unknown or too old, so that the token cannot be judged: 503, never 401.
// The error that wraps it names the issuer.
var ErrKeysUnavailable = errors.New("keys of the issuer are unavailable")

// ErrIntrospectionUnavailable says that the issuer of an opaque token gave no usable answer about it: 503, never 401.
var ErrIntrospectionUnavailable = errors.New("introspection is unavailable")

// ErrReplaysUnavailable says that it is unknown whether a DPoP proof was used before: 503.
var ErrReplaysUnavailable = errors.New("replay protection is unavailable")

// The error codes that a caller may see (RFC 6750 §3.1, RFC 9449 §7.1, §9).
const (
	CodeInvalidRequest = "invalid_request"    // 400
	CodeInvalidToken   = "invalid_token"      // 401
	CodeInvalidProof   = "invalid_dpop_proof" // 401 (RFC 9449 §7.1)
	CodeUseNonce       = "use_dpop_nonce"     // 401
)

// The stable reasons of an [Error]. They are for the access event, never for the caller.
const (
	ReasonMalformed       policy.Reason = "token-malformed"         // size, segments, base64url, JSON
	ReasonEncryption      policy.Reason = "token-encryption"        // encrypted in a way, or to a key, that is not configured, or not encrypted although it must be
	ReasonInactive        policy.Reason = "token-inactive"          // opaque, and its issuer says it is not active
	ReasonHeader          policy.Reason = "token-header"            // a header parameter that names keys, or that is not processed
	ReasonAlgorithm       policy.Reason = "token-algorithm"         // alg is not in the issuer's list
	ReasonType            policy.Reason = "token-type"              // typ is not the issuer's, or it looks like an ID, refresh or logout token
	ReasonKey             policy.Reason = "token-key"               // no key of the issuer has this kid and fits the algorithm
	ReasonSignature       policy.Reason = "token-signature"         // the signature is wrong
	ReasonIssuer          policy.Reason = "token-issuer"            // iss is not a configured issuer
	ReasonAudience        policy.Reason = "token-audience"          // aud does not contain ours
	ReasonExpired         policy.Reason = "token-expired"           // exp is past
	ReasonTime            policy.Reason = "token-time"              // nbf, iat, auth_time or exp is missing, not a plain number, or in the future
	ReasonLifetime        policy.Reason = "token-lifetime"          // exp - iat exceeds the issuer's maximum
	ReasonSubject         policy.Reason = "token-subject"           // sub or jti is missing or has a wrong form
	ReasonScope           policy.Reason = "token-scope"             // scope is malformed, lacks the required word, or is narrower than what we enforce
	ReasonClient          policy.Reason = "token-client"            // the client is missing, unknown, or of another issuer
	ReasonClaim           policy.Reason = "token-claim"             // a mapped claim has a wrong form, or a required value is missing
	ReasonUnprocessed     policy.Reason = "token-claim-unprocessed" // a claim that changes the meaning and is not processed
	ReasonBinding         policy.Reason = "token-binding"           // cnf is malformed, or missing although the issuer must bind its tokens
	ReasonCertificate     policy.Reason = "token-certificate"       // bound to a certificate that the caller did not present
	ReasonProofScheme     policy.Reason = "token-proof-scheme"      // bound to a DPoP key and sent as Bearer, or the other way round
	ReasonPerson          policy.Reason = "token-person"            // a patient's token without a valid person, a representative's without an id
	ReasonRefused         policy.Reason = "token-refused"           // the OpenID library refuses what passed all checks above
	ReasonProofMissing    policy.Reason = "proof-missing"           // no DPoP header
	ReasonProofRepeated   policy.Reason = "proof-repeated"          // more than one
	ReasonProofMalformed  policy.Reason = "proof-malformed"         // size, segments, base64url, JSON
	ReasonProofHeader     policy.Reason = "proof-header"            // a header parameter that names keys, or that is not processed
	ReasonProofType       policy.Reason = "proof-type"              // typ is not dpop+jwt
	ReasonProofAlgorithm  policy.Reason = "proof-algorithm"         // alg is not one of ours
	ReasonProofKey        policy.Reason = "proof-key"               // jwk is missing, private, too small or for another algorithm
	ReasonProofBinding    policy.Reason = "proof-binding"           // the token is bound to another key
	ReasonProofSignature  policy.Reason = "proof-signature"         // the signature is wrong
	ReasonProofMethod     policy.Reason = "proof-method"            // htm is not the method of the request
	ReasonProofTarget     policy.Reason = "proof-target"            // htu is not its target
	ReasonProofTime       policy.Reason = "proof-time"              // iat, nbf or exp is missing, not a plain number, or does not fit now
	ReasonProofToken      policy.Reason = "proof-token"             // ath is not the digest of the token
	ReasonProofID         policy.Reason = "proof-id"                // jti is missing or has a wrong form
	ReasonProofNonce      policy.Reason = "proof-nonce"             // no nonce of ours, or one that is too old
	ReasonProofReplayed   policy.Reason = "proof-replayed"          // used before
	ReasonRequestScheme   policy.Reason = "authorization-scheme"    // neither Bearer nor DPoP
	ReasonRequestRepeated policy.Reason = "authorization-repeated"  // more than one Authorization header, or a list in it
	ReasonRequestForm     policy.Reason = "authorization-malformed" // white space or characters that RFC 6750 §2.1 does not allow
	ReasonRequestQuery    policy.Reason = "authorization-in-query"  // access_token in the query
)

// Error is why a caller was not authenticated. Code and Text are for the caller and do not reveal which check failed (leaks.md TK-20);
// Reason and Element are for the access event and the operator.
type Error struct {
	Code    string        // OAuth error code
	Reason  policy.Reason // which check failed
	Text    string        // one fixed sentence per Code
	Element string        // the claim or header parameter, as our own tables or configuration name it; never a value
	Nonce   string        // with CodeUseNonce: what the next proof must contain, for the header DPoP-Nonce (RFC 9449 §8.1)
	dpop    bool          // the token was sent under the DPoP scheme
}

// Error implements error. It contains no value of the token.
func (e *Error) Error() string {
	if e.Element == "" {
		return "authenticate: " + string(e.Reason)
	}
	return "authenticate: " + string(e.Reason) + ": " + e.Element
}

const (
	textInvalidRequest = "The request must carry one access token, in the Authorization header"
	textInvalidProof   = "The DPoP proof is not valid here"
	textInvalidToken   = "The access token is not valid here"
	textUseNonce       = "The DPoP proof must hold a nonce of this resource server"
)

func badToken(reason policy.Reason, element string) *Error {
	return &Error{Code: CodeInvalidToken, Reason: reason, Text: textInvalidToken, Element: element}
}

func badProof(reason policy.Reason, element string) *Error {
	return &Error{Code: CodeInvalidProof, Reason: reason, Text: textInvalidProof, Element: element}
}

func wantsNonce(nonce string) *Error {
	return &Error{Code: CodeUseNonce, Reason: ReasonProofNonce, Text: textUseNonce, Element: "nonce", Nonce: nonce}
}

func badRequest(reason policy.Reason) *Error {
	return &Error{Code: CodeInvalidRequest, Reason: reason, Text: textInvalidRequest}
}

// Challenge renders the WWW-Authenticate value for an error of Authenticate (RFC 6750 §3, RFC 9449 §7.1). It depends only on the scheme of
// the request and the code of the error, and is empty for an error that better credentials would not cure.
func Challenge(err error) string {
	var e *Error
	switch {
	case errors.Is(err, ErrNoToken):
		return schemeBearer + ", " + schemeDPoP + ` algs="` + proofAlgorithmList + `"`
	case errors.As(err, &e) && e.dpop:
		return schemeDPoP + ` error="` + e.Code + `", error_description="` + e.Text + `", algs="` + proofAlgorithmList + `"`
	case errors.As(err, &e):
		return schemeBearer + ` error="` + e.Code + `", error_description="` + e.Text + `"`
	default:
		return ""
	}
}
