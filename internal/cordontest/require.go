package cordontest

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cordon-iot/cordon/internal/store/storetest/pgtest"
)

// Missing ends a test that needs a program which is not installed: skipped,
// or failed where [pgtest.RequireVariable] lists the program's name. The hint
// says how to install it.
func Missing(t testing.TB, name, hint string) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv(pgtest.RequireVariable), ","), name) {
		t.Fatalf("%s is not installed, and %s requires it (%s)", name, pgtest.RequireVariable, hint)
	}
	t.Skipf("skipped: %s is not installed (%s)", name, hint)
}

// Python is the path of a Python that has boto3. Without one the test ends as
// [Missing] says for "boto3".
func Python(t testing.TB) string {
	t.Helper()
	for _, path := range candidates("python3") {
		if exec.CommandContext(t.Context(), path, "-c", "import boto3").Run() == nil {
			return path
		}
	}
	Missing(t, "boto3", "Debian: apt-get install python3-boto3")
	return ""
}

// CLI is the path of the AWS CLI. Without it the test ends as [Missing] says
// for "awscli".
func CLI(t testing.TB) string {
	t.Helper()
	for _, path := range candidates("aws") {
		if exec.CommandContext(t.Context(), path, "--version").Run() == nil {
			return path
		}
	}
	Missing(t, "awscli", "Debian: apt-get install awscli")
	return ""
}

// MQTTJS is the path of Node.js, where MQTT.js is installed in a directory that
// has its package.json. Without them the test ends as [Missing] says for "mqttjs".
func MQTTJS(t testing.TB, dir string) (node string) {
	t.Helper()
	node = needed(t, "mqttjs", []string{"/usr/bin/node"}, "Debian: apt-get install nodejs npm; then .ci/packages")
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "mqtt", "package.json")); err != nil {
		Missing(t, "mqttjs", "with npm installed: .ci/packages")
	}
	return node
}

// candidates are where Debian puts a program and where PATH finds it.
func candidates(name string) []string {
	list := []string{"/usr/bin/" + name}
	if path, err := exec.LookPath(name); err == nil && path != list[0] {
		list = append(list, path)
	}
	return list
}

// OpenSSL is the path of the openssl program. Without it the test ends as
// [Missing] says for "openssl".
func OpenSSL(t testing.TB) string {
	t.Helper()
	for _, path := range candidates("openssl") {
		if exec.CommandContext(t.Context(), path, "version").Run() == nil {
			return path
		}
	}
	Missing(t, "openssl", "Debian: apt-get install openssl")
	return ""
}
