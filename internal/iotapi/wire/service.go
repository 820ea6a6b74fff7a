package wire

import "github.com/cordon-iot/cordon/internal/awswire"

// Service returns the AWS IoT API with the operations that are served. Some
// clients, boto3 1.26 and version 2.9 of the AWS CLI among them, name
// "execute-api" in the credential scope, newer ones "iot".
func Service(operations []awswire.Served) awswire.Service {
	return awswire.Service{
		SigningName: SigningName,
		Aliases:     []string{"execute-api"},
		Operations:  operations,
		Known:       Facts,
	}
}
