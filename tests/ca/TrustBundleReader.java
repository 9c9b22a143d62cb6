import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** Reads URLs as a Java service would: `java TrustBundleReader.java identity.p12 passphrase ca.crt URL...` */
class TrustBundleReader {
    public static void main(String[] arguments) throws Exception {
        char[] passphrase = arguments[1].toCharArray();
        KeyStore identity = KeyStore.getInstance("PKCS12");
        try (var file = Files.newInputStream(Path.of(arguments[0]))) {
            identity.load(file, passphrase);
        }
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(identity, passphrase);
        KeyStore roots = KeyStore.getInstance("PKCS12");
        roots.load(null, null);
        try (var file = Files.newInputStream(Path.of(arguments[2]))) {
            int number = 0;
            for (var root : CertificateFactory.getInstance("X.509").generateCertificates(file)) {
                roots.setCertificateEntry("root" + number++, root);
            }
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(roots);
        SSLContext context = SSLContext.getInstance("TLSv1.3");
        context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        HttpClient client = HttpClient.newBuilder().sslContext(context).build();
        for (int index = 3; index < arguments.length; index++) {
            HttpRequest request = HttpRequest.newBuilder(URI.create(arguments[index])).build();
            HttpResponse<String> response = client.send(request, HttpResponse.BodyHandlers.ofString());
            System.out.println(response.statusCode() + " " + response.body());
        }
    }
}
