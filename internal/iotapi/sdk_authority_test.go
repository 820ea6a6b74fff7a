package iotapi_test

import (
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
)

func (j *journey) authorities() {
	code := step(j, &iot.GetRegistrationCodeInput{}, &iot.GetRegistrationCodeOutput{RegistrationCode: &someSum})
	ca, other := newCA(j.T, fixture.Template{CommonName: "SDK CA"}), newCA(j.T, fixture.Template{CommonName: "SDK CA 2"})
	proof := j.must(ca.Verification(*code.RegistrationCode))
	first := step(j, &iot.RegisterCACertificateInput{
		CaCertificate: &ca.PEM, VerificationCertificate: &proof, SetAsActive: true, AllowAutoRegistration: true,
		Tags: []types.Tag{{Key: new("team"), Value: new("pumps")}}, CertificateMode: types.CertificateModeDefault,
	}, &iot.RegisterCACertificateOutput{CertificateArn: &some, CertificateId: &someSum}).CertificateId
	second := step(j, &iot.RegisterCACertificateInput{
		CaCertificate: &other.PEM, CertificateMode: types.CertificateModeSniOnly,
	}, &iot.RegisterCACertificateOutput{CertificateArn: &some, CertificateId: &someSum}).CertificateId
	described := func(id, text *string, status types.CACertificateStatus, auto types.AutoRegistrationStatus, version int32,
		mode types.CertificateMode,
	) *iot.DescribeCACertificateOutput {
		return &iot.DescribeCACertificateOutput{CertificateDescription: &types.CACertificateDescription{
			CertificateArn: j.arn("cacert", *id), CertificateId: id, Status: status, CertificatePem: text,
			OwnedBy: &j.Account, CreationDate: &now, LastModifiedDate: &now, AutoRegistrationStatus: auto,
			CustomerVersion: &version, GenerationId: &some, Validity: j.validity(*text), CertificateMode: mode,
		}}
	}
	step(j, &iot.DescribeCACertificateInput{CertificateId: first}, described(first, &ca.PEM,
		types.CACertificateStatusActive, types.AutoRegistrationStatusEnable, 1, types.CertificateModeDefault))
	step[iot.UpdateCACertificateOutput](j, &iot.UpdateCACertificateInput{
		CertificateId: first, NewStatus: types.CACertificateStatusInactive,
	}, nil)
	step[iot.UpdateCACertificateOutput](j, &iot.UpdateCACertificateInput{
		CertificateId: first, RemoveAutoRegistration: true,
	}, nil)
	step[iot.UpdateCACertificateOutput](j, &iot.UpdateCACertificateInput{
		CertificateId: second, NewAutoRegistrationStatus: types.AutoRegistrationStatusEnable,
	}, nil)
	step(j, &iot.DescribeCACertificateInput{CertificateId: first}, described(first, &ca.PEM,
		types.CACertificateStatusInactive, types.AutoRegistrationStatusDisable, 3, types.CertificateModeDefault))
	listed := func(id *string) []types.CACertificate {
		return []types.CACertificate{{CertificateArn: j.arn("cacert", *id), CertificateId: id,
			Status: types.CACertificateStatusInactive, CreationDate: &now}}
	}
	pages(j, &iot.ListCACertificatesInput{PageSize: new(int32(1)), AscendingOrder: true},
		&iot.ListCACertificatesOutput{Certificates: listed(first)},
		&iot.ListCACertificatesOutput{Certificates: listed(second)})
	step[iot.DeleteCACertificateOutput](j, &iot.DeleteCACertificateInput{CertificateId: first}, nil)
	step[iot.DeleteRegistrationCodeOutput](j, &iot.DeleteRegistrationCodeInput{}, nil)

	registration := &types.RegistrationConfig{
		TemplateName: new("t"), TemplateBody: new("{}"), RoleArn: new(cordontest.RoleARN),
	}
	j.refused("registrationConfig", &iot.RegisterCACertificateInput{
		CaCertificate: &ca.PEM, RegistrationConfig: registration,
	})
	j.refused("registrationConfig", &iot.UpdateCACertificateInput{
		CertificateId: second, RegistrationConfig: registration,
	})
	j.refused("templateName", &iot.ListCACertificatesInput{TemplateName: new("t")})
}
