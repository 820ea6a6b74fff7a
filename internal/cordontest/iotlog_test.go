package cordontest_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/mqtt"
	"github.com/cordon-iot/cordon/internal/mqtt/mqtttest"
	"github.com/cordon-iot/cordon/internal/server"
)

// speaking is what a device that speaks may do: everything but one topic.
const speaking = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"},
	{"Effect":"Deny","Action":["iot:Publish","iot:Subscribe"],"Resource":"arn:aws:iot:*:*:*/secret/*"}]}`

// logged is a Cordon with a log and a device.
type logged struct {
	*cordontest.Cordon
	device *cordontest.Device
	path   string
	read   int
}

func newLogged(t *testing.T) *logged {
	cfg := cordontest.Settings(t, "sqlite")
	cfg.IoTLog, cfg.IoTLogMaxBytes = filepath.Join(t.TempDir(), "iot.log"), 1<<30
	c := cordontest.Start(t, cfg, server.Options{})
	cordontest.Policy(t, c.IoT(), "Speaking", speaking)
	return &logged{Cordon: c, device: cordontest.NewDevice(t, c.IoT(), "Speaking"), path: cfg.IoTLog}
}

// logEntry is an entry as a reader of AWS IoT's logs knows it.
type logEntry struct {
	LogLevel, Status, EventType, TopicName, ClientID, PrincipalID, Protocol, AccountID, Reason, DisconnectReason string
}

// fresh are the entries that are new.
func (l *logged) fresh(t *testing.T) (entries []logEntry) {
	t.Helper()
	all, err := os.ReadFile(l.path)
	if err != nil {
		t.Fatal(err)
	}
	end := strings.LastIndexByte(string(all), '\n') + 1
	for line := range strings.Lines(string(all[l.read:end])) {
		var e logEntry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		entries = append(entries, e)
	}
	l.read = end
	return entries
}

// speak is a life of a device: it connects, hears itself, is refused a filter
// and disconnects.
func (l *logged) speak(t *testing.T, id string) {
	t.Helper()
	c := l.MustConnect(t, l.device, cordontest.Hello(mqtt.V5, id))
	codes, err := c.Subscribe(1, "a/"+id, "secret/#")
	if err != nil || !slices.Equal(codes, []mqtt.ReasonCode{1, mqtt.NotAuthorized}) {
		t.Fatalf("subscribe: %v, %v", codes, err)
	}
	if err := c.Publish("a/"+id, "x", 1); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Message(); err != nil {
		t.Fatal(err)
	}
	if err := c.Disconnect(); err != nil {
		t.Fatal(err)
	}
}

// entries speaks until what is logged of it, in whatever order, is as the test
// wants it: settings take a second to be seen.
func (l *logged) entries(t *testing.T, id string, want []string) {
	t.Helper()
	var got []string
	slices.Sort(want)
	for end := time.Now().Add(cordontest.Deadline); time.Now().Before(end); {
		l.speak(t, id)
		if got = l.settled(t, id, len(want)); slices.Equal(got, want) {
			return
		}
	}
	t.Fatalf("got %q, want %q", got, want)
}

// settled are the new entries of a client once the log has as many as it should,
// or for a second has not.
func (l *logged) settled(t *testing.T, id string, want int) (got []string) {
	t.Helper()
	for end := time.Now().Add(time.Second); ; time.Sleep(20 * time.Millisecond) {
		for _, e := range l.fresh(t) {
			if e.ClientID == id {
				got = append(got, strings.TrimSpace(e.LogLevel+" "+e.Status+" "+e.EventType+" "+e.TopicName))
			}
		}
		if over := time.Now().After(end); over || len(got) >= want && want > 0 {
			slices.Sort(got)
			return got
		}
	}
}

func TestTheIoTLogFollowsItsSettings(t *testing.T) {
	t.Parallel()
	l := newLogged(t)
	other := l.NewAccount(t, "222222222222")
	setIn := func(c *iot.Client, account string, level types.LogLevel) {
		t.Helper()
		_, err := c.SetV2LoggingOptions(t.Context(), &iot.SetV2LoggingOptionsInput{
			RoleArn: aws.String("arn:aws:iam::" + account + ":role/CordonTest"), DefaultLogLevel: level,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	set := func(c *iot.Client, level types.LogLevel) {
		t.Helper()
		setIn(c, cordontest.Account, level)
	}
	everything := func(id string) []string {
		return []string{"INFO Success Connect", "INFO Success Subscribe a/" + id, "ERROR Failure Subscribe secret/#",
			"INFO Success Publish-In a/" + id, "INFO Success Publish-Out a/" + id, "INFO Success Disconnect"}
	}
	setIn(other, "222222222222", types.LogLevelDebug)
	l.entries(t, "before", nil)
	set(l.IoT(), types.LogLevelInfo)
	l.entries(t, "all", everything("all"))
	set(l.IoT(), types.LogLevelError)
	l.entries(t, "refusals", []string{"ERROR Failure Subscribe secret/#"})
	_, err := l.IoT().SetV2LoggingLevel(t.Context(), &iot.SetV2LoggingLevelInput{
		LogTarget: &types.LogTarget{TargetType: types.LogTargetTypeClientId, TargetName: aws.String("target")},
		LogLevel:  types.LogLevelInfo,
	})
	if err != nil {
		t.Fatal(err)
	}
	l.entries(t, "target", everything("target"))
	l.entries(t, "no-target", []string{"ERROR Failure Subscribe secret/#"})
	set(l.IoT(), types.LogLevelDisabled)
	l.entries(t, "after", nil)
}

func TestTheIoTLogSaysWhatWasRefusedAndWhy(t *testing.T) {
	t.Parallel()
	l := newLogged(t)
	_, err := l.IoT().SetV2LoggingOptions(t.Context(), &iot.SetV2LoggingOptionsInput{
		RoleArn: aws.String(cordontest.RoleARN), DefaultLogLevel: types.LogLevelError,
	})
	if err != nil {
		t.Fatal(err)
	}
	await := func(what string, act func(), is func(e logEntry) bool) {
		t.Helper()
		for end := time.Now().Add(cordontest.Deadline); time.Now().Before(end); {
			act()
			for try := 0; try < 50; try++ {
				if slices.ContainsFunc(l.fresh(t), is) {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		}
		t.Fatalf("%s is not in the log", what)
	}
	connect := func() *mqtttest.Client { return l.MustConnect(t, l.device, cordontest.Hello(mqtt.V5, "c")) }
	await("a refused publish", func() {
		if err := connect().Send(&mqtt.Publish{Topic: "secret/x"}); err != nil {
			t.Fatal(err)
		}
	}, func(e logEntry) bool {
		return e.EventType == "Publish-In" && e.Status == "Failure" && e.Reason == "AUTHORIZATION_FAILURE" &&
			e.TopicName == "secret/x" && e.PrincipalID == l.device.ID && e.Protocol == "MQTT" &&
			e.AccountID == cordontest.Account
	})
	await("a client id taken over", func() { connect(); connect() }, func(e logEntry) bool {
		return e.EventType == "Disconnect" && e.Reason == "DUPLICATE_CLIENT_ID" && e.ClientID == "c" &&
			e.DisconnectReason == "DUPLICATE_CLIENTID"
	})
	l.device.SetStatus(t, l.IoT(), types.CertificateStatusInactive)
	await("a certificate that is not active", func() {
		if c, err := l.Connect(t, l.device, cordontest.Hello(mqtt.V5, "c")); err == nil {
			t.Fatalf("it was let in with %s", c.Connack.Code)
		}
	}, func(e logEntry) bool {
		return e.EventType == "Connect" && e.Status == "Failure" && e.PrincipalID == l.device.ID
	})
}
