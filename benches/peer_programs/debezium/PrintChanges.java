import io.debezium.engine.ChangeEvent;
import io.debezium.engine.DebeziumEngine;
import io.debezium.engine.format.Json;
import java.io.BufferedOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.FileReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Properties;

/** Debezium's engine, which Debezium Server runs too, -> JSON lines on stdout. Argument: a properties file. */
public class PrintChanges {
    public static void main(String[] args) throws IOException {
        Properties properties = new Properties();
        try (FileReader file = new FileReader(args[0])) {
            properties.load(file);
        }
        var out = new BufferedOutputStream(new FileOutputStream(FileDescriptor.out), 1 << 16);
        DebeziumEngine<ChangeEvent<String, String>> engine = DebeziumEngine.create(Json.class)
            .using(properties)
            .using((success, message, error) -> {
                if (!success) System.err.println(message);
            })
            .notifying((changes, committer) -> {
                print(changes, out);
                for (var change : changes) committer.markProcessed(change);
                committer.markBatchFinished();
            })
            .build();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                engine.close();
            } catch (IOException error) {
                System.err.println(error);
            }
        }));
        engine.run();
    }

    private static void print(List<ChangeEvent<String, String>> changes, BufferedOutputStream out) {
        try {
            for (var change : changes) {
                out.write(change.value().getBytes(StandardCharsets.UTF_8));
                out.write('\n');
            }
            out.flush();
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }
}
