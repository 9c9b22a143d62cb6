// A client of myca in Go, as its users have one: generated code, mutual TLS, nothing of ours.
//
//	client ADDRESS IDENTITY
//
// It asks for a template, has it signed, fetches certificate and key, and serves a TLS handshake with them.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	mygrpc "myca/pkg/grpc"
)

func main() {
	address, identity := os.Args[1], os.Args[2]
	roots := rootsOf(filepath.Join(identity, "ca.crt"))
	held, err := tls.LoadX509KeyPair(filepath.Join(identity, "tls.crt"), filepath.Join(identity, "tls.key"))
	check(err)
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{held},
		RootCAs:      roots,
	})))
	check(err)
	defer connection.Close()
	client := mygrpc.NewCertificateServiceClient(connection)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()

	request, err := client.CsrTemplate(ctx, &emptypb.Empty{})
	check(err)
	request.SubjectLocality = []string{"北京"}
	request.IPAddresses = []string{"127.0.0.1", "2001:db8::1"}
	signed, err := client.SignCsr(ctx, request)
	check(err)
	certificate, err := client.GetCert(ctx, &mygrpc.FileIdentifer{Id: signed.CertificateId})
	check(err)
	key, err := client.GetKey(ctx, &mygrpc.FileIdentifer{Id: signed.CertificateId})
	check(err)
	pair, err := tls.X509KeyPair(certificate.Contents, key.Contents)
	check(err)
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	check(err)
	fmt.Println("locality", leaf.Subject.Locality[0])
	fmt.Println("addresses", leaf.IPAddresses)
	fmt.Println("handshake", handshake(pair, held, roots))

	_, err = client.GetKey(ctx, &mygrpc.FileIdentifer{Id: signed.CertificateId})
	fmt.Println("second key", status.Code(err))
	request.IPAddresses = []string{"10.0.0"}
	_, err = client.SignCsr(ctx, request)
	fmt.Println("bad address", status.Code(err))
}

// handshake serves with the new pair, and with the issuing CA that the identity's chain carries.
func handshake(pair, held tls.Certificate, roots *x509.CertPool) string {
	pair.Certificate = append(pair.Certificate, held.Certificate[1:]...)
	here, there := net.Pipe()
	server := tls.Server(there, &tls.Config{
		Certificates: []tls.Certificate{pair},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    roots,
	})
	go server.Handshake()
	client := tls.Client(here, &tls.Config{Certificates: []tls.Certificate{held}, RootCAs: roots, ServerName: "127.0.0.1"})
	check(client.Handshake())
	return tls.VersionName(client.ConnectionState().Version)
}

func rootsOf(path string) *x509.CertPool {
	content, err := os.ReadFile(path)
	check(err)
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		log.Fatalf("no certificate in %s", path)
	}
	return pool
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
