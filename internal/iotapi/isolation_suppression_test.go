package iotapi_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"
)

// suppressionPart is two suppressions that say whose world it is.
var suppressionPart = part{
	furnish: func(t *testing.T, w *world) {
		for token, id := range map[string]*types.ResourceIdentifier{
			"home-1": {DeviceCertificateId: &w.expiredID}, "home-2": {DeviceCertificateId: &w.expiringID},
		} {
			w.make(t, &iot.CreateAuditSuppressionInput{
				CheckName: new(checkAge), ResourceIdentifier: id, SuppressIndefinitely: new(true),
				Description: &w.note, ClientRequestToken: &token,
			})
		}
	},
	reads: func(w *world) []attempt {
		expired := &types.ResourceIdentifier{DeviceCertificateId: &w.expiredID}
		return []attempt{
			{&iot.DescribeAuditSuppressionInput{CheckName: new(checkAge), ResourceIdentifier: expired}, notFound, fine},
			{&iot.ListAuditSuppressionsInput{}, fine, fine},
		}
	},
	writes: func(w *world) []attempt {
		expired := &types.ResourceIdentifier{DeviceCertificateId: &w.expiredID}
		spare := &types.ResourceIdentifier{DeviceCertificateId: &w.spareID}
		return []attempt{
			{&iot.UpdateAuditSuppressionInput{
				CheckName: new(checkAge), ResourceIdentifier: expired, Description: new("changed"),
			}, notFound, fine},
			{&iot.DeleteAuditSuppressionInput{CheckName: new(checkAge), ResourceIdentifier: expired}, fine, fine},
			{&iot.CreateAuditSuppressionInput{
				CheckName: new(checkAge), ResourceIdentifier: spare, SuppressIndefinitely: new(true),
				ClientRequestToken: new("home-3"),
			}, fine, fine},
		}
	},
}
