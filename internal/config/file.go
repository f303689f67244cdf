package config

import (
	"time"
)

// File is the configuration file as written (configs/gateway.yaml explains every key). It has no run-time state: Settings is what it
// amounts to.
type File struct {
	PublicURL string `yaml:"public_url"`
	Listen    string `yaml:"listen"`
	TLS       struct {
		CertificateFile   string `yaml:"certificate_file"`
		KeyFile           string `yaml:"key_file"`
		TerminatedInFront bool   `yaml:"terminated_in_front"`

		ClientCertificates ClientCertificates `yaml:"client_certificates"`
	} `yaml:"tls"`
	TrustedProxies TrustedProxies `yaml:"trusted_proxies"`
	Admin          struct {
		Listen string `yaml:"listen"`
	} `yaml:"admin"`
	Redis          Redis         `yaml:"redis"`
	Store          Store         `yaml:"store"`
	Archive        Archive       `yaml:"archive"`
	Followers      []Follower    `yaml:"followers"`
	CursorKeyFiles []string      `yaml:"cursor_key_files"`
	ClockSkew      time.Duration `yaml:"clock_skew"`
	IssuerKeys     IssuerKeys    `yaml:"issuer_keys"`
	// SignIn is what routes require beyond the policy, by kind of caller.
	SignIn     map[string]map[string]SignIn `yaml:"sign_in"`
	Issuers    []Issuer                     `yaml:"issuers"`
	Clients    map[string]Client            `yaml:"clients"`
	Sources    []Source                     `yaml:"sources"`
	Registries []Registry                   `yaml:"relationship_registries"`
	Policy     Policy                       `yaml:"policy"`
	BreakGlass BreakGlass                   `yaml:"break_glass"`
	Consents   Consents                     `yaml:"consents"`
	Erasure    struct {
		Notice Webhook `yaml:"notice"` // for those who received what was erased
	} `yaml:"erasure"`
	Catalogue struct {
		Carry []string `yaml:"carry"`
		End   []string `yaml:"end"`
	} `yaml:"catalogue"`
	Information struct {
		Folder string `yaml:"folder"`
	} `yaml:"information"`
	Limits          Limits `yaml:"limits"`
	Unauthenticated struct {
		EventsPerMinute int `yaml:"events_per_minute"`
	} `yaml:"unauthenticated"`
}

// IssuerKeys says how often the keys of issuers are fetched, and how long they are used while a provider is unavailable.
type IssuerKeys struct {
	Refresh  time.Duration `yaml:"refresh"`
	CoolDown time.Duration `yaml:"cool_down"`
	Keep     time.Duration `yaml:"keep"`
}

// Redis says where consents and access events are kept.
type Redis struct {
	Mode              string            `yaml:"mode"` // embedded or external
	Folder            string            `yaml:"folder"`
	Addresses         []string          `yaml:"addresses"`
	SentinelMaster    string            `yaml:"sentinel_master"`
	Username          string            `yaml:"username"`
	PasswordFile      string            `yaml:"password_file"`
	TLSCAFile         string            `yaml:"tls_ca_file"`
	InsecurePlaintext bool              `yaml:"insecure_plaintext"`
	Replicas          int               `yaml:"replicas"`
	Declared          map[string]string `yaml:"declared"`
}

// Store says how persons are spread over Redis, and which keys protect them there.
type Store struct {
	Shards           int    `yaml:"shards"`
	PersonSecretFile string `yaml:"person_secret_file"`
	SealingKeyFile   string `yaml:"sealing_key_file"`
}

// Archive says where and how access events are kept permanently.
type Archive struct {
	Folder             string        `yaml:"folder"`
	CheckpointKeyFiles []string      `yaml:"checkpoint_key_files"`
	CheckpointEvents   int           `yaml:"checkpoint_events"`
	CheckpointEvery    time.Duration `yaml:"checkpoint_every"`
	RotateSize         size          `yaml:"rotate_size"`
	RotateAfter        time.Duration `yaml:"rotate_after"`
	RetentionDays      int           `yaml:"retention_days"`
}

// Source is one FHIR server behind the gateway.
type Source struct {
	ID          string `yaml:"id"`
	FHIRVersion string `yaml:"fhir_version"`
	BaseURL     string `yaml:"base_url"`
	Holder      struct {
		Organization string `yaml:"organization"`
		Category     string `yaml:"category"`
		Name         string `yaml:"name"` // its name for patients
	} `yaml:"holder"`
	CredentialFile    string        `yaml:"credential_file"`
	TLS               OwnTLS        `yaml:"tls"`
	OAuth             OAuth         `yaml:"oauth"`
	Timeout           time.Duration `yaml:"timeout"`
	PersonSystems     []string      `yaml:"person_systems"`
	Interactions      []string      `yaml:"interactions"`
	InsecurePlaintext bool          `yaml:"insecure_plaintext"`
	SMARTIssuer       string        `yaml:"smart_issuer"`
}

// Policy configures decisions; the code tables are files of their own.
type Policy struct {
	TablesFolder        string             `yaml:"tables_folder"`
	MinimumAssurance    string             `yaml:"minimum_assurance"`
	EmergencyCategories []string           `yaml:"emergency_categories"`
	Channels            map[string]Channel `yaml:"channels"`
	DefaultMinimumAge   int                `yaml:"default_minimum_age"`

	// Necessary caps provider categories to the data categories and groups that each needs for its work. Not in the hash if empty.
	Necessary map[string][]string `yaml:"necessary" json:",omitempty"`
	// AfterDeath is what gateway release may hand over. Not in the hash if empty.
	AfterDeath struct {
		Restricted bool `yaml:"restricted"`
	} `yaml:"after_death" json:",omitzero"`
}

// Channel is an exchange system or route.
type Channel struct {
	Consent    string `yaml:"consent"` // explicit or implied
	MinimumAge int    `yaml:"minimum_age"`
	Label      string `yaml:"label" json:"-"` // its name for patients, in Dutch; not in the hash
	English    string `yaml:"label_en" json:"-"`
}

// BreakGlass limits emergency declarations, and sets the time within which each must be reviewed.
type BreakGlass struct {
	Lasts        time.Duration     `yaml:"lasts"`
	PerHour      int               `yaml:"per_hour"`
	ReviewWithin time.Duration     `yaml:"review_within"`
	Reasons      []EmergencyReason `yaml:"reasons"`
	Alert        Webhook           `yaml:"alert"`  // to the privacy officer
	Notice       Webhook           `yaml:"notice"` // for the patient
}

// Webhook is where messages are sent, signed. The zero Webhook is nowhere.
type Webhook struct {
	URL        string `yaml:"url"`
	SecretFile string `yaml:"secret_file"`
	TLSCAFile  string `yaml:"tls_ca_file"`
}

// EmergencyReason is a reason that a declaration may give, with its text in Dutch and English.
type EmergencyReason struct {
	Code string `yaml:"code"`
	NL   string `yaml:"nl"`
	EN   string `yaml:"en"`
}

// Limits are the limits of requests, in bytes, counts and time.
type Limits struct {
	RequestBody      size `yaml:"request_body"`
	ResponseBody     size `yaml:"response_body"`
	Memory           size `yaml:"memory"`
	InFlight         int  `yaml:"in_flight"`
	LookupsPerMinute int  `yaml:"lookups_per_minute"`
	// ReadFloor is the minimum response time of an answer from a source, or of one that nothing exists.
	ReadFloor time.Duration `yaml:"read_floor"`
	Timeouts  struct {
		Header   time.Duration `yaml:"header"`
		Request  time.Duration `yaml:"request"`
		Store    time.Duration `yaml:"store"`
		Idle     time.Duration `yaml:"idle"`
		Announce time.Duration `yaml:"announce"`
		Stop     time.Duration `yaml:"stop"`
	} `yaml:"timeouts"`
}
