import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertPath;
import java.security.cert.CertPathBuilder;
import java.security.cert.CertPathValidator;
import java.security.cert.CertStore;
import java.security.cert.CertificateFactory;
import java.security.cert.CollectionCertStoreParameters;
import java.security.cert.PKIXBuilderParameters;
import java.security.cert.X509CertSelector;
import java.security.cert.X509Certificate;
import java.util.Date;
import java.util.List;
import javax.net.ssl.CertPathTrustManagerParameters;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;

/**
 * Judges each case of a directory: `chain.pem` (leaf first), `trust.pem`, `instant` in seconds. Prints a line for each, the name and
 * the judges that accept: `tls`, the trust manager of a TLS client; `built`, a path that CertPathBuilder found and CertPathValidator
 * holds good; `whole`, CertPathValidator of the chain as it was sent, to which it adds nothing and of which it leaves nothing out.
 */
public final class Verdicts {
    private interface Judge {
        void judge(List<X509Certificate> chain, PKIXBuilderParameters parameters) throws Exception;
    }

    public static void main(String[] arguments) throws Exception {
        try (var cases = Files.newDirectoryStream(Path.of(arguments[0]))) {
            for (Path one : cases) {
                String verdicts = verdict("tls", Verdicts::tls, one) + verdict("built", Verdicts::built, one) + verdict("whole", Verdicts::whole, one);
                System.out.println(one.getFileName() + verdicts);
            }
        }
    }

    private static String verdict(String name, Judge judge, Path directory) throws Exception {
        List<X509Certificate> chain = read(directory.resolve("chain.pem"));
        PKIXBuilderParameters parameters = parameters(directory, chain);
        try {
            judge.judge(chain, parameters);
            return " " + name;
        } catch (java.security.GeneralSecurityException refusal) {
            return "";
        }
    }

    private static void tls(List<X509Certificate> chain, PKIXBuilderParameters parameters) throws Exception {
        TrustManagerFactory factory = TrustManagerFactory.getInstance("PKIX");
        factory.init(new CertPathTrustManagerParameters(parameters));
        X509TrustManager manager = (X509TrustManager) factory.getTrustManagers()[0];
        manager.checkServerTrusted(chain.toArray(new X509Certificate[0]), "UNKNOWN");
    }

    private static void built(List<X509Certificate> chain, PKIXBuilderParameters parameters) throws Exception {
        CertPath path = CertPathBuilder.getInstance("PKIX").build(parameters).getCertPath();
        CertPathValidator.getInstance("PKIX").validate(path, parameters);
    }

    private static void whole(List<X509Certificate> chain, PKIXBuilderParameters parameters) throws Exception {
        CertPath path = CertificateFactory.getInstance("X.509").generateCertPath(chain);
        CertPathValidator.getInstance("PKIX").validate(path, parameters);
    }

    private static PKIXBuilderParameters parameters(Path directory, List<X509Certificate> chain) throws Exception {
        KeyStore trust = KeyStore.getInstance("PKCS12");
        trust.load(null, null);
        for (X509Certificate root : read(directory.resolve("trust.pem"))) {
            trust.setCertificateEntry("root" + trust.size(), root);
        }
        X509CertSelector leaf = new X509CertSelector();
        leaf.setCertificate(chain.get(0));
        PKIXBuilderParameters parameters = new PKIXBuilderParameters(trust, leaf);
        parameters.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(chain)));
        parameters.setRevocationEnabled(false);
        parameters.setDate(new Date(1000 * Long.parseLong(Files.readString(directory.resolve("instant")))));
        return parameters;
    }

    private static List<X509Certificate> read(Path file) throws Exception {
        try (InputStream stream = Files.newInputStream(file)) {
            return CertificateFactory.getInstance("X.509").generateCertificates(stream).stream().map(X509Certificate.class::cast).toList();
        }
    }
}
