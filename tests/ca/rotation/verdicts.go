// Judges each case of a directory, as Kubernetes' components and most of the cloud do: chain.pem (leaf first), trust.pem, instant in
// seconds. Prints the names of those that it accepts.
package main

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

func main() {
	cases, err := os.ReadDir(os.Args[1])
	must(err)
	for _, one := range cases {
		directory := filepath.Join(os.Args[1], one.Name())
		chain := read(filepath.Join(directory, "chain.pem"))
		_, err := chain[0].Verify(x509.VerifyOptions{
			Roots:         pool(read(filepath.Join(directory, "trust.pem"))),
			Intermediates: pool(chain[1:]),
			CurrentTime:   instant(filepath.Join(directory, "instant")),
			KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		})
		if err == nil {
			fmt.Println(one.Name())
		}
	}
}

func read(file string) (certificates []*x509.Certificate) {
	rest, err := os.ReadFile(file)
	must(err)
	for block, after := pem.Decode(rest); block != nil; block, after = pem.Decode(after) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		must(err)
		certificates = append(certificates, certificate)
	}
	return certificates
}

func instant(file string) time.Time {
	text, err := os.ReadFile(file)
	must(err)
	seconds, err := strconv.ParseInt(string(text), 10, 64)
	must(err)
	return time.Unix(seconds, 0)
}

func pool(certificates []*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, certificate := range certificates {
		pool.AddCert(certificate)
	}
	return pool
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
