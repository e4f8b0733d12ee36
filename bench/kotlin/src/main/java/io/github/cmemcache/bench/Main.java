package io.github.cmemcache.bench;

import java.io.IOException;
import java.io.InputStream;
import java.lang.management.ManagementFactory;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import org.openjdk.jmh.profile.GCProfiler;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;

/** Starts a memcached, measures every client on it, and writes docs/benchmarks/kotlin.md and kotlin.json. Run from the root. */
public final class Main {
    private static final int[] THREADS = {1, 8, 64};

    private Main() {}

    public static void main(String[] arguments) throws Exception {
        boolean quick = List.of(arguments).contains("--quick");
        // The load that others made before the first measurement; above 0.5 or so the lines are not to be trusted.
        double load = ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage();
        int port = freePort();
        Process memcached = startMemcached(port);
        try {
            List<RunResult> results = new ArrayList<>();
            for (int threads : THREADS) results.addAll(measure(port, threads, quick));
            Path folder = Files.createDirectories(Path.of("docs/benchmarks"));
            String machine = machine(port, quick, load);
            Files.writeString(folder.resolve("kotlin.md"), Report.markdown(results, machine));
            Files.writeString(folder.resolve("kotlin.json"), Report.json(results, machine));
            System.out.println(Report.markdown(results, machine));
        } finally {
            memcached.destroyForcibly().waitFor();
        }
    }

    private static Collection<RunResult> measure(int port, int threads, boolean quick) throws Exception {
        return new Runner(
                new OptionsBuilder()
                    .include(Clients.class.getSimpleName())
                    .param("port", Integer.toString(port))
                    .threads(threads)
                    .forks(quick ? 1 : 2)
                    .warmupIterations(quick ? 1 : 3)
                    .warmupTime(TimeValue.seconds(2))
                    .measurementIterations(quick ? 2 : 5)
                    .measurementTime(TimeValue.seconds(quick ? 1 : 2))
                    .addProfiler(GCProfiler.class)
                    .shouldFailOnError(true)
                    .jvmArgs("-Xms512m", "-Xmx512m")
                    .build())
            .run();
    }

    private static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
            return socket.getLocalPort();
        }
    }

    private static Process startMemcached(int port) throws Exception {
        List<String> command = new ArrayList<>(List.of("memcached", "-l", "127.0.0.1", "-p", "" + port, "-U", "0", "-t", "1"));
        if (System.getProperty("user.name").equals("root")) command.addAll(List.of("-u", "root"));
        Process process = new ProcessBuilder(command).inheritIO().start();
        for (int attempt = 0; attempt < 500 && process.isAlive(); attempt++) {
            try {
                version(port);
                return process;
            } catch (IOException notYet) {
                Thread.sleep(10);
            }
        }
        throw new IllegalStateException("memcached does not start");
    }

    private static String version(int port) throws IOException {
        try (Socket socket = new Socket("127.0.0.1", port)) {
            socket.getOutputStream().write("version\r\nquit\r\n".getBytes());
            InputStream reply = socket.getInputStream();
            return new String(reply.readAllBytes()).replace("VERSION", "memcached").trim();
        }
    }

    private static String machine(int port, boolean quick, double load) throws IOException {
        return "%s -t 1 on loopback, %d processors with a load of %.1f at the start, JDK %s, values of 100 bytes%s".formatted(
            version(port), Runtime.getRuntime().availableProcessors(), load, System.getProperty("java.version"),
            quick ? ", quick run" : "");
    }
}
