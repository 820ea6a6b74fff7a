package config

import (
	"fmt"
	"strings"

	"github.com/cordon-iot/cordon/internal/seal"
)

// AccessKey is what a caller signs with.
type AccessKey struct {
	ID     string
	Secret Secret
}

// WriteAccessKey writes a key to a new file of mode 0600, in the form of an
// AWS shared credentials file with the profile "default", so that AWS clients
// take it by AWS_SHARED_CREDENTIALS_FILE. It never replaces a file: if the
// path is taken the error is [io/fs.ErrExist].
func WriteAccessKey(path string, key AccessKey) error {
	content := fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n",
		key.ID, key.Secret.Reveal())
	return seal.CreatePrivateFile(path, []byte(content))
}

// ReadAccessKey reads the key of the profile "default" from a private file in
// the form of [WriteAccessKey]. A missing file is [io/fs.ErrNotExist].
func ReadAccessKey(path string) (AccessKey, error) {
	content, err := seal.ReadPrivateFile(path)
	if err != nil {
		return AccessKey{}, err
	}
	var key AccessKey
	profile := ""
	for line := range strings.Lines(string(content)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			profile = line
			continue
		}
		name, value, _ := strings.Cut(line, "=")
		if profile != "[default]" {
			continue
		}
		switch strings.TrimSpace(name) {
		case "aws_access_key_id":
			key.ID = strings.TrimSpace(value)
		case "aws_secret_access_key":
			key.Secret = NewSecret(strings.TrimSpace(value))
		}
	}
	if key.ID == "" || key.Secret.Empty() {
		return AccessKey{}, fmt.Errorf("%s has no profile [default] with aws_access_key_id and aws_secret_access_key", path)
	}
	return key, nil
}
