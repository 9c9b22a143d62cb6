import java.io.InputStream;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.CertPathValidator;
import java.security.cert.CertificateFactory;
import java.security.cert.PKIXParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;
import java.util.Set;

/** Validates each chain (PEM, leaf first, root last) of a directory at an instant; prints the names of those that hold. */
public final class VerifyChains {
    public static void main(String[] arguments) throws Exception {
        Date instant = new Date(Long.parseLong(arguments[1]));
        try (DirectoryStream<Path> files = Files.newDirectoryStream(Path.of(arguments[0]), "*.pem")) {
            for (Path file : files) {
                verify(file, instant);
                System.out.println(file.getFileName());
            }
        }
    }

    private static void verify(Path file, Date instant) throws Exception {
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        List<X509Certificate> chain = new ArrayList<>();
        try (InputStream stream = Files.newInputStream(file)) {
            factory.generateCertificates(stream).forEach(one -> chain.add((X509Certificate) one));
        }
        X509Certificate root = chain.remove(chain.size() - 1);
        PKIXParameters parameters = new PKIXParameters(Set.of(new TrustAnchor(root, null)));
        parameters.setRevocationEnabled(false);
        parameters.setDate(instant);
        CertPathValidator.getInstance("PKIX").validate(factory.generateCertPath(chain), parameters);
        X509Certificate leaf = chain.get(0);
        if (leaf.getBasicConstraints() != -1 || leaf.getExtendedKeyUsage() == null || !leaf.getKeyUsage()[0]) {
            throw new IllegalStateException(file + ": Java reads other usages than were written");
        }
    }
}
