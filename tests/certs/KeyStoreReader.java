import java.io.FileInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.cert.Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Arrays;
import java.util.Base64;

/** Opens each `<type>.p12` and `<type>.pem` of a directory, and signs with what it finds, as a Java service would. */
public class KeyStoreReader {
    public static void main(String[] arguments) throws Exception {
        Path directory = Path.of(arguments[0]);
        char[] passphrase = arguments[1].toCharArray();
        for (String name : Arrays.copyOfRange(arguments, 2, arguments.length)) {
            KeyStore store = KeyStore.getInstance("PKCS12");
            try (FileInputStream file = new FileInputStream(directory.resolve(name + ".p12").toFile())) {
                store.load(file, passphrase);
            }
            String alias = store.aliases().nextElement();
            PrivateKey key = (PrivateKey) store.getKey(alias, passphrase);
            Certificate[] chain = store.getCertificateChain(alias);
            String pem = Files.readString(directory.resolve(name + ".pem")).replaceAll("-----[A-Z ]+-----|\\s", "");
            PKCS8EncodedKeySpec plain = new PKCS8EncodedKeySpec(Base64.getDecoder().decode(pem));
            boolean same = Arrays.equals(key.getEncoded(), KeyFactory.getInstance(key.getAlgorithm()).generatePrivate(plain).getEncoded());
            System.out.println(name + " " + alias + " " + chain.length + " " + same + " " + signs(key, chain[0]));
        }
    }

    private static boolean signs(PrivateKey key, Certificate certificate) throws Exception {
        String algorithm = switch (key.getAlgorithm()) {
            case "EC" -> "SHA256withECDSA";
            case "RSA" -> "SHA256withRSA";
            default -> "Ed25519";
        };
        byte[] message = "message".getBytes();
        Signature signer = Signature.getInstance(algorithm);
        signer.initSign(key);
        signer.update(message);
        Signature verifier = Signature.getInstance(algorithm);
        verifier.initVerify(certificate.getPublicKey());
        verifier.update(message);
        return verifier.verify(signer.sign());
    }
}
