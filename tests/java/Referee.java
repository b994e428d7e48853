import java.io.ByteArrayInputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import javax.security.auth.login.AppConfigurationEntry;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.config.types.Password;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;
import org.apache.kafka.common.security.JaasContext;

/** What Java and Kafka's own client make of properties files, and what a test changes in a cluster by the client. */
final class Referee {
    public static void main(String[] args) throws Exception {
        switch (args[0]) {
            case "properties" -> lines(args[1], Referee::properties);
            case "jaas" -> lines(args[1], Referee::jaas);
            case "client" -> lines(args[1], Referee::client);
            case "user" -> user(args[1], args[2], args[3]);
            case "quota" -> quota(args[1], args[2], Double.parseDouble(args[3]));
            case "acls" -> acls(args[1], List.of(args).subList(2, args.length));
            case "store" -> store(args[1], args[2], args[3], args[4]);
            case "admit" -> admit(List.of(args).subList(1, args.length));
            default -> throw new IllegalArgumentException(args[0]);
        }
    }

    private interface Reader {
        String read(byte[] text) throws Exception;
    }

    /** One case a line, in hexadecimal; one answer a line. */
    private static void lines(String file, Reader reader) throws Exception {
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        for (String line : Files.readAllLines(Path.of(file))) {
            try {
                out.println(reader.read(HexFormat.of().parseHex(line)));
            } catch (IllegalArgumentException refused) {
                out.println("refused");
            }
        }
        out.flush();
    }

    private static String hex(String text) {
        return HexFormat.of().formatHex(text.getBytes(StandardCharsets.UTF_8));
    }

    private static String pairs(Map<String, String> byHex) {
        StringBuilder line = new StringBuilder();
        byHex.forEach((key, value) -> line.append(' ').append(key).append('=').append(hex(value)));
        return line.toString();
    }

    private static String properties(byte[] text) throws Exception {
        Properties properties = new Properties();
        properties.load(new ByteArrayInputStream(text));
        Map<String, String> all = new TreeMap<>();
        properties.stringPropertyNames().forEach(key -> all.put(hex(key), properties.getProperty(key)));
        return "read" + pairs(all);
    }

    private static String jaas(byte[] text) {
        Password config = new Password(new String(text, StandardCharsets.UTF_8));
        List<AppConfigurationEntry> entries =
                JaasContext.loadClientContext(Map.of("sasl.jaas.config", config)).configurationEntries();
        Map<String, String> all = new TreeMap<>();
        for (Map.Entry<String, ?> option : entries.get(0).getOptions().entrySet()) {
            if (option.getKey() == null) {
                return "refused";
            }
            all.put(hex(option.getKey()), option.getValue().toString());
        }
        return "read " + hex(entries.get(0).getLoginModuleName()) + pairs(all);
    }

    /** A whole file: its pairs, and the login in it. */
    private static String client(byte[] text) throws Exception {
        Properties properties = new Properties();
        properties.load(new ByteArrayInputStream(text));
        return properties(text) + " | " + jaas(properties.getProperty("sasl.jaas.config").getBytes(StandardCharsets.UTF_8));
    }

    private static Admin admin(String brokers) {
        return Admin.create(Map.of("bootstrap.servers", brokers));
    }

    private static void user(String brokers, String name, String password) throws Exception {
        try (Admin admin = admin(brokers)) {
            for (ScramMechanism mechanism : List.of(ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512)) {
                ScramCredentialInfo info = new ScramCredentialInfo(mechanism, 4096);
                admin.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion(name, info, password))).all().get();
            }
        }
    }

    /** Each ACL in five words: principal, operation, type of the resource, its name, type of the pattern. */
    private static void acls(String brokers, List<String> all) throws Exception {
        List<AclBinding> bindings = new ArrayList<>();
        for (String acl : all) {
            String[] words = acl.split(" ");
            ResourceType type = ResourceType.fromString(words[2]);
            ResourcePattern pattern = new ResourcePattern(type, words[3], PatternType.fromString(words[4]));
            AclOperation operation = AclOperation.fromString(words[1]);
            bindings.add(new AclBinding(pattern, new AccessControlEntry(words[0], "*", operation, AclPermissionType.ALLOW)));
        }
        try (Admin admin = admin(brokers)) {
            admin.createAcls(bindings).all().get();
        }
    }

    private static void quota(String brokers, String key, double rate) throws Exception {
        java.util.HashMap<String, String> everybody = new java.util.HashMap<>();
        everybody.put(ClientQuotaEntity.CLIENT_ID, null);
        ClientQuotaAlteration.Op op = new ClientQuotaAlteration.Op(key, rate);
        try (Admin admin = admin(brokers)) {
            admin.alterClientQuotas(List.of(new ClientQuotaAlteration(new ClientQuotaEntity(everybody), List.of(op)))).all().get();
        }
    }

    /** Puts a key and a certificate in PEM into a key store of PKCS #12. */
    private static void store(String key, String certificate, String store, String password) throws Exception {
        String body = Files.readString(Path.of(key)).replaceAll("-----[A-Z ]+-----|\\s", "");
        java.security.spec.PKCS8EncodedKeySpec spec =
                new java.security.spec.PKCS8EncodedKeySpec(java.util.Base64.getDecoder().decode(body));
        java.security.PrivateKey secret = java.security.KeyFactory.getInstance("EC").generatePrivate(spec);
        java.security.KeyStore all = java.security.KeyStore.getInstance("PKCS12");
        all.load(null, null);
        try (var in = Files.newInputStream(Path.of(certificate)); var out = Files.newOutputStream(Path.of(store))) {
            java.security.cert.Certificate[] chain =
                    {java.security.cert.CertificateFactory.getInstance("X.509").generateCertificate(in)};
            all.setKeyEntry("client", secret, password.toCharArray(), chain);
            all.store(out, password.toCharArray());
        }
    }

    /** Pairs of brokers and a properties file: does the client get in, and if not, why? */
    private static void admit(List<String> tries) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(8);
        List<Future<String>> answers = new ArrayList<>();
        for (int at = 0; at + 1 < tries.size(); at += 2) {
            String brokers = tries.get(at);
            Path file = Path.of(tries.get(at + 1));
            answers.add(pool.submit(() -> attempt(brokers, file)));
        }
        for (Future<String> answer : answers) {
            System.out.println(answer.get());
        }
        pool.shutdownNow();
    }

    private static String attempt(String brokers, Path file) {
        Properties properties = new Properties();
        try (var in = Files.newInputStream(file)) {
            properties.load(in);
            properties.put("bootstrap.servers", brokers);
            properties.put("default.api.timeout.ms", "30000");
            properties.put("request.timeout.ms", "25000");
            try (Admin admin = Admin.create(properties)) {
                admin.describeCluster().clusterId().get(8, TimeUnit.SECONDS);
            }
            return "in";
        } catch (Exception refused) {
            Throwable why = refused;
            while (why.getCause() != null) {
                why = why.getCause();
            }
            return "refused " + String.valueOf(why.getMessage()).replaceAll("\\s+", " ");
        }
    }
}
