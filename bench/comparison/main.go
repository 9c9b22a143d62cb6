// The comparison server: Go's own TLS, HTTP/2 and X.509, speaking enough gRPC for the same load generator.
//
// It parses a request, verifies its signature and signs a certificate. It asks no policy, inspects nothing and stores nothing: what
// Go needs for the bare minimum, as a measure of what the authority needs for everything.
package main

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"time"
)

const (
	maximumMessage = 1 << 20
	templateSize   = 300
)

type signer struct {
	issuer *x509.Certificate
	key    *ecdsa.PrivateKey
	chain  []byte
}

func main() {
	directory := flag.String("directory", "", "holds server.crt, server.key, clients.crt, issuer.crt and issuer.key, all PEM")
	flag.Parse()
	if err := serve(*directory); err != nil {
		log.Fatal(err)
	}
}

func serve(directory string) error {
	certificate, err := tls.LoadX509KeyPair(directory+"/server.crt", directory+"/server.key")
	if err != nil {
		return err
	}
	clients, err := os.ReadFile(directory + "/clients.crt")
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(clients)
	issuing, err := loadSigner(directory)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("%d\n", listener.Addr().(*net.TCPAddr).Port)
	server := &http.Server{
		Handler:           http.HandlerFunc(issuing.handle),
		ReadHeaderTimeout: 10 * time.Second,
		TLSConfig: &tls.Config{
			Certificates:           []tls.Certificate{certificate},
			ClientCAs:              pool,
			ClientAuth:             tls.RequireAndVerifyClientCert,
			MinVersion:             tls.VersionTLS13,
			NextProtos:             []string{"h2"},
			SessionTicketsDisabled: true,
		},
	}
	return server.ServeTLS(listener, "", "")
}

func loadSigner(directory string) (*signer, error) {
	pair, err := tls.LoadX509KeyPair(directory+"/issuer.crt", directory+"/issuer.key")
	if err != nil {
		return nil, err
	}
	issuer, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return nil, err
	}
	chain, err := os.ReadFile(directory + "/issuer.crt")
	return &signer{issuer: issuer, key: pair.PrivateKey.(*ecdsa.PrivateKey), chain: chain}, err
}

func (s *signer) handle(writer http.ResponseWriter, request *http.Request) {
	writer.Header().Set("Content-Type", "application/grpc")
	writer.Header().Set("Trailer", "Grpc-Status, Grpc-Message")
	answer, err := s.answer(request)
	if err != nil {
		writer.Header().Set("Grpc-Status", "3")
		writer.Header().Set("Grpc-Message", err.Error())
		return
	}
	frame := make([]byte, 5, 5+len(answer))
	binary.BigEndian.PutUint32(frame[1:], uint32(len(answer)))
	_, _ = writer.Write(append(frame, answer...))
	writer.Header().Set("Grpc-Status", "0")
}

func (s *signer) answer(request *http.Request) ([]byte, error) {
	var prefix [5]byte
	if _, err := io.ReadFull(request.Body, prefix[:]); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(prefix[1:])
	if size > maximumMessage {
		return nil, errors.New("message too large")
	}
	message := make([]byte, size)
	if _, err := io.ReadFull(request.Body, message); err != nil {
		return nil, err
	}
	if request.URL.Path == "/chancery.ca.v1.CertificateService/SignCsr" {
		return s.sign(message)
	}
	return field(nil, make([]byte, templateSize)), nil
}

// sign reads field 1 of SignCsrRequest, a DER request, which the load generator writes first.
func (s *signer) sign(message []byte) ([]byte, error) {
	if len(message) < 2 || message[0] != 0x0a {
		return nil, errors.New("field 1 must come first")
	}
	length, used := binary.Uvarint(message[1:])
	if used <= 0 || uint64(len(message)-1-used) < length {
		return nil, errors.New("field 1 is cut short")
	}
	csr, err := x509.ParseCertificateRequest(message[1+used : 1+used+int(length)])
	if err != nil {
		return nil, err
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, err
	}
	der, err := s.issue(csr)
	if err != nil {
		return nil, err
	}
	leaf := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return field(field(nil, leaf), s.chain), nil
}

func (s *signer) issue(csr *x509.CertificateRequest) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: csr.Subject.CommonName},
		DNSNames:              csr.DNSNames,
		IPAddresses:           csr.IPAddresses,
		NotBefore:             now.Add(-time.Minute),
		NotAfter:              now.Add(24 * time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	return x509.CreateCertificate(rand.Reader, template, s.issuer, csr.PublicKey, s.key)
}

// field appends a length-delimited protobuf field with number 1.
func field(message, content []byte) []byte {
	message = append(message, 0x0a)
	message = binary.AppendUvarint(message, uint64(len(content)))
	return append(message, content...)
}
