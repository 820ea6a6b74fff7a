package audit

import (
	"context"
	"fmt"

	"github.com/cordon-iot/cordon/internal/durable"
	"github.com/cordon-iot/cordon/internal/fleet"
	"github.com/cordon-iot/cordon/internal/identity"
)

// permit fails those checks in progress that the audit role of the account does
// not allow. It is asked before every slice, for a role may lose what it has.
func (e *Engine) permit(ctx context.Context, tx durable.Tx, t *Task) error {
	refused, err := e.refusals(ctx, tx, t)
	for name, why := range refused {
		state := t.States[name]
		state.Status, state.ErrorCode, state.Message = CheckFailed, ErrorInsufficientPermissions, why
	}
	return err
}

// refusals says which of the checks in progress the audit role does not allow, and
// why. It reads on tx unless that is nil.
func (e *Engine) refusals(ctx context.Context, tx durable.Tx, t *Task) (map[string]string, error) {
	if e.Roles == nil {
		return nil, nil
	}
	config, err := e.Store.AuditConfigurationIn(ctx, tx, t.Scope)
	if err != nil {
		return nil, fmt.Errorf("read audit role: %w", err)
	}
	arn := ""
	if config != nil {
		arn = config.RoleARN
	}
	role, err := e.Roles.Act(ctx, tx, identity.RoleFor{
		Account: t.Scope.Account, Region: t.Scope.Region, ARN: arn, Source: t.Scope.ARN("audittask", t.ID),
	})
	if err != nil {
		return nil, fmt.Errorf("read audit role: %w", err)
	}
	refused := map[string]string{}
	for _, name := range t.Checks {
		check := e.Checks.Named(name)
		if check == nil || !t.States[name].open() {
			continue
		}
		why, err := role.Refusal(check.Asks(t.Scope))
		if err != nil {
			return nil, err
		}
		if why != "" {
			refused[name] = why
		}
	}
	return refused, nil
}

// open reports whether a check has no result yet.
func (s *CheckState) open() bool { return s.Status == CheckInProgress || s.Status == CheckWaiting }

// Asks are the permissions that the audit role must have for a check: those of
// the calls that would find out what the check judges. What is asked of every
// resource of a kind is asked with "*" for a name. Source: managed policy
// AWSIoTDeviceDefenderAudit.
func (c *Check) Asks(scope fleet.Scope) []identity.Ask {
	on := func(kind string, actions ...string) (list []identity.Ask) {
		for _, action := range actions {
			ask := identity.Ask{Action: "iot:" + action}
			if kind != "" {
				ask.Resource = scope.ARN(kind, "*")
			}
			list = append(list, ask)
		}
		return list
	}
	switch c.pass() {
	case accountPass:
		return on("", "GetLoggingOptions", "GetV2LoggingOptions")
	case caPass:
		return append(on("", "ListCACertificates"), on("cacert", "DescribeCACertificate")...)
	case certificatePass:
		return append(on("", "ListCertificates"), on("cert", "DescribeCertificate")...)
	case policyPass:
		return append(on("", "ListPolicies"), on("policy", "GetPolicy")...)
	case poolPass:
		pools := "arn:aws:cognito-identity:" + scope.Region + ":" + scope.Account + ":identitypool/*"
		return append(roleAsks(scope.Account), identity.Ask{Action: "cognito-identity:GetIdentityPoolRoles", Resource: pools})
	case roleAliasPass:
		list := append(on("", "ListRoleAliases"), on("rolealias", "DescribeRoleAlias")...)
		return append(append(list, roleAsks(scope.Account)...),
			identity.Ask{Action: "iam:GenerateServiceLastAccessedDetails", Resource: anyRole(scope.Account)},
			identity.Ask{Action: "iam:GetServiceLastAccessedDetails"})
	}
	return nil // of connections, which no call tells of
}

// roleAsks are the permissions to read what the roles of an account may do.
func roleAsks(account string) (list []identity.Ask) {
	for _, action := range []string{"GetRole", "ListRolePolicies", "GetRolePolicy", "ListAttachedRolePolicies"} {
		list = append(list, identity.Ask{Action: "iam:" + action, Resource: anyRole(account)})
	}
	for _, action := range []string{"GetPolicy", "GetPolicyVersion"} {
		list = append(list, identity.Ask{Action: "iam:" + action, Resource: "arn:aws:iam::" + account + ":policy/*"})
	}
	return list
}

func anyRole(account string) string { return "arn:aws:iam::" + account + ":role/*" }
