package jina

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// An executor opens its ports before it has loaded, and answers at its control port only afterwards. That port is a ZeroMQ
// socket of type PAIR; what is spoken there is ZMTP 3.0 (rfc.zeromq.org/spec/23) without security. What is at the other end is a
// stranger's, and nothing that it announces may make this process take memory: github.com/go-zeromq/zmq4 v0.17.0 makes a buffer
// of any length that it is told.

// ErrNoControl says that a port is no control port.
var ErrNoControl = errors.New("it is no control port of Jina's")

// The bounds of what a peer may send, in bytes and frames: a status of Jina 1.3.1 has about 1300 bytes in three frames.
const (
	maxFrame  = 1 << 20
	maxFrames = 8
)

// greetWithin is how long a port may take to greet: a ZeroMQ socket does so before it has read anything.
const greetWithin = 300 * time.Millisecond

// AskStatus asks the control port on this machine whether its executor is ready, and waits for the answer until the context
// ends: what is still loading answers once it has. Its error is ErrNoControl where the port is none; any other says that it
// closed the connection or did not answer.
func AskStatus(ctx context.Context, port int) (ready bool, err error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := greet(conn); err != nil {
		return false, err
	}
	for i, part := range [][]byte{{}, statusEnvelope(), statusRequest()} {
		if err := writeFrame(conn, part, i < 2); err != nil {
			return false, err
		}
	}
	parts, err := readMessage(conn)
	if err != nil {
		return false, err
	}
	if len(parts) < 2 {
		return false, fmt.Errorf("the answer has %d parts; expected an empty one, an envelope and a request", len(parts))
	}
	return isReady(parts[len(parts)-2]), nil
}

// greeting is ZMTP's: a signature, version 3.0, the mechanism NULL in 20 bytes, and zeros to 64 bytes.
var greeting = append([]byte("\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x00NULL"), make([]byte, 48)...)

// socketType names a socket's type in ZMTP's command READY.
const socketType = "Socket-Type"

// greet becomes a peer of the socket, if it is one of type PAIR.
func greet(conn net.Conn) error {
	if _, err := conn.Write(greeting); err != nil {
		return err
	}
	if err := conn.SetReadDeadline(time.Now().Add(greetWithin)); err != nil {
		return err
	}
	theirs := make([]byte, len(greeting))
	if _, err := io.ReadFull(conn, theirs); err != nil || theirs[0] != 0xff || theirs[9] != 0x7f || theirs[10] < 3 {
		return ErrNoControl
	}
	ready := append([]byte("\x05READY"), byte(len(socketType)))
	ready = append(ready, socketType...)
	ready = append(binary.BigEndian.AppendUint32(ready, 4), "PAIR"...)
	if _, err := conn.Write(append([]byte{flagCommand, byte(len(ready))}, ready...)); err != nil {
		return err
	}
	flags, body, err := readFrame(conn)
	if err != nil || flags&flagCommand == 0 || !bytes.Contains(body, []byte(socketType+"\x00\x00\x00\x04PAIR")) {
		return ErrNoControl
	}
	return conn.SetReadDeadline(time.Time{})
}

// The flags of a frame.
const (
	flagMore    = 1
	flagLong    = 2
	flagCommand = 4
)

// writeFrame writes a part of a message, at most 255 bytes.
func writeFrame(w io.Writer, part []byte, more bool) error {
	frame := []byte{0, byte(len(part))}
	if more {
		frame[0] = flagMore
	}
	_, err := w.Write(append(frame, part...))
	return err
}

func readFrame(r io.Reader) (flags byte, body []byte, err error) {
	var head [9]byte
	if _, err := io.ReadFull(r, head[:2]); err != nil {
		return 0, nil, err
	}
	size := uint64(head[1])
	if head[0]&flagLong != 0 {
		if _, err := io.ReadFull(r, head[2:]); err != nil {
			return 0, nil, err
		}
		size = binary.BigEndian.Uint64(head[1:])
	}
	if size > maxFrame {
		return 0, nil, fmt.Errorf("it announces a frame of %d bytes; at most %d are read", size, maxFrame)
	}
	body = make([]byte, size)
	_, err = io.ReadFull(r, body)
	return head[0], body, err
}

// readMessage reads the parts of a message; commands before it are passed over.
func readMessage(r io.Reader) (parts [][]byte, err error) {
	for range maxFrames {
		flags, body, err := readFrame(r)
		if err != nil {
			return nil, err
		}
		if flags&flagCommand != 0 {
			continue
		}
		if parts = append(parts, body); flags&flagMore == 0 {
			return parts, nil
		}
	}
	return nil, fmt.Errorf("it sends more than %d frames", maxFrames)
}

// The fields and values of Jina 1.x's messages that are needed here (jina.proto: EnvelopeProto, StatusProto, RequestProto and
// its ControlRequestProto).
const (
	envelopeReceiver    = 2
	envelopeStatus      = 7
	envelopeRequestType = 9
	statusCode          = 1
	statusReady         = 2
	requestControl      = 5
	controlCommand      = 1
	controlTargets      = 4
	commandStatus       = 1
)

// target is what Jina calls the sender of control messages.
const target = "ctl"

func statusEnvelope() []byte {
	b := protowire.AppendTag(nil, envelopeReceiver, protowire.BytesType)
	b = protowire.AppendString(b, target)
	b = protowire.AppendTag(b, envelopeRequestType, protowire.BytesType)
	return protowire.AppendString(b, "ControlRequest")
}

func statusRequest() []byte {
	command := protowire.AppendTag(nil, controlCommand, protowire.VarintType)
	command = protowire.AppendVarint(command, commandStatus)
	command = protowire.AppendTag(command, controlTargets, protowire.BytesType)
	command = protowire.AppendString(command, target)
	return protowire.AppendBytes(protowire.AppendTag(nil, requestControl, protowire.BytesType), command)
}

// isReady reads the status out of an answer's envelope.
func isReady(envelope []byte) bool {
	for len(envelope) > 0 {
		number, kind, n := protowire.ConsumeTag(envelope)
		if n < 0 {
			return false
		}
		envelope = envelope[n:]
		if number == envelopeStatus && kind == protowire.BytesType {
			status, n := protowire.ConsumeBytes(envelope)
			return n >= 0 && code(status) == statusReady
		}
		if n = protowire.ConsumeFieldValue(number, kind, envelope); n < 0 {
			return false
		}
		envelope = envelope[n:]
	}
	return false
}

// code is a status's code; 0, success, where it has none.
func code(status []byte) uint64 {
	number, kind, n := protowire.ConsumeTag(status)
	if n < 0 || number != statusCode || kind != protowire.VarintType {
		return 0
	}
	value, n := protowire.ConsumeVarint(status[n:])
	if n < 0 {
		return 0
	}
	return value
}
