package direct_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// FuzzAnswer: whatever a server answers, it is understood as http.Transport understands it, and the next request gets its own answer.
func FuzzAnswer(f *testing.F) {
	for _, answer := range []string{
		whole("first"), whole("first") + whole("second"), "HTTP/1.1 200 OK\r\n\r\nuntil the end", "HTTP/1.0 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nfirst\r\n0\r\nA: b\r\n\r\n", "HTTP/1.1 103 Early Hints\r\n\r\n" + whole("first"),
		"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nfirst", "HTTP/1.1 304 Not Modified\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfirst",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n0\r\n\r\n", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "",
		"HTTP/1.1 200 OK\r\n folded\r\n\r\n", "HTTP/1.1 200 OK\nContent-Length: 1\n\nx", "HTTP/1.1 199 x\r\n\r\n", "HTTP/1.1 101 x\r\nConnection: upgrade\r\n\r\n",
	} {
		f.Add([]byte(answer))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		if len(answer) > 3<<10 { // it must arrive with one write
			return
		}
		s := newServer(t, func(c net.Conn, path string, _ int) bool {
			if path == "/after" {
				io.WriteString(c, whole("after"))
				return true
			}
			c.Write(answer)
			_ = c.SetReadDeadline(time.Now().Add(5 * time.Millisecond)) // ends an answer that is not whole
			return true
		})
		host := s.Addr().String()
		tr := s.transport(t)
		standard := &http.Transport{MaxResponseHeaderBytes: 8 << 10, DisableCompression: true}
		defer standard.CloseIdleConnections()
		wantStatus, wantBody, wantErr := get(context.Background(), standard, host, "/")
		status, body, err := get(context.Background(), tr, host, "/")
		if wantStatus == http.StatusSwitchingProtocols { // http.Transport hands out the connection
			wantStatus, wantBody, wantErr = 0, "", errNext
		}
		if status != wantStatus || body != wantBody || (err == nil) != (wantErr == nil) {
			t.Errorf("got %d %q and error %v, http.Transport says %d %q and %v", status, body, err, wantStatus, wantBody, wantErr)
		}
		if _, body, err := get(context.Background(), tr, host, "/after"); err != nil || body != "after" {
			t.Errorf("then got %q and error %v, want its own answer", body, err)
		}
	})
}
