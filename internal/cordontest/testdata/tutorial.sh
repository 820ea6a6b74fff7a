# Walks through the first steps of AWS IoT Device Defender with the AWS CLI: roles,
# an audit, the mitigation of what it found, notifications and logs, and takes
# everything away again. AWS is the path of the CLI, ENDPOINT where it calls; the
# environment has the credentials and the region. Every answer is printed.
set -eu
check=LOGGING_DISABLED_CHECK
mark=$(date +%s)

# call makes a call, prints its answer and keeps it in $out. A call that is
# refused ends the walk.
call() {
	echo "> $1 $2"
	if out=$("$AWS" --endpoint-url "$ENDPOINT" --output json "$@" 2>&1); then
		echo "$out"
	else
		echo "$out"
		exit 1
	fi
}

field() { # name: its first value in the last answer
	printf '%s\n' "$out" | sed -n "s/^ *\"$1\": \"\\([^\"]*\\)\",*\$/\\1/p" | head -n 1
}

same() { # what, got, want
	[ "$2" = "$3" ] && return
	echo "$1: got '$2', want '$3'"
	exit 1
}

ended() { # operation, task: waits until the task is over
	tries=0
	while call iot "$1" --task-id "$2" && [ "$(field taskStatus)" = IN_PROGRESS ]; do
		tries=$((tries + 1))
		[ $tries -lt 60 ] || break
	done
	same "$2" "$(field taskStatus)" COMPLETED
}

allow() { # actions, resource: a policy
	printf '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": [%s], "Resource": "%s"}]}' "$1" "$2"
}

# Who is calling?
call sts get-caller-identity
account=$(field Account)
same "length of the account id" ${#account} 12

# Three roles for AWS IoT.
trust='{"Version": "2012-10-17", "Statement": [
	{"Effect": "Allow", "Principal": {"Service": "iot.amazonaws.com"}, "Action": "sts:AssumeRole"}]}'
role() { # name
	call iam create-role --role-name "$1" --assume-role-policy-document "$trust"
	arn=$(field Arn)
	call iam tag-role --role-name "$1" --tags Key=purpose,Value=tutorial
}
role TutorialAudit
audit_role=$arn
call iam attach-role-policy --role-name TutorialAudit \
	--policy-arn arn:aws:iam::aws:policy/service-role/AWSIoTDeviceDefenderAudit
role TutorialLogging
logging_role=$arn
call iam put-role-policy --role-name TutorialLogging --policy-name WriteLogs --policy-document \
	"$(allow '"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"' 'arn:aws:logs:*:*:*')"
role TutorialMitigation
mitigation_role=$arn
call iam put-role-policy --role-name TutorialMitigation --policy-name SetLogging --policy-document \
	"$(allow '"iot:SetV2LoggingOptions", "iam:PassRole"' '*')"

# One check, and an audit of it.
call iot update-account-audit-configuration --role-arn "$audit_role" \
	--audit-check-configurations "{\"$check\": {\"enabled\": true}}"
call iot start-on-demand-audit-task --target-check-names $check
audit=$(field taskId)
ended describe-audit-task "$audit"
call iot list-audit-findings --task-id "$audit"
finding=$(field findingId)
same "check of the finding" "$(field checkName)" $check
same "account of the finding" "$(field account)" "$account"

# What mends it, and mending it.
call iot create-mitigation-action --action-name TutorialEnableLogging --role-arn "$mitigation_role" \
	--action-params "{\"enableIoTLoggingParams\": {\"roleArnForLogging\": \"$logging_role\", \"logLevel\": \"ERROR\"}}"
task=tutorial-$mark
call iot start-audit-mitigation-actions-task --task-id "$task" --target "{\"findingIds\": [\"$finding\"]}" \
	--audit-check-to-actions-mapping "{\"$check\": [\"TutorialEnableLogging\"]}"
same "task" "$(field taskId)" "$task"
ended describe-audit-mitigation-actions-task "$task"
call iot list-audit-mitigation-actions-tasks --start-time $((mark - 3600)) --end-time $((mark + 86400))
same "newest task" "$(field taskId)" "$task"
call iot list-audit-mitigation-actions-executions --task-id "$task" --finding-id "$finding"
same "execution" "$(field actionName) $(field status)" "TutorialEnableLogging COMPLETED"

# Who hears of audits: the check stays enabled, and its role stays.
call sns create-topic --name TutorialNotifications --tags Key=purpose,Value=tutorial
topic=$(field TopicArn)
call iot update-account-audit-configuration --audit-notification-target-configurations \
	"{\"SNS\": {\"targetArn\": \"$topic\", \"roleArn\": \"$audit_role\", \"enabled\": true}}"
call iot describe-account-audit-configuration
same "topic" "$(field targetArn)" "$topic"
same "audit role" "$(printf '%s\n' "$out" | grep -c "\"roleArn\": \"$audit_role\"")" 2
same "checks enabled" "$(printf '%s\n' "$out" | grep -A 1 "\"$check\"" | grep -c '"enabled": true')" 1

# Logs, which the mitigation has switched on.
call iot get-v2-logging-options
same "logging" "$(field roleArn) $(field defaultLogLevel)" "$logging_role ERROR"
call iot set-v2-logging-options --role-arn "$logging_role" --default-log-level ERROR
call iot set-v2-logging-options --default-log-level DISABLED
call iot get-v2-logging-options
same "logging" "$(field defaultLogLevel)" DISABLED

# Everything goes.
call iot delete-mitigation-action --action-name TutorialEnableLogging
call iot delete-account-audit-configuration
call sns delete-topic --topic-arn "$topic"
call iam delete-role-policy --role-name TutorialMitigation --policy-name SetLogging
call iam delete-role --role-name TutorialMitigation
call iam delete-role-policy --role-name TutorialLogging --policy-name WriteLogs
call iam delete-role --role-name TutorialLogging
call iam detach-role-policy --role-name TutorialAudit \
	--policy-arn arn:aws:iam::aws:policy/service-role/AWSIoTDeviceDefenderAudit
call iam delete-role --role-name TutorialAudit
echo "done"
