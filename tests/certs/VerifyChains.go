// Verifies each chain (PEM, leaf first, root last) of a directory at an instant in seconds, as Kubernetes' components do;
// prints the names of those that hold.
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
	instant, err := strconv.ParseInt(os.Args[2], 10, 64)
	refuse("instant", err)
	files, err := filepath.Glob(filepath.Join(os.Args[1], "*.pem"))
	refuse("directory", err)
	for _, file := range files {
		refuse(file, verify(file, time.Unix(instant, 0)))
		fmt.Println(filepath.Base(file))
	}
}

func verify(file string, instant time.Time) error {
	rest, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var chain []*x509.Certificate
	for block, after := pem.Decode(rest); block != nil; block, after = pem.Decode(after) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return err
		}
		chain = append(chain, certificate)
	}
	leaf, root := chain[0], chain[len(chain)-1]
	options := x509.VerifyOptions{Roots: pool(root), Intermediates: pool(chain[1:]...), CurrentTime: instant, KeyUsages: leaf.ExtKeyUsage}
	_, err = leaf.Verify(options)
	return err
}

func pool(certificates ...*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, certificate := range certificates {
		pool.AddCert(certificate)
	}
	return pool
}

func refuse(what string, err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, what+":", err)
		os.Exit(1)
	}
}
