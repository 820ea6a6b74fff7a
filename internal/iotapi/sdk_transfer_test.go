package iotapi_test

import (
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/fleet"
)

// transfers are made by the account of the journey, and answered by another.
func (j *journey) transfers() {
	here, giver := j.c, j.Scope
	there := fleet.Scope{Account: "222222222222", Region: j.Region}
	o := j.NewAccount(j, there.Account).Options()
	o.Region = j.Region
	taker := iot.New(o)

	texts := []string{issue(j, in(100)), issue(j, in(100)), issue(j, in(100))}
	var ids []*string
	for _, text := range texts {
		id := registerPEM(j, here, text, types.CertificateStatusInactive)
		step(j, &iot.TransferCertificateInput{
			CertificateId: &id, TargetAwsAccount: &there.Account, TransferMessage: new("for you"),
		}, &iot.TransferCertificateOutput{TransferredCertificateArn: new(there.ARN("cert", id))})
		ids = append(ids, &id)
	}
	step[iot.CancelCertificateTransferOutput](j, &iot.CancelCertificateTransferInput{CertificateId: ids[2]}, nil)
	listed := func(id *string) *iot.ListOutgoingCertificatesOutput {
		return &iot.ListOutgoingCertificatesOutput{OutgoingCertificates: []types.OutgoingCertificate{{
			CertificateArn: j.arn("cert", *id), CertificateId: id, TransferredTo: &there.Account, TransferDate: &now,
			TransferMessage: new("for you"), CreationDate: &now,
		}}}
	}
	pages(j, &iot.ListOutgoingCertificatesInput{PageSize: new(int32(1)), AscendingOrder: true}, listed(ids[0]),
		listed(ids[1]))

	j.c, j.Scope = taker, there
	step[iot.AcceptCertificateTransferOutput](j, &iot.AcceptCertificateTransferInput{
		CertificateId: ids[0], SetAsActive: true,
	}, nil)
	step[iot.RejectCertificateTransferOutput](j, &iot.RejectCertificateTransferInput{
		CertificateId: ids[1], RejectReason: new("not mine"),
	}, nil)
	described := func(i int, status types.CertificateStatus, before *string, d *types.TransferData,
	) *iot.DescribeCertificateOutput {
		d.TransferMessage, d.TransferDate = new("for you"), &now
		return &iot.DescribeCertificateOutput{CertificateDescription: &types.CertificateDescription{
			CertificateArn: j.arn("cert", *ids[i]), CertificateId: ids[i], CertificatePem: &texts[i], Status: status,
			OwnedBy: &j.Account, PreviousOwnedBy: before, CreationDate: &now, LastModifiedDate: &now,
			CustomerVersion: new(int32(3)), GenerationId: &some, Validity: j.validity(texts[i]), TransferData: d,
			CertificateMode: types.CertificateModeSniOnly,
		}}
	}
	step(j, &iot.DescribeCertificateInput{CertificateId: ids[0]},
		described(0, types.CertificateStatusActive, &giver.Account, &types.TransferData{AcceptDate: &now}))
	j.c, j.Scope = here, giver
	step(j, &iot.DescribeCertificateInput{CertificateId: ids[1]}, described(1, types.CertificateStatusInactive, nil,
		&types.TransferData{RejectReason: new("not mine"), RejectDate: &now}))
}
