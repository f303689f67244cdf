package sourcetest

import (
	"fmt"
	"slices"
	"strings"
)

// end is how a request may end whose source misbehaves. In no case does the caller get a foreign answer.
type end int

const (
	answered end = iota + 1 // with its own answer
	failed                  // with an error, before the deadline
	late                    // with an error, at the deadline
	anyhow                  // one of these, or an answer that is not its own to judge: another status, another body
)

// row is one way to misbehave.
type row struct {
	name   string
	does   func(*conn)
	end    end
	goesOn bool // the source then listens on the same connection: was it sent more than the answer, or less?
	once   bool // a request that arrives again is answered well
	beside bool // what it sends may be there when the next request is written
}

// rows returns every way to misbehave.
func rows() []row { return slices.Concat(ends(), lengths(), chunks(), heads(), beside(), slow()) }

// ends are about connections that end.
func ends() []row {
	partly := func(upTo func(answer string) int) func(*conn) {
		return func(c *conn) { c.send(c.answer()[:upTo(c.answer())]) }
	}
	head := func(a string) int { return strings.Index(a, "\r\n\r\n") }
	return []row{
		{name: "hangs up at once", does: func(*conn) {}, end: failed},
		{name: "hangs up once, at once", does: func(*conn) {}, end: anyhow, once: true}, // may be asked again
		{name: "resets the connection at once", does: (*conn).reset, end: failed},
		{name: "hangs up within the status line", does: partly(func(string) int { return 7 }), end: failed},
		{name: "hangs up within the headers", does: partly(func(a string) int { return head(a) - 3 }), end: failed},
		{name: "hangs up behind the headers", does: partly(func(a string) int { return head(a) + 4 }), end: failed},
		{name: "hangs up within the body", does: partly(func(a string) int { return len(a) - 3 }), end: failed},
		{name: "resets the connection within the body", does: func(c *conn) { c.send(c.answer()[:len(c.answer())-3]); c.reset() }, end: failed},
		{name: "hangs up behind the answer", does: func(c *conn) { c.send(c.answer()) }, end: answered},
		{name: "says close and does", does: func(c *conn) { c.send(c.headed("Connection: close\r\n")) }, end: answered},
		{name: "says close and does not", does: func(c *conn) { c.send(c.headed("Connection: close\r\n"), foreign()); c.silence() }, end: answered},
		{name: "says close among others", does: func(c *conn) { c.send(c.headed("Connection: x, Close\r\n"), foreign()); c.silence() }, end: answered},
		{name: "ends the body by the end", does: func(c *conn) { c.send(c.with("A: b")) }, end: answered},
		{name: "ends the body by the end, in HTTP 1.0", does: func(c *conn) { c.send(strings.Replace(c.with("A: b"), "1.1", "1.0", 1)) }, end: answered},
		{name: "keeps the connection in HTTP 1.0", does: func(c *conn) {
			c.send(strings.Replace(c.headed("Connection: keep-alive\r\n"), "1.1", "1.0", 1))
		}, end: answered, goesOn: true},
		{name: "does not keep the connection in HTTP 1.0", does: func(c *conn) {
			c.send(strings.Replace(c.answer(), "1.1", "1.0", 1), foreign())
			c.silence()
		}, end: answered},
	}
}

// lengths are about Content-Length.
func lengths() []row {
	list := []row{
		{name: "length too long, then the end", does: func(c *conn) { c.send(c.with("Content-Length: 1000")) }, end: failed},
		{name: "the same length twice", does: func(c *conn) { c.send(c.headed(fmt.Sprintf("Content-Length: %d\r\n", len(own(c.id))))) }, end: anyhow, goesOn: true},
		{name: "length and chunks", does: func(c *conn) {
			c.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", chunk(own(c.id)), "0\r\n\r\n")
		}, end: anyhow, goesOn: true},
		{name: "chunks and length", does: func(c *conn) {
			c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", chunk(own(c.id)), "0\r\n\r\n")
		}, end: anyhow, goesOn: true},
		{name: "no length and no end", does: func(c *conn) { c.send(c.with("A: b")); c.silence() }, end: late},
		{name: "length too long, then silence", does: func(c *conn) { c.send(c.with("Content-Length: 1000")); c.silence() }, end: late},
		{name: "a body as long as can be", does: func(c *conn) {
			c.send("HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n")
			c.flood(" ")
		}, end: anyhow},
	}
	for _, bad := range []string{"-1", "+5", "0x5", "5 5", "5,6", "5;6", "1e1", "9223372036854775808", "99999999999999999999999", "a", "٣", "0\r\nContent-Length: 5", "5\r\nContent-Length: 0"} {
		list = append(list, row{name: "length " + strings.NewReplacer("\r\n", " and ", "٣", "in Arabic digits").Replace(bad), does: func(c *conn) {
			c.send("HTTP/1.1 200 OK\r\nContent-Length: ", bad, "\r\n\r\n", own(c.id))
			c.silence()
		}, end: failed})
	}
	return list
}

// chunks are about Transfer-Encoding.
func chunks() []row {
	list := []row{
		{name: "chunks", does: func(c *conn) { c.send(chunked(chunk(own(c.id)[:3])), chunk(own(c.id)[3:]), "0\r\n\r\n") }, end: answered, goesOn: true},
		{name: "chunks with extensions", does: func(c *conn) {
			c.send(chunked(strings.Replace(chunk(own(c.id)), "\r\n", ";a=\"b\"\r\n", 1)), "0;c\r\n\r\n")
		}, end: answered, goesOn: true},
		{name: "a trailer", does: func(c *conn) { c.send(chunked(chunk(own(c.id))), "0\r\nX-Late: "+poison+"\r\n\r\n") }, end: answered, goesOn: true},
		{name: "a trailer with a length", does: func(c *conn) { c.send(chunked(chunk(own(c.id))), "0\r\nContent-Length: 0\r\n\r\n") }, end: anyhow, goesOn: true},
		{name: "no last chunk", does: func(c *conn) { c.send(chunked(chunk(own(c.id)))) }, end: failed},
		{name: "nothing behind the last chunk", does: func(c *conn) { c.send(chunked(chunk(own(c.id))), "0\r\n") }, end: failed},
		{name: "a trailer that is cut", does: func(c *conn) { c.send(chunked(chunk(own(c.id))), "0\r\nX-La") }, end: failed},
		{name: "a trailer without end", does: func(c *conn) {
			c.send(chunked(chunk(own(c.id))), "0\r\n")
			c.flood("X-Late: " + poison + "\r\n")
		}, end: failed},
		{name: "an extension without end", does: func(c *conn) { c.send(chunked("5;")); c.flood("a") }, end: failed},
		{name: "extensions without end", does: func(c *conn) { c.send(chunked("")); c.flood("1;" + strings.Repeat("a", 2000) + "\r\nb\r\n") }, end: failed},
		{name: "a chunk without its end", does: func(c *conn) { c.send(chunked("5\r\nabcdefg\r\n0\r\n\r\n")) }, end: failed},
		{name: "a chunk that is cut", does: func(c *conn) { c.send(chunked("ff\r\nabc")) }, end: failed},
	}
	for _, bad := range []string{"zz", "-5", "+5", "0x5", "", "5 5", "11111111111111111", "8000000000000000"} {
		list = append(list, row{name: "a chunk of " + bad, does: func(c *conn) { c.send(chunked(bad + "\r\nabcde\r\n0\r\n\r\n")) }, end: failed})
	}
	for _, bad := range []string{"gzip", "identity", "gzip, chunked", "chunked, chunked", "xchunked", "chunked\r\nTransfer-Encoding: chunked", "chunked\x0b"} {
		list = append(list, row{name: "encoding " + strings.NewReplacer("\r\nTransfer-Encoding:", " and", "\x0b", " and a tab").Replace(bad), does: func(c *conn) {
			c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: ", bad, "\r\n\r\n", chunk(own(c.id)), "0\r\n\r\n")
			c.silence()
		}, end: failed})
	}
	return list
}

// heads are about what precedes the body.
func heads() []row {
	list := []row{
		{name: "no reason behind the status", does: func(c *conn) { c.send(strings.Replace(c.answer(), " OK", "", 1)) }, end: answered, goesOn: true},
		{name: "lines that end in LF", does: func(c *conn) { c.send(strings.ReplaceAll(c.answer(), "\r\n", "\n")) }, end: anyhow, goesOn: true},
		{name: "a header that goes on", does: func(c *conn) { c.send(c.headed("A: b\r\n c\r\n")) }, end: anyhow, goesOn: true},
		{name: "compressed, it says", does: func(c *conn) { c.send(c.headed("Content-Encoding: gzip\r\n")) }, end: answered, goesOn: true},
		{name: "continue first", does: func(c *conn) { c.send("HTTP/1.1 100 Continue\r\n\r\n", c.answer()) }, end: answered, goesOn: true},
		{name: "early hints first", does: func(c *conn) {
			c.send("HTTP/1.1 103 Early Hints\r\nLink: "+poison+"\r\nContent-Length: 7\r\n\r\n", c.answer())
		}, end: answered, goesOn: true},
		{name: "something else first", does: func(c *conn) { c.send("HTTP/1.1 199 Later\r\n\r\n", c.answer()) }, end: answered, goesOn: true},
		{name: "early hints without end", does: func(c *conn) { c.flood("HTTP/1.1 103 Early Hints\r\n\r\n") }, end: failed},
		{name: "early hints, then the end", does: func(c *conn) { c.send("HTTP/1.1 103 Early Hints\r\n\r\n") }, end: failed},
		{name: "early hints, then silence", does: func(c *conn) { c.send("HTTP/1.1 103 Early Hints\r\n\r\n"); c.silence() }, end: late},
		{name: "another protocol", does: func(c *conn) {
			c.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", foreign())
			c.silence()
		}, end: anyhow},
		{name: "a status line without end", does: func(c *conn) { c.send("HTTP/1.1 200 "); c.flood("a") }, end: failed},
		{name: "a header without end", does: func(c *conn) { c.send("HTTP/1.1 200 OK\r\nA: "); c.flood("a") }, end: failed},
		{name: "headers without end", does: func(c *conn) { c.send("HTTP/1.1 200 OK\r\n"); c.flood("A: b\r\n") }, end: failed},
		{name: "a header that goes on without end", does: func(c *conn) { c.send("HTTP/1.1 200 OK\r\nA: b\r\n"); c.flood(" c\r\n") }, end: failed},
		{name: "empty lines without end", does: func(c *conn) { c.flood("\r\n") }, end: failed},
	}
	for _, bad := range []string{
		"HTTP/1.1 20 OK", "HTTP/1.1 2000 OK", "HTTP/1.1 -20 OK", "HTTP/1.1 two OK", "HTTP/1.1", "HTTP/x 200 OK", "ICY 200 OK", "200 OK", "", "\x00\x00\x12\x04\x00", "\x15\x03\x01\x00\x02\x02\x28",
		"GET / HTTP/1.1", " HTTP/1.1 200 OK",
	} {
		list = append(list, row{name: fmt.Sprintf("the status line %x", bad), does: func(c *conn) {
			c.send(strings.Replace(c.answer(), "HTTP/1.1 200 OK", bad, 1))
			c.silence()
		}, end: failed})
	}
	for _, bad := range []string{"A", "A : b", ": b", "A: \x00", "A: b\rc", "A B: c", " A: b", "Ä: b", "A\x00: b"} {
		list = append(list, row{name: fmt.Sprintf("the header %x", bad), does: func(c *conn) {
			c.send("HTTP/1.1 200 OK\r\n", bad, "\r\n", fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(own(c.id)), own(c.id)))
		}, end: anyhow, goesOn: true})
	}
	return list
}

// beside are about bytes that belong to no request, and about the moment at which a source sends them.
func beside() []row {
	return []row{
		{name: "two answers", does: func(c *conn) { c.send(c.answer(), foreign()) }, end: answered, goesOn: true, beside: true},
		{name: "two answers, the second cut", does: func(c *conn) { c.send(c.answer(), foreign()[:30]) }, end: answered, goesOn: true, beside: true},
		{name: "two chunked answers", does: func(c *conn) {
			c.send(chunked(chunk(own(c.id))), "0\r\n\r\n", chunked(chunk(own(poison))), "0\r\n\r\n")
		}, end: answered, goesOn: true, beside: true},
		{name: "an empty line behind the answer", does: func(c *conn) { c.send(c.answer(), "\r\n") }, end: answered, goesOn: true, beside: true},
		{name: "early hints behind the answer", does: func(c *conn) { c.send(c.answer(), "HTTP/1.1 103 Early Hints\r\n\r\n") }, end: answered, goesOn: true, beside: true},
		{name: "a length too short", does: func(c *conn) { c.send(c.with("Content-Length: 2")) }, end: anyhow, goesOn: true, beside: true},
		{name: "a length of nothing", does: func(c *conn) { c.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", foreign()) }, end: anyhow, goesOn: true, beside: true},
		{name: "no content, with content", does: func(c *conn) {
			c.send(strings.Replace(foreign(), "200 OK", "204 No Content", 1))
		}, end: anyhow, goesOn: true, beside: true},
		{name: "not modified, with content", does: func(c *conn) {
			c.send(strings.Replace(foreign(), "200 OK", "304 Not Modified", 1))
		}, end: anyhow, goesOn: true, beside: true},
		{name: "time is up behind the answer", does: func(c *conn) {
			c.send(c.answer(), "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		}, end: answered, goesOn: true, beside: true},
		{name: "the end behind two answers", does: func(c *conn) { c.send(c.answer(), foreign()) }, end: answered, beside: true},
		{name: "reset behind the answer", does: func(c *conn) { c.send(c.answer()); c.reset() }, end: anyhow},
	}
}

// slow are about sources that take their time.
func slow() []row {
	return []row{
		{name: "silence", does: (*conn).silence, end: late},
		{name: "a slow head", does: func(c *conn) { c.drip(c.headed(strings.Repeat("A: b\r\n", 1000))) }, end: late},
		{name: "a slow body", does: func(c *conn) {
			c.send("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
			c.drip(strings.Repeat(" ", 5000))
		}, end: late},
		{name: "slow chunks", does: func(c *conn) { c.send(chunked("")); c.drip(strings.Repeat(chunk("x"), 1000)) }, end: late},
	}
}
