// Command cordon audits a fleet of X.509 devices and mitigates what it finds.
package main

import (
	"os"

	"github.com/cordon-iot/cordon/internal/cli"
	"github.com/cordon-iot/cordon/internal/server"
)

func main() {
	os.Exit(cli.Main(server.Run))
}
