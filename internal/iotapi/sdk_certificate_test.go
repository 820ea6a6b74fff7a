//lint:file-ignore SA1019 what AWS deprecates is served all the same

package iotapi_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/pki/fixture"
)

// validity is that of a certificate in PEM.
func (j *journey) validity(text string) *types.CertificateValidity {
	block, _ := pem.Decode([]byte(text))
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		j.Fatal(err)
	}
	return &types.CertificateValidity{NotBefore: &c.NotBefore, NotAfter: &c.NotAfter}
}

func (j *journey) certificates() {
	j.issued()
	ca, err := fixture.NewCA(fixture.Template{CommonName: "SDK CA"})
	if err != nil {
		j.Fatal(err)
	}
	caID := step(j, &iot.RegisterCACertificateInput{
		CaCertificate: &ca.PEM, CertificateMode: types.CertificateModeSniOnly, SetAsActive: true,
	}, &iot.RegisterCACertificateOutput{CertificateArn: &some, CertificateId: &someSum}).CertificateId
	signed := func(status types.CertificateStatus, active bool) (id, text *string) {
		leaf, err := ca.Issue(in(100))
		if err != nil {
			j.Fatal(err)
		}
		out := step(j, &iot.RegisterCertificateInput{
			CertificatePem: &leaf.PEM, CaCertificatePem: &ca.PEM, Status: status, SetAsActive: &active,
		}, &iot.RegisterCertificateOutput{CertificateArn: &some, CertificateId: &someSum})
		j.same(out.CertificateArn, j.arn("cert", *out.CertificateId))
		return out.CertificateId, &leaf.PEM
	}
	first, text := signed(types.CertificateStatusInactive, false)
	second, _ := signed("", true)
	step[iot.UpdateCertificateOutput](j, &iot.UpdateCertificateInput{
		CertificateId: first, NewStatus: types.CertificateStatusRevoked,
	}, nil)
	step(j, &iot.DescribeCertificateInput{CertificateId: first}, &iot.DescribeCertificateOutput{
		CertificateDescription: &types.CertificateDescription{
			CertificateArn: j.arn("cert", *first), CertificateId: first, CaCertificateId: caID, CertificatePem: text,
			Status: types.CertificateStatusRevoked, OwnedBy: &j.Account, CreationDate: &now, LastModifiedDate: &now,
			CustomerVersion: new(int32(2)), GenerationId: &some, Validity: j.validity(*text),
			CertificateMode: types.CertificateModeSniOnly,
		},
	})
	listed := func(id *string, status types.CertificateStatus) []types.Certificate {
		return []types.Certificate{{CertificateArn: j.arn("cert", *id), CertificateId: id, Status: status,
			CertificateMode: types.CertificateModeSniOnly, CreationDate: &now}}
	}
	pages(j, &iot.ListCertificatesInput{AscendingOrder: true, PageSize: new(int32(1))},
		&iot.ListCertificatesOutput{Certificates: listed(first, types.CertificateStatusRevoked)},
		&iot.ListCertificatesOutput{Certificates: listed(second, types.CertificateStatusActive)})
	pages(j, &iot.ListCertificatesByCAInput{CaCertificateId: caID, AscendingOrder: true, PageSize: new(int32(1))},
		&iot.ListCertificatesByCAOutput{Certificates: listed(first, types.CertificateStatusRevoked)},
		&iot.ListCertificatesByCAOutput{Certificates: listed(second, types.CertificateStatusActive)})
}

// issued registers what is not signed by a registered CA, and removes it.
func (j *journey) issued() {
	alone := issue(j, in(100))
	id := step(j, &iot.RegisterCertificateWithoutCAInput{
		CertificatePem: &alone, Status: types.CertificateStatusInactive,
	}, &iot.RegisterCertificateWithoutCAOutput{CertificateArn: &some, CertificateId: &someSum}).CertificateId
	key, err := fixture.ECKey()
	if err != nil {
		j.Fatal(err)
	}
	csr := j.must(fixture.Request(pkix.Name{CommonName: "sdk"}, key))
	signed := step(j, &iot.CreateCertificateFromCsrInput{CertificateSigningRequest: &csr, SetAsActive: true},
		&iot.CreateCertificateFromCsrOutput{CertificateArn: &some, CertificateId: &someSum, CertificatePem: &some})
	made := step(j, &iot.CreateKeysAndCertificateInput{SetAsActive: true},
		&iot.CreateKeysAndCertificateOutput{CertificateArn: &some, CertificateId: &someSum, CertificatePem: &some,
			KeyPair: &types.KeyPair{PublicKey: &some, PrivateKey: &some}})
	for _, c := range []struct {
		id, text *string
		status   types.CertificateStatus
		mode     types.CertificateMode
		version  int32
	}{
		{id, &alone, types.CertificateStatusInactive, types.CertificateModeSniOnly, 1},
		{signed.CertificateId, signed.CertificatePem, types.CertificateStatusActive, types.CertificateModeDefault, 1},
		{made.CertificateId, made.CertificatePem, types.CertificateStatusActive, types.CertificateModeDefault, 1},
	} {
		step(j, &iot.DescribeCertificateInput{CertificateId: c.id}, &iot.DescribeCertificateOutput{
			CertificateDescription: &types.CertificateDescription{
				CertificateArn: j.arn("cert", *c.id), CertificateId: c.id, CertificatePem: c.text, Status: c.status,
				OwnedBy: &j.Account, CreationDate: &now, LastModifiedDate: &now, CustomerVersion: &c.version,
				GenerationId: &some, Validity: j.validity(*c.text), CertificateMode: c.mode,
			},
		})
		step[iot.UpdateCertificateOutput](j, &iot.UpdateCertificateInput{
			CertificateId: c.id, NewStatus: types.CertificateStatusInactive,
		}, nil)
		step[iot.DeleteCertificateOutput](j, &iot.DeleteCertificateInput{CertificateId: c.id, ForceDelete: true}, nil)
	}
}

// same holds that two texts are.
func (j *journey) same(got, want *string) {
	j.Helper()
	if *got != *want {
		j.Errorf("got %q, want %q", *got, *want)
	}
}
