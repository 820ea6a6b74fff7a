package iotapi_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"

	"github.com/cordon-iot/cordon/internal/cordontest"
	"github.com/cordon-iot/cordon/internal/pki/fixture"
)

// lists are all list operations.
func (w *pagedWorld) lists() []pagedList {
	return slices.Concat(w.auditLists(), w.thingLists(), w.principalLists(), w.certificateLists(), w.policyLists(),
		w.otherLists())
}

// pagedName is a name among those of the rows that stand.
func pagedName(i int) *string { return new(fmt.Sprintf("page-%d-%d", 10000+i*131%pagedRows, i)) }

// remover makes a call when a row is removed.
func (w *pagedWorld) remover(ins ...any) func() {
	return func() {
		for _, in := range ins {
			w.make(in)
		}
	}
}

func (w *pagedWorld) auditLists() []pagedList {
	from, to := new(w.began.Add(-time.Minute)), new(w.began.Add(time.Hour))
	audit := func(int) func() {
		cordontest.Audit(w, w.c, checkBroad)
		return nil
	}
	return []pagedList{
		paginated(w, pagedRows, iot.NewListAuditTasksPaginator, &iot.ListAuditTasksInput{
			StartTime: from, EndTime: to,
		}, audit),
		paginated(w, pagedRows, iot.NewListAuditFindingsPaginator, &iot.ListAuditFindingsInput{
			StartTime: from, EndTime: to,
		}, audit),
		paginated(w, pagedRows, iot.NewListRelatedResourcesForAuditFindingPaginator,
			&iot.ListRelatedResourcesForAuditFindingInput{FindingId: &w.finding}, nil),
		paginated(w, pagedRows, iot.NewListAuditMitigationActionsTasksPaginator,
			&iot.ListAuditMitigationActionsTasksInput{StartTime: from, EndTime: to}, func(i int) func() {
				id := fmt.Sprintf("churn-%d-%d", i, time.Now().UnixNano())
				mitigate(w, w.c, id, aimAtFinding(w.finding), mapping{checkLogging: {"log"}})
				return nil
			}),
		paginated(w, 5, iot.NewListAuditMitigationActionsExecutionsPaginator,
			&iot.ListAuditMitigationActionsExecutionsInput{
				TaskId: new("acts"), FindingId: &w.mitigated, MaxResults: new(int32(2)),
			}, nil),
		paginated(w, pagedRows, iot.NewListMitigationActionsPaginator, &iot.ListMitigationActionsInput{
			ActionType: types.MitigationActionTypeUpdateDeviceCertificate,
		}, func(i int) func() {
			action(w, w.c, *pagedName(i), deactivate())
			return w.remover(&iot.DeleteMitigationActionInput{ActionName: pagedName(i)})
		}),
		paginated(w, pagedRows, iot.NewListScheduledAuditsPaginator, &iot.ListScheduledAuditsInput{}, func(i int) func() {
			w.make(daily(*pagedName(i), checkLogging))
			return w.remover(&iot.DeleteScheduledAuditInput{ScheduledAuditName: pagedName(i)})
		}),
		paginated(w, pagedRows, iot.NewListAuditSuppressionsPaginator, &iot.ListAuditSuppressionsInput{AscendingOrder: true},
			func(i int) func() {
				in := w.suppression(fmt.Sprintf("%064x", i+1))
				w.make(in)
				return w.remover(&iot.DeleteAuditSuppressionInput{
					CheckName: in.CheckName, ResourceIdentifier: in.ResourceIdentifier,
				})
			}),
	}
}

func (w *pagedWorld) thingLists() []pagedList {
	add := func(i int) func() {
		w.make(&iot.CreateThingInput{ThingName: pagedName(i)})
		return w.remover(&iot.DeleteThingInput{ThingName: pagedName(i)})
	}
	return []pagedList{
		paginated(w, pagedRows, iot.NewListThingsPaginator, &iot.ListThingsInput{}, add),
		paginated(w, pagedRows, iot.NewListThingTypesPaginator, &iot.ListThingTypesInput{}, func(i int) func() {
			w.make(&iot.CreateThingTypeInput{ThingTypeName: pagedName(i)})
			return w.remover(&iot.DeprecateThingTypeInput{ThingTypeName: pagedName(i)},
				&iot.DeleteThingTypeInput{ThingTypeName: pagedName(i)})
		}),
		paginated(w, pagedRows, iot.NewListThingGroupsPaginator, &iot.ListThingGroupsInput{NamePrefixFilter: new("page")},
			func(i int) func() {
				group(w, w.c, *pagedName(i), "")
				return w.remover(&iot.DeleteThingGroupInput{ThingGroupName: pagedName(i)})
			}),
		paginated(w, pagedRows, iot.NewListThingsInThingGroupPaginator,
			&iot.ListThingsInThingGroupInput{ThingGroupName: new("page")}, func(i int) func() {
				remove := add(i)
				join(w, w.c, *pagedName(i), "page")
				return remove
			}),
		paginated(w, fullRows, iot.NewListThingGroupsForThingPaginator, &iot.ListThingGroupsForThingInput{
			ThingName: new("full"), MaxResults: new(int32(3)),
		}, func(int) func() {
			join(w, w.c, "full", "tagged")
			return w.remover(&iot.RemoveThingFromThingGroupInput{ThingName: new("full"), ThingGroupName: new("tagged")})
		}),
		paginated(w, tagRows, iot.NewListTagsForResourcePaginator, &iot.ListTagsForResourceInput{
			ResourceArn: groupARN("tagged"),
		}, func(int) func() {
			w.make(&iot.TagResourceInput{ResourceArn: groupARN("tagged"), Tags: []types.Tag{{Key: new("a"), Value: new("v")}}})
			return w.remover(&iot.UntagResourceInput{ResourceArn: groupARN("tagged"), TagKeys: []string{"a"}})
		}),
	}
}

// certificate registers one that is inactive, and says how to delete it.
func (w *pagedWorld) certificate() (arn string, remove func()) {
	id := registerPEM(w, w.c, issue(w, in(-1)), types.CertificateStatusInactive)
	return certARN(id), w.remover(&iot.DeleteCertificateInput{CertificateId: &id, ForceDelete: true})
}

func (w *pagedWorld) principalLists() []pagedList {
	things := func(i int) func() {
		thing(w, w.c, *pagedName(i), certARN(w.cert))
		return w.remover(
			&iot.DetachThingPrincipalInput{ThingName: pagedName(i), Principal: new(certARN(w.cert))},
			&iot.DeleteThingInput{ThingName: pagedName(i)},
		)
	}
	principals := func(int) func() {
		arn, remove := w.certificate()
		w.make(&iot.AttachThingPrincipalInput{ThingName: new("page"), Principal: &arn})
		return func() {
			w.make(&iot.DetachThingPrincipalInput{ThingName: new("page"), Principal: &arn})
			remove()
		}
	}
	cert := new(certARN(w.cert))
	return []pagedList{
		paginated(w, pagedRows, iot.NewListThingPrincipalsPaginator, &iot.ListThingPrincipalsInput{ThingName: new("page")},
			principals),
		paginated(w, pagedRows, iot.NewListThingPrincipalsV2Paginator,
			&iot.ListThingPrincipalsV2Input{ThingName: new("page")}, principals),
		paginated(w, pagedRows, iot.NewListPrincipalThingsPaginator, &iot.ListPrincipalThingsInput{Principal: cert}, things),
		paginated(w, pagedRows, iot.NewListPrincipalThingsV2Paginator, &iot.ListPrincipalThingsV2Input{Principal: cert},
			things),
	}
}

func (w *pagedWorld) certificateLists() []pagedList {
	add := func(int) func() {
		_, remove := w.certificate()
		return remove
	}
	return []pagedList{
		paginated(w, 2*pagedRows, iot.NewListCertificatesPaginator, &iot.ListCertificatesInput{}, add),
		paginated(w, pagedRows, iot.NewListCertificatesByCAPaginator, &iot.ListCertificatesByCAInput{
			CaCertificateId: &w.ca,
		}, func(int) func() {
			id := w.make(&iot.RegisterCertificateInput{
				CertificatePem: new(issue(w, in(-1))), Status: types.CertificateStatusInactive,
			}).(*iot.RegisterCertificateOutput).CertificateId
			return w.remover(&iot.DeleteCertificateInput{CertificateId: id})
		}),
		paginated(w, pagedRows, iot.NewListOutgoingCertificatesPaginator, &iot.ListOutgoingCertificatesInput{},
			func(int) func() {
				id := registerPEM(w, w.c, issue(w, in(1)), types.CertificateStatusInactive)
				w.make(&iot.TransferCertificateInput{CertificateId: &id, TargetAwsAccount: new(pagedTaker)})
				return w.remover(&iot.CancelCertificateTransferInput{CertificateId: &id},
					&iot.DeleteCertificateInput{CertificateId: &id})
			}),
		paginated(w, pagedRows, iot.NewListCACertificatesPaginator, &iot.ListCACertificatesInput{}, func(int) func() {
			ca := newCA(w, fixture.Template{CommonName: "Churn"})
			id := w.make(&iot.RegisterCACertificateInput{
				CaCertificate: &ca.PEM, CertificateMode: types.CertificateModeSniOnly,
			}).(*iot.RegisterCACertificateOutput).CertificateId
			return w.remover(&iot.DeleteCACertificateInput{CertificateId: id})
		}),
	}
}

func (w *pagedWorld) policyLists() []pagedList {
	targets := func(int) func() {
		arn, remove := w.certificate()
		w.make(&iot.AttachPolicyInput{PolicyName: new("page"), Target: &arn})
		return func() {
			w.make(&iot.DetachPolicyInput{PolicyName: new("page"), Target: &arn})
			remove()
		}
	}
	policies := func(int) func() {
		at := new(certARN(w.cert))
		w.make(&iot.AttachPolicyInput{PolicyName: new("broad"), Target: at})
		return w.remover(&iot.DetachPolicyInput{PolicyName: new("broad"), Target: at})
	}
	return []pagedList{
		paginated(w, pagedRows, iot.NewListPoliciesPaginator, &iot.ListPoliciesInput{}, func(i int) func() {
			policy(w, w.c, *pagedName(i), narrowPolicy)
			return w.remover(&iot.DeletePolicyInput{PolicyName: pagedName(i)})
		}),
		paginated(w, fullRows+1, iot.NewListAttachedPoliciesPaginator, &iot.ListAttachedPoliciesInput{
			Target: new(certARN(w.cert)), PageSize: new(int32(3)),
		}, policies),
		paginated(w, fullRows+1, iot.NewListPrincipalPoliciesPaginator, &iot.ListPrincipalPoliciesInput{
			Principal: new(certARN(w.cert)), PageSize: new(int32(3)),
		}, policies),
		paginated(w, pagedRows, iot.NewListTargetsForPolicyPaginator, &iot.ListTargetsForPolicyInput{
			PolicyName: new("page"),
		}, targets),
		paginated(w, pagedRows, iot.NewListPolicyPrincipalsPaginator, &iot.ListPolicyPrincipalsInput{
			PolicyName: new("page"),
		}, targets),
	}
}

func (w *pagedWorld) otherLists() []pagedList {
	return []pagedList{
		tokenPaged(w, pagedRows, &iot.SearchIndexInput{QueryString: new("thingName:page*")}, func(i int) func() {
			w.make(&iot.CreateThingInput{ThingName: pagedName(i)})
			return w.remover(&iot.DeleteThingInput{ThingName: pagedName(i)})
		}),
		paginated(w, 2, iot.NewListIndicesPaginator, &iot.ListIndicesInput{MaxResults: new(int32(1))}, nil),
		paginated(w, pagedRows, iot.NewListRoleAliasesPaginator, &iot.ListRoleAliasesInput{}, func(i int) func() {
			w.make(&iot.CreateRoleAliasInput{RoleAlias: pagedName(i), RoleArn: new(cordontest.RoleARN)})
			return w.remover(&iot.DeleteRoleAliasInput{RoleAlias: pagedName(i)})
		}),
		paginated(w, pagedRows, iot.NewListV2LoggingLevelsPaginator, &iot.ListV2LoggingLevelsInput{}, func(i int) func() {
			in := logLevel(*pagedName(i))
			w.make(in)
			return w.remover(&iot.DeleteV2LoggingLevelInput{
				TargetType: in.LogTarget.TargetType, TargetName: in.LogTarget.TargetName,
			})
		}),
	}
}
