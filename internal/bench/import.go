package bench

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/fleetfile"
)

// imports measures "cordon import" of a file of things with a certificate each,
// from its first byte to the last commit, against inserting the same rows and
// nothing else. The server is this process, whose memory is measured.
func (m *measurement) imports(ctx context.Context) (r *Result, err error) {
	path := filepath.Join(m.dir, "fleet.jsonl")
	if err := m.writeFleet(path); err != nil {
		return nil, fmt.Errorf("make a file: %w", err)
	}
	var audited time.Duration
	round := 0
	r, err = m.compete(ctx, m.spec.Certificates,
		contestant{"cordon import", 0, func(ctx context.Context) (took time.Duration, err error) {
			round++
			a := &apiRig{spec: m.spec}
			name := fmt.Sprintf("import%d", round)
			defer func() { err = errors.Join(err, a.close(), m.home.drop(name)) }()
			if err := a.start(ctx, m, name); err != nil {
				return 0, err
			}
			if took, err = m.importOnce(ctx, a, path); err != nil {
				return 0, err
			}
			audited, err = m.auditImported(ctx, a)
			return took, err
		}},
		contestant{"bare inserts of the same rows", 0.6, m.insertAll},
	)
	if err != nil {
		return nil, err
	}
	r.Database, r.LoadPerSecond = m.spec.database(), float64(m.spec.Certificates)/audited.Seconds()
	return r, nil
}

// importOnce runs the command in a process of its own.
func (m *measurement) importOnce(ctx context.Context, a *apiRig, path string) (time.Duration, error) {
	program, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, program, "import", path, "--endpoint", "http://"+a.address, "--region", scope.Region,
		"--json")
	cmd.Env = append(os.Environ(), "CORDON_ROOT_ACCESS_KEY_ID="+a.key.ID,
		"CORDON_ROOT_SECRET_ACCESS_KEY="+a.key.Secret.Reveal())
	cmd.WaitDelay = childEnd
	began := time.Now()
	out, err := cmd.Output()
	took := time.Since(began)
	if err != nil {
		return 0, fmt.Errorf("cordon import: %w", err)
	}
	var summary struct{ Accepted int }
	if err := json.Unmarshal(out, &summary); err != nil {
		return 0, fmt.Errorf("read what was imported: %w", err)
	}
	if summary.Accepted != m.spec.Certificates {
		return 0, fmt.Errorf("wrong result: %d devices were imported, want %d", summary.Accepted, m.spec.Certificates)
	}
	return took, nil
}

// auditImported audits all that was imported and returns how long that took.
func (m *measurement) auditImported(ctx context.Context, a *apiRig) (time.Duration, error) {
	const name = "DEVICE_CERTIFICATE_EXPIRING_CHECK"
	c := a.client()
	if _, err := c.UpdateAccountAuditConfiguration(ctx, &iot.UpdateAccountAuditConfigurationInput{
		RoleArn:                  new("arn:aws:iam::000000000000:role/Bench"),
		AuditCheckConfigurations: map[string]types.AuditCheckConfiguration{name: {Enabled: true}},
	}); err != nil {
		return 0, err
	}
	began := time.Now()
	started, err := c.StartOnDemandAuditTask(ctx, &iot.StartOnDemandAuditTaskInput{TargetCheckNames: []string{name}})
	if err != nil {
		return 0, err
	}
	for {
		t, err := c.DescribeAuditTask(ctx, &iot.DescribeAuditTaskInput{TaskId: started.TaskId})
		if err != nil {
			return 0, err
		}
		if t.TaskStatus != types.AuditTaskStatusInProgress {
			total := t.AuditDetails[name].TotalResourcesCount
			if total == nil || *total != int64(m.spec.Certificates) {
				return 0, fmt.Errorf("wrong result: the audit is %s and judged %v certificates", t.TaskStatus, total)
			}
			return time.Since(began), nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// writeFleet makes a file of devices. All certificates have one key, for making
// keys would take longer than everything else.
func (m *measurement) writeFleet(path string) (err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	issuer := &x509.Certificate{Subject: pkix.Name{CommonName: "A CA that is not registered"}}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	defer func() { err = errors.Join(err, w.Flush(), f.Close()) }()
	lines := json.NewEncoder(w)
	for i := range m.spec.Certificates {
		der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
			SerialNumber: big.NewInt(int64(i) + 1), Subject: pkix.Name{CommonName: deviceName(i)},
			NotBefore: m.now.Add(-day), NotAfter: m.now.Add(1000 * day),
		}, issuer, &key.PublicKey, key)
		if err != nil {
			return err
		}
		if err := lines.Encode(fleetfile.Device{
			ThingName: deviceName(i), Attributes: map[string]string{"site": siteOf(i)}, Status: "ACTIVE",
			CertificatePEM: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		}); err != nil {
			return err
		}
	}
	return nil
}

func deviceName(i int) string { return fmt.Sprintf("device-%08d", i) }

func siteOf(i int) string { return fmt.Sprintf("site-%03d", i%1000) }
