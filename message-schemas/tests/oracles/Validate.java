import java.io.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import javax.xml.XMLConstants;
import javax.xml.transform.stream.StreamSource;
import javax.xml.validation.*;
import org.w3c.dom.ls.*;
import org.xml.sax.*;

/**
 * Reads one schema file (the argument) and then one path a line from standard input; answers each with
 * "valid", "invalid KEYS" or "malformed", where KEYS are the first faults by the names that the standard
 * gives them (cvc-...).
 */
public class Validate {
    public static void main(String[] args) throws Exception {
        SchemaFactory factory = SchemaFactory.newInstance(XMLConstants.W3C_XML_SCHEMA_NS_URI);
        // One schema has a DOCTYPE; its DTD is answered with nothing instead of being fetched.
        factory.setResourceResolver((type, ns, publicId, systemId, base) ->
            systemId != null && systemId.endsWith(".dtd") ? new Nothing() : null);
        Schema schema = factory.newSchema(new File(args[0]));
        Validator validator = schema.newValidator();
        PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), false, "UTF-8");
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String path; (path = in.readLine()) != null; ) {
            StringBuilder keys = new StringBuilder();
            int[] faults = {0};
            String verdict;
            validator.setErrorHandler(new ErrorHandler() {
                public void warning(SAXParseException e) {}
                public void error(SAXParseException e) {
                    String message = String.valueOf(e.getMessage());
                    int colon = message.indexOf(':');
                    if (++faults[0] <= 4) keys.append(' ').append(colon > 0 ? message.substring(0, colon) : "other");
                }
                public void fatalError(SAXParseException e) throws SAXException { throw e; }
            });
            try (InputStream file = new BufferedInputStream(Files.newInputStream(Path.of(path)))) {
                validator.validate(new StreamSource(file));
                verdict = faults[0] == 0 ? "valid" : "invalid" + keys;
            } catch (SAXException | IOException e) {
                verdict = "malformed";
            }
            out.println(verdict);
        }
        out.flush();
    }

    /** An empty resource. */
    private static final class Nothing implements LSInput {
        public Reader getCharacterStream() { return new StringReader(""); }
        public InputStream getByteStream() { return null; }
        public String getStringData() { return ""; }
        public String getSystemId() { return null; }
        public String getPublicId() { return null; }
        public String getBaseURI() { return null; }
        public String getEncoding() { return null; }
        public boolean getCertifiedText() { return false; }
        public void setCharacterStream(Reader r) {}
        public void setByteStream(InputStream s) {}
        public void setStringData(String s) {}
        public void setSystemId(String s) {}
        public void setPublicId(String s) {}
        public void setBaseURI(String s) {}
        public void setEncoding(String s) {}
        public void setCertifiedText(boolean b) {}
    }
}
