// Package rival runs Mosquitto beside Cordon, for measurements, and tells what any
// process of this machine has used.
package rival

import (
	"bufio"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// startTime bounds the start of Mosquitto.
const startTime = 20 * time.Second

// Mosquitto is a running broker that asks each device for a certificate of a CA.
type Mosquitto struct {
	// PID is that of its process, Address where it listens and Version how it names
	// itself.
	PID     int
	Address string
	Version string

	stdin io.Closer
	cmd   *exec.Cmd
}

// Find returns the path of Mosquitto, or "" where it is not installed.
func Find() string {
	for _, path := range []string{"mosquitto", "/usr/sbin/mosquitto"} {
		if found, err := exec.LookPath(path); err == nil {
			return found
		}
	}
	return ""
}

// Identity are PEM texts: the CA that devices must be of, and what the broker
// shows.
type Identity struct {
	CA, Certificate, Key string
}

// supervise runs a program in the background, tells its process id, and kills it
// when the other end of standard input is closed, however that happens.
const supervise = `"$@" >mosquitto.log 2>&1 & echo $!; read -r _; kill -9 $!; wait`

// Start runs Mosquitto with all its files in dir, which exists. It ends with
// [Mosquitto.Close], and with this process, however that ends.
func Start(ctx context.Context, path, dir string, id Identity) (_ *Mosquitto, err error) {
	m := &Mosquitto{}
	if m.Address, err = freeAddress(ctx); err != nil {
		return nil, err
	}
	if err := m.configure(dir, id); err != nil {
		return nil, err
	}
	version, _ := exec.CommandContext(ctx, path, "-h").Output() // its exit code is 3
	m.Version, _, _ = strings.Cut(string(version), "\n")
	m.cmd = exec.Command("/bin/sh", "-c", supervise, "sh", path, "-c", "mosquitto.conf")
	m.cmd.Dir = dir
	in, err := m.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	m.stdin = in
	out, err := m.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := m.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start Mosquitto: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.Close())
		}
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("start Mosquitto: %w", err)
	}
	if m.PID, err = strconv.Atoi(strings.TrimSpace(line)); err != nil {
		return nil, fmt.Errorf("start Mosquitto: %w", err)
	}
	return m, m.await(ctx, dir)
}

func freeAddress(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// configuration keeps as many messages for a device as Cordon does by default,
// and stores nothing on the disk.
const configuration = `listener %s 127.0.0.1
cafile ca.pem
certfile cert.pem
keyfile key.pem
require_certificate true
use_identity_as_username false
allow_anonymous true
max_queued_messages 10000
set_tcp_nodelay true
persistence false
log_type error
user %s
`

func (m *Mosquitto) configure(dir string, id Identity) error {
	_, port, err := net.SplitHostPort(m.Address)
	if err != nil {
		return err
	}
	// As whom this process runs: by itself it would give up being root and read
	// none of its files.
	who, err := user.Current()
	if err != nil {
		return err
	}
	for name, text := range map[string]string{
		"ca.pem": id.CA, "cert.pem": id.Certificate, "key.pem": id.Key,
		"mosquitto.conf": fmt.Sprintf(configuration, port, who.Username),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// await waits until somebody listens.
func (m *Mosquitto) await(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", m.Address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			log, _ := os.ReadFile(filepath.Join(dir, "mosquitto.log"))
			return fmt.Errorf("Mosquitto does not listen (%w) and wrote: %s", err, log)
		}
	}
}

// Close ends the broker.
func (m *Mosquitto) Close() error {
	err := m.stdin.Close()
	_ = m.cmd.Wait() // it is killed
	return err
}

// Roots are what the certificate of a PEM text is held against.
func Roots(text string) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(text))
	return pool
}
