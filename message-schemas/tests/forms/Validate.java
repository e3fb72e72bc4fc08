// HL7's validator for FHIR R4 over a folder of documents, in one JVM and without any server.
//
// For each NAME.json with NAME.xml beside it:
//   - the JSON is held against FHIR R4 by the instance validator,
//   - the XML is held against FHIR's schemas, and against FHIR by the instance validator if NAME begins with "ours",
//   - both are read into HAPI's model and written again: the same content, or it is said.
// Each finding is one line: document, form, severity, id of the message, place, message; between them tabs.

import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.parser.StrictErrorHandler;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.SingleValidationMessage;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.UnknownCodeSystemWarningValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;
import org.hl7.fhir.r4.model.Bundle;

public class Validate {
  static final FhirContext FHIR = FhirContext.forR4();
  static FhirValidator instances;
  static FhirValidator schemas;

  public static void main(String[] arguments) throws Exception {
    FHIR.setParserErrorHandler(new StrictErrorHandler());
    var unknown = new UnknownCodeSystemWarningValidationSupport(FHIR);
    unknown.setNonExistentCodeSystemSeverity(IValidationSupport.IssueSeverity.WARNING);
    var chain = new ValidationSupportChain(
        new DefaultProfileValidationSupport(FHIR),
        new InMemoryTerminologyServerValidationSupport(FHIR),
        new CommonCodeSystemsTerminologyService(FHIR),
        unknown);
    var instance = new FhirInstanceValidator(chain);
    instance.setErrorForUnknownProfiles(false);
    instances = FHIR.newValidator().registerValidatorModule(instance);
    schemas = FHIR.newValidator();
    schemas.setValidateAgainstStandardSchema(true);

    List<Path> documents;
    try (var files = Files.list(Path.of(arguments[0]))) {
      documents = files.filter(f -> f.toString().endsWith(".json")).sorted().collect(Collectors.toList());
    }
    // One after the other: the validator is not as safe beside itself as it says.
    var lines = new ArrayList<String>();
    documents.forEach(document -> lines.addAll(check(document)));
    System.out.write(String.join("\n", lines).getBytes(StandardCharsets.UTF_8));
    System.out.println("\nchecked\t" + documents.size());
  }

  static List<String> check(Path path) {
    var lines = new ArrayList<String>();
    var name = path.getFileName().toString().replaceFirst("\\.json$", "");
    try {
      var json = Files.readString(path);
      var xml = Files.readString(path.resolveSibling(name + ".xml"));
      add(lines, name, "json", instances.validateWithResult(json).getMessages());
      add(lines, name, "schema", schemas.validateWithResult(xml).getMessages());
      if (name.startsWith("ours")) {
        add(lines, name, "xml", instances.validateWithResult(xml).getMessages());
      }
      var fromJson = FHIR.newJsonParser().encodeResourceToString(FHIR.newJsonParser().parseResource(Bundle.class, json));
      var fromXml = FHIR.newJsonParser().encodeResourceToString(FHIR.newXmlParser().parseResource(Bundle.class, xml));
      if (!fromJson.equals(fromXml)) {
        int at = 0;
        while (at < Math.min(fromJson.length(), fromXml.length()) && fromJson.charAt(at) == fromXml.charAt(at)) at++;
        line(lines, name, "both", "ERROR", "SAME_CONTENT", "character " + at,
            around(fromJson, at) + " <> " + around(fromXml, at));
      }
    } catch (Exception fault) {
      line(lines, name, "both", "ERROR", "EXCEPTION", "", fault.toString());
    }
    return lines;
  }

  static String around(String text, int at) {
    return text.substring(Math.max(0, at - 40), Math.min(text.length(), at + 40));
  }

  static void add(List<String> lines, String name, String form, List<SingleValidationMessage> messages) {
    for (var message : messages) {
      line(lines, name, form, message.getSeverity().name(), message.getMessageId(), message.getLocationString(),
          message.getMessage());
    }
  }

  static void line(List<String> lines, String... cells) {
    var clean = new ArrayList<String>();
    for (var cell : cells) clean.add(cell == null ? "" : cell.replaceAll("[\\t\\r\\n]+", " "));
    lines.add(String.join("\t", clean));
  }
}
