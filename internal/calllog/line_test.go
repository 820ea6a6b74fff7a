package calllog

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// parsed is a line as JSON, without its eventID, which must be there.
func parsed(t *testing.T, e *Event) map[string]any {
	t.Helper()
	line := AppendLine(nil, e)
	if n := bytes.IndexByte(line, '\n'); n != len(line)-1 {
		t.Errorf("got a line feed at %d of %q, want one at the end", n, line)
	}
	var out map[string]any
	if err := json.Unmarshal(line, &out); err != nil {
		t.Fatalf("%v of %s", err, line)
	}
	if id, _ := out["eventID"].(string); len(id) != 36 || string(lineID(line)) != id {
		t.Errorf("got event id %q and %q", id, lineID(line))
	}
	if got := out["recipientAccountId"]; got != nil && string(lineAccount(line)) != got {
		t.Errorf("got account %q, want %q", lineAccount(line), got)
	}
	if millisOf(line) != e.Time.UnixMilli() {
		t.Errorf("got time %d, want %d", millisOf(line), e.Time.UnixMilli())
	}
	delete(out, "eventID")
	return out
}

func TestALineHasTheFieldsOfCloudTrail(t *testing.T) {
	user, role, stranger, work, sum := aCall(), aCall(), aCall(), aCall(), aCall()
	user.User = Identity{
		Type: "IAMUser", PrincipalID: "AIDA1", ARN: "arn:aws:iam::111111111111:user/ann", Account: "111111111111",
		AccessKeyID: "AKIA1", UserName: "ann",
	}
	user.ErrorCode, user.ErrorMessage, user.ReadOnly, user.Resources = "ThrottlingException", "Rate exceeded", true, nil
	role.User = Identity{
		Type: "AssumedRole", PrincipalID: "AROA1:s", ARN: "arn:aws:sts::111111111111:assumed-role/R/s",
		Account: "111111111111", AccessKeyID: "ASIA1", Session: &Session{
			RoleARN: "arn:aws:iam::111111111111:role/x/R", RoleID: "AROA1", RoleName: "R", SourceIdentity: "ann",
			Created: time.Unix(1, 5e8),
		},
	}
	*stranger = Event{Time: stranger.Time, SourceIP: "192.0.2.7", RequestID: "r", ErrorCode: "InvalidSignatureException"}
	*work = Event{
		Time: work.Time, Source: "iot.amazonaws.com", Name: "ApplyMitigationAction", Account: "111111111111", Internal: true,
		User: Identity{Type: "AssumedRole", InvokedBy: "iot.amazonaws.com", Session: &Session{RoleARN: "arn"}},
		Work: &Work{Task: "t", Action: "a", ActionType: "T", Changes: []Change{{"k", "r", "f", "t"}, {Kind: "k"}}},
	}
	*sum = Event{Time: sum.Time, Internal: true, Details: []Detail{{Name: "calls", Number: 7}, {Name: "since", Text: "x"}}}
	const head = `{"eventVersion":"1.11","eventTime":"2026-03-04T05:06:07.008Z",`
	const tail = `,"eventCategory":"Management","managementEvent":true}`
	const call = `"recipientAccountId":"111111111111","eventSource":"iot.amazonaws.com","eventName":"CreateThing",
		"awsRegion":"eu-central-1","sourceIPAddress":"192.0.2.7","requestID":"8d0cb7a1-6f77-4d7e-9a52-0c5b7f6f2b7e",
		"userAgent":"aws-sdk-go-v2/1.41.0 ua/2.1 os/linux lang/go#1.26 md/GOOS#linux md/GOARCH#amd64 api/iot#1.72.0 m/E,e",
		"eventType":"AwsApiCall",`
	const thing = `,"resources":[{"ARN":"arn:aws:iot:eu-central-1:111111111111:thing/pump-1","accountId":"111111111111"}]`
	for _, tt := range []struct {
		name string
		e    *Event
		want string
	}{
		{"a call of the root user", aCall(), call + `"readOnly":false,"userIdentity":{"type":"Root",
			"principalId":"111111111111","arn":"arn:aws:iam::111111111111:root","accountId":"111111111111",
			"accessKeyId":"AKIAIOSFODNN7EXAMPLE"}` + thing},
		{"a refused call of a user", user, call + `"readOnly":true,"userIdentity":{"type":"IAMUser","principalId":"AIDA1",
			"arn":"arn:aws:iam::111111111111:user/ann","accountId":"111111111111","accessKeyId":"AKIA1","userName":"ann"},
			"errorCode":"ThrottlingException","errorMessage":"Rate exceeded"`},
		{"a call of a session", role, call + `"readOnly":false,"userIdentity":{"type":"AssumedRole","principalId":"AROA1:s",
			"arn":"arn:aws:sts::111111111111:assumed-role/R/s","accountId":"111111111111","accessKeyId":"ASIA1",
			"sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROA1","arn":"arn:aws:iam::111111111111:role/x/R",
			"accountId":"111111111111","userName":"R"},"attributes":{"creationDate":"1970-01-01T00:00:01Z",
			"mfaAuthenticated":"false"},"sourceIdentity":"ann"}}` + thing},
		{"a call without a valid signature", stranger, `"sourceIPAddress":"192.0.2.7","requestID":"r","readOnly":false,
			"userIdentity":{"type":"Unknown"},"errorCode":"InvalidSignatureException","eventType":"AwsApiCall"`},
		{"work of a service", work, `"recipientAccountId":"111111111111","eventSource":"iot.amazonaws.com",
			"eventName":"ApplyMitigationAction","userIdentity":{"type":"AssumedRole",
			"sessionContext":{"sessionIssuer":{"type":"Role","arn":"arn"}},"invokedBy":"iot.amazonaws.com"},"readOnly":false,
			"serviceEventDetails":{"taskId":"t","actionName":"a","actionType":"T","changes":[
			{"kind":"k","resource":"r","from":"f","to":"t"},{"kind":"k"}]},"eventType":"AwsServiceEvent"`},
		{"what Cordon says", sum, `"userIdentity":{"type":"Unknown"},"readOnly":false,
			"additionalEventData":{"calls":7,"since":"x"},"eventType":"AwsServiceEvent"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var want map[string]any
			if err := json.Unmarshal([]byte(head+tt.want+tail), &want); err != nil {
				t.Fatal(err)
			}
			if got := parsed(t, tt.e); !reflect.DeepEqual(got, want) {
				t.Errorf("got  %v\nwant %v", got, want)
			}
		})
	}
}

func TestTextsOfCallersAreMadeHarmless(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"quotes and backslashes", `"a\`, `"a\`},
		{"lines", "a\nb\r\t\x00", "a\nb\r\t\x00"},
		{"what moves a cursor", "\x1b[2J\u009b\x7f", "\x1b[2J\u009b\x7f"},
		{"what is no UTF-8", "a\xffb\xc3", "a\ufffdb\ufffd"},
		{"letters", "ä日本😀", "ä日本😀"},
		{"an end of another record", `","recipientAccountId":"222222222222`, `","recipientAccountId":"222222222222`},
		{"too long a text", strings.Repeat("x", 5000), strings.Repeat("x", maxUserAgent)},
		{"too long a text of wide letters", strings.Repeat("日", 500), strings.Repeat("日", maxUserAgent/3)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := aCall()
			e.UserAgent = tt.text
			if got := parsed(t, e)["userAgent"]; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			for _, c := range string(bytes.TrimSuffix(AppendLine(nil, e), []byte("\n"))) {
				if c < ' ' || c >= 0x7f && c < 0xa0 {
					t.Errorf("got %q in the line, which moves a cursor", c)
				}
			}
		})
	}
}

func TestALineIsBounded(t *testing.T) {
	e := aCall()
	long := strings.Repeat("\x00", 1<<20)
	for range 100 {
		e.Resources = append(e.Resources, long)
	}
	e.ErrorMessage, e.ErrorCode, e.Name, e.User.ARN = long, long, long, long
	if n := len(AppendLine(nil, e)); n > 400<<10 {
		t.Errorf("got a line of %d bytes", n)
	}
	if list := parsed(t, e)["resources"].([]any); len(list) != MaxResources {
		t.Errorf("got %d resources, want %d", len(list), MaxResources)
	}
}

// FuzzALine holds that every event becomes one line of JSON.
func FuzzALine(f *testing.F) {
	f.Add("a", "b", "c")
	f.Add("\"\\\n\xff", "\u2028", "\x7f\xc2\x80")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		e := aCall()
		e.UserAgent, e.ErrorMessage, e.Resources = a, b, []string{c}
		parsed(t, e)
	})
}

// Bodies that are stored cannot be read with another dictionary.
func TestTheDictionaryStaysAsItIs(t *testing.T) {
	sum := sha256.Sum256(Dictionary)
	if got, want := hex.EncodeToString(sum[:8]), "383f2499e82e7981"; got != want {
		t.Errorf("got a dictionary with digest %s, want %s", got, want)
	}
}

func TestReadingOperationsAreKnownByName(t *testing.T) {
	for name, want := range map[string]bool{
		"DescribeThing": true, "ListThings": true, "GetPolicy": true, "SearchIndex": true, "AssumeRole": true,
		"TestAuthorization": true, "SimulatePrincipalPolicy": true, "CreateThing": false, "UpdateThing": false,
		"Publish": false, "": false, "StartOnDemandAuditTask": false,
	} {
		if got := ReadOnly(name); got != want {
			t.Errorf("got %v for %s, want %v", got, name, want)
		}
	}
}

func TestCallsOfStrangersAreCountedBeyondARate(t *testing.T) {
	var s stranger
	e := &Event{Time: time.Unix(1000, 0), ErrorCode: "InvalidSignatureException", SourceIP: "192.0.2.7"}
	own := 0
	for n := range 5000 {
		e.Time = e.Time.Add(time.Millisecond)
		if n%1000 == 999 {
			e.ErrorCode = fmt.Sprint("Other", n)
		}
		if s.admit(e) {
			own++
		}
	}
	// A hundred at once, and ten a second for five seconds.
	if own < 148 || own > 151 {
		t.Errorf("got %d records of 5,000 calls within 5 seconds, want 150", own)
	}
	if got := s.sum(e.Time, false); got != nil {
		t.Errorf("got %+v after 4 seconds, want nothing yet", got)
	}
	sum := s.sum(e.Time.Add(sumEvery), false)
	total := int64(0)
	for _, d := range sum.Details {
		if d.Name == "calls" {
			total = d.Number
		}
	}
	if total != int64(5000-own) || sum.SourceIP != "192.0.2.7" || len(sum.Details) != 8 {
		t.Errorf("got %+v, want the %d others, by their 6 codes", sum, 5000-own)
	}
	if again := s.sum(e.Time.Add(time.Hour), true); again != nil {
		t.Errorf("got %+v, want nothing twice", again)
	}
	for n := range 10_000 {
		e.ErrorCode = fmt.Sprint(n)
		s.admit(e)
	}
	if len(s.counts) > maxCodes+1 {
		t.Errorf("got %d codes, want %d at most", len(s.counts), maxCodes+1)
	}
}

func TestTimesHaveTheirForm(t *testing.T) {
	zone := time.FixedZone("", -5*3600)
	for _, at := range []time.Time{
		{}, time.Unix(0, 0), time.Date(2026, 11, 22, 21, 15, 9, 999_999_999, time.UTC),
		time.Date(2026, 1, 2, 3, 4, 5, 60_000_000, zone), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		if got, want := string(appendTime(nil, at)), at.UTC().Format(timeForm); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
