# Audits an account with the AWS CLI, mitigates what is found, and reads it
# back. The certificates that are expired and expiring are the arguments; AWS is
# the path of the CLI, ENDPOINT the only thing that differs from AWS.
set -eu
expired=$1 expiring=$2
check=DEVICE_CERTIFICATE_EXPIRING_CHECK
role=arn:aws:iam::000000000000:role/Defender

iot() { "$AWS" iot "$@" --endpoint-url "$ENDPOINT" --output text; }

same() { # what, got, want
	if [ "$2" != "$3" ]; then
		echo "$1: got '$2', want '$3'" >&2
		exit 1
	fi
}

await() { # operation, task
	tries=0
	while status=$(iot "$1" --task-id "$2" --query taskStatus) && [ "$status" = IN_PROGRESS ]; do
		tries=$((tries + 1))
		[ $tries -lt 60 ] || exit 1
	done
	same "$2" "$status" COMPLETED
}

iot update-account-audit-configuration --role-arn $role \
	--audit-check-configurations "{\"$check\": {\"enabled\": true}}"
audit=$(iot start-on-demand-audit-task --target-check-names $check --query taskId)
await describe-audit-task "$audit"

finding() { # reason code
	iot list-audit-findings --task-id "$audit" --page-size 1 \
		--query "findings[?reasonForNonComplianceCode=='$1'].findingId" | grep -v '^$'
}
past=$(finding CERTIFICATE_PAST_EXPIRATION)
soon=$(finding CERTIFICATE_APPROACHING_EXPIRATION)
same "certificate of the finding" "$(iot describe-audit-finding --finding-id "$past" \
	--query finding.nonCompliantResource.resourceIdentifier.deviceCertificateId)" "$expired"

iot create-mitigation-action --action-name deactivate --role-arn $role \
	--action-params '{"updateDeviceCertificateParams": {"action": "DEACTIVATE"}}' --query actionArn
same "task" "$(iot start-audit-mitigation-actions-task --task-id by-audit \
	--target "{\"auditTaskId\": \"$audit\", \"auditCheckToReasonCodeFilter\": {\"$check\": [\"CERTIFICATE_PAST_EXPIRATION\"]}}" \
	--audit-check-to-actions-mapping "{\"$check\": [\"deactivate\"]}" \
	--client-request-token a-token_of-my-own --query taskId)" by-audit
await describe-audit-mitigation-actions-task by-audit
same "execution" "$(iot list-audit-mitigation-actions-executions --task-id by-audit --finding-id "$past" \
	--query 'actionsExecutions[].[actionName, status]')" "deactivate	COMPLETED"
same "expired" "$(iot describe-certificate --certificate-id "$expired" --query certificateDescription.status)" INACTIVE
same "expiring" "$(iot describe-certificate --certificate-id "$expiring" --query certificateDescription.status)" ACTIVE

iot start-audit-mitigation-actions-task --task-id by-finding --target "findingIds=$soon" \
	--audit-check-to-actions-mapping "$check=deactivate"
await describe-audit-mitigation-actions-task by-finding
same "expiring" "$(iot describe-certificate --certificate-id "$expiring" --query certificateDescription.status)" INACTIVE

if refusal=$(iot start-audit-mitigation-actions-task --task-id by-finding --target "findingIds=$soon" \
	--audit-check-to-actions-mapping "$check=deactivate" 2>&1); then
	echo "a task id was used twice" >&2
	exit 1
fi
case $refusal in
*TaskAlreadyExistsException*) echo "done" ;;
*)
	echo "$refusal" >&2
	exit 1
	;;
esac
