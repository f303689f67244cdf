import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.context.support.IValidationSupport.IssueSeverity;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.ResultSeverityEnum;
import ca.uhn.fhir.validation.SingleValidationMessage;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.PrePopulatedValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.SnapshotGeneratingValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.UnknownCodeSystemWarningValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;
import org.hl7.fhir.r5.utils.validation.constants.BestPracticeWarningLevel;

/**
 * Runs HAPI's validator on what the gateway wrote: Validate DEFINITIONS... -- SAMPLES..., each a file or a folder. Definitions are
 * StructureDefinitions, CodeSystems and ValueSets of R4. Samples below a folder "stu3" are STU3, all others R4. Similar findings are printed
 * once, with their number and an example. The exit code is 1 if there is an error.
 */
public class Validate {
	/** The types that the gateway writes. What a source wrote is passed on as it is, and not ours to judge: of it type and id are left. */
	static final Set<String> OURS = Set.of("AuditEvent", "Bundle", "CapabilityStatement", "CodeSystem", "Consent", "OperationDefinition",
			"OperationOutcome", "Parameters", "StructureDefinition");
	static final Set<String> DEFINITIONS = Set.of("StructureDefinition", "CodeSystem", "ValueSet");
	/** A resource within another, in the validator's own way of naming places. */
	static final Pattern WITHIN = Pattern.compile("resource/\\*(\\w+)/");
	static final ObjectMapper JSON = new ObjectMapper();

	record Finding(int count, Path example) {}

	public static void main(String[] args) throws IOException {
		int cut = List.of(args).indexOf("--");
		List<Path> definitions = files(List.of(args).subList(0, cut)), samples = files(List.of(args).subList(cut + 1, args.length));
		Map<String, FhirValidator> validators =
				Map.of("R4", validator(FhirContext.forR4(), definitions), "STU3", validator(FhirContext.forDstu3(), List.of()));
		Map<String, Finding> findings = new TreeMap<>();
		Map<String, Integer> validated = new TreeMap<>();
		boolean failed = false;
		for (Path file : samples) {
			JsonNode resource = JSON.readTree(file.toFile());
			String type = resource.path("resourceType").asText(), version = file.toString().contains("/stu3/") ? "STU3" : "R4";
			if (!OURS.contains(type)) {
				continue;
			}
			reduce(resource);
			validated.merge(version + " " + type, 1, Integer::sum);
			for (SingleValidationMessage m : validators.get(version).validateWithResult(resource.toString()).getMessages()) {
				String where = String.valueOf(m.getLocationString());
				if (m.getSeverity() == ResultSeverityEnum.INFORMATION || WITHIN.matcher(where).results().anyMatch(r -> !OURS.contains(r.group(1)))) {
					continue;
				}
				failed |= m.getSeverity() != ResultSeverityEnum.WARNING;
				String what = m.getSeverity() + " " + version + " " + where.replaceAll("/\\*(\\w+)/[^*]*\\*/", "/$1") + ": " + m.getMessage();
				findings.merge(alike(what), new Finding(1, file), (a, b) -> new Finding(a.count + 1, a.example));
			}
		}
		findings.forEach((what, f) -> System.out.printf("%d × %s%n      %s%n", f.count, what, f.example));
		validated.forEach((what, n) -> System.out.printf("%d %s%n", n, what));
		System.exit(failed || validated.isEmpty() ? 1 : 0);
	}

	/** Takes out what differs from one finding to the next like it: positions, ids, numbers. */
	static String alike(String what) {
		return what.replaceAll("\\[\\d+\\]", "[]").replaceAll("[0-9a-f]{8}-[0-9a-f-]{27}", "…").replaceAll("[0-9a-f]{2}-[0-9a-f]{32}", "…");
	}

	/** Leaves of each resource in a Bundle that is not ours what the Bundle says about it. */
	static void reduce(JsonNode node) {
		if (node.path("resource") instanceof ObjectNode inner && inner.has("resourceType") && !OURS.contains(inner.path("resourceType").asText())) {
			inner.retain("resourceType", "id");
		}
		node.forEach(Validate::reduce);
	}

	static List<Path> files(List<String> roots) throws IOException {
		List<Path> all = new ArrayList<>();
		for (String root : roots) {
			try (Stream<Path> walk = Files.walk(Path.of(root))) {
				walk.filter(p -> p.toString().endsWith(".json")).sorted().forEach(all::add);
			}
		}
		return all;
	}

	static FhirValidator validator(FhirContext context, List<Path> definitions) throws IOException {
		PrePopulatedValidationSupport more = new PrePopulatedValidationSupport(context);
		for (Path file : definitions) {
			JsonNode resource = JSON.readTree(file.toFile());
			if (DEFINITIONS.contains(resource.path("resourceType").asText())) {
				more.addResource(context.newJsonParser().parseResource(resource.toString()));
			}
		}
		@SuppressWarnings("deprecation") // its replacement is internal to HAPI
		var unknown = new UnknownCodeSystemWarningValidationSupport(context);
		unknown.setNonExistentCodeSystemSeverity(IssueSeverity.WARNING); // LOINC, SNOMED CT and national systems are not in HAPI
		FhirInstanceValidator module = new FhirInstanceValidator(new ValidationSupportChain(
				new DefaultProfileValidationSupport(context), more, new CommonCodeSystemsTerminologyService(context),
				new InMemoryTerminologyServerValidationSupport(context), new SnapshotGeneratingValidationSupport(context), unknown));
		module.setAnyExtensionsAllowed(false);
		module.setErrorForUnknownProfiles(false);
		module.setBestPracticeWarningLevel(BestPracticeWarningLevel.Ignore);
		return context.newValidator().registerValidatorModule(module);
	}
}
