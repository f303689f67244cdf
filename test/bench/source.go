package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"zorgsluis/internal/demo"
)

// base is the path of the FHIR API, of the source and of the gateway, so that every program gets the same requests.
const base = "/fhir/bench"

// source answers from memory with prepared bytes, so that it is no bottleneck.
type source struct {
	patients map[string][]byte // by id
	searches map[string][]byte // by id of the patient
	byBSN    map[string][]byte // searchsets of one Patient, by BSN
}

// newSource prepares the answers. root is scheme, host and port.
func newSource(people int, root string) *source {
	s := &source{map[string][]byte{}, map[string][]byte{}, map[string][]byte{}}
	for n := range people {
		p := demo.SyntheticPerson(n)
		id, patient := string(p.PatientID), patient(p, n)
		s.patients[id] = []byte(patient)
		s.byBSN[p.BSN] = searchset(root, "Patient", "identifier="+demo.SystemBSN+"%7C"+p.BSN, []string{id}, []string{patient})
		ids, resources := make([]string, observations), make([]string, observations)
		for m := range observations {
			ids[m] = id + "-" + strconv.Itoa(m)
			resources[m] = observation(ids[m], id, m)
		}
		s.searches[id] = searchset(root, "Observation", "patient=Patient/"+id, ids, resources)
	}
	return s
}

// searchset renders a page; query is what the source says it searched for.
func searchset(root, typ, query string, ids, resources []string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"resourceType":"Bundle","id":"9b4d6b2e-6a0f-4f0e-a0a7-0d1f7c1f3a55","meta":{"lastUpdated":"2026-11-01T08:00:00.000+01:00"},`+
		`"type":"searchset","total":%d,"link":[{"relation":"self","url":"%s%s/%s?%s"}],"entry":[`, len(ids), root, base, typ, query)
	for i, id := range ids {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"fullUrl":"%s%s/%s/%s","resource":%s,"search":{"mode":"match"}}`, root, base, typ, id, resources[i])
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

// ServeHTTP implements http.Handler.
func (s *source) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body []byte
	below := strings.TrimPrefix(r.URL.Path, base)
	switch {
	case r.Method == http.MethodPost && below == "/Patient/_search":
		_, bsn, _ := strings.Cut(r.PostFormValue("identifier"), "|")
		body = s.byBSN[bsn]
	case r.Method == http.MethodGet && below == "/Observation":
		body = s.searches[searched(r.URL.RawQuery)]
	case r.Method == http.MethodGet:
		body = s.patients[strings.TrimPrefix(below, "/Patient/")]
	}
	if body == nil {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h["Content-Type"] = []string{"application/fhir+json; charset=utf-8"}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	_, _ = w.Write(body)
}

// searched returns the patient's id in a query, whether written as an id or as a reference.
func searched(query string) string {
	for pair := range strings.SplitSeq(query, "&") {
		if value, ok := strings.CutPrefix(pair, "patient="); ok {
			if plain, err := url.QueryUnescape(value); err == nil {
				value = plain
			}
			return strings.TrimPrefix(value, "Patient/")
		}
	}
	return ""
}

// serveSource runs the source as a separate process.
func serveSource(ctx context.Context, people int, told io.Writer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	root := "http://" + listener.Addr().String()
	return serve(ctx, listener, newSource(people, root), told)
}

// serve serves until ctx ends, and prints its address.
func serve(ctx context.Context, listener net.Listener, handler http.Handler, told io.Writer) error {
	server := &http.Server{Handler: handler}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	fmt.Fprintln(told, listener.Addr())
	if err := server.Serve(listener); ctx.Err() == nil {
		return err
	}
	return nil
}
