package calllog

import (
	"testing"
	"time"
)

// aCall is the record of a common call.
func aCall() *Event {
	return &Event{
		Time: time.Date(2026, 3, 4, 5, 6, 7, 8e6, time.UTC), Source: "iot.amazonaws.com", Name: "CreateThing",
		Region: "eu-central-1", SourceIP: "192.0.2.7", RequestID: "8d0cb7a1-6f77-4d7e-9a52-0c5b7f6f2b7e",
		UserAgent: "aws-sdk-go-v2/1.41.0 ua/2.1 os/linux lang/go#1.26 md/GOOS#linux md/GOARCH#amd64 api/iot#1.72.0 m/E,e",
		User: Identity{
			Type: "Root", PrincipalID: "111111111111", ARN: "arn:aws:iam::111111111111:root", Account: "111111111111",
			AccessKeyID: "AKIAIOSFODNN7EXAMPLE",
		},
		Resources: []string{"arn:aws:iot:eu-central-1:111111111111:thing/pump-1"}, Account: "111111111111",
	}
}

func BenchmarkALine(b *testing.B) {
	e := aCall()
	var line []byte
	b.ReportAllocs()
	for b.Loop() {
		line = AppendLine(line[:0], e)
	}
	b.ReportMetric(float64(len(line)), "B/line")
}

// BenchmarkABatch seals a thousand lines and packs them.
func BenchmarkABatch(b *testing.B) {
	var text []byte
	for range 1000 {
		text = AppendLine(text, aCall())
	}
	s, p := newSealing(make([]byte, KeySize)), packer{}
	b.Run("seal", func(b *testing.B) {
		for b.Loop() {
			lines := split(text)
			inOrder(lines)
			cut(lines)
			s.close(&Batch{Previous: make([]byte, sealSize)}, lines)
		}
	})
	b.Run("pack", func(b *testing.B) {
		size := 0
		for b.Loop() {
			body, err := p.pack(split(text))
			if err != nil {
				b.Fatal(err)
			}
			size = len(body)
		}
		b.ReportMetric(float64(size)/1000, "B/line")
	})
	b.Run("pack one line", func(b *testing.B) {
		size := 0
		one := split(text)[:1]
		for b.Loop() {
			body, err := p.pack(one)
			if err != nil {
				b.Fatal(err)
			}
			size = len(body)
		}
		b.ReportMetric(float64(size), "B/line")
	})
}
