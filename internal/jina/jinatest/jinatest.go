// Package jinatest stands in for a Jina executor where tests have no Python: it opens an executor's ports as Jina 1.x does,
// and answers at its control port.
package jinatest

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/jina/hub-publish/internal/jina"
)

// Open opens an executor's ports. Those for data greet as Jina's do. At the control port nobody is answered before loaded is
// closed, as in Jina, whose sockets are open before the executor is loaded.
func Open(ports jina.Ports, loaded <-chan struct{}) error {
	for _, p := range []struct {
		port int
		kind string
	}{{ports.Control, "PAIR"}, {ports.In, "PULL"}, {ports.Out, "PUSH"}} {
		listener, err := net.Listen("tcp", ":"+strconv.Itoa(p.port))
		if err != nil {
			return err
		}
		go serve(listener, p.kind, loaded)
	}
	return nil
}

func serve(listener net.Listener, kind string, loaded <-chan struct{}) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			Answer(conn, kind, func() []byte {
				<-loaded
				return Status(2)
			})
		}()
	}
}

// Answer speaks ZMTP 3.0 as a socket of a type, and answers a message of three parts with an envelope.
func Answer(conn io.ReadWriter, kind string, envelope func() []byte) {
	greeting := append([]byte("\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x01NULL"), make([]byte, 48)...)
	if _, err := conn.Write(greeting); err != nil {
		return
	}
	if _, err := io.ReadFull(conn, make([]byte, len(greeting))); err != nil {
		return
	}
	ready := append([]byte("\x05READY\x0bSocket-Type"), binary.BigEndian.AppendUint32(nil, uint32(len(kind)))...)
	ready = append(ready, kind...)
	if _, err := conn.Write(append([]byte{4, byte(len(ready))}, ready...)); err != nil {
		return
	}
	for range 4 { // the peer's command READY, and the three parts
		var head [2]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return
		}
		if _, err := io.CopyN(io.Discard, conn, int64(head[1])); err != nil {
			return
		}
	}
	answer := envelope()
	var out bytes.Buffer
	out.Write([]byte{1, 0, 1 | 2})
	out.Write(binary.BigEndian.AppendUint64(nil, uint64(len(answer))))
	out.Write(answer)
	out.Write([]byte{0, 0})
	if _, err := conn.Write(out.Bytes()); err == nil {
		time.Sleep(time.Second) // a socket stays open; what reads the answer closes the connection
	}
}

// Status is an envelope whose status has this code; 2 is ready (jina.proto, StatusProto).
func Status(code uint64) []byte {
	status := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), code)
	envelope := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "an executor")
	return protowire.AppendBytes(protowire.AppendTag(envelope, 7, protowire.BytesType), status)
}
