package cordontest_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/cordon-iot/cordon/internal/awswire/conform"
	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/server"
)

// told stands in what an account keeps, and in no request of a stranger: where
// an answer has it, that answer tells what it must not.
const told = "told-to-nobody"

// household is an account with one of everything.
type household struct {
	*testing.T
	*cordontest.Cordon
	facts map[string]*conform.Facts // by signing name
	known map[string]any            // what there is, by the names of members in lower case
}

// do makes a call that must succeed and returns its answer.
func (h *household) do(to conform.Endpoint, service, operation string, input map[string]any) string {
	h.Helper()
	a, err := h.facts[service].Send(h.Context(), to, operation, input)
	if err != nil || a.Status != http.StatusOK {
		h.Fatalf("%s: got %d %s %q, %v, want success", operation, a.Status, a.Code, a.Text, err)
	}
	return string(a.Body)
}

// part is what an expression with one group finds in an answer.
func (h *household) part(answer, expression string) string {
	h.Helper()
	found := regexp.MustCompile(expression).FindStringSubmatch(answer)
	if found == nil {
		h.Fatalf("got %s, want it to have %s", answer, expression)
	}
	return found[1]
}

type object = map[string]any

const (
	allowAll = `{"Version":"2012-10-17","Statement":[{"Sid":"toldtonobody","Effect":"Allow","Action":"*",` +
		`"Resource":"*"}]}`
	trustIoT = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"iot.amazonaws.com"},` +
		`"Action":"sts:AssumeRole"}]}`
)

// furnish makes one of everything in the operator's account.
func furnish(t *testing.T) *household {
	t.Helper()
	h := &household{T: t, Cordon: cordontest.Start(t, cordontest.Settings(t, "sqlite"), server.Options{})}
	h.facts, h.known = map[string]*conform.Facts{}, map[string]any{}
	for _, s := range h.Services() {
		h.facts[s.SigningName] = factsOf(t, s)
	}
	h.identities()
	h.devices()
	h.audits()
	h.topics()
	return h
}

func (h *household) identities() {
	do := func(operation string, input object) string { return h.do(root(h.Cordon), "iam", operation, input) }
	h.known["rolearn"] = h.part(do("CreateRole", object{
		"RoleName": "home-role", "AssumeRolePolicyDocument": trustIoT, "Description": told,
	}), `<Arn>(.*?)</Arn>`)
	do("PutRolePolicy", object{"RoleName": "home-role", "PolicyName": "home-policy", "PolicyDocument": allowAll})
	h.known["policyarn"] = h.part(do("CreatePolicy", object{
		"PolicyName": "home-policy", "PolicyDocument": allowAll, "Description": told,
	}), `<Arn>(.*?)</Arn>`)
	h.known["policysourcearn"] = h.part(do("CreateUser", object{"UserName": "home-user", "Path": "/home/"}),
		`<Arn>(.*?)</Arn>`)
	h.known["arn"] = h.known["policysourcearn"]
	do("PutUserPolicy", object{"UserName": "home-user", "PolicyName": "home-policy", "PolicyDocument": allowAll})
	do("AttachUserPolicy", object{"UserName": "home-user", "PolicyArn": h.known["policyarn"]})
	h.known["accesskeyid"] = h.part(do("CreateAccessKey", object{"UserName": "home-user"}), `<AccessKeyId>(.*?)<`)
	h.known["rolename"], h.known["username"], h.known["policyname"] = "home-role", "home-user", "home-policy"
}

func (h *household) devices() {
	do := func(operation string, input object) string { return h.do(root(h.Cordon), "iot", operation, input) }
	do("CreateThingType", object{
		"thingTypeName": "home-type", "thingTypeProperties": object{"thingTypeDescription": told},
	})
	do("CreateThing", object{"thingName": "home-thing", "attributePayload": object{"attributes": object{"note": told}}})
	do("CreateThingGroup", object{
		"thingGroupName": "home-group", "thingGroupProperties": object{"thingGroupDescription": told},
	})
	do("AddThingToThingGroup", object{"thingName": "home-thing", "thingGroupName": "home-group"})
	do("CreatePolicy", object{"policyName": "home-policy", "policyDocument": strings.Replace(
		cordontest.AllowAll, `"Resource":"*"`, `"Resource":"arn:aws:iot:us-east-1:000000000000:topic/`+told+`"`, 1)})
	cert := do("CreateKeysAndCertificate", object{"setAsActive": true})
	arn := h.part(cert, `"certificateArn":"(.*?)"`)
	do("AttachPolicy", object{"policyName": "home-policy", "target": arn})
	do("AttachThingPrincipal", object{"thingName": "home-thing", "principal": arn})
	do("CreateRoleAlias", object{"roleAlias": "home-alias", "roleArn": h.known["rolearn"]})
	maps.Copy(h.known, object{
		"thingname": "home-thing", "thinggroupname": "home-group", "thingtypename": "home-type", "target": arn,
		"certificateid": h.part(cert, `"certificateId":"(.*?)"`), "principal": arn, "rolealias": "home-alias",
		"resourcearn": "arn:aws:iot:us-east-1:000000000000:thing/home-thing", "clientid": "home-thing",
	})
}

func (h *household) audits() {
	do := func(operation string, input object) string { return h.do(root(h.Cordon), "iot", operation, input) }
	const check = "LOGGING_DISABLED_CHECK"
	do("UpdateAccountAuditConfiguration", object{
		"roleArn": h.known["rolearn"], "auditCheckConfigurations": object{check: object{"enabled": true}},
	})
	do("CreateScheduledAudit", object{
		"scheduledAuditName": "home-audit", "frequency": "DAILY", "targetCheckNames": []any{check},
	})
	do("CreateMitigationAction", object{
		"actionName": "home-action", "roleArn": h.known["rolearn"],
		"actionParams": object{"updateDeviceCertificateParams": object{"action": "DEACTIVATE"}},
	})
	do("CreateAuditSuppression", object{
		"checkName": check, "description": told, "suppressIndefinitely": true,
		"resourceIdentifier": object{"account": cordontest.Account},
	})
	id := h.part(do("StartOnDemandAuditTask", object{"targetCheckNames": []any{check}}), `"taskId":"(.*?)"`)
	for end := time.Now().Add(cordontest.Deadline); ; time.Sleep(10 * time.Millisecond) {
		if strings.Contains(do("DescribeAuditTask", object{"taskId": id}), "COMPLETED") {
			break
		}
		if time.Now().After(end) {
			h.Fatal("the audit does not end")
		}
	}
	maps.Copy(h.known, object{
		"taskid": id, "audittaskid": id, "actionname": "home-action", "scheduledauditname": "home-audit",
	})
}

func (h *household) topics() {
	topic := h.part(h.do(root(h.Cordon), "sns", "CreateTopic", object{
		"Name": "home-topic", "Attributes": object{"DisplayName": told},
	}), `<TopicArn>(.*?)</TopicArn>`)
	h.known["subscriptionarn"] = h.part(h.do(root(h.Cordon), "sns", "Subscribe", object{
		"TopicArn": topic, "Protocol": "email", "Endpoint": told + "@example.com", "ReturnSubscriptionArn": true,
	}), `<SubscriptionArn>(.*?)</SubscriptionArn>`)
	h.known["topicarn"] = topic
}

// stranger is somebody who may do nothing in the household.
type stranger struct {
	name string
	to   conform.Endpoint
	arn  string // of a user without policies, to whom everything is denied
}

// user makes a user with an access key, by a key of its account.
func (h *household) user(to conform.Endpoint, name, policy string) conform.Endpoint {
	h.do(to, "iam", "CreateUser", object{"UserName": name})
	if policy != "" {
		h.do(to, "iam", "AttachUserPolicy", object{"UserName": name, "PolicyArn": policy})
	}
	key := h.do(to, "iam", "CreateAccessKey", object{"UserName": name})
	to.Key = aws.Credentials{
		AccessKeyID:     h.part(key, `<AccessKeyId>(.*?)</AccessKeyId>`),
		SecretAccessKey: h.part(key, `<SecretAccessKey>(.*?)</SecretAccessKey>`),
	}
	return to
}

// TestStrangersAreRefusedEveryOperation calls everything that the server serves
// with what is in an account, as somebody who has no permission and as two who
// have every permission in an account of their own. A new operation is tried as
// soon as it is served.
func TestStrangersAreRefusedEveryOperation(t *testing.T) {
	t.Parallel()
	h := furnish(t)
	key, err := h.Identity().CreateAccount(t.Context(), "999999999999", "")
	if err != nil {
		t.Fatal(err)
	}
	foreign := root(h.Cordon)
	foreign.Key = aws.Credentials{AccessKeyID: key.ID, SecretAccessKey: key.Secret}
	for _, s := range []stranger{
		{"a user without policies", h.user(root(h.Cordon), "nobody", ""), "arn:aws:iam::000000000000:user/nobody"},
		{"the root of another account", foreign, ""},
		{"an administrator of another account",
			h.user(foreign, "admin", "arn:aws:iam::aws:policy/AdministratorAccess"), ""},
	} {
		t.Run(s.name, func(t *testing.T) {
			before := h.rows(t)
			tried := 0
			for _, service := range slices.Sorted(maps.Keys(h.facts)) {
				for _, op := range h.facts[service].Served() {
					if op.Served.IsOpen() {
						continue
					}
					tried++
					h.try(t, s, service, op.Name)
				}
			}
			after := h.rows(t)
			for _, table := range slices.Sorted(maps.Keys(after)) {
				if before[table] != after[table] {
					t.Errorf("%s: got %s, want %s as before", table, after[table], before[table])
				}
			}
			if tried < 200 {
				t.Errorf("got %d operations tried, want all", tried)
			}
			t.Logf("%d operations tried", tried)
		})
	}
}

// try makes a call as a stranger, with what is there, and where everything is
// denied also with nothing.
func (h *household) try(t *testing.T, s stranger, service, operation string) {
	t.Helper()
	f := h.facts[service]
	inputs := []object{f.Input(t, operation, h.known)}
	if s.arn != "" {
		inputs = append(inputs, f.Labels(t, operation))
	}
	for _, input := range inputs {
		a, err := f.Send(t.Context(), s.to, operation, input)
		text, badInput := json.Marshal(input)
		if err != nil || badInput != nil {
			t.Errorf("%s: %v, %v", operation, err, badInput)
			continue
		}
		if s.arn != "" {
			h.denied(t, s, service, operation, a)
			continue
		}
		body := string(a.Body)
		names := !repeats[operation] && strings.Contains(body, cordontest.Account) &&
			!strings.Contains(string(text), cordontest.Account)
		if a.Status >= http.StatusInternalServerError || names || strings.Contains(body, told) ||
			strings.Contains(body, "toldtonobody") {
			t.Errorf("%s with %s: got %d %s, want nothing told of another account", operation, text, a.Status, body)
		}
	}
}

// repeats are the operations whose answers have what a stranger itself said
// before: its calls are recorded for it.
var repeats = map[string]bool{"ExportCallRecords": true}

// denied holds that an answer is a refusal in the form of its service, with the
// sentence of AWS.
func (h *household) denied(t *testing.T, s stranger, service, operation string, a conform.Answer) {
	t.Helper()
	code, status := "AccessDeniedException", http.StatusForbidden
	switch service {
	case "sts", "iam":
		code = "AccessDenied"
	case "sns":
		code = "AuthorizationError"
	case "cognito-identity":
		status = http.StatusBadRequest
	}
	sentence := fmt.Sprintf("User: %s is not authorized to perform: ", s.arn)
	if a.Code != code || a.Status != status || !strings.Contains(a.Text, sentence) {
		t.Errorf("%s:%s: got %d %s %q, want %d %s with %q", service, operation, a.Status, a.Code, a.Text, status, code,
			sentence)
	}
}

// volatile are tables and columns that calls change which change nothing.
var volatile = regexp.MustCompile(`^call_|last_used`)

// rows is all that is stored of the operator's account, by table.
func (h *household) rows(t *testing.T) map[string]string {
	t.Helper()
	query := func(text string) (list [][]any) {
		rows, err := h.Store().SQLite().QueryContext(t.Context(), text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		defer rows.Close()
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			row, to := make([]any, len(columns)), make([]any, len(columns))
			for i := range row {
				to[i] = &row[i]
			}
			if err := rows.Scan(to...); err != nil {
				t.Fatal(err)
			}
			list = append(list, row)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		return list
	}
	columns, ofAccount := map[string][]string{}, map[string]bool{}
	for _, row := range query(`SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c ` +
		`WHERE m.type = 'table'`) {
		table, column := fmt.Sprint(row[0]), fmt.Sprint(row[1])
		if column == "account" {
			ofAccount[table] = true
		}
		if !volatile.MatchString(table) && !volatile.MatchString(column) {
			columns[table] = append(columns[table], column)
		}
	}
	all := map[string]string{}
	for table := range ofAccount {
		if list := columns[table]; list != nil {
			all[table] = fmt.Sprintf("%q", query(`SELECT `+strings.Join(list, ", ")+` FROM `+table+
				` WHERE account = '`+cordontest.Account+`' ORDER BY rowid`))
		}
	}
	return all
}
