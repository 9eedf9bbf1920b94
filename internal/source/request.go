package source

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
)

// httpRequest is what a source operation says about an HTTP source.
type httpRequest struct {
	url      string
	checksum digest.Digest
	filename string
	mode     int
	uid, gid int
	header   map[string]string
}

// parseHTTP reads the attributes that BuildKit v0.34.2 knows (solver/pb/attr.go).
func parseHTTP(op *pb.SourceOp) (httpRequest, error) {
	// 0600 is BuildKit's mode for what it downloads.
	request := httpRequest{url: op.GetIdentifier(), mode: 0o600, header: map[string]string{"User-Agent": "hub-publish"}}
	if scheme, _ := Supports(op); scheme != "http" && scheme != "https" {
		return httpRequest{}, fmt.Errorf("the scheme %q is not one of http and https", scheme)
	}
	for key, value := range op.GetAttrs() {
		var err error
		switch key {
		case pb.AttrHTTPChecksum:
			request.checksum, err = parseChecksum(value)
		case pb.AttrHTTPFilename:
			request.filename = value
		case pb.AttrHTTPPerm:
			var mode int
			if mode, err = parseNumber(value); mode != 0 {
				request.mode = mode
			}
		case pb.AttrHTTPUID:
			request.uid, err = parseNumber(value)
		case pb.AttrHTTPGID:
			request.gid, err = parseNumber(value)
		default:
			err = request.other(key, value)
		}
		if err != nil {
			return httpRequest{}, fmt.Errorf("attribute %s: %w", key, err)
		}
	}
	return request, nil
}

// parseNumber takes what BuildKit does: decimal, and other bases with a prefix.
func parseNumber(value string) (int, error) {
	number, err := strconv.ParseInt(value, 0, 64)
	return int(number), err
}

func parseChecksum(value string) (digest.Digest, error) {
	if value == "" {
		return "", nil
	}
	checksum, err := digest.Parse(value)
	if err != nil {
		return "", fmt.Errorf("--checksum=%s: %w, expected sha256: and 64 hexadecimal digits", value, err)
	}
	if checksum.Algorithm() != digest.SHA256 {
		return "", fmt.Errorf("--checksum=%s: BuildKit compares SHA-256 digests only, expected one that begins with sha256", value)
	}
	return checksum, nil
}

func (r *httpRequest) other(key, value string) error {
	if name, ok := strings.CutPrefix(key, pb.AttrHTTPHeaderPrefix); ok {
		// BuildKit sends these two and no others.
		if name = http.CanonicalHeaderKey(name); name == "Accept" || name == "User-Agent" {
			r.header[name] = value
		}
		return nil
	}
	return errors.New("it is not supported")
}
