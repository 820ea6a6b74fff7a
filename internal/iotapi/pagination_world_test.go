package iotapi_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/quota"
	"github.com/cordon-iot/cordon/internal/server"
)

// pagedWorld is a scope with a thousand of everything: one of each is made by
// calls, and copied in the database.
type pagedWorld struct {
	*testing.T
	*cordontest.Cordon
	c              *iot.Client
	began          time.Time
	ca, cert       string // ids; the certificate belongs to the CA, and has all things
	audit, finding string // the finding has a thousand related resources
	mitigated      string // a finding that has executions
}

// plenty lets a scope have more of everything than a test makes.
func plenty() *quota.Profile {
	p := *quota.Default
	const most = 100_000
	p.ScheduledAudits, p.MitigationActions, p.ChildGroups, p.RoleAliases = most, most, most, most
	p.Suppressions, p.LoggingLevels, p.CAsPerSubject, p.DynamicGroups = most, most, most, most
	return &p
}

func newPagedWorld(t *testing.T, database string) *pagedWorld {
	t.Helper()
	cordon := cordontest.Start(t, cordontest.Settings(t, database), server.Options{Quotas: plenty()})
	cordon.NewAccount(t, pagedTaker)
	w := &pagedWorld{T: t, Cordon: cordon, c: persistent(cordon.IoT()), began: time.Now()}
	w.makeOfEach()
	w.make(&iot.UpdateIndexingConfigurationInput{
		ThingIndexingConfiguration: &types.ThingIndexingConfiguration{
			ThingIndexingMode: types.ThingIndexingModeRegistry,
		},
		ThingGroupIndexingConfiguration: &types.ThingGroupIndexingConfiguration{
			ThingGroupIndexingMode: types.ThingGroupIndexingModeOn,
		},
	})
	w.burn()
	w.copyEach()
	w.auditAll()
	return w
}

// persistent is a client that makes a call again whose connection was closed
// on its own side, and no other. On a busy machine net/http closes one at times
// below the body of a large answer; the SDK counts that among what it retries.
func persistent(c *iot.Client) *iot.Client {
	o := c.Options()
	o.RetryMaxAttempts = 3
	o.Retryer = retry.NewStandard(func(so *retry.StandardOptions) {
		so.Retryables = []retry.IsErrorRetryable{retry.RetryableConnectionError{}}
	})
	return iot.New(o)
}

const (
	fullRows = 8  // of what a thing or certificate may have ten
	tagRows  = 49 // of fifty
)

// pagedTaker is the account that certificates are offered to.
const pagedTaker = "222222222222"

// make makes a call that must succeed.
func (w *pagedWorld) make(in any) any {
	w.Helper()
	out, err := call(w, w.c, in)
	if err != nil {
		w.Fatalf("%s: %v", words(w, in), err)
	}
	return out
}

// makeOfEach makes one of everything that is copied.
func (w *pagedWorld) makeOfEach() {
	w.ca = registerCA(w.T, w.c, devices, true)
	w.cert = *w.make(&iot.RegisterCertificateInput{
		CertificatePem: new(issue(w, in(-1))), Status: types.CertificateStatusActive,
	}).(*iot.RegisterCertificateOutput).CertificateId
	thing(w, w.c, "page", certARN(w.cert))
	group(w, w.c, "page", "")
	join(w, w.c, "page", "page")
	policy(w.T, w.c, "page", narrowPolicy)
	w.make(&iot.AttachPolicyInput{PolicyName: new("page"), Target: new(certARN(w.cert))})
	w.make(&iot.CreateThingTypeInput{ThingTypeName: new("page")})
	w.make(&iot.CreateRoleAliasInput{RoleAlias: new("page"), RoleArn: new(cordontest.RoleARN)})
	cordontest.Enable(w, w.c, checkExpiring, checkLogging, checkBroad)
	policy(w, w.c, "broad", broadPolicy)
	w.make(daily("page", checkLogging))
	w.make(w.suppression(w.cert))
	action(w, w.c, "page", deactivate())
	outgoing := register(w, w.c, in(100))
	setStatus(w, w.c, outgoing, types.CertificateStatusInactive)
	w.make(&iot.TransferCertificateInput{CertificateId: &outgoing, TargetAwsAccount: new(pagedTaker)})
	first, _ := cordontest.Audit(w, w.c, checkLogging)
	w.finding = *cordontest.Findings(w, w.c, first)[0].FindingId
	action(w, w.c, "log", logging(types.LogLevelInfo))
	mitigate(w, w.c, "page", aimAtFinding(w.finding), mapping{checkLogging: {"log"}})
	w.make(logLevel("page"))
	for _, name := range []string{"tagged", "full"} {
		group(w, w.c, name, "")
	}
	var tags []types.Tag
	for i := range tagRows {
		tags = append(tags, types.Tag{Key: new(fmt.Sprint("page-", i)), Value: new("v")})
	}
	w.make(&iot.TagResourceInput{ResourceArn: groupARN("tagged"), Tags: tags})
	thing(w, w.c, "full", "")
	for i := range fullRows {
		name := fmt.Sprint("full-", i)
		group(w, w.c, name, "")
		join(w, w.c, "full", name)
		policy(w, w.c, name, narrowPolicy)
		w.make(&iot.AttachPolicyInput{PolicyName: &name, Target: new(certARN(w.cert))})
	}
}

func groupARN(name string) *string { return new(home.ARN("thinggroup", name)) }

func logLevel(client string) *iot.SetV2LoggingLevelInput {
	return &iot.SetV2LoggingLevelInput{LogLevel: types.LogLevelError, LogTarget: &types.LogTarget{
		TargetType: types.LogTargetTypeClientId, TargetName: &client,
	}}
}

func (w *pagedWorld) suppression(cert string) *iot.CreateAuditSuppressionInput {
	return &iot.CreateAuditSuppressionInput{
		CheckName: new(checkAge), ResourceIdentifier: &types.ResourceIdentifier{DeviceCertificateId: &cert},
		ExpirationDate: new(w.began.AddDate(0, 0, 7)), ClientRequestToken: &cert,
	}
}

// exec runs a statement on the database.
func (w *pagedWorld) exec(text string) {
	w.Helper()
	var err error
	if pool := w.Store().Postgres(); pool != nil {
		_, err = pool.Exec(w.Context(), text)
	} else {
		_, err = w.Store().SQLite().ExecContext(w.Context(), text)
	}
	if err != nil {
		w.Fatalf("%s: %v", text, err)
	}
}

// columns are the names of the columns of a table.
func (w *pagedWorld) columns(table string) (names []string) {
	w.Helper()
	text := "SELECT * FROM " + table + " WHERE 1 = 0"
	if pool := w.Store().Postgres(); pool != nil {
		rows, err := pool.Query(w.Context(), text)
		if err != nil {
			w.Fatal(err)
		}
		defer rows.Close()
		for _, f := range rows.FieldDescriptions() {
			names = append(names, f.Name)
		}
		return names
	}
	rows, err := w.Store().SQLite().QueryContext(w.Context(), text)
	if err != nil {
		w.Fatal(err)
	}
	defer rows.Close()
	return must[[]string](w)(rows.Columns())
}

// burn leaves room for the numbers of copies.
func (w *pagedWorld) burn() {
	if w.Store().Postgres() != nil {
		w.exec(`SELECT setval('numbers', nextval('numbers') + 5000)`)
		return
	}
	w.exec(`UPDATE numbers SET value = value + 5000`)
}

// copies makes rows like one that is there: as many as make pagedRows with it.
// Some of their columns are expressions of i, the number of a copy, from 10001.
func (w *pagedWorld) copies(table, where string, changed map[string]string) {
	w.Helper()
	columns := w.columns(table)
	values := slices.Clone(columns)
	for name, expression := range changed {
		at := slices.Index(columns, name)
		if at < 0 {
			w.Fatalf("the table %s has no column %s", table, name)
		}
		values[at] = expression
	}
	w.exec(fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 10001 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
		INSERT INTO %s (%s) SELECT %s FROM %s, n WHERE %s`,
		10000+pagedRows-1, table, strings.Join(columns, ", "), strings.Join(values, ", "), table, where))
}

// copyEach makes a thousand of everything.
func (w *pagedWorld) copyEach() {
	type exprs = map[string]string
	const name, seq, id = `'page-' || i`, `seq + i - 9500`, `substr(id, 1, 59) || i`
	const cert = `substr(certificate, 1, 59) || i`
	here, leaf := `name = 'page'`, fmt.Sprintf(`id = '%s'`, w.cert)
	w.copies("things", here, exprs{"name": name})
	w.copies("thing_groups", here, exprs{"name": name, "seq": seq, "root": seq, "path": `substr(path, 1, 11) || i`})
	w.copies("group_members", `thing = 'page'`, exprs{"thing": name})
	w.copies("ca_certificates", `id = '`+w.ca+`'`, exprs{"seq": seq, "id": id, "subject": `subject || i`})
	w.copies("certificates", leaf, exprs{"seq": seq, "id": id})
	w.copies("thing_principals", `thing = 'page'`, exprs{"thing": name})
	w.copies("thing_principals", `thing = 'page' AND certificate = '`+w.cert+`'`, exprs{"certificate": cert})
	w.copies("policies", here, exprs{"seq": seq, "name": name})
	w.copies("policy_targets", `policy = 'page'`, exprs{"target": `substr(target, 1, 64) || i`})
	w.copies("thing_types", here, exprs{"name": name})
	w.copies("role_aliases", here, exprs{"name": name})
	w.copies("logging_levels", `target_name = 'page'`, exprs{"target_name": name})
	w.copies("scheduled_audits", here, exprs{"name": name, "next_run": "next_run + 864000000"})
	w.copies("suppressions", `1 = 1`, exprs{"seq": seq, "token": name, "expires_at": `expires_at + i`,
		"resource": `substr(resource, 1, 59) || i`})
	w.copies("mitigation_actions", here, exprs{"name": name})
	w.copies("certificates", `status = 'PENDING_TRANSFER'`, exprs{"seq": `seq + i - 8000`, "id": id})
	w.copies("certificate_transfers", `1 = 1`, exprs{"n": `n + i - 9500`, "certificate": cert})
	w.copies("audits", `1 = 1`, exprs{"seq": seq, "id": `substr(id, 1, 27) || i`,
		"finding_prefix": `substr(finding_prefix, 1, 15) || i`})
	w.copies("mitigation_tasks", `id = 'page'`, exprs{"seq": seq, "id": name, "token": name})
	w.exec(fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
		INSERT INTO finding_resources (audit, n, k, resource_type, resource, info)
		SELECT f.audit, f.n, n.i, 'DEVICE_CERTIFICATE', '%s' || (10000 + n.i), '{}' FROM findings f, n`,
		pagedRows, strings.Repeat("a", 59)))
}

// auditAll audits the certificates, which have all expired, and applies as many
// actions as there may be to one of the findings.
func (w *pagedWorld) auditAll() {
	w.audit, _ = cordontest.Audit(w, w.c, checkExpiring)
	names := []string{"act-0", "act-1", "act-2", "act-3", "act-4"}
	for _, name := range names {
		action(w, w.c, name, joining("tagged"))
	}
	some := must[*iot.ListAuditFindingsOutput](w)(w.c.ListAuditFindings(w.Context(), &iot.ListAuditFindingsInput{
		TaskId: &w.audit, MaxResults: new(int32(1)),
	}))
	w.mitigated = *some.Findings[0].FindingId
	mitigate(w, w.c, "acts", aimAtFinding(w.mitigated), mapping{checkExpiring: names})
}
