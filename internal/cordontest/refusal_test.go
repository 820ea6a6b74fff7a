package cordontest_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/cordon-iot/cordon/internal/awswire/conform"
	"github.com/cordon-iot/cordon/internal/cordontest"
)

// TestBadInputIsRefused gives services what they must not take, as root of the
// account. Nothing of it is stored.
func TestBadInputIsRefused(t *testing.T) {
	t.Parallel()
	h := furnish(t)
	guest := h.user(root(h.Cordon), "guest", "arn:aws:iam::aws:policy/AdministratorAccess")
	h.known["guest"] = guest
	h.known["assumed"] = h.part(h.do(root(h.Cordon), "iam", "CreateRole", object{
		"RoleName": "assumed", "AssumeRolePolicyDocument": trustAccount,
	}), `<Arn>(.*?)</Arn>`)
	before := h.rows(t)
	for _, part := range []struct {
		name string
		run  func(*household)
	}{
		{"documents that cannot be evaluated, at every door", (*household).oddDocuments},
		{"roles that trust nobody", (*household).oddTrust},
		{"ARNs of other accounts", (*household).foreignNames},
		{"actions, versions and texts", (*household).oddForms},
		{"tokens of subscriptions", (*household).oddTokens},
		{"targets of subscriptions", (*household).oddTargets},
	} {
		t.Run(part.name, func(t *testing.T) {
			room := *h
			room.T = t
			part.run(&room)
		})
	}
	after := h.rows(t)
	for table := range after {
		if before[table] != after[table] {
			t.Errorf("%s: got %s, want %s as before", table, after[table], before[table])
		}
	}
}

// refused holds that a call of root is refused with a code, as the caller's
// fault. A session is asked for by a user, for root has none.
func (h *household) refused(what, service, operation string, input object, code string) {
	h.Helper()
	to := root(h.Cordon)
	if service == "sts" {
		to = h.known["guest"].(conform.Endpoint)
	}
	a, err := h.facts[service].Send(h.Context(), to, operation, input)
	if err != nil || a.Code != code || a.Status < 400 || a.Status >= 500 {
		h.Errorf("%s with %s: got %d %s %q, %v, want %s", operation, what, a.Status, a.Code, a.Text, err, code)
	}
}

// statement is a policy of one statement that allows things, with more members.
func statement(more string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:ListThings","Resource":"*"` + more + `}]}`
}

// door is an operation that takes a policy.
type door struct {
	service, operation, code string
	form                     func(document string) string // as the operation has it
	input                    func(document string) object
}

// doors are all operations that take policies, with how they refuse one.
func (h *household) doors() []door {
	const malformed = "MalformedPolicyDocument"
	trusting := func(document string) string {
		document = strings.Replace(document, `"Resource":"*"`, `"Principal":{"Service":"iot.amazonaws.com"}`, 1)
		return strings.Replace(document, "iot:ListThings", "sts:AssumeRole", 1)
	}
	topical := func(document string) string {
		document = strings.Replace(document, `"Resource":"*"`, `"Principal":"*","Resource":"`+
			h.known["topicarn"].(string)+`"`, 1)
		return strings.Replace(document, "iot:ListThings", "sns:Publish", 1)
	}
	plain := func(document string) string { return document }
	return []door{
		{"iam", "CreatePolicy", malformed, plain, func(d string) object {
			return object{"PolicyName": "odd", "PolicyDocument": d}
		}},
		{"iam", "CreatePolicyVersion", malformed, plain, func(d string) object {
			return object{"PolicyArn": h.known["policyarn"], "PolicyDocument": d}
		}},
		{"iam", "PutRolePolicy", malformed, plain, func(d string) object {
			return object{"RoleName": "home-role", "PolicyName": "odd", "PolicyDocument": d}
		}},
		{"iam", "PutUserPolicy", malformed, plain, func(d string) object {
			return object{"UserName": "home-user", "PolicyName": "odd", "PolicyDocument": d}
		}},
		{"iam", "CreateRole", malformed, trusting, func(d string) object {
			return object{"RoleName": "odd", "AssumeRolePolicyDocument": d}
		}},
		{"iam", "UpdateAssumeRolePolicy", malformed, trusting, func(d string) object {
			return object{"RoleName": "home-role", "PolicyDocument": d}
		}},
		{"sts", "AssumeRole", malformed, plain, func(d string) object {
			return object{"RoleArn": h.known["assumed"], "RoleSessionName": "odd", "Policy": d}
		}},
		{"sns", "CreateTopic", "InvalidParameter", topical, func(d string) object {
			return object{"Name": "odd", "Attributes": object{"Policy": d}}
		}},
		{"sns", "SetTopicAttributes", "InvalidParameter", topical, func(d string) object {
			return object{"TopicArn": h.known["topicarn"], "AttributeName": "Policy", "AttributeValue": d}
		}},
		{"iam", "SimulatePrincipalPolicy", "InvalidInput", plain, func(d string) object {
			return object{
				"PolicySourceArn": h.known["policysourcearn"], "ActionNames": []any{"iot:ListThings"},
				"PolicyInputList": []any{d},
			}
		}},
		{"iot", "CreatePolicy", "MalformedPolicyException", plain, func(d string) object {
			return object{"policyName": "odd", "policyDocument": d}
		}},
		{"iot", "CreatePolicyVersion", "MalformedPolicyException", plain, func(d string) object {
			return object{"policyName": "home-policy", "policyDocument": d}
		}},
	}
}

// oddDocuments gives every operation that takes a policy such as cannot be
// evaluated.
func (h *household) oddDocuments() {
	for _, door := range h.doors() {
		for _, odd := range []struct{ name, document string }{
			{"an operator that nobody knows", statement(`,"Condition":{"StringAbout":{"aws:userid":"x"}}`)},
			{"a set operator that nobody knows", statement(`,"Condition":{"ForMostValues:StringEquals":{"aws:userid":"x"}}`)},
			{"an operator in another case", statement(`,"Condition":{"stringabout":{"aws:userid":"x"}}`)},
			{"a null test that may not exist", statement(`,"Condition":{"NullIfExists":{"aws:userid":"true"}}`)},
			{"an element that nobody knows", statement(`,"Conditions":{"StringEquals":{"aws:userid":"x"}}`)},
			{"an effect that is none", strings.Replace(statement(""), "Allow", "allow", 1)},
			{"no effect", strings.Replace(statement(""), `"Effect":"Allow",`, "", 1)},
			{"two effects", statement(`,"Effect":"Deny"`)},
			{"no action", strings.Replace(statement(""), `"Action":"iot:ListThings",`, "", 1)},
			{"a version that is none", strings.Replace(statement(""), "2012-10-17", "2026-01-01", 1)},
			{"half a document", statement("")[:60]},
			{"more behind its end", statement("") + "{}"},
			{"a list", "[" + statement("") + "]"},
		} {
			h.refused(odd.name, door.service, door.operation, door.input(door.form(odd.document)), door.code)
		}
	}
}

// oddTrust makes roles that no principal there can be could assume.
func (h *household) oddTrust() {
	for _, principal := range []string{
		`{}`, `[]`, `""`, `"nobody"`, `null`, `{"AWS":[]}`, `{"AWS":""}`, `{"AWS":"12"}`, `{"Service":[]}`, `{"Service":""}`,
		`{"Color":"red"}`, `{"AWS":{"a":"b"}}`, `{"AWS":"arn:aws:iam::12:user/x"}`, `{"AWS":"arn:aws:s3:::bucket"}`,
	} {
		document := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":` + principal +
			`,"Action":"sts:AssumeRole"}]}`
		h.refused(principal, "iam", "CreateRole",
			object{"RoleName": "odd", "AssumeRolePolicyDocument": document}, "MalformedPolicyDocument")
	}
	h.refused("no principal", "iam", "CreateRole", object{
		"RoleName": "odd", "AssumeRolePolicyDocument": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow",` +
			`"Action":"sts:AssumeRole"}]}`,
	}, "MalformedPolicyDocument")
}

// foreignNames gives root of the account what another has, in members that lie
// deep.
func (h *household) foreignNames() {
	const foreign = "999999999999"
	role, topic := "arn:aws:iam::"+foreign+":role/theirs", "arn:aws:sns:us-east-1:"+foreign+":theirs"
	policy := "arn:aws:iam::" + foreign + ":policy/theirs"
	cert := "arn:aws:iot:us-east-1:" + foreign + ":cert/" + strings.Repeat("a", 64)
	home, notified := h.known["rolearn"], func(topic, role any) object {
		return object{"auditNotificationTargetConfigurations": object{
			"SNS": object{"targetArn": topic, "roleArn": role, "enabled": true},
		}}
	}
	action := func(role any, name string, params object) object {
		return object{"actionName": "odd", "roleArn": role, "actionParams": object{name: params}}
	}
	const denied, invalid, missing = "AccessDeniedException", "InvalidRequestException", "ResourceNotFoundException"
	for _, call := range []struct {
		service, operation string
		input              object
		code               string
	}{
		{"iot", "CreateMitigationAction",
			action(role, "updateDeviceCertificateParams", object{"action": "DEACTIVATE"}), denied},
		{"iot", "CreateMitigationAction",
			action(home, "enableIoTLoggingParams", object{"roleArnForLogging": role, "logLevel": "ERROR"}), denied},
		{"iot", "CreateMitigationAction", action(home, "publishFindingToSnsParams", object{"topicArn": topic}), invalid},
		{"iot", "UpdateAccountAuditConfiguration", object{"roleArn": role}, denied},
		{"iot", "UpdateAccountAuditConfiguration", notified(h.known["topicarn"], role), denied},
		{"iot", "UpdateAccountAuditConfiguration", notified(topic, home), invalid},
		{"iot", "SetV2LoggingOptions", object{"roleArn": role, "defaultLogLevel": "ERROR"}, denied},
		{"iot", "CreateRoleAlias", object{"roleAlias": "odd", "roleArn": role}, denied},
		{"iot", "AttachPolicy", object{"policyName": "home-policy", "target": cert}, missing},
		{"iot", "TagResource", object{
			"resourceArn": "arn:aws:iot:us-east-1:" + foreign + ":thinggroup/theirs",
			"tags":        []any{object{"Key": "k", "Value": "v"}},
		}, missing},
		{"iam", "CreateUser", object{"UserName": "odd", "PermissionsBoundary": policy}, "NoSuchEntity"},
		{"sts", "AssumeRole", object{
			"RoleArn": h.known["assumed"], "RoleSessionName": "odd", "PolicyArns": []any{object{"arn": policy}},
		}, "ValidationError"},
		{"sns", "Subscribe", object{"TopicArn": topic, "Protocol": "email", "Endpoint": "a@example.com"},
			"AuthorizationError"},
		{"sns", "PublishBatch", object{
			"TopicArn": topic, "PublishBatchRequestEntries": []any{object{"Id": "a", "Message": "m"}},
		}, "AuthorizationError"},
	} {
		h.refused(fmt.Sprint(call.input), call.service, call.operation, call.input, call.code)
	}
}

// sent posts a signed body to the server and returns the answer.
func (h *household) sent(service, target string, body string) (status int, code, answer string) {
	h.Helper()
	r, err := http.NewRequestWithContext(h.Context(), http.MethodPost, h.URL()+"/", strings.NewReader(body))
	if err != nil {
		h.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if target != "" {
		r.Header.Set("Content-Type", "application/x-amz-json-1.1")
		r.Header.Set("X-Amz-Target", target)
	}
	cordontest.Sign(h, r, root(h.Cordon).Key, service)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		h.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		h.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("X-Amzn-Errortype"), string(text)
}

// oddForms calls what there is not, and gives texts that XML cannot hold.
func (h *household) oddForms() {
	form := func(action, version, more string) string { return "Action=" + action + "&Version=" + version + more }
	const invalid, action = "ValidationError", "InvalidAction"
	for _, tt := range []struct{ service, target, body, code string }{
		{"iam", "", form("TransmogrifyUser", "2010-05-08", ""), action},
		{"iam", "", form("ListUsers", "2011-06-15", ""), action},
		{"iam", "", form("ListUsers", "latest", ""), action},
		{"iam", "", "Action=ListUsers", action},
		{"iam", "", "Version=2010-05-08", "MissingAction"},
		{"iam", "", form("CreateTopic", "2010-03-31", "&Name=a"), action},
		{"iam", "", form("listusers", "2010-05-08", ""), action},
		{"sts", "", form("ListUsers", "2010-05-08", ""), action},
		{"sts", "", form("GetCallerIdentity", "2010-05-08", ""), action},
		{"sns", "", form("GetCallerIdentity", "2011-06-15", ""), action},
		{"sns", "", form("CreateTopic", "2010-03-30", "&Name=a"), action},
		{"cognito-identity", "AWSCognitoIdentityService.Transmogrify", "{}", "UnknownOperationException"},
		{"cognito-identity", "AWSCognitoIdentityProviderService.ListIdentityPools", `{"MaxResults":1}`,
			"UnknownOperationException"},
		{"cognito-identity", "ListIdentityPools", `{"MaxResults":1}`, "UnknownOperationException"},
		{"iam", "", form("CreateUser", "2010-05-08", "&UserName=a%00b"), invalid},
		{"iam", "", form("CreateUser", "2010-05-08", "&UserName=odd&Tags.member.1.Key=k&Tags.member.1.Value=%1b"), invalid},
		{"iam", "", form("CreateUser", "2010-05-08", "&UserName=odd&Path=%2F%ff%2F"), invalid},
		{"sns", "", form("CreateTopic", "2010-03-31", "&Name=odd&Attributes.entry.1.key=DisplayName"+
			"&Attributes.entry.1.value=%EF%BF%BE"), "InvalidParameter"},
		{"sns", "", form("Publish", "2010-03-31", "&Message=%01&TopicArn="+h.known["topicarn"].(string)), "InvalidParameter"},
	} {
		status, code, answer := h.sent(tt.service, tt.target, tt.body)
		if code != tt.code || status < 400 || status >= 500 {
			h.Errorf("%s %s%s: got %d %s %s, want %s", tt.service, tt.target, tt.body, status, code, answer, tt.code)
		}
	}
}

// oddTokens confirms a subscription by what is not its token.
func (h *household) oddTokens() {
	topic := h.known["topicarn"].(string)
	for _, token := range []string{
		"x", strings.Repeat("a", 64), strings.Repeat("0", 300), h.known["subscriptionarn"].(string), "%00", "' OR '1'='1",
	} {
		h.refused("token "+token, "sns", "ConfirmSubscription", object{"TopicArn": topic, "Token": token},
			"InvalidParameter")
		resp, err := http.Get(h.URL() + "/?Action=ConfirmSubscription&Version=2010-03-31&TopicArn=" +
			url.QueryEscape(topic) + "&Token=" + url.QueryEscape(token))
		if err != nil {
			h.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode < 400 || resp.StatusCode >= 500 {
			h.Errorf("got %d for the link with token %s, want it refused", resp.StatusCode, token)
		}
	}
}

// oddTargets subscribes this machine by all its names.
func (h *household) oddTargets() {
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		h.Error("got a call, want none to a target that is not public")
	}))
	defer s.Close()
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		h.Fatal(err)
	}
	for _, host := range []string{
		"127.0.0.1", "0.0.0.0", "[::]", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]",
		"100.64.0.1", "192.168.0.1", "172.16.0.1", "169.254.169.254", "[fe80::1%25lo]", "[fd00::1]", "224.0.0.1",
		"255.255.255.255",
	} {
		h.refused(host, "sns", "Subscribe", object{
			"TopicArn": h.known["topicarn"], "Protocol": "http", "Endpoint": "http://" + host + ":" + port + "/",
		}, "InvalidParameter")
	}
}
