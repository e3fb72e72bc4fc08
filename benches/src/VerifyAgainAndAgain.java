import java.io.File;
import java.io.FileInputStream;
import java.security.PublicKey;
import java.security.cert.CertificateFactory;
import javax.xml.crypto.KeySelector;
import javax.xml.crypto.dsig.XMLSignature;
import javax.xml.crypto.dsig.XMLSignatureFactory;
import javax.xml.crypto.dsig.dom.DOMValidateContext;
import javax.xml.parsers.DocumentBuilderFactory;
import org.w3c.dom.Document;
import org.w3c.dom.NodeList;

/** Parses and verifies a signed document until it is warm, then prints the microseconds of one time. */
class VerifyAgainAndAgain {
    public static void main(String[] arguments) throws Exception {
        PublicKey key;
        try (var in = new FileInputStream(arguments[0])) {
            key = CertificateFactory.getInstance("X.509").generateCertificate(in).getPublicKey();
        }
        var bytes = java.nio.file.Files.readAllBytes(new File(arguments[1]).toPath());
        var builders = DocumentBuilderFactory.newInstance();
        builders.setNamespaceAware(true);
        var signatures = XMLSignatureFactory.getInstance("DOM");
        var selector = KeySelector.singletonKeySelector(key);
        double best = Double.MAX_VALUE;
        for (int round = 0; round < 12; round++) {
            long began = System.nanoTime();
            final int times = 1000;
            for (int time = 0; time < times; time++) {
                Document document = builders.newDocumentBuilder().parse(new java.io.ByteArrayInputStream(bytes));
                NodeList found = document.getElementsByTagNameNS(XMLSignature.XMLNS, "Signature");
                var context = new DOMValidateContext(selector, found.item(0));
                if (!signatures.unmarshalXMLSignature(context).validate(context)) {
                    throw new IllegalStateException("it does not verify");
                }
            }
            best = Math.min(best, (System.nanoTime() - began) / 1000.0 / times);
        }
        System.out.printf(java.util.Locale.ROOT, "%.1f%n", best);
    }
}
