package jina_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jina/hub-publish/internal/jina"
	"github.com/jina/hub-publish/internal/jina/jinatest"
)

// listen serves each connection, and says on which port.
func listen(t *testing.T, serve func(net.Conn)) (port int) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
	return listener.Addr().(*net.TCPAddr).Port
}

func TestAskStatus(t *testing.T) {
	t.Parallel()
	answering := func(kind string, envelope []byte) func(net.Conn) {
		return func(c net.Conn) { jinatest.Answer(c, kind, func() []byte { return envelope }) }
	}
	greeting := string(append([]byte("\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x01NULL"), make([]byte, 48)...))
	pair := greeting + "\x04\x1a\x05READY\x0bSocket-Type\x00\x00\x00\x04PAIR"
	saying := func(text string) func(net.Conn) {
		return func(c net.Conn) {
			_, _ = io.WriteString(c, text)
			_, _ = io.Copy(io.Discard, c)
		}
	}
	for name, test := range map[string]struct {
		serve   func(net.Conn)
		ready   bool
		control bool   // whether it is a control port
		err     string // in the error
	}{
		"ready":                        {answering("PAIR", jinatest.Status(2)), true, true, ""},
		"pending":                      {answering("PAIR", jinatest.Status(1)), false, true, ""},
		"an envelope without a status": {answering("PAIR", nil), false, true, ""},
		"rubbish in the envelope":      {answering("PAIR", bytes.Repeat([]byte{0xff}, 300)), false, true, ""},
		"another socket":               {answering("PULL", nil), false, false, ""},
		"an HTTP server":               {saying(""), false, false, ""},
		"a server that speaks first":   {saying("220 mail.example.com ESMTP ready, and more than a greeting of ZMTP's is long\r\n"), false, false, ""},
		"a huge frame":                 {saying(pair + "\x02\x7f\xff\xff\xff\xff\xff\xff\xff"), false, true, "it announces a frame of"},
		"frames without end":           {saying(pair + strings.Repeat("\x01\x00", 100)), false, true, "it sends more than 8 frames"},
		"one part":                     {saying(pair + "\x00\x00"), false, true, "the answer has 1 parts"},
		"the end":                      {func(c net.Conn) { _, _ = io.WriteString(c, pair) }, false, true, "E"},
		"no answer":                    {saying(pair), false, true, "closed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			ready, err := jina.AskStatus(ctx, listen(t, test.serve))
			if ready != test.ready || errors.Is(err, jina.ErrNoControl) == test.control {
				t.Errorf("ready %t, error %v", ready, err)
			}
			if test.control && (test.err == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), test.err) && test.err != "E" {
				t.Errorf("the error is %v, want one with %q", err, test.err)
			}
		})
	}
}

// FuzzAskStatus holds answers of strangers.
func FuzzAskStatus(f *testing.F) {
	f.Add([]byte("\x00\x00"), []byte{0x3a, 0x02, 0x08, 0x02})
	f.Add([]byte("\x02\x00\x00\x00\x00\x00\x00\x00\x00"), []byte{0xff})
	f.Fuzz(func(t *testing.T, frames, envelope []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, _ = jina.AskStatus(ctx, listen(t, func(c net.Conn) {
			jinatest.Answer(c, "PAIR", func() []byte { return envelope })
			_, _ = c.Write(frames)
		}))
	})
}
