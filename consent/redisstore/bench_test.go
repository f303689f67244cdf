package redisstore_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/redisstore"
	"zorgsluis/consent/redisstore/redistest"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// callers is the number of concurrent callers: half of them wait for a batch while the other half is in one.
const callers = 64

// BenchmarkStore measures the cost of the store for the gateway (ns, allocations) and redis-server (µs of CPU time), with 64
// callers about 256 persons in 16 shards and appendfsync always. A request is a standing and a commit; archived is the outbox of a request.
func BenchmarkStore(b *testing.B) {
	for _, bench := range []struct {
		name string
		call func(b *testing.B, s *redisstore.Store, person consent.PersonKey)
	}{
		{"standing", func(b *testing.B, s *redisstore.Store, person consent.PersonKey) { read(b, s, person) }},
		{"commit", func(b *testing.B, s *redisstore.Store, person consent.PersonKey) { write(b, s, person, 1) }},
		{"request", func(b *testing.B, s *redisstore.Store, person consent.PersonKey) {
			write(b, s, person, read(b, s, person))
		}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			server := redistest.Start(b, "--maxmemory", "4gb", "--auto-aof-rewrite-percentage", "0")
			s, persons := benchStore(b, server)
			b.SetParallelism(callers / 2) // times two processors
			b.ReportAllocs()
			used := serverTime(b, server)
			b.ResetTimer()
			var next atomic.Uint64
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					bench.call(b, s, persons[next.Add(1)%uint64(len(persons))])
				}
			})
			b.StopTimer()
			b.ReportMetric(float64((serverTime(b, server)-used).Microseconds())/float64(b.N), "server-µs/op")
			c := s.Counters()
			b.ReportMetric(float64(c.Calls)/float64(max(c.Batches, 1)), "calls/batch")
			if bench.name != "standing" {
				archive(b, s, server)
			}
		})
	}
}

// archive reads and trims the outbox, as the archiver does, and reports what that costs redis-server per event.
func archive(b *testing.B, s *redisstore.Store, server *redistest.Server) {
	used, moved := serverTime(b, server), 0
	for shard := range s.Shards() {
		for {
			entries, err := s.Read(context.Background(), shard, "", 128)
			if err != nil {
				b.Fatalf("read outbox: %v", err)
			}
			if len(entries) == 0 {
				break
			}
			if err := s.Trim(context.Background(), shard, entries[len(entries)-1].Position); err != nil {
				b.Fatalf("trim outbox: %v", err)
			}
			moved += len(entries)
		}
	}
	b.ReportMetric(float64((serverTime(b, server)-used).Microseconds())/float64(moved), "server-µs/archived")
}

// benchStore is a store with 256 persons of three records each.
func benchStore(b *testing.B, server *redistest.Server) (*redisstore.Store, []consent.PersonKey) {
	o := options(b, server.Socket())
	o.Shards, o.Timeout = 16, 5*time.Second
	s := open(b, o)
	persons := make([]consent.PersonKey, 256)
	for i := range persons {
		p := fhir.Identifier{System: "urn:bench", Value: strconv.Itoa(i)}
		persons[i] = s.Key(p)
		change(b, s, p, threeRecords)
	}
	return s, persons
}

func threeRecords(st *consent.Standing) error {
	for i := range 3 {
		st.Records = append(st.Records, consent.Record{
			Status: consent.StatusActive, Decision: consent.DecisionPermit, Holder: consent.Side{Organization: "urn:oid:2.16.528.1.1007.3.3|1234567" + strconv.Itoa(i)},
			Party: consent.Side{Category: "hospital"}, Data: []string{"all"}, Channel: "regional", Purposes: []string{"TREAT"},
			ValidFrom: consent.Time{Time: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)}, GivenBy: []string{"patient"}, RecordedBy: "patient",
			Method: "portal", Information: consent.Information{ID: "mitz", Version: "3", Language: "nl", SHA256: strings.Repeat("0a", 32)},
		})
	}
	return nil
}

func read(b *testing.B, s *redisstore.Store, person consent.PersonKey) uint64 {
	st, _, err := s.Standing(context.Background(), person)
	if err != nil || len(st.Records) != 3 {
		b.Errorf("standing: %d records, %v", len(st.Records), err)
	}
	return st.Generation
}

func write(b *testing.B, s *redisstore.Store, person consent.PersonKey, generation uint64) {
	e := &audit.Event{
		Version: audit.SchemaVersion, Kind: audit.KindAccess, Request: "0f8e7c1a-4d3b-4c7e-9a61-52b0d3a8f7e4", Person: person,
		Outcome: audit.OutcomePermit, Reason: "ok-consent", Source: "hospital", Interaction: fhir.CodeRead, Type: "Observation", Query: "Observation/o-1",
		Actor: audit.Actor{
			Issuer: "https://idp.example", Subject: "5ff6b2d1-7f6d", Client: "viewer", Token: "5bcb1f3e", Kind: "provider", Name: "dr. Bench",
			Organization: "http://fhir.nl/fhir/NamingSystem/ura|90000001", Practitioner: "http://fhir.nl/fhir/NamingSystem/uzi-nr-pers|900000001",
			Roles: []string{"01.015"}, Categories: []policy.ProviderCategory{"gp"}, Assurance: "substantial", Relationship: "treating", Purpose: policy.PurposeTreatment,
			Channel: "regional",
		},
		Categories: []fhir.DataCategory{"laboratory"}, Disclosed: []string{"Observation/o-1"}, Records: []consent.RecordID{"00-0123456789abcdef0123456789abcdef"},
		Generation: generation, Address: "10.0.0.7", Policy: strings.Repeat("a1", 32),
	}
	err := s.Commit(context.Background(), audit.Release{
		Event: e, Conditional: true, Generation: generation, NotAfter: time.Now().Add(time.Hour),
	})
	if err != nil {
		b.Errorf("commit: %v", err)
	}
}

// serverTime is the CPU time that the server has used.
func serverTime(b *testing.B, server *redistest.Server) time.Duration {
	var used time.Duration
	for line := range strings.Lines(fmt.Sprint(server.Do("info", "cpu"))) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "used_cpu_user" || name == "used_cpu_sys" {
			seconds, err := strconv.ParseFloat(value, 64)
			if err != nil {
				b.Fatalf("info cpu: %v", err)
			}
			used += time.Duration(seconds * float64(time.Second))
		}
	}
	return used
}
