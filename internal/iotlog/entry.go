package iotlog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/gateway"
)

// entry is a line of the log. Source: AWS IoT, CloudWatch log entries; region is
// ours, since there is one log for all.
type entry struct {
	Timestamp        string         `json:"timestamp"`
	LogLevel         string         `json:"logLevel"`
	TraceID          string         `json:"traceId"`
	AccountID        string         `json:"accountId"`
	Status           string         `json:"status"`
	EventType        string         `json:"eventType"`
	Protocol         string         `json:"protocol,omitempty"`
	TopicName        string         `json:"topicName,omitempty"`
	Subscriptions    []subscription `json:"subscriptions,omitempty"`
	ClientID         string         `json:"clientId,omitempty"`
	PrincipalID      string         `json:"principalId,omitempty"`
	SourceIP         string         `json:"sourceIp,omitempty"`
	SourcePort       uint16         `json:"sourcePort,omitempty"`
	Reason           string         `json:"reason,omitempty"`
	Details          string         `json:"details,omitempty"`
	DisconnectReason string         `json:"disconnectReason,omitempty"`
	Region           string         `json:"region"`
}

// subscription is a filter of a SUBSCRIBE with what was answered.
type subscription struct {
	TopicName  string `json:"topicName"`
	ReasonCode int    `json:"reasonCode"`
}

const (
	// timestampForm is that of AWS, in UTC.
	timestampForm = "2006-01-02 15:04:05.000"
	// subscriptionRefused is the reason code that both versions of MQTT have.
	subscriptionRefused = 0x80
	// maxText is how many bytes of what a client chose are kept.
	maxText = 1024
)

// failed says whether an event is one of level ERROR: something was refused, or
// a connection ended that the client did not end.
func failed(e *gateway.Event) bool {
	return !e.OK || e.Type == gateway.EventDisconnect && !e.ByClient
}

// levelOf is the level that an event has.
func levelOf(e *gateway.Event) level {
	if failed(e) {
		return failures
	}
	return information
}

// appendEntry appends the line for an event.
func appendEntry(buf *bytes.Buffer, e *gateway.Event) error {
	at := e.Address.Addr().Unmap()
	line := entry{
		Timestamp: e.Time.UTC().Format(timestampForm), LogLevel: "INFO", TraceID: uuid.NewString(),
		AccountID: e.Scope.Account, Status: "Success", EventType: string(e.Type), Protocol: e.Protocol,
		TopicName: cut(e.Topic), ClientID: cut(e.ClientID), PrincipalID: e.Certificate,
		SourcePort: e.Address.Port(), Region: e.Scope.Region,
	}
	if at.IsValid() {
		line.SourceIP = at.String()
	}
	if failed(e) {
		line.LogLevel, line.Status = "ERROR", "Failure"
		line.Reason, line.Details = reason(e.Reason)
	}
	switch e.Type {
	case gateway.EventSubscribe:
		code := int(e.QoS)
		if !e.OK {
			code = subscriptionRefused
		}
		line.Subscriptions = []subscription{{line.TopicName, code}}
	case gateway.EventDisconnect:
		line.DisconnectReason = string(e.Disconnect)
		line.Reason, line.Details = "", ""
		if failed(e) {
			line.Reason, line.Details = string(e.Disconnect), cut(e.Reason)
		}
		if e.Disconnect == fleet.DisconnectDuplicateClient {
			line.Reason = "DUPLICATE_CLIENT_ID"
			line.Details = "A new connection was established with the same client ID"
		}
	}
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(line); err != nil {
		return fmt.Errorf("write log entry: %w", err)
	}
	return nil
}

// reason takes a reason apart: a code in capitals is one, and said in words;
// anything else is for people.
func reason(s string) (code, details string) {
	if s != "" && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == "" {
		words := strings.Fields(strings.ToLower(strings.ReplaceAll(s, "_", " ")))
		for i, w := range words {
			words[i] = strings.ToUpper(w[:1]) + w[1:]
		}
		return s, strings.Join(words, " ")
	}
	return "", cut(s)
}

// cut is a text of bounded length. It ends before a character that would not
// be whole.
func cut(s string) string {
	if len(s) <= maxText {
		return s
	}
	n := maxText
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// moment is the time of an event, or now where it says none.
func moment(e *gateway.Event, now func() time.Time) time.Time {
	if e.Time.IsZero() {
		return now()
	}
	return e.Time
}
