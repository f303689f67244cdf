package config

import (
	"crypto/tls"

	"zorgsluis/audit"
	"zorgsluis/audit/follow"
	"zorgsluis/authn"
	"zorgsluis/configs"
	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/policy"
	"zorgsluis/proxy"
	"zorgsluis/proxy/credential"
)

// Settings are the result of a configuration: every file that it names has been read and checked, but nothing started or connected to. A
// *Watched is nil if the configuration does not have it.
type Settings struct {
	File *File // as written, with defaults

	// Callers.
	Certificate *Watched[tls.Certificate] // nil: plain HTTP
	Callers     CallerCertificates        // finds the certificate that a caller presented
	Proxies     Proxies                   // finds the address of a caller
	Authn       authn.Config              // issuers and clients; without the store of used proofs
	SignIn      map[proxy.Route]map[policy.SubjectKind]proxy.SignIn

	// Decisions. PolicyHash identifies all of this.
	Tables     *configs.Tables
	Policy     *policy.Policy
	PolicyHash string
	Catalogue  consent.Catalogue
	Texts      []configs.Text // what patients are shown before they choose

	// Storage.
	RedisFolder   string // of the embedded Redis
	PersonSecret  []byte
	SealingKey    []byte
	CursorKeys    [][]byte // of page links; the first seals
	ArchiveFolder string
	ArchiveKeys   []*audit.CheckpointKey // the first signs

	// Other systems.
	ToRegistries  []*credential.Transport // one for each registry of treatment relations, in the same order
	Following     []follow.Options        // one for each follower
	Alert         *Watched[Receiver]      // of emergencies, for the privacy officer
	Notice        *Watched[Receiver]      // of emergencies, for the patient
	ErasureNotice *Watched[Receiver]      // to those who received erased data
	KnownSenders  []proxy.Sender          // who may write consents

	Reloads []Reloadable // everything that is read again when its files change

	redisPassword string
	redisTLS      *Watched[tls.Config]    // nil: plain
	toSources     []*credential.Transport // one for each source, in the same order
	classifiers   map[fhir.Version]*fhir.Classifier
}
