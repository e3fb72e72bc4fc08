// XML signatures by the JDK (javax.xml.crypto.dsig), for comparison with ours.
//   java Dsig.java KEY.pk8 CERT.crt
// reads one job a line and answers each with one line, "ok" or "no" and why:
//   sign C14N-URI SIGNATURE-URI IN OUT
//   verify FILE
import java.io.BufferedReader;
import java.io.File;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.List;
import javax.xml.crypto.dsig.CanonicalizationMethod;
import javax.xml.crypto.dsig.DigestMethod;
import javax.xml.crypto.dsig.Reference;
import javax.xml.crypto.dsig.SignedInfo;
import javax.xml.crypto.dsig.Transform;
import javax.xml.crypto.dsig.XMLSignature;
import javax.xml.crypto.dsig.XMLSignatureFactory;
import javax.xml.crypto.dsig.dom.DOMSignContext;
import javax.xml.crypto.dsig.dom.DOMValidateContext;
import javax.xml.crypto.dsig.keyinfo.KeyInfo;
import javax.xml.crypto.dsig.keyinfo.KeyInfoFactory;
import javax.xml.crypto.dsig.spec.C14NMethodParameterSpec;
import javax.xml.crypto.dsig.spec.TransformParameterSpec;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.transform.TransformerFactory;
import javax.xml.transform.dom.DOMSource;
import javax.xml.transform.stream.StreamResult;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.Node;

public class Dsig {
    static final XMLSignatureFactory FACTORY = XMLSignatureFactory.getInstance("DOM");
    static final DocumentBuilderFactory READER = DocumentBuilderFactory.newInstance();

    public static void main(String[] arguments) throws Exception {
        READER.setNamespaceAware(true);
        byte[] der = Files.readAllBytes(Path.of(arguments[0]));
        X509Certificate certificate;
        try (InputStream in = Files.newInputStream(Path.of(arguments[1]))) {
            certificate = (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(in);
        }
        String algorithm = certificate.getPublicKey().getAlgorithm();
        PrivateKey key = KeyFactory.getInstance(algorithm).generatePrivate(new PKCS8EncodedKeySpec(der));
        BufferedReader jobs = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
        for (String line = jobs.readLine(); line != null; line = jobs.readLine()) {
            String[] job = line.split(" ");
            String answer;
            try {
                if (job[0].equals("sign")) {
                    sign(job[1], job[2], job[3], job[4], key, certificate);
                    answer = "ok";
                } else {
                    answer = verify(job[1], certificate) ? "ok" : "no";
                }
            } catch (Exception e) {
                answer = "no " + String.valueOf(e).replace('\n', ' ');
            }
            System.out.println(answer);
        }
    }

    static void sign(String form, String method, String in, String out, PrivateKey key, X509Certificate certificate)
            throws Exception {
        Document document = READER.newDocumentBuilder().parse(new File(in));
        Reference reference = FACTORY.newReference(
            "",
            FACTORY.newDigestMethod(DigestMethod.SHA256, null),
            List.of(
                FACTORY.newTransform(Transform.ENVELOPED, (TransformParameterSpec) null),
                FACTORY.newTransform(form, (TransformParameterSpec) null)),
            null,
            null);
        SignedInfo info = FACTORY.newSignedInfo(
            FACTORY.newCanonicalizationMethod(form, (C14NMethodParameterSpec) null),
            FACTORY.newSignatureMethod(method, null),
            List.of(reference));
        KeyInfoFactory keys = FACTORY.getKeyInfoFactory();
        KeyInfo keyInfo = keys.newKeyInfo(List.of(keys.newX509Data(List.of(certificate))));
        DOMSignContext context = new DOMSignContext(key, document.getDocumentElement());
        context.setDefaultNamespacePrefix("ds");
        FACTORY.newXMLSignature(info, keyInfo).sign(context);
        try (OutputStream stream = Files.newOutputStream(Path.of(out))) {
            TransformerFactory.newInstance()
                .newTransformer()
                .transform(new DOMSource(document), new StreamResult(stream));
        }
    }

    // The last child element of the document element, with the key of the given certificate.
    static boolean verify(String file, X509Certificate certificate) throws Exception {
        Document document = READER.newDocumentBuilder().parse(new File(file));
        Node last = document.getDocumentElement().getLastChild();
        while (last != null && !(last instanceof Element)) {
            last = last.getPreviousSibling();
        }
        DOMValidateContext context = new DOMValidateContext(certificate.getPublicKey(), last);
        context.setProperty("org.jcp.xml.dsig.secureValidation", Boolean.TRUE);
        XMLSignature signature = FACTORY.unmarshalXMLSignature(context);
        return signature.validate(context);
    }
}
