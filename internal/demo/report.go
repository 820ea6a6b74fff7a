package demo

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// report is the document of --json.
type report struct {
	Devices      int                `json:"devices"`
	Server       serverReport       `json:"server"`
	Registration registrationReport `json:"registration"`
	Live         liveReport         `json:"live"`
	Audit        auditReport        `json:"audit"`
	Mitigation   mitigationReport   `json:"mitigation"`
	AuditAfter   auditReport        `json:"auditAfter"`
	Proofs       []proof            `json:"proofs"`
	Holds        bool               `json:"holds"`
	Seconds      seconds            `json:"seconds"`
}

type serverReport struct {
	Endpoint        string  `json:"endpoint"`
	Region          string  `json:"region"`
	CredentialsFile string  `json:"credentialsFile"`
	ReadyAfter      seconds `json:"readyAfterSeconds"`
}

type registrationReport struct {
	CACertificates int           `json:"caCertificates"`
	Certificates   int           `json:"certificates"`
	Things         int           `json:"things"`
	ThingGroups    int           `json:"thingGroups"`
	Policies       int           `json:"policies"`
	Planted        plantedReport `json:"planted"`
	Calls          int64         `json:"calls"`
	Seconds        seconds       `json:"seconds"`
	CallsPerSecond float64       `json:"callsPerSecond"`
}

type plantedReport struct {
	Expired               int  `json:"expiredCertificates"`
	Expiring              int  `json:"expiringCertificates"`
	Weak                  int  `json:"weakKeys"`
	ExpiringCAs           int  `json:"expiringCaCertificates"`
	BroadPolicies         int  `json:"broadPolicies"`
	MisconfiguredPolicies int  `json:"misconfiguredPolicies"`
	LoggingOff            bool `json:"loggingOff"`
}

// liveReport is about the devices that connect. The last connection that ended
// is counted from the call of StartAuditMitigationActionsTask on.
type liveReport struct {
	Devices          int     `json:"devices"`
	Connected        int     `json:"connected"`
	Seconds          seconds `json:"seconds"`
	Dropped          int     `json:"dropped"`
	LastDroppedAfter seconds `json:"lastDroppedAfterSeconds"`
}

type auditReport struct {
	TaskID   string        `json:"taskId"`
	Status   string        `json:"status"`
	Findings int           `json:"findings"`
	Checks   []checkReport `json:"checks"`
	Seconds  seconds       `json:"seconds"`

	found []fault
}

type checkReport struct {
	Check        string         `json:"check"`
	Severity     string         `json:"severity,omitempty"` // as its findings say
	Status       string         `json:"status"`
	Resources    int64          `json:"resources"`
	NonCompliant int64          `json:"nonCompliant"`
	Reasons      map[string]int `json:"reasons"` // findings by reason code
	Message      string         `json:"message,omitempty"`
}

type mitigationReport struct {
	TaskID    string            `json:"taskId"`
	Status    string            `json:"status"`
	Succeeded int64             `json:"succeeded"`
	Failed    int64             `json:"failed"` // or canceled
	Checks    []mitigatedReport `json:"checks"`
	Seconds   seconds           `json:"seconds"`
}

type mitigatedReport struct {
	Check     string   `json:"check"`
	Actions   []string `json:"actions"`
	Total     int64    `json:"total"`
	Succeeded int64    `json:"succeeded"`
	Failed    int64    `json:"failed"`
	Skipped   int64    `json:"skipped"`
	Canceled  int64    `json:"canceled"`
}

// seconds is a duration to the millisecond.
type seconds float64

func since(t time.Time) seconds {
	return seconds(math.Max(1, math.Round(float64(time.Since(t))/1e6)) / 1e3)
}

// String shows two digits behind the point, or one from ten seconds on.
func (s seconds) String() string {
	if s >= 10 {
		return fmt.Sprintf("%.1f s", float64(s))
	}
	return fmt.Sprintf("%.2f s", float64(s))
}

// count writes a number that is not negative with commas between thousands.
func count(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
