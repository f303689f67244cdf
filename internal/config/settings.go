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

// Settings are what a configuration amounts to: everything that it names has been read and checked, and nothing has been started or connected
// to. A *Watched is nil where the configuration does not have it.
type Settings struct {
	File *File // as it was written, with its defaults

	// Towards callers.
	Certificate *Watched[tls.Certificate] // nil: plain HTTP
	Callers     CallerCertificates        // finds the certificate that a caller showed
	Proxies     Proxies                   // finds the address of a caller
	Authn       authn.Config              // issuers and clients; the store of used proofs is still missing
	SignIn      map[proxy.Route]map[policy.SubjectKind]proxy.SignIn

	// What decides. PolicyHash names all of it.
	Tables     *configs.Tables
	Policy     *policy.Policy
	PolicyHash string
	Catalogue  consent.Catalogue
	Texts      []configs.Text // what patients are shown before they choose

	// What is kept, and where.
	RedisFolder   string // of the embedded Redis
	PersonSecret  []byte
	SealingKey    []byte
	CursorKeys    [][]byte // of links to pages; the first seals
	ArchiveFolder string
	ArchiveKeys   []*audit.CheckpointKey // the first signs

	// Towards others.
	ToRegistries  []*credential.Transport // one for each registry of treatment relations, in the same order
	Following     []follow.Options        // one for each follower
	Alert         *Watched[Receiver]      // of emergencies, for the privacy officer
	Notice        *Watched[Receiver]      // of emergencies, for the patient
	ErasureNotice *Watched[Receiver]      // for those who received what was erased
	KnownSenders  []proxy.Sender          // who may write consents

	Reloads []Reloadable // everything that is read again when its files change

	redisPassword string
	redisTLS      *Watched[tls.Config]    // nil: plain
	toSources     []*credential.Transport // one for each source, in the same order
	classifiers   map[fhir.Version]*fhir.Classifier
}
