package calllog

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Batch is some lines of one chain, with what seals them. A node begins a chain
// when it starts.
type Batch struct {
	Seq    int64 // where it is stored; the store sets it
	Chain  string
	Number int64 // in the chain, from 1
	Count  int   // lines
	// First and Last are the times of the earliest and the latest event, in
	// milliseconds since 1970.
	First, Last int64
	// Previous is the seal of the batch before, or zeros for the first one.
	Previous []byte
	// Names are the last batches of other chains, as text that [Heads] reads.
	Names string
	// Digest is the mark of the last line. It stays when the lines are deleted.
	Digest []byte
	Seal   []byte
	// Body is the lines, packed, and Marks a mark for each. Both are nil once the
	// lines were deleted.
	Body, Marks []byte
}

// Head is a batch that is the last one of its chain.
type Head struct {
	Chain  string
	Number int64
	Seal   []byte
}

const (
	// maxBatchLines and maxBatchBytes bound the lines of a batch, but for one that
	// alone is larger.
	maxBatchLines = 4096
	maxBatchBytes = 4 << 20
	// maxUnpacked bounds what is unpacked of a batch, which others may have
	// written.
	maxUnpacked = 64 << 20
	// maxSpan is how far apart the events of a batch may be, in milliseconds: an
	// export that ends looks no further behind its end.
	maxSpan = 60_000
	// markSize is how many bytes of a line's HMAC are kept, sealSize those of a
	// batch.
	markSize = 16
	sealSize = 32
)

// split returns the lines of a text, each with its line feed.
func split(text []byte) [][]byte {
	return slices.Collect(bytes.Lines(text))
}

// inOrder sorts lines by the time they begin with.
func inOrder(lines [][]byte) {
	slices.SortStableFunc(lines, func(a, b []byte) int { return bytes.Compare(lineTime(a), lineTime(b)) })
}

// cut returns how many of the lines, which are in order, make the next batch.
func cut(lines [][]byte) int {
	size := 0
	first, at := int64(0), int64(0)
	for i, line := range lines {
		// Most are of the same moment as the one before.
		if i == 0 || !bytes.Equal(lineTime(line), lineTime(lines[i-1])) {
			at = millisOf(line)
		}
		if i == 0 {
			first = at
		}
		size += len(line)
		if i > 0 && (i == maxBatchLines || size > maxBatchBytes || at-first > maxSpan) {
			return i
		}
	}
	return len(lines)
}

// packer compresses the lines of batches, one at a time.
type packer struct {
	fast, well *flate.Writer
}

const (
	// fewBytes is how large a batch is that is packed well rather than fast.
	fewBytes = 64 << 10
	// wellLevel is the least at which the preset dictionary is of use.
	wellLevel = 2
)

// pack returns lines as they are stored: DEFLATE (RFC 1951) with a preset
// dictionary, for many batches have few lines.
func (p *packer) pack(lines [][]byte) ([]byte, error) {
	size := 0
	for _, line := range lines {
		size += len(line)
	}
	w, level := &p.fast, flate.BestSpeed
	if size <= fewBytes {
		w, level = &p.well, wellLevel
	}
	var out bytes.Buffer
	if *w == nil {
		made, err := flate.NewWriterDict(&out, level, Dictionary)
		if err != nil {
			return nil, fmt.Errorf("pack lines: %w", err)
		}
		*w = made
	} else {
		(*w).Reset(&out)
	}
	for _, line := range lines {
		if _, err := (*w).Write(line); err != nil {
			return nil, fmt.Errorf("pack lines: %w", err)
		}
	}
	if err := (*w).Close(); err != nil {
		return nil, fmt.Errorf("pack lines: %w", err)
	}
	return out.Bytes(), nil
}

// unpack returns the lines of a body.
func unpack(body []byte) ([][]byte, error) {
	r := flate.NewReaderDict(bytes.NewReader(body), Dictionary)
	text, err := io.ReadAll(io.LimitReader(r, maxUnpacked+1))
	if err == nil && len(text) > maxUnpacked {
		err = errors.New("they are too many")
	}
	if err != nil {
		return nil, fmt.Errorf("unpack lines: %w", err)
	}
	return split(text), nil
}

// Dictionary is what lines look like, for bodies: what is stored cannot be read
// with another one.
var Dictionary = []byte(`,"errorCode":"ThrottlingException","errorMessage":"Rate exceeded` +
	`","errorCode":"InvalidRequestException","errorCode":"ResourceNotFoundException","errorMessage":"there is no ` +
	`","errorCode":"AccessDeniedException","errorMessage":"User: arn:aws:sts:: is not authorized to perform: ` +
	` on resource:  because no identity-based policy allows the  action` +
	`,"userIdentity":{"type":"Unknown"},"serviceEventDetails":{"taskId":"","actionName":"","actionType":"` +
	`UPDATE_DEVICE_CERTIFICATE","changes":[{"kind":"certificate-status","resource":"","from":"ACTIVE","to":"INACTIVE"},` +
	`"invokedBy":"iot.amazonaws.com"},"eventType":"AwsServiceEvent",` +
	`"eventSource":"iam.amazonaws.com","eventSource":"sts.amazonaws.com","eventSource":"sns.amazonaws.com",` +
	`"userIdentity":{"type":"AssumedRole","principalId":"AROA","arn":"arn:aws:sts::","accountId":"",` +
	`"accessKeyId":"ASIA",` +
	`"sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROA","arn":"arn:aws:iam:::role/","accountId":"` +
	`","userName":""},"attributes":{"creationDate":"","mfaAuthenticated":"false"}}` +
	`"userIdentity":{"type":"IAMUser","principalId":"AIDA","arn":"arn:aws:iam:::user/","userName":"` +
	`"userAgent":"Boto3/1. md/Botocore# ua/2.0 os/linux# md/arch#x86_64 lang/python#3. md/pyimpl#CPython cfg/retry-mode#` +
	`"userAgent":"aws-cli/2. md/awscrt#0. exec-env/ md/prompt#off md/command#iot.` +
	`{"eventVersion":"1.11","eventTime":"2026-01-01T00:00:00.000Z","recipientAccountId":"000000000000",` +
	`"eventSource":"iot.amazonaws.com","eventName":"DescribeThing","awsRegion":"us-east-1",` +
	`"sourceIPAddress":"127.0.0.1","userAgent":"aws-sdk-go-v2/1. ua/2.1 os/linux lang/go#1. md/GOOS#linux` +
	` md/GOARCH#amd64` +
	` api/iot#1.","userIdentity":{"type":"Root","principalId":"000000000000","arn":"arn:aws:iam::000000000000:root",` +
	`"accountId":"000000000000","accessKeyId":"AKIA"},"requestID":"","eventID":"","readOnly":false,` +
	`"resources":[{"ARN":"arn:aws:iot:us-east-1:000000000000:thing/","accountId":"000000000000"}],` +
	`"eventType":"AwsApiCall","eventCategory":"Management","managementEvent":true}` + "\n")
