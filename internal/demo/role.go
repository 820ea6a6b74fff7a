package demo

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// The roles that audits, mitigation actions and logs run under.
const (
	auditRole      = "arn:aws:iam::" + account + ":role/CordonDemoAudit"
	mitigationRole = "arn:aws:iam::" + account + ":role/CordonDemoMitigation"
	loggingRole    = "arn:aws:iam::" + account + ":role/CordonDemoLogging"
)

// trustsIoT lets AWS IoT act as a role.
const trustsIoT = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
	"Principal": {"Service": "iot.amazonaws.com"}, "Action": "sts:AssumeRole"}]}`

// awsPolicies is where the policies are that AWS manages for services.
const awsPolicies = "arn:aws:iam::aws:policy/service-role/AWSIoT"

// roles are what is made, with the policies of AWS that each needs.
var roles = []struct {
	name     string
	policies []string
}{
	{"CordonDemoAudit", []string{"DeviceDefenderAudit"}},
	{"CordonDemoMitigation", []string{
		"DeviceDefenderAddThingsToThingGroupMitigationAction", "DeviceDefenderUpdateDeviceCertMitigationAction",
		"DeviceDefenderUpdateCACertMitigationAction", "DeviceDefenderReplaceDefaultPolicyMitigationAction",
		"DeviceDefenderEnableIoTLoggingMitigationAction",
	}},
	{"CordonDemoLogging", []string{"Logging"}},
}

// makeRoles makes the roles.
func (d *demo) makeRoles(ctx context.Context) error {
	client := d.host.iam()
	for _, role := range roles {
		_, err := client.CreateRole(ctx, &iam.CreateRoleInput{
			RoleName: &role.name, AssumeRolePolicyDocument: aws.String(trustsIoT),
		})
		if err != nil {
			return err
		}
		for _, policy := range role.policies {
			_, err := client.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{
				RoleName: &role.name, PolicyArn: aws.String(awsPolicies + policy),
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
