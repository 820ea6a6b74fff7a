package iotapi_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/server"
)

// walk is the fleet that each client audits and mitigates: a certificate that
// has expired, one that will, and a sound one.
type walk struct {
	*cordontest.Cordon
	expired, expiring, sound string
}

func newWalk(t *testing.T) *walk {
	t.Helper()
	c := cordontest.Start(t, cordontest.Settings(t, "sqlite"), server.Options{})
	return &walk{
		Cordon:  c,
		expired: register(t, c.IoT(), in(-1)), expiring: register(t, c.IoT(), in(20)), sound: register(t, c.IoT(), in(400)),
	}
}

// clientEnvironment is that of a client with the operator's root key.
func clientEnvironment(url string) []string {
	return append(os.Environ(), "AWS_ACCESS_KEY_ID="+cordontest.RootID, "AWS_SECRET_ACCESS_KEY="+cordontest.RootToken,
		"AWS_DEFAULT_REGION="+cordontest.Region, "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
		"AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=", "AWS_MAX_ATTEMPTS=1", "ENDPOINT="+url)
}

// run runs a client outside of this process to its end and returns what it
// prints.
func (w *walk) run(t *testing.T, env []string, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, append(args, w.expired, w.expiring)...)
	cmd.Env = append(clientEnvironment(w.URL()), env...)
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	if lines := strings.Fields(string(out)); len(lines) == 0 || lines[len(lines)-1] != "done" {
		t.Errorf("got %q, want the client to come to its end", out)
	}
}

// mitigated holds what every client must have brought about.
func (w *walk) mitigated(t *testing.T) {
	t.Helper()
	for _, tt := range []struct {
		name, id string
		want     types.CertificateStatus
	}{
		{"the expired certificate", w.expired, types.CertificateStatusInactive},
		{"the expiring certificate", w.expiring, types.CertificateStatusInactive},
		{"the sound certificate", w.sound, types.CertificateStatusActive},
	} {
		if got := status(t, w.IoT(), tt.id); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestBoto3MitigatesWhatAnAuditFound(t *testing.T) {
	t.Parallel()
	python := cordontest.Python(t)
	w := newWalk(t)
	w.run(t, nil, python, "testdata/mitigate.py")
	w.mitigated(t)
}

func TestTheCLIMitigatesWhatAnAuditFound(t *testing.T) {
	t.Parallel()
	cli := cordontest.CLI(t)
	w := newWalk(t)
	w.run(t, []string{"AWS=" + cli}, "sh", "testdata/mitigate.sh")
	w.mitigated(t)
}

func TestTheGoSDKMitigatesWhatAnAuditFound(t *testing.T) {
	t.Parallel()
	w := newWalk(t)
	c, ctx := w.IoT(), t.Context()
	cordontest.Enable(t, c, checkExpiring)
	audit, _ := cordontest.Audit(t, c, checkExpiring)
	found := byResource(t, c, audit)
	past, soon := found[codePast+" "+w.expired], found[codeApproaching+" "+w.expiring]
	if len(found) != 2 || past.FindingId == nil || soon.FindingId == nil {
		t.Fatalf("got findings %v, want one for each certificate that is not sound", sorted(found))
	}
	action(t, c, "deactivate", deactivate())
	out, err := c.StartAuditMitigationActionsTask(ctx, &iot.StartAuditMitigationActionsTaskInput{
		TaskId: new("by-audit"),
		Target: &types.AuditMitigationActionsTaskTarget{
			AuditTaskId:                  &audit,
			AuditCheckToReasonCodeFilter: map[string][]string{checkExpiring: {codePast}},
		},
		AuditCheckToActionsMapping: mapping{checkExpiring: {"deactivate"}},
		ClientRequestToken:         new("a-token_of-my-own"),
	})
	if err != nil || *out.TaskId != "by-audit" {
		t.Fatalf("got %v, %v, want the task id back", out, err)
	}
	done := cordontest.AwaitMitigation(t, c, "by-audit")
	if got, want := statistics(done, checkExpiring), (counts{2, 1, 0, 1, 0}); got != want {
		t.Errorf("got statistics %v, want %v", got, want)
	}
	same(t, "executions", executions(t, c, "by-audit", *past.FindingId), []string{"deactivate COMPLETED"})
	if got := status(t, c, w.expiring); got != types.CertificateStatusActive {
		t.Errorf("got %s for the certificate outside of the filter, want ACTIVE", got)
	}
	mitigate(t, c, "by-finding", &types.AuditMitigationActionsTaskTarget{FindingIds: []string{*soon.FindingId}},
		mapping{checkExpiring: {"deactivate"}})
	same(t, "executions", executions(t, c, "by-finding", *soon.FindingId), []string{"deactivate COMPLETED"})
	w.mitigated(t)
}
