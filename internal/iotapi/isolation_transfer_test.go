package iotapi_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"
)

// transferPart are certificates that a world offers to an account which never
// answers.
var transferPart = part{
	furnish: func(t *testing.T, w *world) {
		for _, pem := range []string{w.otherOffered, w.offered} {
			out := w.make(t, &iot.RegisterCertificateWithoutCAInput{
				CertificatePem: &pem, Status: types.CertificateStatusInactive,
			})
			w.offeredID = *out.(*iot.RegisterCertificateWithoutCAOutput).CertificateId
			w.make(t, &iot.TransferCertificateInput{
				CertificateId: &w.offeredID, TargetAwsAccount: new("999999999999"), TransferMessage: &w.note,
			})
		}
	},
	reads: func(w *world) []attempt {
		return []attempt{
			{&iot.ListOutgoingCertificatesInput{}, fine, fine},
			{&iot.DescribeCertificateInput{CertificateId: &w.offeredID}, notFound, fine},
		}
	},
	writes: func(w *world) []attempt {
		return []attempt{
			{&iot.AcceptCertificateTransferInput{CertificateId: &w.offeredID, SetAsActive: true}, notFound, notFound},
			{&iot.RejectCertificateTransferInput{CertificateId: &w.offeredID}, notFound, notFound},
			{&iot.CancelCertificateTransferInput{CertificateId: &w.offeredID}, notFound, fine},
			{&iot.TransferCertificateInput{CertificateId: &w.offeredID, TargetAwsAccount: new("888888888888")}, notFound, fine},
		}
	},
}
