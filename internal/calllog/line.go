package calllog

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strconv"
	"time"
	"unicode/utf8"
)

// What a line begins with: those who look for an account or a time do not parse
// the rest.
const (
	lineHead    = `{"eventVersion":"1.11","eventTime":"`
	timeForm    = "2006-01-02T15:04:05.000Z"
	accountHead = `","recipientAccountId":"`

	timeAt    = len(lineHead)
	accountAt = timeAt + len(timeForm) + len(accountHead)
)

// Bounds of texts that a caller chose, in bytes.
const (
	maxUserAgent = 1024
	maxMessage   = 1024
	maxText      = 2048 // an ARN
	maxSide      = 256  // of a change
)

// AppendLine appends an event as a JSON object and a line feed. Texts are cut to
// their bounds; what is no UTF-8 is replaced, and no control character stays.
func AppendLine(b []byte, e *Event) []byte {
	b = append(b, lineHead...)
	b = appendTime(b, e.Time)
	if e.Account != "" {
		b = append(b, accountHead...)
		b = appendText(b, e.Account, maxText)
	}
	b = append(b, '"')
	b = appendMember(b, "eventSource", e.Source, maxText)
	b = appendMember(b, "eventName", e.Name, maxText)
	b = appendMember(b, "awsRegion", e.Region, maxText)
	b = appendMember(b, "sourceIPAddress", e.SourceIP, maxText)
	b = appendMember(b, "userAgent", e.UserAgent, maxUserAgent)
	b = appendUser(b, &e.User)
	b = appendMember(b, "requestID", e.RequestID, maxText)
	b = append(b, `,"eventID":"`...)
	b = appendID(b)
	b = append(b, `","readOnly":`...)
	b = strconv.AppendBool(b, e.ReadOnly)
	b = appendResources(b, e)
	b = appendMember(b, "errorCode", e.ErrorCode, maxText)
	b = appendMember(b, "errorMessage", e.ErrorMessage, maxMessage)
	b = appendDetails(b, e.Details)
	if e.Work != nil {
		b = appendWork(b, e.Work)
	}
	kind := "AwsApiCall"
	if e.Internal {
		kind = "AwsServiceEvent"
	}
	b = append(b, `,"eventType":"`...)
	b = append(b, kind...)
	return append(b, `","eventCategory":"Management","managementEvent":true}`+"\n"...)
}

// appendTime appends a time in timeForm, in a tenth of the time that formatting
// by the form takes.
func appendTime(b []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	if year < 0 || year > 9999 {
		return t.AppendFormat(b, timeForm)
	}
	hour, minute, second := t.Clock()
	text := [len(timeForm)]byte([]byte(timeForm))
	for _, part := range [...]struct{ end, value int }{
		{4, year}, {7, int(month)}, {10, day}, {13, hour}, {16, minute}, {19, second}, {23, t.Nanosecond() / 1e6},
	} {
		for at, v := part.end-1, part.value; at >= 0 && '0' <= text[at] && text[at] <= '9'; at-- {
			text[at] = byte('0' + v%10)
			v /= 10
		}
	}
	return append(b, text[:]...)
}

// appendMember appends a member that is a text, unless it is empty.
func appendMember(b []byte, name, text string, most int) []byte {
	if text == "" {
		return b
	}
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, `":"`...)
	b = appendText(b, text, most)
	return append(b, '"')
}

func appendUser(b []byte, u *Identity) []byte {
	kind := u.Type
	if kind == "" {
		kind = "Unknown"
	}
	b = append(b, `,"userIdentity":{"type":"`...)
	b = appendText(b, kind, maxText)
	b = append(b, '"')
	b = appendMember(b, "principalId", u.PrincipalID, maxText)
	b = appendMember(b, "arn", u.ARN, maxText)
	b = appendMember(b, "accountId", u.Account, maxText)
	b = appendMember(b, "accessKeyId", u.AccessKeyID, maxText)
	b = appendMember(b, "userName", u.UserName, maxText)
	if s := u.Session; s != nil {
		b = append(b, `,"sessionContext":{"sessionIssuer":{"type":"Role"`...)
		b = appendMember(b, "principalId", s.RoleID, maxText)
		b = appendMember(b, "arn", s.RoleARN, maxText)
		b = appendMember(b, "accountId", u.Account, maxText)
		b = appendMember(b, "userName", s.RoleName, maxText)
		b = append(b, '}')
		if !s.Created.IsZero() {
			b = append(b, `,"attributes":{"creationDate":"`...)
			b = s.Created.UTC().AppendFormat(b, time.RFC3339)
			b = append(b, `","mfaAuthenticated":"false"}`...)
		}
		b = appendMember(b, "sourceIdentity", s.SourceIdentity, maxText)
		b = append(b, '}')
	}
	b = appendMember(b, "invokedBy", u.InvokedBy, maxText)
	return append(b, '}')
}

func appendResources(b []byte, e *Event) []byte {
	if len(e.Resources) == 0 {
		return b
	}
	b = append(b, `,"resources":[`...)
	for i, arn := range e.Resources[:min(len(e.Resources), MaxResources)] {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"ARN":"`...)
		b = appendText(b, arn, maxText)
		b = append(b, '"')
		b = appendMember(b, "accountId", e.Account, maxText)
		b = append(b, '}')
	}
	return append(b, ']')
}

func appendDetails(b []byte, list []Detail) []byte {
	for i, d := range list {
		if i == 0 {
			b = append(b, `,"additionalEventData":{`...)
		} else {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, d.Name...)
		b = append(b, '"', ':')
		if d.Text != "" {
			b = append(b, '"')
			b = appendText(b, d.Text, maxText)
			b = append(b, '"')
		} else {
			b = strconv.AppendInt(b, d.Number, 10)
		}
	}
	if len(list) > 0 {
		b = append(b, '}')
	}
	return b
}

func appendWork(b []byte, w *Work) []byte {
	b = append(b, `,"serviceEventDetails":{"taskId":"`...)
	b = appendText(b, w.Task, maxText)
	b = append(b, '"')
	b = appendMember(b, "actionName", w.Action, maxText)
	b = appendMember(b, "actionType", w.ActionType, maxText)
	b = append(b, `,"changes":[`...)
	for i := range w.Changes {
		c := &w.Changes[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"kind":"`...)
		b = appendText(b, c.Kind, maxSide)
		b = append(b, '"')
		b = appendMember(b, "resource", c.Resource, maxSide)
		b = appendMember(b, "from", c.From, maxSide)
		b = appendMember(b, "to", c.To, maxSide)
		b = append(b, '}')
	}
	return append(b, ']', '}')
}

// appendID appends a random UUID (RFC 9562, version 4). It is no secret.
func appendID(b []byte) []byte {
	var id [16]byte
	binary.NativeEndian.PutUint64(id[:8], rand.Uint64())
	binary.NativeEndian.PutUint64(id[8:], rand.Uint64())
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	for i, part := range [][]byte{id[:4], id[4:6], id[6:8], id[8:10], id[10:]} {
		if i > 0 {
			b = append(b, '-')
		}
		b = hex.AppendEncode(b, part)
	}
	return b
}

// appendText appends the inside of a JSON string of at most so many bytes of
// text.
func appendText(b []byte, text string, most int) []byte {
	if len(text) > most {
		for most > 0 && !utf8.RuneStart(text[most]) {
			most--
		}
		text = text[:most]
	}
	from := 0
	for i := 0; i < len(text); {
		if plain[text[i]] {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		if r >= 0xa0 && (r != utf8.RuneError || size > 1) {
			i += size
			continue
		}
		b = append(b, text[from:i]...)
		b = appendEscaped(b, r)
		i += size
		from = i
	}
	return append(b, text[from:]...)
}

// plain are the bytes that stand for themselves in a JSON string.
var plain = func() (set [256]bool) {
	for c := byte(' '); c < 0x7f; c++ {
		set[c] = c != '"' && c != '\\'
	}
	return set
}()

func appendEscaped(b []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(b, '\\', byte(r))
	case '\n':
		return append(b, '\\', 'n')
	}
	const digits = "0123456789abcdef"
	b = append(b, '\\', 'u')
	for shift := 12; shift >= 0; shift -= 4 {
		b = append(b, digits[r>>shift&15])
	}
	return b
}

// lineTime is the time that a line begins with, as text, or "" for what is no
// line.
func lineTime(line []byte) []byte {
	if len(line) < timeAt+len(timeForm) || string(line[:timeAt]) != lineHead {
		return nil
	}
	return line[timeAt : timeAt+len(timeForm)]
}

// millisOf is when the event of a line was, in milliseconds since 1970, or 0 for
// what is no line.
func millisOf(line []byte) int64 {
	t, err := time.Parse(timeForm, string(lineTime(line)))
	if err != nil {
		return 0
	}
	return t.UnixMilli()
}

// lineAccount is whose event a line is, or nil where nobody's.
func lineAccount(line []byte) []byte {
	const digits = 12
	if len(line) < accountAt+digits || string(line[accountAt-len(accountHead):accountAt]) != accountHead {
		return nil
	}
	return line[accountAt : accountAt+digits]
}

// lineID is the eventID in a line, or nil.
func lineID(line []byte) []byte {
	const head, length = `,"eventID":"`, 36
	at := bytes.LastIndex(line, []byte(head))
	if at < 0 || at+len(head)+length > len(line) {
		return nil
	}
	return line[at+len(head) : at+len(head)+length]
}
